"""Rows as PostgreSQL's COPY text: the fastest way in that needs no code of the server's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from io import BytesIO

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_NULL = "\\N"

Value = str | int | Decimal | datetime | None | Sequence[str]


def field(value: Value) -> str:
    """One value as COPY text: NULL, escaped text, a number, a moment, or an array of text."""
    match value:
        case None:
            text = _NULL
        case str():
            text = value.translate(_ESCAPES)
        case int() | Decimal():
            text = str(value)
        case datetime():
            text = value.isoformat()
        case _:
            text = array(value)
    return text


def array(values: Sequence[str]) -> str:
    """A one-dimensional array of text."""
    quoted = ('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values)
    return ("{" + ",".join(quoted) + "}").translate(_ESCAPES)


def rows(values: Iterable[Sequence[Value]]) -> BytesIO:
    """All rows, one a line, ready to be copied."""
    return BytesIO("".join(["\t".join(map(field, row)) + "\n" for row in values]).encode())
