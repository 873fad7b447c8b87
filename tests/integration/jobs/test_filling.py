"""Gaps that close by themselves: what a source did not hear is queued, read, paid for and then known."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from kamiyo.core.errors import SourceUnavailable
from kamiyo.core.events import Gap
from kamiyo.core.time import HOUR
from kamiyo.jobs.filling import GapFiller
from kamiyo.kit.clock import SystemClock
from kamiyo.processing.backfill import read_object
from kamiyo.storage.backfills import PostgresBackfills
from kamiyo.storage.gaps import PostgresGaps
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.leases import PostgresLeases
from kamiyo.storage.pool import Pool
from tests.archives import BLOCKS, FIRST_HOUR, MemoryArchive, hour, lines_of_hour
from tests.builders import API, ARCHIVE, NODE, a_batch, a_gap
from tests.fakes import ManualClock, MemoryUsdBudget, StoppedError

MINUTE = timedelta(minutes=1)
FIRST_BLOCK = 758_000_000
OPEN = "SELECT count(*) FROM gaps WHERE closed_at IS NULL"
QUEUED = "SELECT key FROM backfill_objects ORDER BY key"
STOLEN = """
INSERT INTO source_leases (name, token, holder, expires_at)
VALUES ('backfill/gaps', 1, 'another', now() + interval '1 h')
"""


class EndingClock(ManualClock):
    """A clock that ends the process with its first wait, which is ten minutes long."""

    async def sleep(self, duration: timedelta) -> None:
        assert duration == 10 * MINUTE
        raise StoppedError


class Filling:
    """A filler with its archive, by a clock three hours after the last of its hours."""

    def __init__(self, pool: Pool, *, hours: int = 3) -> None:
        self.pool = pool
        self.clock = ManualClock(hour(hours + 3))
        self.archive = MemoryArchive(clock=self.clock)
        for number in range(hours):
            self.archive.keep(number)
        self.journal = PostgresJournal(pool, self.clock)
        self.money = MemoryUsdBudget(self.clock)
        self.filler = GapFiller(
            archives=[self.archive],
            sources={ARCHIVE: [NODE, API]},
            gaps=PostgresGaps(pool, self.clock),
            backfills=PostgresBackfills(pool, self.clock),
            leases=PostgresLeases(pool, SystemClock()),
            money=self.money,
            clock=self.clock,
            delay=2 * HOUR,
        )

    async def miss(self, *gaps: Gap) -> None:
        await self.journal.write(a_batch(events=(), gaps=gaps))

    async def read(self, *numbers: int) -> None:
        """Read the objects of these hours, as a worker does."""

        async def told(_counts) -> None:
            pass

        for number in numbers:
            found = self.archive.objects[f"hourly/{hour(number):%Y%m%d/%H}.lz4"][0]
            await read_object(self.archive, found, self.journal, self.clock, told=told)

    async def open_gaps(self) -> int:
        return await self.pool.fetchval(OPEN)

    async def queued(self) -> Sequence[str]:
        return [row["key"] for row in await self.pool.fetch(QUEUED)]


@pytest.fixture
def filling(pool: Pool) -> Filling:
    """Give a filler whose archive has three hours."""
    return Filling(pool)


def blocks(first: int, after_last: int, **changes) -> Gap:
    """Give missing blocks, numbered from the archive's first, in the hours they are of."""
    times = {
        "started_at": hour(first // BLOCKS) + MINUTE,
        "ended_at": hour(after_last // BLOCKS) + 50 * MINUTE,
    }
    numbers = {"first": FIRST_BLOCK + first, "after_last": FIRST_BLOCK + after_last}
    return a_gap(**({"source": NODE, "scale": "block", "scope": ""} | times | numbers | changes))


def minutes(start: int, end: int, **changes) -> Gap:
    """Give a silence from one minute after the first hour's beginning to another."""
    started_at, ended_at = FIRST_HOUR + start * MINUTE, FIRST_HOUR + end * MINUTE
    millis = {"first": start * 60_000, "after_last": end * 60_000}
    wanted = {"source": API, "scale": "millisecond", "scope": "trades"} | millis
    return a_gap(**(wanted | {"started_at": started_at, "ended_at": ended_at} | changes))


async def test_a_gap_is_queued_read_and_closed(filling: Filling) -> None:
    """Its hours and no others, once however often it is looked for, and within the day's money."""
    await filling.miss(blocks(BLOCKS + 2, BLOCKS + 5))
    for _ in range(2):
        await filling.filler.run_once()
    assert await filling.queued() == ["hourly/20251010/21.lz4"]
    (row,) = await filling.pool.fetch("SELECT * FROM backfills")
    assert (row["reason"], row["requested_by"], row["objects"]) == ("gap", "gaps", 1)
    assert (row["cost_usd"], list(filling.money.spent.values())) == (Decimal("0.1"), [Decimal("0.1")])
    assert await filling.open_gaps() == 1
    await filling.read(1)
    await filling.filler.run_once()
    assert await filling.open_gaps() == 0
    assert await filling.pool.fetchval("SELECT closed_at FROM gaps") == filling.clock.now()


async def test_blocks_that_the_archive_lacks_stay_missing(filling: Filling) -> None:
    """One of them is enough, and nothing is paid for twice."""
    lines = lines_of_hour(1)
    filling.archive.keep(1, [*lines[:4], *lines[5:]])
    await filling.miss(blocks(BLOCKS + 2, BLOCKS + 6), blocks(BLOCKS + 6, BLOCKS + 8))
    await filling.filler.run_once()
    await filling.read(1)
    await filling.pool.execute("UPDATE backfill_objects SET state = 'done'")
    for _ in range(2):
        await filling.filler.run_once()
    assert await filling.open_gaps() == 2  # the other one, and that of the archive itself
    assert await filling.pool.fetchval("SELECT count(*) FROM backfills") == 1


async def test_a_silence_is_over_once_all_blocks_of_its_time_are_known(filling: Filling) -> None:
    """Across hours, and to its very end."""
    await filling.miss(minutes(30, 150))
    await filling.filler.run_once()
    assert len(await filling.queued()) == 3
    await filling.read(0, 1)
    await filling.filler.run_once()
    assert await filling.open_gaps() == 1
    await filling.read(2)
    await filling.filler.run_once()
    assert await filling.open_gaps() == 0


async def test_a_silence_with_a_hole_in_its_blocks_is_not_over(filling: Filling) -> None:
    """Nobody can say whether the hole is within it."""
    lines = lines_of_hour(0)
    filling.archive.keep(0, [*lines[:4], *lines[5:]])
    await filling.miss(minutes(10, 50))
    await filling.read(0)
    await filling.filler.run_once()
    assert await filling.pool.fetchval(
        "SELECT count(*) FROM gaps WHERE closed_at IS NULL AND source = $1", API
    )


async def test_no_more_is_spent_than_a_day_allows(filling: Filling) -> None:
    """The newest hours first; the others wait for the next day."""
    filling.archive.daily_limit_usd = Decimal("0.25")
    await filling.miss(minutes(10, 150))
    await filling.filler.run_once()
    assert await filling.queued() == ["hourly/20251010/21.lz4", "hourly/20251010/22.lz4"]
    await filling.filler.run_once()
    assert len(await filling.queued()) == 2
    filling.clock.moment += 24 * HOUR
    await filling.filler.run_once()
    assert len(await filling.queued()) == 3


@pytest.mark.parametrize(
    "gap",
    [
        minutes(10, 50, source=ARCHIVE),
        minutes(10, 50, ended_at=None),
        minutes(10, 50, started_at=hour(4), ended_at=hour(4) + 2 * MINUTE),
        minutes(10, 50, started_at=hour(-9), ended_at=hour(-8)),
    ],
    ids=["the archive's own", "still open", "too young", "before the archive"],
)
async def test_what_no_archive_can_close_is_left_open(filling: Filling, gap: Gap) -> None:
    """And costs nothing."""
    await filling.miss(gap)
    await filling.filler.run_once()
    assert (await filling.queued(), filling.money.spent) == ([], {})
    assert await filling.open_gaps() == 1


async def test_an_archive_that_may_cost_nothing_is_not_asked(filling: Filling) -> None:
    """Nor is one that is switched off; what was read of it on purpose closes gaps all the same."""
    await filling.miss(minutes(10, 50))
    filling.archive.daily_limit_usd = Decimal(0)
    await filling.filler.run_once()
    filling.archive.daily_limit_usd, filling.archive.active = Decimal(1), False
    await filling.filler.run_once()
    assert (filling.archive.listed, await filling.queued()) == ([], [])
    await filling.read(0)
    await filling.filler.run_once()
    assert await filling.open_gaps() == 0


async def test_an_archive_that_does_not_answer_is_asked_again(filling: Filling) -> None:
    """The gaps wait."""
    await filling.miss(minutes(10, 50))

    filling.archive.trouble = SourceUnavailable("nobody is there")
    await filling.filler.run_once()
    assert await filling.queued() == []
    filling.archive.trouble = None
    await filling.filler.run_once()
    assert len(await filling.queued()) == 1


async def test_an_archive_that_is_broken_says_so(filling: Filling) -> None:
    """What is no trouble of the service is not taken for one."""
    await filling.miss(minutes(10, 50))

    filling.archive.trouble = ZeroDivisionError()
    with pytest.raises(ExceptionGroup):
        await filling.filler.run_once()


async def test_what_would_not_be_stored_is_not_paid_for(filling: Filling) -> None:
    """Where liquidations of that time are kept no more."""
    await filling.pool.execute(
        "INSERT INTO retained (dataset, stored_from, changed_at) VALUES ('liquidations', $1, now())", hour(1)
    )
    await filling.miss(minutes(10, 50), minutes(70, 80))
    await filling.filler.run_once()
    assert await filling.queued() == ["hourly/20251010/21.lz4"]


async def test_of_all_workers_one_looks_after_gaps(filling: Filling) -> None:
    """Now and then, for ever."""
    await filling.miss(minutes(10, 50))
    await filling.pool.execute(STOLEN)

    with pytest.raises(StoppedError):
        await replace(filling.filler, clock=EndingClock(filling.clock.now())).run()
    assert await filling.queued() == []
