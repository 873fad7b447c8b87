"""One row of an answer, field by field: numbers come as numbers or as text, and anything may be missing."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import Final, TypeAlias

import msgspec

from kamiyo.core.errors import MalformedPayload
from kamiyo.core.time import from_millis

Row: TypeAlias = dict[str, msgspec.Raw]

# As JSON writes numbers, an exponent included, and not so long that its plain digits would not end.
_NUMBER: Final = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?", re.ASCII)
_MILLIS: Final = re.compile(r"[0-9]{1,15}", re.ASCII)
_FINEST: Final = Decimal("1e-18")
_LARGEST: Final = 23  # the highest power of ten there is room for

_row = msgspec.json.Decoder(Row)
_text = msgspec.json.Decoder(str)


def read_row(content: bytes) -> Row:
    """A row's fields; MalformedPayload for what is no object."""
    try:
        return _row.decode(content)
    except msgspec.DecodeError as error:
        raise MalformedPayload(f"no row: {error}", rule="not_a_claim") from error


def text_of(row: Row, name: str) -> str | None:
    """A text; a number is taken as it is written. None where there is none."""
    content = _content(row, name)
    return content.strip() or None if content is not None else None


def needed_text(row: Row, name: str) -> str:
    """A text that must be there."""
    found = text_of(row, name)
    if found is None:
        raise MalformedPayload(f"{name} is missing", rule="not_a_claim")
    return found


def number_of(row: Row, name: str) -> Decimal | None:
    """A number, None where there is none; MalformedPayload for what is none."""
    text = text_of(row, name)
    if text is None:
        return None
    if _NUMBER.fullmatch(text) is None:
        raise MalformedPayload(f"{name} is no number: {text[:64]!r}", rule="not_a_number")
    return _plainly(Decimal(text), name)


def moment_of(row: Row, name: str) -> datetime | None:
    """A moment told in milliseconds, None where there is none."""
    text = text_of(row, name)
    if text is None:
        return None
    try:
        if _MILLIS.fullmatch(text):
            return from_millis(int(text))
    except OverflowError:
        pass
    raise MalformedPayload(f"{name} is no time in milliseconds: {text[:64]!r}", rule="not_milliseconds")


def needed_moment(row: Row, name: str) -> datetime:
    """A moment that must be there."""
    found = moment_of(row, name)
    if found is None:
        raise MalformedPayload(f"{name} is missing", rule="not_a_claim")
    return found


def _content(row: Row, name: str) -> str | None:
    content = bytes(row.get(name) or b"null")
    if content == b"null":
        return None
    if content.startswith((b"{", b"[", b"t", b"f")):
        raise MalformedPayload(f"{name} is neither text nor number", rule="not_a_claim")
    return _text.decode(content) if content.startswith(b'"') else content.decode()


def _plainly(number: Decimal, name: str) -> Decimal:
    """The number with as many digits as are kept: finer ones are of a computer's arithmetic."""
    exponent = number.as_tuple().exponent
    if number.adjusted() > _LARGEST:
        raise MalformedPayload(f"{name} has too many digits", rule="not_a_number")
    if isinstance(exponent, int) and exponent < _FINEST.adjusted():
        return number.quantize(_FINEST)
    return number
