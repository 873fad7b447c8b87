"""Our values as JSON: the same text in the database's outbox, in REST and on the stream.

Decimals are plain-digit strings, times are RFC 3339 with milliseconds and ``Z``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from kamiyo.core.liquidations import Liquidation, LiquidationMetadata
from kamiyo.core.money import plain
from kamiyo.core.time import rfc3339

_encoder = msgspec.json.Encoder()
_metadata = msgspec.json.Decoder(LiquidationMetadata)

# Text and counts alone; in a cascade thousands come at once.
_PLAIN_ALREADY = (Liquidation, LiquidationMetadata)

_Convert = Callable[[Any], object]


def jsonable(value: object) -> object:
    """A value of ours as plain data, every number and moment written as text."""
    convert = _conversions[type(value)]
    return value if convert is None else convert(value)


def to_json(value: object) -> bytes:
    """A value of ours as JSON bytes."""
    return _encoder.encode(value if type(value) in _PLAIN_ALREADY else jsonable(value))


def parse_metadata(text: str | bytes) -> LiquidationMetadata:
    """A liquidation's metadata, as it was stored."""
    return _metadata.decode(text)


class _Conversions(dict[type, _Convert | None]):
    """How values of each type become plain data, found out once; None where they are that already."""

    def __missing__(self, kind: type) -> _Convert | None:
        known: tuple[tuple[type | tuple[type, ...], _Convert], ...] = (
            (Decimal, plain),
            (datetime, rfc3339),
            (msgspec.Struct, _struct),
            (dict, _mapping),
            ((tuple, list, frozenset), _list),
        )
        self[kind] = next((convert for base, convert in known if issubclass(kind, base)), None)
        return self[kind]


_conversions = _Conversions()


def _struct(value: msgspec.Struct) -> dict[str, object]:
    plainly = msgspec.structs.asdict(value)
    for name, each in plainly.items():
        convert = _conversions[type(each)]
        if convert is not None:
            plainly[name] = convert(each)
    return plainly


def _mapping(value: Mapping[str, object]) -> dict[str, object]:
    return {key: jsonable(each) for key, each in value.items()}


def _list(value: Iterable[object]) -> list[object]:
    return [jsonable(each) for each in value]
