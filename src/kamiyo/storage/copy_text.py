"""Rows as PostgreSQL's COPY text: the fastest way in that needs no code of the server's.

A row is made of fields by joining them with tabs, in the order of its columns; each function here makes
the field of one kind of value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from io import BytesIO

NULL = "\\N"

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_REMEMBERED = 4096

moment: Callable[[datetime], str] = lru_cache(maxsize=_REMEMBERED)(datetime.isoformat)


def escaped(value: str) -> str:
    """Any text. Asked for first, as a translation costs ten times the four searches."""
    special = "\\" in value or "\t" in value or "\n" in value or "\r" in value
    return value.translate(_ESCAPES) if special else value


# The same few names and phrases stand in thousands of rows.
name: Callable[[str], str] = lru_cache(maxsize=_REMEMBERED)(escaped)


def number_or_null(value: Decimal | None) -> str:
    """A number, or NULL where it is unknown."""
    return NULL if value is None else str(value)


def name_or_null(value: str | None) -> str:
    """A short text that comes again and again, or NULL."""
    return NULL if value is None else name(value)


def array(values: Sequence[str]) -> str:
    """A one-dimensional array of text."""
    if not values:
        return "{}"
    together = '","'.join(values)
    if together.isprintable() and "\\" not in together and together.count('"') == 2 * (len(values) - 1):
        return f'{{"{together}"}}'
    quoted = '","'.join([value.replace("\\", "\\\\").replace('"', '\\"') for value in values])
    return escaped(f'{{"{quoted}"}}')


def row(*fields: str) -> str:
    """A row's fields as one line."""
    return "\t".join(fields)


def lines(rows: Iterable[str]) -> BytesIO:
    """All rows, one a line, ready to be copied."""
    return BytesIO("\n".join([*rows, ""]).encode())
