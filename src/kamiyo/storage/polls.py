"""When each polled source is asked next: one timetable for all workers, by the database's clock."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from kamiyo.core.ids import SourceName
from kamiyo.core.ports import Lease
from kamiyo.storage.leases import hold_fast
from kamiyo.storage.pool import Connection, Pool, translated

# A new interval counts from now on where it is shorter than what is left, but never against a back-off.
_REGISTER = """
INSERT INTO source_polls AS known (name, poll_every) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET poll_every = excluded.poll_every, next_poll_at =
    CASE WHEN known.failures = 0 AND known.next_poll_at > clock_timestamp() + excluded.poll_every
         THEN clock_timestamp() + excluded.poll_every ELSE known.next_poll_at END
"""
_LOOK = """
SELECT active, coalesce(next_poll_at <= clock_timestamp(), true) AS due, failures
FROM sources JOIN source_polls USING (name) WHERE name = $1
"""
_PLAN = "UPDATE source_polls SET next_poll_at = clock_timestamp() + $2, failures = $3 WHERE name = $1"
# What schedules leave behind whose source or interval is no more, and what jobs wrote down.
_PRUNE = (
    "DELETE FROM pgqueuer_schedules WHERE updated < clock_timestamp() - $1::interval",
    "DELETE FROM pgqueuer_log WHERE created < clock_timestamp() - $1::interval",
    "DELETE FROM pgqueuer_statistics WHERE created < clock_timestamp() - $1::interval",
    # Each object of history had one; whoever held it so long ago has no connection left to write with.
    """DELETE FROM source_leases
    WHERE name LIKE 'backfill/%' AND expires_at < clock_timestamp() - $1::interval""",
)
_KEPT = timedelta(days=7)


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a source is switched on, whether it is due, and how often in a row polls of it failed."""

    active: bool
    due: bool
    failures: int


class PostgresTimetable:
    """The timetable of all polled sources."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def register(self, source: SourceName, poll_every: timedelta) -> None:
        """Make a polled source known, or renew its interval; a new one is due at once."""
        async with translated(), self._pool.acquire() as connection:
            await connection.execute(_REGISTER, source, poll_every)

    async def look(self, source: SourceName) -> Turn | None:
        """Whether a source is to be asked now; None where nobody knows it any more."""
        async with translated(), self._pool.acquire() as connection:
            row = await connection.fetchrow(_LOOK, source)
        return None if row is None else Turn(**dict(row))

    async def plan(self, source: SourceName, wait: timedelta, failures: int, *, lease: Lease) -> None:
        """Leave a source alone for that long; LeaseLost where another worker polls it by now."""
        async with translated(), self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_PLAN, source, wait, failures)
            await hold_fast(connection, lease)


async def prune_jobs(connection: Connection) -> None:
    """Drop what is remembered of jobs of past weeks."""
    async with translated():
        for statement in _PRUNE:
            await connection.execute(statement, _KEPT)
