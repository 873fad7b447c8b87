"""Store liquidated fills and fold them into liquidations: the same rows whoever saw what in which order.

Writers of one hour of one chain take turns (an advisory lock taken before anything is written), so a
fold always sees every committed fill of its liquidation, and the order of transaction ids is the order
of versions. The same lock lets what is new be told by looking, and be copied straight into the tables:
nobody can store it in between. What was known already costs one look-up and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

import asyncpg
import msgspec

from kamiyo.core.codec import to_json
from kamiyo.core.events import FillRole, LiquidatedFill, LiquidationMethod, MarginMode
from kamiyo.core.ids import Address, Asset, Chain, LiquidationId, Protocol, SourceName, TransactionHash
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
from kamiyo.storage import copy_text as text
from kamiyo.storage.pool import Connection

T = TypeVar("T")

# What finds a liquidation's rows: the partitioning columns, then its identity.
_Place = tuple[Chain, Protocol, datetime, LiquidationId]

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


_LOCK_HOURS = "SELECT pg_advisory_xact_lock(hashtextextended(hour, 0)) FROM unnest($1::text[]) AS hour"
# One probe a moment; nearly always there is no fill of it yet, and then nothing of it need be looked for.
_HEARD_MOMENTS = """
SELECT moment FROM unnest($3::timestamptz[]) AS moment
WHERE EXISTS (SELECT FROM liquidation_fills
              WHERE chain = ANY($1) AND protocol = ANY($2) AND timestamp = moment)
"""
_OF_LIQUIDATIONS = """
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[])
    AS wanted (chain, protocol, timestamp, liquidation_id)
JOIN liquidation_fills f USING (chain, protocol, timestamp, liquidation_id)
"""
_KNOWN_FILLS = f"SELECT liquidation_id, f.asset, f.tid, f.observations {_OF_LIQUIDATIONS}"
_FILLS_OF = f"SELECT f.* {_OF_LIQUIDATIONS}"
_STAGED_FILLS = """
CREATE TEMP TABLE IF NOT EXISTS staged_fills (LIKE liquidation_fills INCLUDING DEFAULTS) ON COMMIT DELETE ROWS
"""
_STAGED_LIQUIDATIONS = """
CREATE TEMP TABLE IF NOT EXISTS staged_liquidations (LIKE liquidations INCLUDING DEFAULTS)
ON COMMIT DELETE ROWS
"""
_REPLACE_FILLS = f"""
INSERT INTO liquidation_fills ({_names(_FILL_COLUMNS)}) SELECT {_names(_FILL_COLUMNS)} FROM staged_fills
ON CONFLICT (chain, protocol, timestamp, liquidation_id, asset, tid)
DO UPDATE SET {_excluded(_FILL_COLUMNS[6:])}
"""
_REPLACE_LIQUIDATIONS = f"""
INSERT INTO liquidations ({_names(_LIQUIDATION_COLUMNS)})
SELECT {_names(_LIQUIDATION_COLUMNS)} FROM staged_liquidations
ON CONFLICT (chain, protocol, timestamp, liquidation_id)
DO UPDATE SET {_excluded(_LIQUIDATION_COLUMNS[4:])}, recorded_at = now()
"""


class StoredFills(msgspec.Struct, frozen=True):
    """What storing changed: how many fills were new, and every liquidation that is new or became another."""

    new_fills: int
    liquidations: tuple[Liquidation, ...]


class StoredRows(msgspec.Struct, frozen=True):
    """What storing found: the batch's fills, the liquidations they changed, and those that existed before."""

    observed: Mapping[FillKey, ObservedFill]
    new_fills: int
    changed: frozenset[LiquidationId]
    existed: frozenset[LiquidationId]


async def store_fills(connection: Connection, fills: Sequence[LiquidatedFill]) -> StoredFills:
    """Store fills and the liquidations they belong to, within the caller's transaction.

    Call it before anything else is written in that transaction: the locks must come first.
    """
    if not fills:
        return StoredFills(0, ())
    stored = await store_fill_rows(connection, fills)
    return StoredFills(stored.new_fills, await _store_folds(connection, stored))


