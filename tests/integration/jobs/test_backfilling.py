"""Backfills with the queue, the leases and the journal of a real database: read once, whoever reads."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec
import pytest

from kamiyo.core.backfills import BackfillPlan, BackfillRequest, lease_name
from kamiyo.core.errors import SourceUnavailable, StorageUnavailable
from kamiyo.jobs.backfilling import ObjectReader, run_backfills
from kamiyo.kit.clock import SystemClock
from kamiyo.processing.telling import first_cause
from kamiyo.storage.backfills import PostgresBackfills
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.leases import PostgresLeases
from kamiyo.storage.pool import Pool, open_pool
from kamiyo.storage.read_backfills import read_backfill, read_backfills, read_troubles
from tests.archives import BLOCKS, FIRST_HOUR, MemoryArchive, hour
from tests.builders import ARCHIVE
from tests.stored import stored_in

SOON = "UPDATE pgqueuer SET execute_after = now()"
CLOCKS = "SELECT cursor, newest_block FROM sources WHERE name = 'hyperliquid_archive'"


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
    wanted = BackfillPlan(request=request, objects=tuple(objects), cost_usd=archive.cost_usd(len(objects), 0))
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
        await until(pool, "SELECT count(*) = 0 FROM pgqueuer")
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
    assert [tuple(row) for row in await pool.fetch(CLOCKS)] == [(None, None)]


async def test_an_object_that_cannot_be_read_stops_no_other(pool: Pool, database_url: str) -> None:
    """A corrupt one is given up at once and one that is gone is missing, each with its reason."""
    archive = an_archive(4)
    corrupt = archive.keep(1, [*archive.objects["hourly/20251010/21.lz4"][1][:5], b"CORRUPT"])
    number = await plan(pool, archive, 4)
    gone = archive.objects.pop("hourly/20251010/22.lz4")[0]
    async with working(database_url, archive):
        found = await over(pool, number)
    assert (found.state, found.objects_done, found.objects_failed) == ("incomplete", 2, 2)
    assert found.bytes_done == found.bytes
    async with pool.acquire() as connection:
        troubles = await read_troubles(connection, number)
    assert [(each.name, each.state, each.attempts) for each in troubles] == [
        (corrupt.name, "failed", 1),
        (gone.name, "missing", 1),
    ]
    assert troubles[0].detail.startswith(f"CorruptObject: {corrupt.name}: cut off after ")
    assert troubles[1].detail == f"NoSuchThing: {gone.name} is gone"


async def test_what_may_work_later_is_tried_again_and_then_given_up(pool: Pool, database_url: str) -> None:
    """Four failures are no reason to give up, the fifth is; what was told meanwhile says why it waits."""
    archive = an_archive(2)
    first, second = sorted(archive.objects)
    archive.failures = {
        first: [SourceUnavailable("nobody is there")] * 4,
        second: [SourceUnavailable("not there either")] * 9,
    }
    number = await plan(pool, archive, 2)
    async with working(database_url, archive), asyncio.timeout(30):
        while not (found := await known(pool, number)).over:
            async with pool.acquire() as connection:
                told = {each.detail for each in await read_troubles(connection, number)}
            assert told <= {
                "",
                "SourceUnavailable: nobody is there",
                "SourceUnavailable: not there either",
            }
            await pool.execute(SOON)
            await asyncio.sleep(0.05)
    assert (found.state, found.objects_done, found.objects_failed) == ("incomplete", 1, 1)
    assert (archive.read.count(first), archive.read.count(second)) == (5, 5)


async def test_a_failed_object_is_left_alone_for_a_while(pool: Pool, database_url: str) -> None:
    """Its job waits in the queue, longer each time."""
    archive = an_archive(1)
    (key,) = archive.objects
    archive.failures = {key: [SourceUnavailable("nobody is there")] * 2}
    await plan(pool, archive, 1)
    async with working(database_url, archive):
        await until(pool, "SELECT failures = 1 FROM backfill_objects")
        await until(pool, "SELECT execute_after > now() + interval '3 s' FROM pgqueuer")
        await pool.execute(SOON)
        await until(pool, "SELECT failures = 2 FROM backfill_objects")
        await until(pool, "SELECT execute_after > now() + interval '15 s' FROM pgqueuer")
    assert await pool.fetchval("SELECT state FROM backfill_objects") == "queued"


async def test_the_same_object_of_two_backfills_is_read_once(pool: Pool, database_url: str) -> None:
    """Both end with it done; one that only wants some assets does not stand for the whole."""
    archive = an_archive(3)
    part = await plan(pool, archive, 1, assets=("BTC",))
    async with working(database_url, archive):
        await over(pool, part)
        assert len((await stored_in(pool)).fills) == BLOCKS // 2
        numbers = [await plan(pool, archive, 3), await plan(pool, archive, 3)]
        ended = [await over(pool, number) for number in numbers]
        assert [each.state for each in ended] == ["done", "done"]
        assert sorted(archive.read) == sorted([*archive.objects, min(archive.objects)])
        again = await plan(pool, archive, 1, again=True)
        assert (await over(pool, again)).new_fills == 0
    assert len(archive.read) == 5
    assert len((await stored_in(pool)).fills) == 3 * BLOCKS


async def test_what_is_read_in_part_is_no_coverage(pool: Pool, database_url: str) -> None:
    """Of an asset alone nothing says that its blocks, or the bytes of the object, were read."""
    archive = an_archive(2)
    number = await plan(pool, archive, 2, assets=("BTC",))
    async with working(database_url, archive):
        found = await over(pool, number)
    stored = await stored_in(pool)
    assert (found.liquidated_fills, len(stored.fills)) == (BLOCKS, BLOCKS)
    assert {asset for _identity, asset, _tid in stored.fills} == {"BTC"}
    assert (stored.block_hours, stored.spans, stored.gaps) == ({}, {}, frozenset())


async def test_a_worker_that_is_told_to_stop_leaves_the_rest_to_others(pool: Pool, database_url: str) -> None:
    """At once, whatever it is reading, and without a failure; the next one goes on at once."""
    archive = an_archive(3)
    archive.gate = asyncio.Event()
    number = await plan(pool, archive, 3)
    async with working(database_url, archive) as running:
        await until(pool, "SELECT count(*) = 2 FROM backfill_objects WHERE state = 'running'")
        running.cancel()
        async with asyncio.timeout(3):
            await asyncio.wait({running})
    rows = await pool.fetch("SELECT state, attempts, failures FROM backfill_objects")
    assert {tuple(row) for row in rows} == {("queued", 0, 0)}
    archive.gate = None
    async with working(database_url, archive):
        assert (await over(pool, number)).state == "done"


async def test_a_job_that_was_lost_is_made_again(pool: Pool, database_url: str) -> None:
    """Whatever became of the queue, the objects say what is to be done."""
    archive = an_archive(2)
    number = await plan(pool, archive, 2)
    await pool.execute("TRUNCATE pgqueuer")
    async with working(database_url, archive):
        assert (await over(pool, number)).state == "done"
    assert sorted(archive.read) == sorted(archive.objects)


async def test_an_object_that_ends_whoever_reads_it_is_given_up(pool: Pool, database_url: str) -> None:
    """After many readings that ended without a word."""
    archive = an_archive(2)
    number = await plan(pool, archive, 2)
    await pool.execute("UPDATE backfill_objects SET attempts = 23, failures = 2 WHERE object_id % 2 = 0")
    async with working(database_url, archive):
        assert (await over(pool, number)).objects_failed == 1
    async with pool.acquire() as connection:
        (trouble,) = await read_troubles(connection, number)
    assert trouble.detail == "whoever read it ended 21 times"


async def test_an_archive_that_is_switched_off_is_not_read(pool: Pool, database_url: str) -> None:
    """Nor one this worker does not have: their objects wait, and nothing counts as failed."""
    archive = an_archive(1)
    archive.active = False
    await plan(pool, archive, 1)
    async with working(database_url, archive):
        await until(pool, "SELECT execute_after > now() + interval '50 s' FROM pgqueuer")
    assert archive.read == []
    rows = await pool.fetch("SELECT state, attempts FROM backfill_objects")
    assert [tuple(row) for row in rows] == [("queued", 0)]


async def test_who_holds_the_lease_is_not_disturbed(pool: Pool, database_url: str) -> None:
    """An object somebody reads is looked at again later."""
    archive = an_archive(1)
    number = await plan(pool, archive, 1)
    await pool.execute(
        "INSERT INTO source_leases (name, token, holder, expires_at) "
        "VALUES ($1, 7, 'another', now() + interval '1 h')",
        lease_name(archive.objects["hourly/20251010/20.lz4"][0]),
    )
    async with working(database_url, archive):
        await until(pool, "SELECT execute_after > now() + interval '1 s' FROM pgqueuer")
        assert archive.read == []
        await pool.execute("UPDATE source_leases SET expires_at = now()")
        await pool.execute(SOON)
        assert (await over(pool, number)).state == "done"


async def test_who_lost_the_lease_changes_nothing(pool: Pool, database_url: str) -> None:
    """What it had in its hands is refused, and how it ended is the next one's to say."""
    archive = an_archive(1)
    archive.gate = asyncio.Event()
    number = await plan(pool, archive, 1)
    async with working(database_url, archive):
        await until(pool, "SELECT state = 'running' FROM backfill_objects")
        await pool.execute("UPDATE source_leases SET token = token + 1, expires_at = now() + interval '1 h'")
        archive.gate.set()
        await until(pool, "SELECT count(*) = 0 FROM pgqueuer")
    assert len((await stored_in(pool)).fills) == 0
    assert not (await known(pool, number)).over


