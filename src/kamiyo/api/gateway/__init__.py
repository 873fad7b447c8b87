"""What every request passes: one boundary, and the cache of answers."""
