"""Store liquidated fills and fold them into liquidations: the same rows whoever saw what in which order.

Writers of one hour of one chain take turns (an advisory lock taken before anything is written), so a
fold always sees every committed fill of its liquidation, and the order of transaction ids is the order
of versions. The same lock lets what is new be told by looking, and be copied straight into the tables:
nobody can store it in between. What was known already costs one look-up and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from operator import itemgetter
from typing import TypeVar

import msgspec

from kamiyo.core.ids import LiquidationId
from kamiyo.core.liquidations import FillKey, ObservedFill, fold, merge
from kamiyo.core.markets import protocol_of
from kamiyo.core.time import to_millis
from kamiyo.storage import copy_text as text
from kamiyo.storage.fill_rows import (
    FILL_COLUMNS,
    LIQUIDATION_COLUMNS,
    FillRows,
    Place,
    fill_from_row,
    fill_line,
    liquidation_row,
    place_of,
)
from kamiyo.storage.pool import Connection

T = TypeVar("T")

_HOUR_MILLIS = 3_600_000
_CHUNK = 5_000


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
# What is not known yet of what was observed, and whether its fill is not known at all. That the moment is
# one of few is said twice, so that no plan reads more than these moments.
_NEWS = """
SELECT number, f.tid IS NULL
FROM unnest($4::int[], $5::text[], $6::text[], $7::bigint[], $8::text[])
    WITH ORDINALITY AS wanted (moment, liquidation_id, asset, tid, observation, number)
LEFT JOIN liquidation_fills f ON f.chain = ANY($1) AND f.protocol = ANY($2) AND f.timestamp = ANY($3)
    AND f.timestamp = ($3::timestamptz[])[wanted.moment] AND f.liquidation_id = wanted.liquidation_id
    AND f.asset = wanted.asset AND f.tid = wanted.tid
WHERE wanted.observation = ANY(f.observations) IS NOT TRUE
"""
_OF_LIQUIDATIONS = """
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[])
    AS wanted (chain, protocol, timestamp, liquidation_id)
