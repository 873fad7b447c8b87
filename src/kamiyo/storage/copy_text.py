"""Rows as PostgreSQL's COPY text: the fastest way in that needs no code of the server's.

A row is its fields joined by tabs, in the order of its columns; each function here makes the field of one
kind of value. Numbers and what is made of letters and digits alone need none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from io import BytesIO

NULL = "\\N"

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_REMEMBERED = 4096


def escaped(value: str) -> str:
    """Any text. Asked for first, as a translation costs ten times the four searches."""
    special = "\\" in value or "\t" in value or "\n" in value or "\r" in value
    return value.translate(_ESCAPES) if special else value


# The same few names and phrases stand in thousands of rows.
name: Callable[[str], str] = lru_cache(maxsize=_REMEMBERED)(escaped)


def array(values: Sequence[str]) -> str:
    """A one-dimensional array of text."""
    if not values:
        return "{}"
    together = '","'.join(values)
    if together.isprintable() and "\\" not in together and together.count('"') == 2 * (len(values) - 1):
        return f'{{"{together}"}}'
    quoted = '","'.join([value.replace("\\", "\\\\").replace('"', '\\"') for value in values])
    return escaped(f'{{"{quoted}"}}')


# The same few combinations of names, too.
names: Callable[[tuple[str, ...]], str] = lru_cache(maxsize=_REMEMBERED)(array)


def lines(rows: Iterable[str]) -> BytesIO:
    """All rows, one a line, ready to be copied."""
    return BytesIO("\n".join([*rows, ""]).encode())
