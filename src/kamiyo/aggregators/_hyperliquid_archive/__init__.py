"""The private parts of the archive source."""
