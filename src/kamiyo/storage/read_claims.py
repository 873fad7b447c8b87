"""Read the claims of others back for people: orders, totals and positions, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Generic, TypeVar

import msgspec

from kamiyo.core.claims import ClaimedAction
from kamiyo.core.margin import Direction
from kamiyo.storage.pool import Connection
from kamiyo.storage.read_rows import Condition, Place, as_digits, as_moment, given, where

T = TypeVar("T", bound=msgspec.Struct)

_CLAIM_COLUMNS = f"""
claim_id, source, exchange, pair, asset, side, {as_digits("price")}, {as_digits("amount_usd")},
{as_moment("timestamp")}, ordinal
"""
_TOTAL_COLUMNS = f"""
total_id, source, exchange, asset, {as_moment("start")}, window_seconds, rolling,
observed_at >= start + make_interval(secs => window_seconds), {as_digits("long_usd")},
{as_digits("short_usd")}, {as_digits("total_usd")}, {as_moment("observed_at")}
"""
_POSITION_COLUMNS = f"""
position_id, source, "user", asset, action, side, {as_digits("size")}, {as_digits("value_usd")},
{as_digits("entry_price")}, {as_digits("mark_price")}, {as_digits("liquidation_price")},
{as_digits("leverage")}, margin_mode, {as_digits("margin_usd")}, {as_digits("unrealized_pnl_usd")},
{as_digits("funding_usd")}, {as_moment("opened_at")}, {as_moment("timestamp")}
"""
_EVERYTHING = "all"  # how the totals of all exchanges, or of all assets, are asked for


class ClaimText(msgspec.Struct, frozen=True, gc=False):
    """``Claim``, as text."""

    claim_id: str
    source: str
    exchange: str
    pair: str
    asset: str
    side: str | None
    price: str | None
    amount_usd: str | None
    timestamp: str
    ordinal: int


class ClaimedTotalText(msgspec.Struct, frozen=True, gc=False):
    """``ClaimedTotal``, as text."""

    total_id: str
    source: str
    exchange: str | None
    asset: str | None
    start: str
    window_seconds: int
    rolling: bool
    complete: bool
    long_usd: str | None
    short_usd: str | None
    total_usd: str | None
    observed_at: str


class ClaimedPositionText(msgspec.Struct, frozen=True, gc=False):
    """``ClaimedPosition``, as text."""

    position_id: str
    source: str
    user: str
    asset: str
    action: str
    side: str | None
    size: str | None
    value_usd: str | None
    entry_price: str | None
    mark_price: str | None
    liquidation_price: str | None
    leverage: str | None
    margin_mode: str | None
    margin_usd: str | None
    unrealized_pnl_usd: str | None
    funding_usd: str | None
    opened_at: str | None
    timestamp: str


class ClaimFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which claims of orders are asked for; ``end`` is exclusive."""

    start: datetime | None = None
    end: datetime | None = None
    asset: str | None = None
    exchange: str | None = None
    side: Direction | None = None
    min_usd: Decimal | None = None
    source: str | None = None


class ClaimedTotalFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which totals are asked for, by when their windows begin; ``all`` are those of all together."""

    start: datetime | None = None
    end: datetime | None = None
    asset: str | None = None
    exchange: str | None = None
    window_seconds: int | None = None
    rolling: bool | None = None
    min_usd: Decimal | None = None
    source: str | None = None


class ClaimedPositionFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which positions are asked for; ``end`` is exclusive."""

    start: datetime | None = None
    end: datetime | None = None
    asset: str | None = None
    user: str | None = None
    side: Direction | None = None
    action: ClaimedAction | None = None
    min_usd: Decimal | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class _Table(Generic[T]):
    """A table in the order of a moment and an id."""

    name: str
    kind: type[T]
    columns: str
    moment: str
    key: str
    amount: str

    def conditions(self, wanted: ClaimFilter | ClaimedTotalFilter | ClaimedPositionFilter) -> list[Condition]:
        return [
            *given(f"{self.moment} >= {{}}", wanted.start),
            *given(f"{self.moment} < {{}}", wanted.end),
            *given(f"{self.amount} >= {{}}", wanted.min_usd),
            *given("source = {}", wanted.source),
        ]


_CLAIMS = _Table("claims", ClaimText, _CLAIM_COLUMNS, "timestamp", "claim_id", "amount_usd")
_TOTALS = _Table("claimed_totals", ClaimedTotalText, _TOTAL_COLUMNS, "start", "total_id", "total_usd")
_POSITIONS = _Table(
    "claimed_positions", ClaimedPositionText, _POSITION_COLUMNS, "timestamp", "position_id", "value_usd"
)


async def read_claims(
    connection: Connection, wanted: ClaimFilter, *, past: Place | None, limit: int, descending: bool
) -> list[tuple[Place, ClaimText]]:
    """One page of orders in the order of ``(timestamp, claim_id)``, each row with its place."""
    conditions = [
        *_CLAIMS.conditions(wanted),
        *given("asset = {}", wanted.asset),
        *given("exchange = {}", wanted.exchange),
        *given("side = {}", wanted.side),
    ]
    return await _page(connection, _CLAIMS, conditions, past, limit=limit, descending=descending)


async def read_claimed_totals(
    connection: Connection, wanted: ClaimedTotalFilter, *, past: Place | None, limit: int, descending: bool
) -> list[tuple[Place, ClaimedTotalText]]:
    """The same of totals, in the order of ``(start, total_id)``."""
    conditions = [
        *_TOTALS.conditions(wanted),
        *_of("asset", wanted.asset),
        *_of("exchange", wanted.exchange),
        *given("window_seconds = {}", wanted.window_seconds),
        *given("rolling = {}", wanted.rolling),
    ]
    return await _page(connection, _TOTALS, conditions, past, limit=limit, descending=descending)


async def read_claimed_positions(
    connection: Connection,
    wanted: ClaimedPositionFilter,
    *,
    past: Place | None,
    limit: int,
    descending: bool,
) -> list[tuple[Place, ClaimedPositionText]]:
    """The same of positions."""
    conditions = [
        *_POSITIONS.conditions(wanted),
        *given("asset = {}", wanted.asset),
        *given('"user" = {}', wanted.user),
        *given("side = {}", wanted.side),
        *given("action = {}", wanted.action),
    ]
    return await _page(connection, _POSITIONS, conditions, past, limit=limit, descending=descending)


def _of(column: str, name: str | None) -> list[Condition]:
    return [(f"{column} IS NULL", ())] if name == _EVERYTHING else given(f"{column} = {{}}", name)


async def _page(
    connection: Connection,
    table: _Table[T],
    conditions: Sequence[Condition],
    past: Place | None,
    *,
    limit: int,
    descending: bool,
) -> list[tuple[Place, T]]:
    sign = "<" if descending else ">"
    after = (
        []
        if past is None
        else [(f"({table.moment}, {table.key}) {sign} ({{}}, {{}})", (past.timestamp, past.key))]
    )
    condition, values = where([*conditions, *after])
    order = "DESC" if descending else "ASC"
    rows = await connection.fetch(
        f"SELECT {table.moment}, {table.columns} FROM {table.name} WHERE {condition} "  # noqa: S608
        f"ORDER BY {table.moment} {order}, {table.key} {order} LIMIT {limit}",
        *values,
    )
    return [(Place(row[0], row[1]), table.kind(*tuple(row)[1:])) for row in rows]
