"""The one-way street: read, normalize, deduplicate, validate, store, tell."""
