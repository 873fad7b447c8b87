"""The venue's protocol, sans I/O: its messages, its rules, its addresses."""
