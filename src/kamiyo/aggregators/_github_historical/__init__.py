"""The venue's files of early 2023: how their rows are cut, what they say, and what in them is suspicious."""
