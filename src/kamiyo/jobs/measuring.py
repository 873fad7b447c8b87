"""Measure what share of each hour's liquidations every source saw, once the hour is over."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from kamiyo.core.ids import Chain
from kamiyo.core.time import Clock
from kamiyo.kit import metrics
from kamiyo.processing.coverage import measure, pairs_of
from kamiyo.storage.coverage import compare, find_due_hours, read_hour_facts, store_coverage, take_turn
from kamiyo.storage.pool import Pool, translated

HOURS_PER_TURN = 24

_EVERY = timedelta(minutes=1)
_log = structlog.get_logger()


async def keep_measuring(pool: Pool, clock: Clock, shown_clock: Clock) -> None:
    """Measure what is due once a minute, for ever; at once again while there is more than one turn's work.

    Any number of workers may: an hour is one worker's at a time, and measuring it twice changes nothing.
    """
    while True:
        if await measure_due_hours(pool, shown_clock) < HOURS_PER_TURN:
            await clock.sleep(_EVERY)


async def measure_due_hours(pool: Pool, shown_clock: Clock, *, limit: int = HOURS_PER_TURN) -> int:
    """Measure hours that are over and say more than they were measured from; how many that were."""
    async with translated(), pool.acquire() as connection:
        due = await find_due_hours(connection, shown_clock.now(), limit)
    measured = [await _measure(pool, chain, hour, shown_clock) for chain, hour in due]
    metrics.COVERAGE_HOURS_MEASURED.inc(sum(measured))
    if any(measured):
        _log.debug("hours_measured", hours=sum(measured))
    return sum(measured)


async def _measure(pool: Pool, chain: Chain, hour: datetime, shown_clock: Clock) -> bool:
    """Measure one hour in a transaction of its own; False where somebody else does so now."""
    async with translated(), pool.acquire() as connection, connection.transaction():
        if not await take_turn(connection, chain, hour):
            return False
        facts = await read_hour_facts(connection, chain, hour)
        compared = await compare(connection, facts, pairs_of(facts))
        await store_coverage(connection, facts, measure(facts, compared), shown_clock.now())
        return True
