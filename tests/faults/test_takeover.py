"""Two workers of one stream, of which one is killed or stands still: nothing is lost, nothing is doubled."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from io import FileIO
from pathlib import Path

import pytest

from kamiyo.core.sources import SourceState
from kamiyo.kit.clock import SystemClock
from kamiyo.storage.pool import Pool
from kamiyo.storage.sources import list_sources
from tests.builders import VICTIM, block_line, fill_json
from tests.conftest import REPOSITORY

TAKEN_OVER_WITHIN_SECONDS = 10
# Every step of the cursor, in the order they were committed: one that goes back, or twice, was done twice.
STEPS = """
CREATE TABLE steps (number bigserial PRIMARY KEY, before bigint, after bigint, at timestamptz);
CREATE FUNCTION step() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO steps (before, after, at)
    VALUES (coalesce(OLD.cursor, '0')::bigint, NEW.cursor::bigint, clock_timestamp());
    RETURN NULL;
END $$;
CREATE TRIGGER step AFTER UPDATE ON sources
FOR EACH ROW WHEN (NEW.cursor IS NOT NULL) EXECUTE FUNCTION step();
"""


class Worker:
    """A process that wants to read the stream."""

    def __init__(self, database: str, path: Path, log: Path, stage: str, nth: int) -> None:
        command = [sys.executable, "-m", "tests.faults.holder", "--database", database, "--path", str(path)]
        self.log = log
        with log.open("wb") as said:
            self._process = subprocess.Popen(
                [*command, "--stage", stage, "--nth", str(nth)], cwd=REPOSITORY, stderr=said
            )

    @property
    def holder_suffix(self) -> str:
        return f"/{self._process.pid}"

    @property
    def stopped(self) -> bool:
        return Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def events(self) -> list[str]:
        return [line for line in self.log.read_text().splitlines() if '"event"' in line]

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self) -> None:
        self._process.kill()
        self._process.wait(10)


Start = Callable[..., Worker]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give the file that is read."""
    file = tmp_path / "lines"
    file.touch()
    return file


@pytest.fixture
def start(database_url: str, path: Path, tmp_path: Path) -> Iterator[Start]:
    """Start a worker, which may stop itself; all end with the test."""
    workers: list[Worker] = []

    def begin(stage: str = "never", nth: int = 1) -> Worker:
        workers.append(Worker(database_url, path, tmp_path / f"{len(workers)}.log", stage, nth))
        return workers[-1]

    yield begin
    for worker in workers:
        worker.end()


@pytest.fixture
async def watched_pool(pool: Pool) -> AsyncIterator[Pool]:
    """Give a database that notes every step of the source's cursor."""
    await pool.execute(STEPS)
    yield pool
    await pool.execute("DROP TRIGGER step ON sources; DROP FUNCTION step; DROP TABLE steps")


class Writer:
    """Appends lines, each with a fill of its own."""

    def __init__(self, file: FileIO) -> None:
        self._file = file
        self.written = 0

    async def go_on(self) -> None:
        while True:
            self.write()
            await asyncio.sleep(0.02)

    def write(self) -> None:
        self.written += 1
        line = block_line((VICTIM, fill_json(tid=self.written)), number=self.written)
        self._file.write(line + b"\n")


@asynccontextmanager
async def writing(path: Path) -> AsyncIterator[Writer]:
    """Write lines all the while."""
    with path.open("ab", buffering=0) as file:
        writer = Writer(file)
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(writer.go_on())
            yield writer
            task.cancel()


async def reached(pool: Pool) -> int:
    return await pool.fetchval("SELECT coalesce(max(after), 0) FROM steps")


async def until(condition, seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


async def has_reached(pool: Pool, number: int) -> bool:
    return await reached(pool) >= number


async def check(pool: Pool, written: int) -> None:
    """Every line was stored by exactly one step, in order; every fill is there once."""
    await until(lambda: has_reached(pool, written))
    steps = [(row["before"], row["after"]) for row in await pool.fetch("SELECT * FROM steps ORDER BY number")]
    assert all(before < after for before, after in steps if before != after)
    moved = [(before, after) for before, after in steps if before != after]
    assert [before for before, _after in moved] == [0, *(after for _before, after in moved[:-1])]
    assert moved[-1][1] == written
    tids = [row["tid"] for row in await pool.fetch("SELECT tid FROM liquidation_fills ORDER BY tid")]
    assert tids == list(range(1, written + 1))
    counted = await pool.fetchval("SELECT sum(fill_count) FROM liquidations")
    assert counted == written


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_holder_that_is_killed_is_replaced(watched_pool: Pool, start: Start, path: Path) -> None:
    """The other worker goes on within ten seconds, where the dead one's last committed step ended."""
    clock = SystemClock()
    async with writing(path) as writer:
        workers = [start(), start()]
        await until(lambda: has_reached(watched_pool, 20))
        holder = await watched_pool.fetchval("SELECT holder FROM source_leases")
        (held,) = [each for each in workers if holder.endswith(each.holder_suffix)]
        (other,) = [each for each in workers if each is not held]
        held.send(signal.SIGKILL)
        killed_at, last = clock.now(), await reached(watched_pool)
        await asyncio.sleep(0.2)  # what it had sent before it died is committed by then
        last = await reached(watched_pool)
        await until(lambda: has_reached(watched_pool, last + 1), TAKEN_OVER_WITHIN_SECONDS)
        taken = (clock.now() - killed_at).total_seconds()
    assert taken < TAKEN_OVER_WITHIN_SECONDS
    assert other.alive
    await check(watched_pool, writer.written)


@pytest.mark.slow
@pytest.mark.timeout(150)
@pytest.mark.parametrize("stage", ["write", "copy", "commit"])
async def test_a_holder_that_stands_still_does_nothing_twice(
    watched_pool: Pool, start: Start, path: Path, stage: str
) -> None:
    """Stopped with a batch in its hands it is replaced; going on, its batch is refused and it stands by."""
    async with writing(path) as writer:
        still = start(stage, 20)
        await until(_stopped(still))
        other = start()
        before = await reached(watched_pool)
        await until(lambda: has_reached(watched_pool, before + 50), 20)
        still.send(signal.SIGCONT)
        await until(_says(still, "source_standing_by"))
        told = await _state(watched_pool)
        await asyncio.sleep(1)
        assert await _state(watched_pool) == told == SourceState.LIVE
        assert (still.alive, other.alive) == (True, True)
        if stage == "write":
            assert any("source_lease_lost" in line for line in still.events())
        other.send(signal.SIGKILL)
        last = writer.written
        await until(lambda: has_reached(watched_pool, last), TAKEN_OVER_WITHIN_SECONDS + 5)
    await check(watched_pool, writer.written)


def _stopped(worker: Worker):
    async def look() -> bool:
        return worker.stopped

    return look


def _says(worker: Worker, event: str):
    async def look() -> bool:
        return any(event in line for line in worker.events())

    return look


async def _state(pool: Pool) -> SourceState:
    async with pool.acquire() as connection:
        (known,) = await list_sources(connection)
    return known.state
