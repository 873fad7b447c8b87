"""The HTTP interface: what is stored, told to people and programs with how far it may be believed."""
