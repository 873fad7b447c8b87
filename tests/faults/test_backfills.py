"""Workers of one backfill, killed and stopped at any moment: all that is there is stored, and only once."""

import asyncio
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from kamiyo.core.backfills import BackfillPlan, BackfillRequest
from kamiyo.core.errors import CorruptObject
from kamiyo.kit.clock import SystemClock
from kamiyo.processing.backfill import read_object
from kamiyo.storage.backfills import PostgresBackfills
from kamiyo.storage.pool import Pool
from kamiyo.storage.read_backfills import BackfillText, read_backfill
from tests.archives import FIRST_HOUR, hour
from tests.builders import ARCHIVE
from tests.conftest import REPOSITORY
from tests.fakes import MemoryJournal, Stored
from tests.faults.backfiller import BLOCKS, HOURS, an_archive
from tests.stored import stored_in

OBJECTS = HOURS + 2
FILLS = (HOURS + 1) * BLOCKS + 64  # of the object that is cut off only its first whole batch
COMPARED = (
    "fills", "liquidations", "accounts", "movements", "rejects", "gaps", "spans", "block_hours",
)  # fmt: skip

HELD_ARE_OVER = """
SELECT NOT EXISTS (SELECT FROM backfill_objects JOIN held USING (object_id) WHERE state = 'running')
"""


class Worker:
    """A process that reads what is queued."""

    def __init__(self, database: str, log: Path, pause: float) -> None:
        command = [sys.executable, "-m", "tests.faults.backfiller", "--database", database]
        self.log = log
        with log.open("wb") as said:
            self.process = subprocess.Popen([*command, "--pause", str(pause)], cwd=REPOSITORY, stderr=said)

    def end(self) -> None:
        self.process.kill()
        self.process.wait(10)


Start = Callable[..., Worker]


@pytest.fixture
def start(database_url: str, tmp_path: Path) -> Iterator[Start]:
    """Start workers; all end with the test."""
    workers: list[Worker] = []

    def begin(pause: float = 0.002) -> Worker:
        workers.append(Worker(database_url, tmp_path / f"{len(workers)}.log", pause))
        return workers[-1]

    yield begin
    for worker in workers:
        worker.end()


async def in_a_straight_run() -> Stored:
    """Give what one process that nobody disturbs stores, one object after the other."""
    archive, journal = an_archive(0), MemoryJournal()
    await journal.register(archive.description)

    async def told(_counts) -> None:
        pass

    for found in await archive.list_objects(FIRST_HOUR, hour(OBJECTS)):
        try:
            await read_object(archive, found, journal, SystemClock(), told=told)
        except CorruptObject:
            assert found.start == hour(HOURS)
    return journal.stored()


async def plan(pool: Pool) -> int:
    archive = an_archive(0)
    request = BackfillRequest(source=ARCHIVE, start=FIRST_HOUR, end=hour(OBJECTS))
    objects = tuple(await archive.list_objects(request.start, request.end))
    wanted = BackfillPlan(request=request, objects=objects, cost_usd=archive.cost_usd(len(objects), 0))
    return await PostgresBackfills(pool, SystemClock()).plan(wanted)


async def known(pool: Pool, number: int) -> BackfillText:
    async with pool.acquire() as connection:
        found = await read_backfill(connection, number)
    assert found is not None
    return found


async def check(pool: Pool, number: int) -> None:
    """Every row is that of a straight run, and every object was told of once."""
    found = await known(pool, number)
    assert (found.state, found.objects_done, found.objects_failed) == ("incomplete", OBJECTS - 1, 1)
    stored, expected = await stored_in(pool), await in_a_straight_run()
    assert len(stored.fills) == FILLS
    for name in COMPARED:
        assert getattr(stored, name) == getattr(expected, name), name
    counted = await pool.fetchval("SELECT sum(fill_count) FROM liquidations")
    assert counted == FILLS
    told = [msgspec.json.decode(message) for channel, message in stored.published if channel == "backfills"]
    assert len(stored.published) == len(told)
    assert Counter(each["state"] for each in told) == {"done": OBJECTS - 1, "failed": 1}
    assert len({each["object_id"] for each in told}) == OBJECTS


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("count", [1, 2, 4])
async def test_workers_that_are_killed_lose_and_double_nothing(pool: Pool, start: Start, count: int) -> None:
    """At moments nobody chose, again and again; each is replaced by another at once."""
    chance, number = random.Random(count), await plan(pool)
    workers = [start() for _ in range(count)]
    await reading(pool, 1)
    kills = 0
    while not (await known(pool, number)).over:
        await asyncio.sleep(chance.uniform(0.1, 0.5))
        if kills < 3:
            # All of them once, so that somebody is in the middle of an object.
            victims = [chance.randrange(count)] if kills else range(count)
            kills += 1
            for victim in victims:
                workers[victim].end()
                workers[victim] = start()
            await reading(pool, 1)
    assert kills == 3
    assert await pool.fetchval("SELECT sum(attempts) FROM backfill_objects") > OBJECTS
    await check(pool, number)


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_worker_that_stands_still_does_nothing_twice(pool: Pool, start: Start) -> None:
    """Going on, what it has in its hands is refused, and what others finished stays as it is."""
    number = await plan(pool)
    still = start(0.02)
    await reading(pool, 2)
    await until(pool, "SELECT count(*) > 0 FROM liquidation_fills")
    still.process.send_signal(signal.SIGSTOP)
    await pool.execute("CREATE TABLE held AS SELECT object_id FROM backfill_objects WHERE state = 'running'")
    start()
    await until(pool, HELD_ARE_OVER)
    await pool.execute("DROP TABLE held")
    still.process.send_signal(signal.SIGCONT)
    await until(pool, "SELECT state <> 'running' FROM backfills")
    async with asyncio.timeout(20):
        while "backfill_object_left" not in still.log.read_text():
            await asyncio.sleep(0.05)
    # In a transaction it stood still for too long to have a connection left.
    assert any(reason in still.log.read_text() for reason in ("LeaseLost: ", "StorageUnavailable: "))
    assert still.process.poll() is None
    await check(pool, number)


async def reading(pool: Pool, objects: int) -> None:
    """Wait until so many objects are read, or all are at their end."""
    await until(
        pool,
        f"SELECT count(*) FILTER (WHERE state = 'running') >= {objects} "
        "OR bool_and(state NOT IN ('queued', 'running')) FROM backfill_objects",
    )


async def until(pool: Pool, condition: str) -> None:
    async with asyncio.timeout(60):
        while not await pool.fetchval(condition):
            await asyncio.sleep(0.02)
