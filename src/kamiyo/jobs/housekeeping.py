"""Keep the database ready for tomorrow: partitions made ahead, the outbox's old days dropped."""

from __future__ import annotations

from datetime import timedelta

import structlog

from kamiyo.core.time import Clock
from kamiyo.kit import metrics
from kamiyo.storage.partitions import drop_old_outbox_days, ensure_months, ensure_outbox_days, months_ahead
from kamiyo.storage.polls import prune_jobs
from kamiyo.storage.pool import Pool, translated

_EVERY = timedelta(hours=1)
_log = structlog.get_logger()


async def keep_house(pool: Pool, clock: Clock) -> None:
    """Keep house once an hour, for ever, first in an hour: a process keeps it once before its roles begin.

    Any number of workers may, as each step is idempotent.
    """
    while True:
        await clock.sleep(_EVERY)
        await keep_house_once(pool, clock)


async def keep_house_once(pool: Pool, clock: Clock) -> None:
    """Make what will be needed and drop what is past its time."""
    now = clock.now()
    async with translated(), pool.acquire() as connection:
        await ensure_months(connection, months_ahead(now))
        await ensure_outbox_days(connection, now.date())
        dropped = await drop_old_outbox_days(connection, now.date())
        await prune_jobs(connection)
    metrics.HOUSEKEEPING_DONE.set(now.timestamp())
    if dropped:
        _log.info("outbox_days_dropped", partitions=dropped)
