"""The one shape of a list: rows, and how fresh and complete they are.

Cursors are opaque and outlive restarts.
"""

from __future__ import annotations

import base64
import binascii
import enum
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import TypeVar

import msgspec

from kamiyo.api.problems import FieldError, Refused
from kamiyo.core.modes import Showing
from kamiyo.core.time import EPOCH
from kamiyo.storage.read_rows import Place, Rank

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
    mode: str
    recording: str | None
    as_of: str
    stale: bool
    coverage: Coverage
    next_cursor: str | None
    has_more: bool
    warnings: Sequence[str]


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside data that is no list."""

    mode: str
    recording: str | None
    as_of: str
    stale: bool
    coverage: Coverage
    warnings: Sequence[str]


class PageOf(msgspec.Struct, frozen=True):
    """Which list a page is of, in which order, and how many rows it may have."""

    dataset: str
    order: Order
    limit: int


class _Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    dataset: str
    order: Order
    micros: int
    key: str


class _RankCursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    dataset: str
    order: Order
    number: str
    keys: list[str]


_decode = msgspec.json.Decoder(_Cursor).decode
_decode_rank = msgspec.json.Decoder(_RankCursor).decode
_RANK_NUMBER = re.compile(r"-?([0-9]{1,50}(\.[0-9]{1,50})?|Infinity)", re.ASCII)


def build_page(
    rows: Sequence[tuple[Place | Rank, R]], page: PageOf, known: Freshness, showing: Showing
) -> tuple[list[R], ListMeta]:
    """A page of the rows; one row more than it may have says that there are more."""
    shown = rows[: page.limit]
    has_more = len(rows) > page.limit
    meta = ListMeta(
        count=len(shown),
        mode=showing.mode,
        recording=showing.recording,
        as_of=known.as_of,
        stale=known.stale,
        coverage=known.coverage,
        next_cursor=write_cursor(shown[-1][0], page.dataset, page.order) if has_more else None,
        has_more=has_more,
        warnings=known.warnings,
    )
    return [row for _place, row in shown], meta


def encode_page(
    rows: Sequence[tuple[Place | Rank, object]], page: PageOf, known: Freshness, showing: Showing
) -> bytes:
    """The same as bytes."""
    data, meta = build_page(rows, page, known, showing)
    return msgspec.json.encode({"data": data, "meta": meta})


def encode_data(data: object, known: Freshness, showing: Showing) -> bytes:
    """Data that is no list, with the same words on mode, freshness and coverage."""
    meta = Meta(
        mode=showing.mode,
        recording=showing.recording,
        as_of=known.as_of,
        stale=known.stale,
        coverage=known.coverage,
        warnings=known.warnings,
    )
    return msgspec.json.encode({"data": data, "meta": meta})


def write_cursor(place: Place | Rank, dataset: str, order: Order) -> str:
    """A place in a list as text that means nothing to its reader."""
    if isinstance(place, Rank):
        return _pack(_RankCursor(dataset, order, place.number, list(place.keys)))
    micros = (place.timestamp - EPOCH) // _MICROSECOND
    return _pack(_Cursor(dataset, order, micros, place.key))


def read_cursor(text: str, dataset: str, order: Order) -> Place:
    """The place a cursor stands for; a problem if it was not given out for this list in this order."""
    try:
        cursor = _decode(_unpack(text))
        place = Place(EPOCH + cursor.micros * _MICROSECOND, cursor.key)
    except (ValueError, binascii.Error, msgspec.DecodeError, OverflowError) as error:
        raise _bad_cursor("it was not given out here") from error
    _check(cursor, "\0" in cursor.key, dataset, order)
    return place


def read_rank(text: str, dataset: str, order: Order, *, keys: int) -> Rank:
    """The same for a list in the order of a number, where ``keys`` texts tell rows of one number apart."""
    try:
        cursor = _decode_rank(_unpack(text))
    except (ValueError, binascii.Error, msgspec.DecodeError) as error:
        raise _bad_cursor("it was not given out here") from error
    foreign = len(cursor.keys) != keys or _RANK_NUMBER.fullmatch(cursor.number) is None
    _check(cursor, foreign or "\0" in "".join(cursor.keys), dataset, order)
    return Rank(cursor.number, tuple(cursor.keys))


def _pack(cursor: _Cursor | _RankCursor) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(cursor)).rstrip(b"=").decode()


def _unpack(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _check(cursor: _Cursor | _RankCursor, foreign: bool, dataset: str, order: Order) -> None:  # noqa: FBT001
    if foreign or cursor.dataset != dataset:
        raise _bad_cursor("it belongs to another list")
    if cursor.order != order:
        raise _bad_cursor(f"it belongs to order={cursor.order}")


def _bad_cursor(reason: str) -> Refused:
    return Refused(
        400,
        "invalid_cursor",
        f"the cursor cannot be used: {reason}",
        errors=[FieldError("cursor", "invalid_cursor")],
    )
