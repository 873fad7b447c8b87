"""Redis: the only package that speaks it, for what may be lost."""
