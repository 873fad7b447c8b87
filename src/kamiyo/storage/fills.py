"""Store liquidated fills and fold them into liquidations: the same rows whoever saw what in which order.

Writers of one hour of one chain take turns (an advisory lock taken before anything is written), so a
fold always sees every committed fill of its liquidation, and the order of transaction ids is the order
of versions. What was known already costs one look-up and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import asyncpg
import msgspec

from kamiyo.core.codec import to_json
from kamiyo.core.events import FillRole, LiquidatedFill, LiquidationMethod, MarginMode
from kamiyo.core.ids import Address, Asset, Chain, LiquidationId, SourceName, TransactionHash
from kamiyo.core.liquidations import (
    FillKey,
    Liquidation,
    ObservedFill,
    fill_key,
    fold,
    liquidation_id,
    merge,
    merge_all,
    observe,
)
from kamiyo.core.margin import Direction
from kamiyo.core.markets import protocol_of
from kamiyo.core.money import Price, Size, Usd
from kamiyo.core.time import to_millis
from kamiyo.storage.copy_text import Value, rows
from kamiyo.storage.pool import Connection

_HOUR_MILLIS = 3_600_000
_CHUNK = 5_000

_FILL_COLUMNS = (
    "chain", "protocol", "timestamp", "liquidation_id", "asset", "tid", "user", "side", "method",
    "price", "size", "mark_price", "source", "hash", "role", "liquidated_user", "direction_text",
    "margin_mode", "closed_pnl", "fee", "position_size_before", "observations",
)  # fmt: skip
_LIQUIDATION_COLUMNS = (
    "chain", "protocol", "timestamp", "liquidation_id", "user", "asset", "side", "method", "size",
    "liquidation_price", "mark_price", "amount_usd", "leverage", "margin_mode", "fill_count", "source",
    "observed_by", "version", "metadata",
)  # fmt: skip


def _names(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)


def _excluded(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}" = excluded."{column}"' for column in columns)


_STAGING = """
CREATE TEMP TABLE IF NOT EXISTS staged_fills (LIKE liquidation_fills) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS staged_liquidations (LIKE liquidations) ON COMMIT DELETE ROWS;
ALTER TABLE staged_fills ALTER recorded_at DROP NOT NULL;
ALTER TABLE staged_liquidations ALTER recorded_at DROP NOT NULL
"""
_LOCK_HOUR = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
_INSERT_FILLS = f"""
WITH inserted AS (
    INSERT INTO liquidation_fills ({_names(_FILL_COLUMNS)}) SELECT {_names(_FILL_COLUMNS)} FROM staged_fills
    ON CONFLICT DO NOTHING RETURNING liquidation_id)
SELECT liquidation_id, count(*)::int AS fills FROM inserted GROUP BY liquidation_id
"""
_OUTDATED_FILLS = """
SELECT f.* FROM staged_fills s JOIN liquidation_fills f
    USING (chain, protocol, timestamp, liquidation_id, asset, tid)
WHERE NOT f.observations @> s.observations
"""
_REPLACE_FILLS = f"""
INSERT INTO liquidation_fills ({_names(_FILL_COLUMNS)}) SELECT {_names(_FILL_COLUMNS)} FROM staged_fills
ON CONFLICT (chain, protocol, timestamp, liquidation_id, asset, tid)
DO UPDATE SET {_excluded(_FILL_COLUMNS[6:])}
"""
_INSERT_LIQUIDATIONS = f"""
WITH inserted AS (
    INSERT INTO liquidations ({_names(_LIQUIDATION_COLUMNS)})
    SELECT {_names(_LIQUIDATION_COLUMNS)} FROM staged_liquidations
    ON CONFLICT DO NOTHING RETURNING liquidation_id)