async def test_the_database_that_goes_away_is_no_failure_of_an_object(database_url: str) -> None:
    """Whoever supervises the worker starts it again."""
    async with open_pool(database_url, size=5) as pool:
        archive = an_archive(1)
        clock = SystemClock()
        backfills = PostgresBackfills(pool, clock)
        reader = ObjectReader(
            {ARCHIVE: archive}, backfills, PostgresJournal(pool), PostgresLeases(pool, clock), clock
        )
        pool.terminate()
        with pytest.raises(ExceptionGroup) as raised:
            await run_backfills(reader, backfills, pool, clock)
        assert isinstance(first_cause(raised.value), StorageUnavailable)
        assert await reader.read(1) == timedelta(seconds=2)


async def test_lists_are_told_page_by_page(pool: Pool) -> None:
    """In the order they were asked for; what has nothing to read is done at once."""
    archive = MemoryArchive()
    numbers = [await plan(pool, archive, 1) for _ in range(3)]
    async with pool.acquire() as connection:
        page = await read_backfills(connection, past=None, limit=2, descending=True)
        rest = await read_backfills(connection, past=page[-1][0], limit=2, descending=True)
        upwards = await read_backfills(connection, past=page[-1][0], limit=2, descending=False)
        assert [each.backfill_id for _place, each in (*page, *rest)] == numbers[::-1]
        assert [each.backfill_id for _place, each in upwards] == numbers[2:]
        assert [each.state for _place, each in page] == ["done", "done"]
        assert page[0][1].over
        assert await read_backfill(connection, 10**9) is None


async def until(pool: Pool, condition: str) -> None:
    async with asyncio.timeout(20):
        while not await pool.fetchval(condition):
            await asyncio.sleep(0.02)
