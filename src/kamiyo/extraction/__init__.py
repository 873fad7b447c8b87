"""From the words of a post or a table's cell to what it says happened: rules, tables and no I/O."""

from kamiyo.extraction.post import Reading, read_post

__all__ = ["Reading", "read_post"]
