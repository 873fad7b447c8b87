"""Read liquidations back for people: pages of the list, and one with its fills."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from kamiyo.core.events import LiquidationMethod
from kamiyo.core.margin import Direction
from kamiyo.core.time import from_millis
from kamiyo.storage.pool import Connection
from kamiyo.storage.read_rows import (
    Condition,
    FillText,
    LiquidationMetadataText,
    LiquidationText,
    Place,
    as_digits,
    as_moment,
    beyond,
    given,
    where,
)

_ID = re.compile(r"([0-9]{13,15})-[0-9a-f]{24}", re.ASCII)

_COLUMNS = f"""
liquidation_id, chain, protocol, "user", asset, side, method, {as_digits("size")},
{as_digits("liquidation_price")}, {as_digits("mark_price")}, {as_digits("amount_usd")},
{as_digits("leverage")}, margin_mode, fill_count, {as_moment("timestamp")}, source, observed_by, version,
metadata
"""
_PAGE = """
SELECT timestamp AS place, {columns} FROM liquidations WHERE {condition}
ORDER BY timestamp {order}, liquidation_id {order} LIMIT {limit}
"""
_ONE = f"SELECT {_COLUMNS} FROM liquidations WHERE timestamp = $1 AND liquidation_id = $2"  # noqa: S608
_FILLS = f"""
SELECT asset, tid, "user", side, method, {as_digits("price")}, {as_digits("size")}, {as_digits("mark_price")},
    {as_moment("timestamp")}, hash, role, liquidated_user, direction_text, margin_mode,
    {as_digits("closed_pnl")}, {as_digits("fee")}, {as_digits("position_size_before")}, counterparty, source,
    observations
FROM liquidation_fills
WHERE chain = $1 AND protocol = $2 AND timestamp = $3 AND liquidation_id = $4 ORDER BY asset, tid
"""  # noqa: S608
_metadata = msgspec.json.Decoder(LiquidationMetadataText)


class LiquidationFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which liquidations are asked for; ``end`` is exclusive, ``source`` is one that saw them."""

    start: datetime | None = None
    end: datetime | None = None
    asset: str | None = None
    protocol: str | None = None
    chain: str | None = None
    side: Direction | None = None
    user: str | None = None
    method: LiquidationMethod | None = None
    min_usd: Decimal | None = None
    source: str | None = None


async def read_liquidations(
    connection: Connection, wanted: LiquidationFilter, *, past: Place | None, limit: int, descending: bool
) -> list[tuple[Place, LiquidationText]]:
    """One page in the order of ``(timestamp, liquidation_id)``, each row with its place."""
    conditions = [*_conditions(wanted), *beyond(past, "liquidation_id", descending=descending)]
    condition, values = where(conditions)
    statement = _PAGE.format(
        columns=_COLUMNS, condition=condition, order="DESC" if descending else "ASC", limit=limit
    )
    rows = await connection.fetch(statement, *values)
    return [(Place(row[0], row[1]), _liquidation(row[1:])) for row in rows]


async def read_liquidation(connection: Connection, identity: str) -> LiquidationText | None:
    """The liquidation with this id; the milliseconds at its front say which month holds it."""
    moment = moment_of(identity)
    row = None if moment is None else await connection.fetchrow(_ONE, moment, identity)
    return None if row is None else _liquidation(tuple(row))


async def read_fills(connection: Connection, liquidation: LiquidationText) -> list[FillText]:
    """All fills of a liquidation, in the order of the venue's trade ids."""
    rows = await connection.fetch(
        _FILLS,
        liquidation.chain,
        liquidation.protocol,
        moment_of(liquidation.liquidation_id),
        liquidation.liquidation_id,
    )
    return [FillText(*row) for row in rows]


def moment_of(identity: str) -> datetime | None:
    """The time a liquidation's id begins with; None for a text that is no id."""
    match = _ID.fullmatch(identity)
    try:
        return None if match is None else from_millis(int(match[1]))
    except OverflowError:
        return None


def _conditions(wanted: LiquidationFilter) -> list[Condition]:
    return [
        *given("timestamp >= {}", wanted.start),
        *given("timestamp < {}", wanted.end),
        *given("asset = {}", wanted.asset),
        *given("protocol = {}", wanted.protocol),
        *given("chain = {}", wanted.chain),
        *given("side = {}", wanted.side),
        *given('"user" = {}', wanted.user),
        *given("method = {}", wanted.method),
        *given("amount_usd >= {}", wanted.min_usd),
        *given("{} = ANY(observed_by)", wanted.source),
    ]


def _liquidation(row: Sequence[Any]) -> LiquidationText:
    columns: list[Any] = [*row[:-1], _metadata.decode(row[-1])]
    return LiquidationText(*columns)
