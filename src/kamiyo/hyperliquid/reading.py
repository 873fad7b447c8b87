"""The venue's JSON read into values: numbers as text, and MalformedPayload for what cannot be read.

The venue writes decimal numbers as text, its documentation and some servers as JSON numbers. Both become
text: the first in one step, the second in a slower second reading that only an answer that needs it pays for.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import TypeVar, cast

import msgspec

from kamiyo.core.errors import MalformedPayload

T = TypeVar("T")

# A deep nesting is a RecursionError and a broken string a UnicodeDecodeError (a ValueError) of the decoder.
UNREADABLE = (msgspec.DecodeError, ValueError, RecursionError)

_MAX_EXPONENT = 24


def reader(kind: type[T]) -> Callable[[bytes | msgspec.Raw], T]:
    """A function that reads JSON as ``kind``; its text fields also take JSON numbers, kept exactly."""
    decode = msgspec.json.Decoder(kind).decode

    def read(content: bytes | msgspec.Raw) -> T:
        try:
            return decode(content)
        except msgspec.ValidationError as error:
            return _with_numbers(content, kind, error)
        except UNREADABLE as error:
            raise MalformedPayload(f"not readable: {error!s:.200}") from error

    return read


def plain_text(number: Decimal) -> str:
    """The number in plain digits; MalformedPayload where it is none or of no sane size."""
    # 1e400000 is nine bytes of JSON and 400,000 digits of text: only numbers of a sane size are written out.
    if not number.is_finite() or abs(number.adjusted()) > _MAX_EXPONENT:
        raise MalformedPayload(f"not a plain decimal number: {number!s:.64}", rule="not_a_number")
    return format(number, "f")


def _with_numbers(content: bytes | msgspec.Raw, kind: type[T], first: msgspec.ValidationError) -> T:
    try:
        return msgspec.convert(_as_text(_untyped.decode(content)), kind, strict=False)
    except UNREADABLE:  # what is wrong with it is what the first reading said
        raise MalformedPayload(f"not of the documented shape: {first!s:.200}") from first


def _float_text(literal: str) -> str:
    try:
        return plain_text(Decimal(literal))
    except InvalidOperation as error:  # an exponent of thousands of digits
        raise MalformedPayload(f"not a number: {literal:.64}", rule="not_a_number") from error


_untyped = msgspec.json.Decoder(float_hook=_float_text)


def _as_text(value: object) -> object:
    if type(value) is int:
        return str(value)
    if type(value) is list:
        return [_as_text(each) for each in cast("list[object]", value)]
    if type(value) is dict:
        return {key: _as_text(each) for key, each in cast("dict[str, object]", value).items()}
    return value
