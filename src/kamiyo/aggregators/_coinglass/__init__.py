"""The private parts of the source ``coinglass``."""
