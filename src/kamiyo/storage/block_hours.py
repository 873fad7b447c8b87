"""Keep which hours changed: which blocks of them were read, when a source was heard, whose fills are new."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import asyncpg

from kamiyo.core.archives import BlockRun
from kamiyo.core.ids import Chain, SourceName
from kamiyo.core.ports import Batch
from kamiyo.core.time import hour_of
from kamiyo.storage.pool import Connection

# What is known already changes nothing: a row is only written where it says more.
_ADD_BLOCKS = """
INSERT INTO block_hours (source, chain, hour, ranges, first_at, last_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (source, chain, hour) DO UPDATE
SET ranges = block_hours.ranges + excluded.ranges, first_at = least(block_hours.first_at, excluded.first_at),
    last_at = greatest(block_hours.last_at, excluded.last_at), version = block_hours.version + 1,
    updated_at = now()
WHERE NOT block_hours.ranges @> excluded.ranges OR excluded.first_at < block_hours.first_at
    OR excluded.last_at > block_hours.last_at
"""
_ADD_FILLS = """
INSERT INTO fill_hours (chain, hour)
SELECT * FROM unnest($1::text[], $2::timestamptz[]) AS changed (chain, hour) ORDER BY chain, hour
ON CONFLICT (chain, hour) DO UPDATE SET version = fill_hours.version + 1
"""
_ADD_MINUTES = """
INSERT INTO heard_hours (source, chain, hour, minutes) VALUES ($1, $2, $3, 1::bigint << $4::int)
ON CONFLICT (chain, hour, source) DO UPDATE SET minutes = heard_hours.minutes | excluded.minutes
WHERE heard_hours.minutes & excluded.minutes = 0
"""

_MINUTE = timedelta(minutes=1)

_Minute = tuple[SourceName, Chain, datetime, int]


class HeardMinutes:
    """In which minute each source was last known to be heard, so that each is written down once."""

    def __init__(self) -> None:
        self._last: dict[tuple[SourceName, Chain], _Minute] = {}

    async def store(self, connection: Connection, batch: Batch) -> None:
        """Keep the minute the batch was heard in, in the caller's transaction, unless that was done."""
        minute = _minute_of(batch)
        if minute is not None and self._last.get((batch.source, batch.chain)) != minute:
            await connection.execute(_ADD_MINUTES, *minute)

    def stored(self, batch: Batch) -> None:
        """The batch's transaction is committed."""
        minute = _minute_of(batch)
        if minute is not None:
            self._last[batch.source, batch.chain] = minute

    def forget(self) -> None:
        """Maybe what was written down is gone: a database can be restored behind our back."""
        self._last.clear()


async def store_block_runs(connection: Connection, batch: Batch) -> None:
    """Add the batch's blocks to those of their hours, in the caller's transaction."""
    by_hour: dict[datetime, list[BlockRun]] = {}
    for run in batch.block_runs:
        for hour in hours_of(run):
            by_hour.setdefault(hour, []).append(run)
    for hour in sorted(by_hour):  # everybody in the same order, so that nobody waits in a circle
        runs = by_hour[hour]
        ranges = [asyncpg.Range(run.first, run.last + 1) for run in runs]
        first_at, last_at = min(run.first_at for run in runs), max(run.last_at for run in runs)
        await connection.execute(_ADD_BLOCKS, batch.source, batch.chain, hour, ranges, first_at, last_at)


async def store_fill_hours(connection: Connection, moments: Iterable[tuple[Chain, datetime]]) -> None:
    """Keep that something is new of the hours of these fills; their writers hold the locks of these hours."""
    changed = list({(chain, hour_of(moment)) for chain, moment in moments})
    await connection.execute(
        _ADD_FILLS, [chain for chain, _hour in changed], [hour for _chain, hour in changed]
    )


def hours_of(run: BlockRun) -> Sequence[datetime]:
    """The hours a run counts in: that of its first block, and that of its last one."""
    first, last = hour_of(run.first_at), hour_of(run.last_at)
    return (first,) if first == last else (first, last)


def _minute_of(batch: Batch) -> _Minute | None:
    if batch.heard_at is None:
        return None
    hour = hour_of(batch.heard_at)
    return batch.source, batch.chain, hour, (batch.heard_at - hour) // _MINUTE
