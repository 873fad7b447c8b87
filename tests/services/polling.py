"""A polled source as a worker asks it, with the timetable, the leases and the journal of a real database."""

from kamiyo.aggregators.base import BaseAggregator
from kamiyo.core.sources import SourceStatus
from kamiyo.jobs.polling import PolledSource
from kamiyo.kit.clock import SystemClock
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.leases import PostgresLeases
from kamiyo.storage.polls import PostgresTimetable
from kamiyo.storage.pool import Pool
from kamiyo.storage.sources import list_sources

_DUE = "UPDATE source_polls SET next_poll_at = clock_timestamp()"


async def poll(aggregator: BaseAggregator, pool: Pool) -> SourceStatus:
    """Ask the source once, as it is due, and give what the database then knows of it."""
    clock = SystemClock()
    source = PolledSource(
        aggregator, PostgresJournal(pool), PostgresLeases(pool, clock), PostgresTimetable(pool), clock
    )
    await pool.execute(_DUE)
    await source.poll_if_due()
    async with pool.acquire() as connection:
        return next(each for each in await list_sources(connection) if each.name == aggregator.name)


async def row_counts(pool: Pool, *tables: str) -> dict[str, int]:
    """How many rows each table has."""
    return {table: await pool.fetchval(f"SELECT count(*) FROM {table}") for table in tables}