async def store_fill_rows(connection: Connection, fills: Sequence[LiquidatedFill]) -> StoredRows:
    """Store fills alone: add what is new, merge what says something new of a known fill."""
    await _lock_hours(connection, fills)
    observed = merge_all([(_key(fill), observe(fill)) for fill in fills])
    known = await _look_up(connection, observed)
    new = [(key, fill) for key, fill in observed.items() if key not in known]
    told = [
        (key, fill)
        for key, fill in observed.items()
        if not fill.observations <= known.get(key, fill.observations)
    ]
    for chunk in _chunks(new):
        lines = [_fill_line(key, fill) for key, fill in chunk]
        await _copy(connection, "liquidation_fills", _FILL_COLUMNS, lines)
    await _merge_into_stored(connection, told)
    return StoredRows(
        observed=observed,
        new_fills=len(new),
        changed=frozenset(key[0] for key, _fill in (*new, *told)),
        existed=frozenset(key[0] for key in known),
    )


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
    hours = {(fill.chain, to_millis(fill.timestamp) // _HOUR_MILLIS) for fill in fills}
    # In one order for everybody, so that two writers never wait for each other.
    await connection.execute(_LOCK_HOURS, sorted(f"liquidations/{chain}/{hour}" for chain, hour in hours))


async def _look_up(
    connection: Connection, observed: Mapping[FillKey, ObservedFill]
) -> dict[FillKey, frozenset[str]]:
    """All fills the database has of the batch's liquidations, with who observed them."""
    fills = [each.fill for each in observed.values()]
    chains = list({fill.chain for fill in fills})
    protocols = list({protocol_of(asset) for asset in {fill.asset for fill in fills}})
    moments = list({fill.timestamp for fill in fills})
    heard = {row[0] for row in await connection.fetch(_HEARD_MOMENTS, chains, protocols, moments)}
    if not heard:
        return {}
    places = {key[0]: _place(key[0], each.fill) for key, each in observed.items()}
    wanted = [place for place in places.values() if place[2] in heard]
    known: dict[FillKey, frozenset[str]] = {}
    for chunk in _chunks(wanted):
        for row in await connection.fetch(_KNOWN_FILLS, *_columns(chunk)):
            known[row[0], row[1], row[2]] = frozenset(row[3])
    return known


async def _merge_into_stored(connection: Connection, told: Sequence[tuple[FillKey, ObservedFill]]) -> None:
    """Merge what says something new of a known fill into it."""
    for chunk in _chunks(told):
        places = {key[0]: _place(key[0], fill.fill) for key, fill in chunk}
        stored = dict(await _stored_fills(connection, list(places.values())))
        lines = [_fill_line(key, merge(stored[key], fill)) for key, fill in chunk]
        await connection.execute(_STAGED_FILLS)
        await _copy(connection, "staged_fills", _FILL_COLUMNS, lines)
        await connection.execute(_REPLACE_FILLS)
        await connection.execute("DELETE FROM staged_fills")


async def _store_folds(connection: Connection, stored: StoredRows) -> tuple[Liquidation, ...]:
    """Write the fold of each changed liquidation, reading stored fills back only where it existed before."""
    own: dict[LiquidationId, list[ObservedFill]] = {identity: [] for identity in stored.changed}
    for (identity, _asset, _tid), fill in stored.observed.items():
        if identity in own:
            own[identity].append(fill)
    folded = [fold(identity, fills) for identity, fills in own.items() if identity not in stored.existed]
    for chunk in _chunks(folded):
        await _copy(connection, "liquidations", _LIQUIDATION_COLUMNS, map(_liquidation_line, chunk))
    outdated = [
        _place(identity, fills[0].fill) for identity, fills in own.items() if identity in stored.existed
    ]
    for places in _chunks(outdated):
        refolded = await _fold_stored(connection, places)
        await connection.execute(_STAGED_LIQUIDATIONS)
        await _copy(connection, "staged_liquidations", _LIQUIDATION_COLUMNS, map(_liquidation_line, refolded))
        await connection.execute(_REPLACE_LIQUIDATIONS)
        await connection.execute("DELETE FROM staged_liquidations")
        folded += refolded
    return tuple(sorted(folded, key=lambda each: each.liquidation_id))


async def _fold_stored(connection: Connection, places: Sequence[_Place]) -> list[Liquidation]:
    fills: dict[LiquidationId, list[ObservedFill]] = {place[3]: [] for place in places}
    for key, fill in await _stored_fills(connection, places):
        fills[key[0]].append(fill)
    return [fold(identity, observed) for identity, observed in fills.items()]


async def _stored_fills(
    connection: Connection, places: Sequence[_Place]
) -> list[tuple[FillKey, ObservedFill]]:
    rows = await connection.fetch(_FILLS_OF, *_columns(places))
    return [((row["liquidation_id"], row["asset"], row["tid"]), fill_from_row(row)) for row in rows]


def _place(identity: LiquidationId, fill: LiquidatedFill) -> _Place:
    return fill.chain, protocol_of(fill.asset), fill.timestamp, identity


def _columns(places: Sequence[_Place]) -> list[list[object]]:
    return [list(column) for column in zip(*places, strict=True)]


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[at : at + _CHUNK] for at in range(0, len(items), _CHUNK))


async def _copy(connection: Connection, table: str, columns: Sequence[str], lines: Iterable[str]) -> None:
    await connection.copy_to_table(table, source=text.lines(lines), columns=list(columns), format="text")


def _fill_line(key: FillKey, observed: ObservedFill) -> str:
    fill = observed.fill
    return text.row(
        text.name(fill.chain),
        text.name(protocol_of(fill.asset)),
        text.moment(fill.timestamp),
        key[0],
        text.name(fill.asset),
        str(fill.tid),
        fill.user,
        fill.side,
        fill.method,
        str(fill.price),
        str(fill.size),
        str(fill.mark_price),
        text.name(fill.source),
        fill.hash or text.NULL,
        fill.role,
        fill.liquidated_user,
        text.name(fill.direction_text),
        text.name_or_null(fill.margin_mode),
        text.number_or_null(fill.closed_pnl),
        text.number_or_null(fill.fee),
        text.number_or_null(fill.position_size_before),
        text.array(sorted(observed.observations)),
    )


def _liquidation_line(each: Liquidation) -> str:
    return text.row(
        text.name(each.chain),
        text.name(each.protocol),
        text.moment(each.timestamp),
        each.liquidation_id,
        each.user,
        text.name(each.asset),
        each.side,
        each.method,
        str(each.size),
        str(each.liquidation_price),
        str(each.mark_price),
        str(each.amount_usd),
        text.number_or_null(each.leverage),
        text.name_or_null(each.margin_mode),
        str(each.fill_count),
        text.name(each.source),
        text.array(each.observed_by),
        str(each.version),
        text.escaped(to_json(each.metadata).decode()),
    )