JOIN liquidation_fills f USING (chain, protocol, timestamp, liquidation_id)
"""
_EXISTING = f"SELECT DISTINCT liquidation_id {_OF_LIQUIDATIONS}"
_FILLS_OF = f"SELECT f.* {_OF_LIQUIDATIONS}"
_STAGED_FILLS = """
CREATE TEMP TABLE IF NOT EXISTS staged_fills (LIKE liquidation_fills INCLUDING DEFAULTS) ON COMMIT DELETE ROWS
"""
_STAGED_LIQUIDATIONS = """
CREATE TEMP TABLE IF NOT EXISTS staged_liquidations (LIKE liquidations INCLUDING DEFAULTS)
ON COMMIT DELETE ROWS
"""
_REPLACE_FILLS = f"""
INSERT INTO liquidation_fills ({_names(FILL_COLUMNS)}) SELECT {_names(FILL_COLUMNS)} FROM staged_fills
ON CONFLICT (timestamp, liquidation_id, asset, tid, chain, protocol)
DO UPDATE SET {_excluded(FILL_COLUMNS[6:])}
"""
_REPLACE_LIQUIDATIONS = f"""
INSERT INTO liquidations ({_names(LIQUIDATION_COLUMNS)})
SELECT {_names(LIQUIDATION_COLUMNS)} FROM staged_liquidations
ON CONFLICT (timestamp, liquidation_id, chain, protocol)
DO UPDATE SET {_excluded(LIQUIDATION_COLUMNS[4:])}, recorded_at = now()
"""


class StoredFills(msgspec.Struct, frozen=True):
    """What storing changed: how many fills were new, and what tells of every liquidation new or changed."""

    new_fills: int
    messages: tuple[bytes, ...]


class _News(msgspec.Struct, frozen=True):
    """What of a batch is not stored: new fills, known ones told more of; and liquidations known in part."""

    new: AbstractSet[FillKey]
    told: AbstractSet[FillKey]
    existed: set[LiquidationId]


class StoredRows(msgspec.Struct, frozen=True):
    """What storing rows of fills changed: the liquidations that changed, and those that existed before."""

    new_fills: int
    changed: set[LiquidationId]
    existed: set[LiquidationId]


async def store_fills(connection: Connection, rows: FillRows) -> StoredFills:
    """Store fills and the liquidations they belong to, within the caller's transaction.

    Call it before anything else is written in that transaction: the locks must come first.
    """
    if not rows.observed:
        return StoredFills(0, ())
    stored = await store_fill_rows(connection, rows)
    return StoredFills(stored.new_fills, await _store_folds(connection, rows.observed, stored))


async def store_fill_rows(connection: Connection, rows: FillRows) -> StoredRows:
    """Store fills alone: add what is new, merge what says something new of a known fill."""
    await _lock_hours(connection, rows)
    news = await _look_up(connection, rows)
    lines = [line for key, line in rows.lines.items() if key in news.new]
    for chunk in _chunks(lines):
        await _copy(connection, "liquidation_fills", FILL_COLUMNS, chunk)
    await _merge_into_stored(connection, [(key, rows.observed[key]) for key in news.told])
    changed = {key[0] for key in (*news.new, *news.told)}
    return StoredRows(new_fills=len(news.new), changed=changed, existed=news.existed)


async def _lock_hours(connection: Connection, rows: FillRows) -> None:
    hours = {(chain, to_millis(moment) // _HOUR_MILLIS) for chain, _asset, moment in rows.shared}
    # In one order for everybody, so that two writers never wait for each other.
    await connection.execute(_LOCK_HOURS, sorted(f"liquidations/{chain}/{hour}" for chain, hour in hours))


async def _look_up(connection: Connection, rows: FillRows) -> _News:
    """What the database does not have of the batch, and which of its liquidations it has parts of."""
    chains, assets, moments = (list(set(column)) for column in zip(*rows.shared, strict=True))
    protocols = list(set(map(protocol_of, assets)))
    heard = [row[0] for row in await connection.fetch(_HEARD_MOMENTS, chains, protocols, moments)]
    if not heard:
        return _News(rows.observed.keys(), set(), set())
    at = {moment: number for number, moment in enumerate(heard, 1)}
    new = {key for key, each in rows.observed.items() if each.fill.timestamp not in at}
    told = set[FillKey]()
    asked = [
        (at[each.fill.timestamp], *key, observation)
        for key, each in rows.observed.items()
        if key not in new
        for observation in each.observations
    ]
    for chunk in _chunks(asked):
        for row in await connection.fetch(_NEWS, chains, protocols, heard, *_columns(chunk)):
            (new if row[1] else told).add(chunk[int(row[0]) - 1][1:4])
    changed = {key[0]: rows.observed[key].fill for key in new | told}
    places = [place_of(identity, fill) for identity, fill in changed.items() if fill.timestamp in at]
    return _News(new, told, await _existing(connection, places))


async def _existing(connection: Connection, places: Sequence[Place]) -> set[LiquidationId]:
    """Which of these liquidations have fills already."""
    found = [row for chunk in _chunks(places) for row in await connection.fetch(_EXISTING, *_columns(chunk))]
    return {row[0] for row in found}


async def _merge_into_stored(connection: Connection, told: Sequence[tuple[FillKey, ObservedFill]]) -> None:
    """Merge what says something new of a known fill into it."""
    for chunk in _chunks(told):
        places = {key[0]: place_of(key[0], fill.fill) for key, fill in chunk}
        stored = dict(await _stored_fills(connection, list(places.values())))
        lines = [fill_line(key, merge(stored[key], fill)) for key, fill in chunk]
        await connection.execute(_STAGED_FILLS)
        await _copy(connection, "staged_fills", FILL_COLUMNS, lines)
        await connection.execute(_REPLACE_FILLS)
        await connection.execute("DELETE FROM staged_fills")


async def _store_folds(
    connection: Connection, observed: Mapping[FillKey, ObservedFill], stored: StoredRows
) -> tuple[bytes, ...]:
    """Write the fold of each changed liquidation, reading stored fills back only where it existed before."""
    own: dict[LiquidationId, list[ObservedFill]] = {}
    for (identity, _asset, _tid), fill in observed.items():
        if identity in stored.changed:
            own.setdefault(identity, []).append(fill)
    messages: dict[LiquidationId, bytes] = {}
    for chunk in _chunks([each for each in own.items() if each[0] not in stored.existed]):
        messages |= await _copy_folds(connection, "liquidations", chunk)
    outdated = [place_of(identity, own[identity][0].fill) for identity in own if identity in stored.existed]
    for places in _chunks(outdated):
        folds = await _all_fills(connection, places)
        await connection.execute(_STAGED_LIQUIDATIONS)
        messages |= await _copy_folds(connection, "staged_liquidations", list(folds.items()))
        await connection.execute(_REPLACE_LIQUIDATIONS)
        await connection.execute("DELETE FROM staged_liquidations")
    return tuple([messages[identity] for identity in sorted(messages)])


async def _copy_folds(
    connection: Connection, table: str, folds: Sequence[tuple[LiquidationId, Sequence[ObservedFill]]]
) -> dict[LiquidationId, bytes]:
    """Copy the liquidations these fills make into a table; what tells of each."""
    rows = [(identity, *liquidation_row(fold(identity, fills))) for identity, fills in folds]
    rows.sort(key=itemgetter(0))  # only now, as the fills lie in the order they were made in; see FillRows
    await _copy(connection, table, LIQUIDATION_COLUMNS, [line for _identity, line, _message in rows])
    return {identity: message for identity, _line, message in rows}


async def _all_fills(
    connection: Connection, places: Sequence[Place]
) -> dict[LiquidationId, list[ObservedFill]]:
    fills: dict[LiquidationId, list[ObservedFill]] = {place[3]: [] for place in places}
    for key, fill in await _stored_fills(connection, places):
        fills[key[0]].append(fill)
    return fills


async def _stored_fills(
    connection: Connection, places: Sequence[Place]
) -> list[tuple[FillKey, ObservedFill]]:
    rows = await connection.fetch(_FILLS_OF, *_columns(places))
    return [((row["liquidation_id"], row["asset"], row["tid"]), fill_from_row(row)) for row in rows]


def _columns(rows: Sequence[tuple[object, ...]]) -> list[list[object]]:
    return [list(map(itemgetter(at), rows)) for at in range(len(rows[0]))]  # zip() takes five times as long


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[at : at + _CHUNK] for at in range(0, len(items), _CHUNK))


async def _copy(connection: Connection, table: str, columns: Sequence[str], lines: Iterable[str]) -> None:
    await connection.copy_to_table(table, source=text.lines(lines), columns=list(columns), format="text")
