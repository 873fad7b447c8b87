"""Measures what KAMIYO promises about speed, each time as a ratio to a peer in the same run."""
