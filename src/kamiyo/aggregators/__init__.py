"""One file for each source: how it is read, and what its payloads mean."""