SELECT s.liquidation_id FROM staged_liquidations s LEFT JOIN inserted i USING (liquidation_id)
WHERE i.liquidation_id IS NULL
"""
_REPLACE_LIQUIDATIONS = f"""
INSERT INTO liquidations ({_names(_LIQUIDATION_COLUMNS)})
SELECT {_names(_LIQUIDATION_COLUMNS)} FROM staged_liquidations
ON CONFLICT (chain, protocol, timestamp, liquidation_id)
DO UPDATE SET {_excluded(_LIQUIDATION_COLUMNS[4:])}, recorded_at = now()
"""
_FILLS_OF = """
SELECT f.* FROM liquidation_fills f
JOIN unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[])
    AS wanted (chain, protocol, timestamp, liquidation_id)
    USING (chain, protocol, timestamp, liquidation_id)
"""


class StoredFills(msgspec.Struct, frozen=True):
    """What storing changed: how many fills were new, and every liquidation that is new or became another."""

    new_fills: int
    liquidations: tuple[Liquidation, ...]


async def store_fills(connection: Connection, fills: Sequence[LiquidatedFill]) -> StoredFills:
    """Store fills and the liquidations they belong to, within the caller's transaction.

    Call it before anything else is written in that transaction: the locks must come first.
    """
    if not fills:
        return StoredFills(0, ())
    await _lock_hours(connection, fills)
    await connection.execute(_STAGING)
    observed = merge_all((_key(fill), observe(fill)) for fill in fills)
    new_fills, changed = await _store_observed(connection, observed)
    return StoredFills(new_fills, await _store_folds(connection, observed, changed))


def fill_from_row(row: asyncpg.Record | Mapping[str, object]) -> ObservedFill:
    """A stored fill as the value it was."""
    record = msgspec.convert(dict(row), _FillRow, strict=False)
    return ObservedFill(fill=record.as_fill(), observations=frozenset(record.observations))


class _FillRow(msgspec.Struct, frozen=True, kw_only=True):
    chain: Chain
    asset: Asset
    user: Address
    side: Direction
    method: LiquidationMethod
    price: Price
    size: Size
    mark_price: Price
    timestamp: datetime
    source: SourceName
    hash: TransactionHash | None
    tid: int
    role: FillRole
    liquidated_user: Address
    direction_text: str
    margin_mode: MarginMode | None
    closed_pnl: Usd | None
    fee: Usd | None
    position_size_before: Size | None
    observations: list[str]

    def as_fill(self) -> LiquidatedFill:
        names = LiquidatedFill.__struct_fields__
        return LiquidatedFill(**{name: getattr(self, name) for name in names})


def _key(fill: LiquidatedFill) -> FillKey:
    return fill_key(liquidation_id(fill), fill)


async def _lock_hours(connection: Connection, fills: Iterable[LiquidatedFill]) -> None:
    hours = sorted({f"{fill.chain}/{to_millis(fill.timestamp) // _HOUR_MILLIS}" for fill in fills})
    for hour in hours:  # in one order for everybody, so that two writers never wait for each other
        await connection.execute(_LOCK_HOUR, f"liquidations/{hour}")


async def _store_observed(
    connection: Connection, observed: dict[FillKey, ObservedFill]
) -> tuple[int, frozenset[LiquidationId]]:
    """Insert what is new, merge what says something new of a known fill; which liquidations that touched."""
    new, changed = 0, set[LiquidationId]()
    items = list(observed.items())
    for chunk in (items[at : at + _CHUNK] for at in range(0, len(items), _CHUNK)):
        await _stage(
            connection, "staged_fills", _FILL_COLUMNS, [_fill_values(key, fill) for key, fill in chunk]
        )
        inserted = await connection.fetch(_INSERT_FILLS)
        count = sum(row["fills"] for row in inserted)
        new += count
        changed.update(row["liquidation_id"] for row in inserted)
        if count < len(chunk):
            changed.update(await _merge_outdated(connection, observed))
        await connection.execute("TRUNCATE staged_fills")
    return new, frozenset(changed)


async def _merge_outdated(
    connection: Connection, observed: Mapping[FillKey, ObservedFill]
) -> set[LiquidationId]:
    stored = [
        (LiquidationId(row["liquidation_id"]), fill_from_row(row))
        for row in await connection.fetch(_OUTDATED_FILLS)
    ]
    merged = [
        (key, merge(fill, observed[key])) for key, fill in ((fill_key(i, f.fill), f) for i, f in stored)
    ]
    if merged:
        await connection.execute("TRUNCATE staged_fills")
        await _stage(
            connection, "staged_fills", _FILL_COLUMNS, [_fill_values(key, fill) for key, fill in merged]
        )
        await connection.execute(_REPLACE_FILLS)
    return {identity for identity, _fill in stored}


async def _store_folds(
    connection: Connection, observed: Mapping[FillKey, ObservedFill], changed: frozenset[LiquidationId]
) -> tuple[Liquidation, ...]:
    """Write the fold of each changed liquidation, reading stored fills back only where it existed before."""
    own: dict[LiquidationId, list[ObservedFill]] = {identity: [] for identity in changed}
    for (identity, _asset, _tid), fill in observed.items():
        if identity in own:
            own[identity].append(fill)
    folded = {identity: fold(identity, fills) for identity, fills in own.items()}
    existed: list[LiquidationId] = []
    for chunk in _chunks(list(folded.values())):
        await _stage(
            connection,
            "staged_liquidations",
            _LIQUIDATION_COLUMNS,
            [_liquidation_values(each) for each in chunk],
        )
        existed.extend(row[0] for row in await connection.fetch(_INSERT_LIQUIDATIONS))
        await connection.execute("TRUNCATE staged_liquidations")
    for chunk in _chunks([folded[identity] for identity in existed]):
        refolded = await _fold_stored(connection, chunk)
        folded |= refolded
        values = [_liquidation_values(each) for each in refolded.values()]
        await _stage(connection, "staged_liquidations", _LIQUIDATION_COLUMNS, values)
        await connection.execute(_REPLACE_LIQUIDATIONS)
        await connection.execute("TRUNCATE staged_liquidations")
    return tuple(sorted(folded.values(), key=lambda each: each.liquidation_id))


def _chunks(items: list[Liquidation]) -> Iterable[list[Liquidation]]:
    return (items[at : at + _CHUNK] for at in range(0, len(items), _CHUNK))


async def _fold_stored(
    connection: Connection, liquidations: Sequence[Liquidation]
) -> dict[LiquidationId, Liquidation]:
    keys = [(each.chain, each.protocol, each.timestamp, each.liquidation_id) for each in liquidations]
    stored: dict[LiquidationId, list[ObservedFill]] = {each.liquidation_id: [] for each in liquidations}
    for row in await connection.fetch(_FILLS_OF, *map(list, zip(*keys, strict=True))):
        stored[row["liquidation_id"]].append(fill_from_row(row))
    return {identity: fold(identity, fills) for identity, fills in stored.items()}


async def _stage(
    connection: Connection, table: str, columns: Sequence[str], values: Sequence[Sequence[Value]]
) -> None:
    await connection.copy_to_table(table, source=rows(values), columns=list(columns), format="text")


def _fill_values(key: FillKey, observed: ObservedFill) -> tuple[Value, ...]:
    fill = observed.fill
    return (
        fill.chain,
        protocol_of(fill.asset),
        fill.timestamp,
        key[0],
        fill.asset,
        fill.tid,
        fill.user,
        fill.side,
        fill.method,
        fill.price,
        fill.size,
        fill.mark_price,
        fill.source,
        fill.hash,
        fill.role,
        fill.liquidated_user,
        fill.direction_text,
        fill.margin_mode,
        fill.closed_pnl,
        fill.fee,
        fill.position_size_before,
        tuple(sorted(observed.observations)),
    )


def _liquidation_values(each: Liquidation) -> tuple[Value, ...]:
    return (
        each.chain,
        each.protocol,
        each.timestamp,
        each.liquidation_id,
        each.user,
        each.asset,
        each.side,
        each.method,
        each.size,
        each.liquidation_price,
        each.mark_price,
        each.amount_usd,
        each.leverage,
        each.margin_mode,
        each.fill_count,
        each.source,
        each.observed_by,
        each.version,
        to_json(each.metadata).decode(),
    )
