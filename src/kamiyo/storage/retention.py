"""Let go of what is past its time: months as whole partitions, the rest row by row.

A month's partitions go in one transaction: never the fills without what they fold to. It waits for nobody for
long, so that nobody waits long for it: whoever finds the tables in use tries again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import asyncpg
import msgspec

from kamiyo.core.retention import BY_MONTH, Dataset, Policy
from kamiyo.core.time import Utc
from kamiyo.storage.pool import Connection, translated
from kamiyo.storage.retained import LOCK, read_limits

PARENTS: Mapping[Dataset, tuple[str, ...]] = {
    Dataset.LIQUIDATIONS: (
        "liquidation_fills_first_dex",
        "liquidation_fills_builder_dexes",
        "liquidation_fills_other_chains",
        "liquidations_first_dex",
        "liquidations_builder_dexes",
        "liquidations_other_chains",
    ),
    Dataset.ACCOUNT_LIQUIDATIONS: ("account_liquidations",),
    Dataset.LEDGER_MOVEMENTS: ("ledger_movements",),
    Dataset.MARKET_MINUTES: ("market_minutes",),
    Dataset.VAULT_MINUTES: ("vault_minutes",),
}
# The table of each dataset that goes row by row, and which of its rows are past a moment.
ROWS: Mapping[Dataset, tuple[str, str]] = {
    Dataset.CLAIMS: ("claims", "timestamp < $1"),
    Dataset.ROLLING_TOTALS: ("claimed_totals", "rolling AND start < $1"),
    Dataset.REJECTS: ("rejects", "recorded_at < $1"),
    Dataset.CLOSED_GAPS: ("gaps", "closed_at < $1"),
    Dataset.BACKFILLS: ("backfills", "state <> 'running' AND done_at < $1"),
}
_ROWS_AT_A_TIME = 2_000
_TURN = 7_264_113
_LIMIT = """
INSERT INTO retained (dataset, stored_from, changed_at) VALUES ($1, $2, $3)
ON CONFLICT (dataset) DO UPDATE SET stored_from = excluded.stored_from, changed_at = excluded.changed_at
"""
_PARTITIONS = """
SELECT c.relname AS name, to_date(right(c.relname, 6), 'YYYYMM') AS month,
    greatest(c.reltuples, 0)::bigint AS rows, pg_total_relation_size(c.oid) AS bytes
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
WHERE p.relname = ANY($1) AND c.relname ~ '_[0-9]{6}$' ORDER BY month, c.relname
"""
_SHORT = "SET LOCAL lock_timeout = '100ms'; SET LOCAL statement_timeout = '300ms'"
_RECORD = """
INSERT INTO dropped_partitions (name, dataset, month, rows, exported_to, sha256, dropped_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_DROPPED_BEFORE = """
INSERT INTO retained (dataset, dropped_before, changed_at) VALUES ($1, $2, $3)
ON CONFLICT (dataset) DO UPDATE SET
    dropped_before = greatest(retained.dropped_before, excluded.dropped_before),
    changed_at = excluded.changed_at
"""
_TIMES_DROPPED = "SELECT count(*) FROM dropped_partitions WHERE name = $1 AND exported_to IS NOT NULL"
_IN_USE = (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError, asyncpg.DeadlockDetectedError)


class Partition(msgspec.Struct, frozen=True):
    """A month of one table; ``rows`` as the database last estimated them."""

    name: str
    month: Utc
    rows: int
    bytes: int


class Dropped(msgspec.Struct, frozen=True):
    """What is known of a partition that goes: its rows, and the file that has them now."""

    partition: Partition
    rows: int
    exported_to: str | None = None
    sha256: str | None = None


async def take_turn(connection: Connection) -> bool:
    """Whether nobody else lets go of anything now; the turn ends with ``end_turn``, or the connection."""
    async with translated():
        return bool(await connection.fetchval("SELECT pg_try_advisory_lock($1)", _TURN))


async def end_turn(connection: Connection) -> None:
    """Let others have their turn."""
    async with translated():
        await connection.execute("SELECT pg_advisory_unlock($1)", _TURN)


async def set_limits(connection: Connection, policies: Sequence[Policy], now: datetime) -> None:
    """From now on no month older than each policy allows is written to; nobody is still at it, either."""
    wanted = {each.dataset: each.limit(now) for each in policies if each.dataset in BY_MONTH}
    async with translated():
        known = await read_limits(connection)
        changed = {each: limit for each, limit in wanted.items() if limit != known.get(each)}
        if not changed:
            return
        async with connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = '5s'")
            await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
            await connection.executemany(_LIMIT, [(each, limit, now) for each, limit in changed.items()])


async def list_months(connection: Connection, dataset: Dataset) -> dict[datetime, list[Partition]]:
    """The partitions of a dataset by the beginning of their month, the oldest first."""
    async with translated():
        rows = await connection.fetch(_PARTITIONS, PARENTS[dataset])
    months: dict[datetime, list[Partition]] = {}
    for row in rows:
        month = datetime(row["month"].year, row["month"].month, 1, tzinfo=UTC)
        months.setdefault(month, []).append(Partition(row["name"], month, row["rows"], row["bytes"]))
    return months


async def times_exported(connection: Connection, name: str) -> int:
    """How many files of a partition of this name there are."""
    async with translated():
        return int(await connection.fetchval(_TIMES_DROPPED, name))


async def drop_month(
    connection: Connection, dataset: Dataset, dropped: Sequence[Dropped], before: datetime, now: datetime
) -> bool:
    """Drop these partitions, all or none, and keep what was in them in mind; False where they are in use."""
    kept_in_mind = [
        (each.partition.name, dataset, each.partition.month, each.rows, each.exported_to, each.sha256, now)
        for each in dropped
        if each.rows
    ]
    names = ", ".join(each.partition.name for each in dropped)
    async with translated():
        try:
            async with connection.transaction():
                await connection.executemany(_RECORD, kept_in_mind)
                if kept_in_mind:
                    await connection.execute(_DROPPED_BEFORE, dataset, before, now)
                await connection.execute(_SHORT)
                await connection.execute(f"DROP TABLE IF EXISTS {names}")
        except _IN_USE:
            return False
    return True


async def delete_rows(connection: Connection, dataset: Dataset, before: datetime, now: datetime) -> int:
    """Delete what is older, a few at a time; how many there were."""
    table, condition = ROWS[dataset]
    statement = (
        f"DELETE FROM {table} WHERE ctid = ANY(ARRAY("  # noqa: S608 -- of the table above
        f"SELECT ctid FROM {table} WHERE {condition} LIMIT {_ROWS_AT_A_TIME}))"
    )
    total = 0
    async with translated():
        while deleted := int((await connection.execute(statement, before)).rpartition(" ")[2]):
            total += deleted
        if total:
            await connection.execute(_DROPPED_BEFORE, dataset, before, now)
    return total
