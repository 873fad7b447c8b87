"""Our values as JSON: the same text in the database's outbox, in REST and on the stream.

Decimals are plain-digit strings, times are RFC 3339 with milliseconds and ``Z``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import cast

import msgspec

from kamiyo.core.liquidations import LiquidationMetadata
from kamiyo.core.money import plain
from kamiyo.core.time import rfc3339

_encoder = msgspec.json.Encoder()
_metadata = msgspec.json.Decoder(LiquidationMetadata)


def jsonable(value: object) -> object:
    """A value of ours as plain data, every number and moment written as text."""
    plainly: object = value
    match value:
        case Decimal():
            plainly = plain(value)
        case datetime():
            plainly = rfc3339(value)
        case msgspec.Struct():
            plainly = {name: jsonable(getattr(value, name)) for name in value.__struct_fields__}
        case dict():
            plainly = {key: jsonable(each) for key, each in cast("Mapping[str, object]", value).items()}
        case tuple() | list() | frozenset():
            plainly = [jsonable(each) for each in cast("Iterable[object]", value)]
        case _:
            pass
    return plainly


def to_json(value: object) -> bytes:
    """A value of ours as JSON bytes."""
    return _encoder.encode(jsonable(value))


def parse_metadata(text: str | bytes) -> LiquidationMetadata:
    """A liquidation's metadata, as it was stored."""
    return _metadata.decode(text)
