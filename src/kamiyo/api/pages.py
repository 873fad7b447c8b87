"""The one shape of a list: rows, and how fresh and complete they are.

Cursors are opaque and outlive restarts.
"""

from __future__ import annotations

import base64
import binascii
import enum
from collections.abc import Sequence
from datetime import timedelta
from typing import TypeVar

import msgspec

from kamiyo.api.problems import FieldError, Refused
from kamiyo.core.time import EPOCH
from kamiyo.storage.read_rows import Place

_MICROSECOND = timedelta(microseconds=1)

R = TypeVar("R")


class Order(enum.StrEnum):
    """In which order of time a list comes."""

    ASCENDING = "asc"
    DESCENDING = "desc"


class SourceLine(msgspec.Struct, frozen=True):
    """A source of a dataset, as every answer about that dataset names it."""

    name: str
    label: str
    health: str
    heard_at: str | None
    last_event_at: str | None


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """What share of reality is shown, as far as it is known; None is not measured."""

    label: str
    measured_pct: str | None = None
    measured_at: str | None = None
    sources: Sequence[SourceLine]


class Freshness(msgspec.Struct, frozen=True):
    """How far an answer may be believed."""

    as_of: str
    stale: bool
    coverage: Coverage
    warnings: Sequence[str]


class ListMeta(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside the rows of a list."""

    count: int
    as_of: str
    stale: bool
    coverage: Coverage
    next_cursor: str | None
    has_more: bool
    warnings: Sequence[str]


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside data that is no list."""

    as_of: str
    stale: bool
    coverage: Coverage
    warnings: Sequence[str]


class _Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    dataset: str
    order: Order
    micros: int
    key: str


_decode = msgspec.json.Decoder(_Cursor).decode


def encode_page(
    rows: Sequence[tuple[Place, object]], limit: int, dataset: str, order: Order, known: Freshness
) -> bytes:
    """A page of at most ``limit`` rows; one row more than that says that there are more."""
    shown = rows[:limit]
    has_more = len(rows) > limit
    meta = ListMeta(
        count=len(shown),
        as_of=known.as_of,
        stale=known.stale,
        coverage=known.coverage,
        next_cursor=write_cursor(shown[-1][0], dataset, order) if has_more else None,
        has_more=has_more,
        warnings=known.warnings,
    )
    return msgspec.json.encode({"data": [row for _place, row in shown], "meta": meta})


def encode_data(data: object, known: Freshness) -> bytes:
    """Data that is no list, with the same words on freshness and coverage."""
    meta = Meta(as_of=known.as_of, stale=known.stale, coverage=known.coverage, warnings=known.warnings)
    return msgspec.json.encode({"data": data, "meta": meta})


def write_cursor(place: Place, dataset: str, order: Order) -> str:
    """A place in a list as text that means nothing to its reader."""
    micros = (place.timestamp - EPOCH) // _MICROSECOND
    content = msgspec.json.encode(_Cursor(dataset, order, micros, place.key))
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def read_cursor(text: str, dataset: str, order: Order) -> Place:
    """The place a cursor stands for; a problem if it was not given out for this list in this order."""
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        cursor = _decode(content)
        place = Place(EPOCH + cursor.micros * _MICROSECOND, cursor.key)
    except (ValueError, binascii.Error, msgspec.DecodeError, OverflowError) as error:
        raise _bad_cursor("it was not given out here") from error
    if cursor.dataset != dataset or "\0" in cursor.key:
        raise _bad_cursor("it belongs to another list")
    if cursor.order != order:
        raise _bad_cursor(f"it belongs to order={cursor.order}")
    return place


def _bad_cursor(reason: str) -> Refused:
    return Refused(
        400,
        "invalid_cursor",
        f"the cursor cannot be used: {reason}",
        errors=[FieldError("cursor", "invalid_cursor")],
    )
