"""Backfills with the queue, the leases and the journal of a real database: read once, whoever reads."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec
import pytest

from kamiyo.core.backfills import BackfillPlan, BackfillRequest, ObjectState
from kamiyo.core.errors import SourceUnavailable
from kamiyo.jobs.backfilling import ObjectReader, run_backfills
from kamiyo.kit.clock import SystemClock
from kamiyo.storage.backfills import PostgresBackfills
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.leases import PostgresLeases
from kamiyo.storage.pool import Pool, open_pool
from kamiyo.storage.read_backfills import read_backfill, read_backfills, read_troubles
from tests.archives import BLOCKS, FIRST_HOUR, MemoryArchive, hour
from tests.builders import ARCHIVE
from tests.stored import stored_in

SECOND = timedelta(seconds=1)
SOON = "UPDATE pgqueuer SET execute_after = now()"
STATES = "SELECT state, count(*) FROM backfill_objects GROUP BY state"
EXPECTED_CLOCK = "SELECT cursor, newest_block FROM sources WHERE name = 'hyperliquid_archive'"


@asynccontextmanager
async def working(
    database_url: str, archive: MemoryArchive, *, at_once: int = 2
) -> AsyncIterator[asyncio.Task[None]]:
    """Run a worker with pools of its own, as a process does."""
    clock = SystemClock()
    async with open_pool(database_url, size=at_once + 3) as pool, open_pool(database_url, size=1) as own:
        backfills = PostgresBackfills(pool, clock)
        leases = PostgresLeases(own, clock)
        reader = ObjectReader({archive.name: archive}, backfills, PostgresJournal(pool), leases, clock)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(run_backfills(reader, backfills, pool, clock, at_once=at_once))
            yield running
            running.cancel()


async def plan(pool: Pool, archive: MemoryArchive, hours: int, **changes) -> int:
    """Plan the first hours of the archive."""
    request = BackfillRequest(source=ARCHIVE, start=FIRST_HOUR, end=hour(hours), **changes)
    objects = await archive.list_objects(request.start, request.end)
    wanted = BackfillPlan(
        request=request, objects=tuple(objects), cost_usd=archive.cost_usd(len(objects), 0)
    )
    return await PostgresBackfills(pool, SystemClock()).plan(wanted)


async def known(pool: Pool, number: int):
    async with pool.acquire() as connection:
        return await read_backfill(connection, number)


async def over(pool: Pool, number: int):
    async with asyncio.timeout(20):
        while not (found := await known(pool, number)).over:
            await asyncio.sleep(0.02)
    return found


def an_archive(hours: int) -> MemoryArchive:
    archive = MemoryArchive(clock=SystemClock())
    for number in range(hours):
        archive.keep(number)
    return archive


async def test_every_object_is_read_and_told_of_once(pool: Pool, database_url: str) -> None:
    """History is stored like anything else, but only the end of each object is news."""
    archive = an_archive(3)
    number = await plan(pool, archive, 3, requested_by="somebody")
    async with working(database_url, archive):
        found = await over(pool, number)
    assert (found.state, found.objects, found.objects_done, found.objects_failed) == ("done", 3, 3, 0)
    assert (found.payloads, found.liquidated_fills, found.new_fills, found.rejects) == (30, 30, 30, 0)
    assert found.bytes_done == found.bytes
    assert found.bytes_read == found.bytes  # lines, uncompressed
    assert sorted(archive.read) == sorted(archive.objects)
    stored = await stored_in(pool)
    assert len(stored.fills) == 3 * BLOCKS
    told = [(channel, msgspec.json.decode(message)) for channel, message in stored.published]
    assert [(channel, each["state"]) for channel, each in told] == [("backfills", "done")] * 3
    assert {each["name"] for _channel, each in told} == {f"s3://archive/{key}" for key in archive.objects}
    assert len(stored.block_hours) == 3
    assert tuple(await pool.fetchrow(EXPECTED_CLOCK)) == (None, None)
    assert await pool.fetchval("SELECT count(*) FROM pgqueuer") == 0
