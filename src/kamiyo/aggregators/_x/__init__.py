"""The parts of the source of X: its ids, its answers, its limits and what they cost."""
