"""The private parts of the source that reads the venue's public API."""
