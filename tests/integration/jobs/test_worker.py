"""The worker of polls on pgqueuer's schedules: one poll at a time over all workers, and quick endings."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count

import msgspec
import pytest
from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
from pgqueuer.adapters.persistence import qb
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.adapters.persistence.schema_ddl import render_install
from pgqueuer.domain.settings import DBSettings

from kamiyo.aggregators.base import Alive
from kamiyo.core.errors import StorageUnavailable
from kamiyo.core.ids import SourceName
from kamiyo.core.sources import SourceState, SourceType
from kamiyo.jobs.polling import PolledSource
from kamiyo.jobs.worker import build_scheduler, look_expression, plain_settings, run_polls
from kamiyo.kit.clock import SystemClock
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.leases import PostgresLeases
from kamiyo.storage.migrate import shipped_migrations
from kamiyo.storage.polls import PostgresTimetable, prune_jobs
from kamiyo.storage.pool import Pool, open_pool
from kamiyo.storage.sources import list_sources
from tests.builders import NOW
from tests.fakes import ScriptedAggregator

SECOND = timedelta(seconds=1)
LONG_AGO = "UPDATE pgqueuer_schedules SET updated = now() - interval '8 days' WHERE entrypoint = 'old'"


class Answers(ScriptedAggregator):
    """A service that takes its time, and notes how many ask it at once."""

    def __init__(self, seconds: float, name: str = "asked") -> None:
        super().__init__(type=SourceType.POLLED, poll_every=SECOND, name=SourceName(name))
        self.seconds = seconds
        self.asking = 0
        self.most = 0
        self.asked = 0

    async def stream(self, cursor, *, follow=True):  # noqa: ARG002
        self.asking += 1
        self.most = max(self.most, self.asking)
        self.asked += 1
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.asking -= 1
        yield Alive(NOW)


@asynccontextmanager
async def working(database_url: str, *sources: ScriptedAggregator) -> AsyncIterator[asyncio.Task[None]]:
    """Run a worker of these sources with a pool of its own, as a process does."""
    async with open_pool(database_url, size=4) as pool, open_pool(database_url, size=1) as own:
        journal, leases = PostgresJournal(pool), PostgresLeases(own, SystemClock())
        timetable = PostgresTimetable(pool)
        polled = [PolledSource(each, journal, leases, timetable, SystemClock()) for each in sources]
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(run_polls(polled, pool))
            yield running
            running.cancel()


async def until(condition) -> None:
    async with asyncio.timeout(15):
        while not condition():
            await asyncio.sleep(0.02)


async def test_of_all_workers_one_polls_a_source_at_a_time(database_url: str) -> None:
    """Again and again, whoever is first; sources do not wait for each other."""
    slow, quick = Answers(1.5, "slow"), Answers(0.01, "quick")
    async with (
        working(database_url, slow, quick),
        working(database_url, slow, quick),
        working(database_url, slow, quick),
    ):
        await until(lambda: slow.asked >= 3 and quick.asked >= 3)
    assert (slow.most, quick.most) == (1, 1)


async def test_sources_are_listed_before_their_first_turn(pool: Pool, database_url: str) -> None:
    """One that its settings leave out never as one that starts, which would speak against all of it."""
    asked, left_out = Answers(3_600), Answers(0, "left_out")
    left_out.active = False
    journal, leases, timetable = (
        PostgresJournal(pool),
        PostgresLeases(pool, SystemClock()),
        PostgresTimetable(pool),
    )
    sources = [PolledSource(each, journal, leases, timetable, SystemClock()) for each in (asked, left_out)]
    async with open_pool(database_url, size=1) as unusable:
        unusable.terminate()  # no schedule is read, so nobody has a turn
        with pytest.RaisesGroup(StorageUnavailable, allow_unwrapped=True, flatten_subgroups=True):
            await run_polls(sources, unusable)
    async with pool.acquire() as connection:
        known = {each.name: each.state for each in await list_sources(connection)}
    assert known == {"asked": SourceState.STARTING, "left_out": SourceState.INACTIVE}


async def test_the_first_turn_is_at_once(database_url: str) -> None:
    """Whether a source has what it needs is known when the process has started, not half a minute later."""
    now = datetime.now(UTC).second
    # By its name a source has seconds of its own; this one's are far off.
    name = next(name for name in map(str, count()) if 15 < (zlib.crc32(name.encode()) - now) % 30 < 25)
    source = Answers(0, name)
    source.description = msgspec.structs.replace(source.description, poll_every=timedelta(hours=1))
    async with working(database_url, source), asyncio.timeout(10):
        while not source.asked:
            await asyncio.sleep(0.02)


async def test_a_worker_that_is_told_to_stop_does_not_finish_a_long_poll(database_url: str) -> None:
    """Its polls end with it, and another worker goes on with them at once."""
    source = Answers(3_600)
    async with working(database_url, source) as running:
        await until(lambda: source.asking)
        running.cancel()
        async with asyncio.timeout(2):
            await asyncio.wait({running})
    assert (source.asking, running.cancelled()) == (0, True)
    source.seconds = 0
    async with working(database_url, source):
        await until(lambda: source.asked == 2)


async def test_without_a_database_the_worker_ends_with_an_error_of_ours(database_url: str) -> None:
    """Whoever supervises it starts it again."""
    async with open_pool(database_url, size=2) as pool:
        journal, leases = PostgresJournal(pool), PostgresLeases(pool, SystemClock())
        source = PolledSource(Answers(0), journal, leases, PostgresTimetable(pool), SystemClock())
        pool.terminate()
        with pytest.RaisesGroup(StorageUnavailable, allow_unwrapped=True, flatten_subgroups=True):
            await run_polls([source], pool)


async def test_schedules_that_nobody_uses_are_dropped(pool: Pool) -> None:
    """What a source or an interval left behind goes after a week, and what is used stays."""
    scheduler = build_scheduler(pool)
    for name in ("old", "new"):
        scheduler.schedule(name, "* * * * *", accepts_context=False)(lambda _schedule: asyncio.sleep(0))
    await scheduler.queries.insert_schedule(dict.fromkeys(scheduler.registry, SECOND))
    await pool.execute(
        "UPDATE pgqueuer_schedules SET updated = now() - interval '8 days' WHERE entrypoint = 'old'"
    )
    async with pool.acquire() as connection:
        await prune_jobs(connection)
    assert await pool.fetchval("SELECT array_agg(entrypoint) FROM pgqueuer_schedules") == ["new"]


async def test_leases_of_objects_that_were_read_long_ago_are_dropped(pool: Pool) -> None:
    """Those of sources stay, and so do those somebody may still write under."""
    await pool.execute(
        "INSERT INTO source_leases (name, token, holder, expires_at) VALUES "
        "('backfill/old', 1, '', now() - interval '8 days'), ('backfill/new', 1, '', now()), "
        "('source/old', 1, '', now() - interval '8 days')"
    )
    async with pool.acquire() as connection:
        await prune_jobs(connection)
    left = await pool.fetchval("SELECT array_agg(name ORDER BY name) FROM source_leases")
    assert left == ["backfill/new", "source/old"]


@pytest.mark.parametrize(
    ("poll_every", "step"),
    [(0.5, 1), (1, 1), (30, 2), (60, 5), (119, 5), (120, 10), (600, 30), (86_400, 30)],
)
async def test_a_source_is_looked_at_often_for_its_interval(pool: Pool, poll_every: float, step: int) -> None:
    """Several times in an interval, each source at seconds of its own, in words the schedules understand."""
    scheduler = build_scheduler(pool)
    for name in ("a", "b", "source_with_a_long_name"):
        expression = look_expression(name, timedelta(seconds=poll_every))
        scheduler.schedule(name, expression, accepts_context=False)(lambda _schedule: asyncio.sleep(0))
        first, _, every = expression.removeprefix("* * * * * ").partition("-59/")
        assert (int(every), 0 <= int(first) < step, 60 % step) == (step, True, 0)


def test_the_tables_have_plain_names_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library takes names of tables from variables that may well mean something else."""
    for name in ("PGQUEUER_PREFIX", "QUEUE_TABLE", "SCHEDULES_TABLE", "DURABILITY"):
        monkeypatch.setenv(name, "volatile")
    assert DBSettings().queue_table == "volatile"
    assert plain_settings().schedules_table == "pgqueuer_schedules"
    assert render_install(plain_settings()) in _migration()


async def test_the_schema_is_that_of_the_installed_version(pool: Pool) -> None:
    """The library finds nothing to change in the tables our migration made."""
    queries = Queries(AsyncpgPoolDriver(pool), qb.QueryBuilderEnvironment(plain_settings()))
    plan = await queries.plan_upgrade()
    assert list(plan.statements) == []


def _migration() -> str:
    (step,) = (each for each in shipped_migrations() if each.name == "0005_jobs.sql")
    return step.sql
