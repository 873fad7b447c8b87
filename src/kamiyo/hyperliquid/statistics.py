"""The venue's statistics files: who is large, who was liquidated most, and how much was liquidated each day.

They are large (the leaderboard has 40 MB) and made for a page, so a row that cannot be read is counted and
left out, and of a row only what is needed is read. Their numbers may be JSON numbers; they are kept exactly.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Generic, TypeVar

import msgspec

from kamiyo.core.errors import MalformedPayload
from kamiyo.core.ids import Address, Asset, parse_address, parse_asset
from kamiyo.core.money import Usd, parse_decimal
from kamiyo.hyperliquid.reading import UNREADABLE, plain_text

LARGEST_DOCUMENT: Final = 128 << 20

T = TypeVar("T")
R = TypeVar("R")


class RankedUser(msgspec.Struct, frozen=True, gc=False):
    """An account and the USD it is ranked by."""

    user: Address
    amount_usd: Usd


class DailyLiquidations(msgspec.Struct, frozen=True, gc=False):
    """What was liquidated of an asset on one day (UTC), in USD."""

    day: date
    asset: Asset
    amount_usd: Usd


class Extent(msgspec.Struct, frozen=True):
    """How many rows a file has, and how many of those that were looked at could not be read."""

    rows: int
    unreadable: int


def largest_accounts(content: bytes, limit: int) -> tuple[list[RankedUser], Extent]:
    """The ``limit`` accounts of the leaderboard with the largest value, the largest first."""
    return _largest(*_LEADERBOARD.read(content), limit)


def largest_liquidated(content: bytes, limit: int) -> tuple[list[RankedUser], Extent]:
    """The ``limit`` accounts of which most was liquidated, in USD, the largest first."""
    return _largest(*_TABLE.read(content), limit)


def daily_liquidations(content: bytes, since: date) -> tuple[list[DailyLiquidations], Extent]:
    """What was liquidated of each asset on each day from ``since`` on."""
    rows, extent = _CHART.read(content)
    return _understood([row for row in rows if row.time.date() >= since], _liquidations, extent)


# --- documents ----------------------------------------------------------------------------------------------


class _Named(msgspec.Struct, frozen=True, gc=False):
    name: str
    value: Decimal


class _Leader(_Named, frozen=True, gc=False, rename={"name": "ethAddress", "value": "accountValue"}):
    name: str
    value: Decimal


class _Day(msgspec.Struct, frozen=True, gc=False):
    time: datetime
    coin: str
    daily_notional_liquidated: Decimal


_undecoded = msgspec.json.Decoder(dict[str, msgspec.Raw])
_undecoded_rows = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True, slots=True)
class _Document(Generic[T]):
    """A file with one list; the whole of it is read at once unless one of its rows is bad."""

    key: str
    whole: msgspec.json.Decoder[dict[str, list[T]]]
    row: msgspec.json.Decoder[T]

    def read(self, content: bytes) -> tuple[list[T], Extent]:
        if len(content) > LARGEST_DOCUMENT:
            raise MalformedPayload(f"a document of {len(content)} bytes", rule="document_too_large")
        try:
            rows = self.whole.decode(content)[self.key]
        except (msgspec.ValidationError, UnicodeDecodeError, KeyError):
            return self._read_each(content)
        except UNREADABLE as error:
            raise MalformedPayload(f"not readable: {error!s:.200}") from error
        return rows, Extent(rows=len(rows), unreadable=0)

    def _read_each(self, content: bytes) -> tuple[list[T], Extent]:
        try:
            rows = _undecoded_rows.decode(_undecoded.decode(content)[self.key])
        except (*UNREADABLE, KeyError) as error:
            raise MalformedPayload(f"no {self.key}: {error!s:.200}") from error
        return _understood(rows, self._row, Extent(rows=len(rows), unreadable=0))

    def _row(self, content: msgspec.Raw) -> T:
        try:
            return self.row.decode(content)
        except UNREADABLE as error:
            raise MalformedPayload(f"not readable: {error!s:.200}") from error


_LEADERBOARD = _Document(
    "leaderboardRows", msgspec.json.Decoder(dict[str, list[_Leader]]), msgspec.json.Decoder(_Leader)
)
_TABLE = _Document("table_data", msgspec.json.Decoder(dict[str, list[_Named]]), msgspec.json.Decoder(_Named))
_CHART = _Document("chart_data", msgspec.json.Decoder(dict[str, list[_Day]]), msgspec.json.Decoder(_Day))


# --- rows ---------------------------------------------------------------------------------------------------


def _largest(rows: Sequence[_Named], extent: Extent, limit: int) -> tuple[list[RankedUser], Extent]:
    finite = [row for row in rows if row.value.is_finite()]  # what is not has no place in an order
    lost = Extent(rows=extent.rows, unreadable=extent.unreadable + len(rows) - len(finite))
    return _understood(heapq.nlargest(limit, finite, key=lambda row: row.value), _ranked, lost)


def _understood(rows: Sequence[R], read: Callable[[R], T], extent: Extent) -> tuple[list[T], Extent]:
    found: list[T] = []
    for row in rows:
        try:
            found.append(read(row))
        except MalformedPayload:
            continue
    unreadable = extent.unreadable + len(rows) - len(found)
    return found, Extent(rows=extent.rows, unreadable=unreadable)


def _ranked(row: _Named) -> RankedUser:
    return RankedUser(parse_address(row.name), _usd(row.value))


def _liquidations(row: _Day) -> DailyLiquidations:
    return DailyLiquidations(row.time.date(), parse_asset(row.coin), _usd(row.daily_notional_liquidated))


def _usd(number: Decimal) -> Usd:
    return Usd(parse_decimal(plain_text(number)))
