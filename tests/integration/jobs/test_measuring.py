"""Hours measured in a real database, and what they were counted to be by hand."""

import asyncio
import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from kamiyo.core.archives import BlockRun
from kamiyo.core.events import LiquidationMethod
from kamiyo.core.ports import Batch
from kamiyo.jobs.measuring import keep_measuring, measure_due_hours
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.pool import Pool
from tests.builders import API, CHAIN, NODE, a_batch
from tests.coverages import ARCHIVE, HOUR, MINUTE, NEXT, a_run, a_sight, described, heard
from tests.fakes import ManualClock

AFTER = NEXT + 10 * MINUTE
NODE_BATCH = a_batch(
    source=NODE,
    events=(
        a_sight(NODE, 1, "600.5"),
        a_sight(NODE, 2, "400", hash="0x" + "a" * 64),  # with the next one a liquidation of 1,000
        a_sight(NODE, 3, "600", hash="0x" + "a" * 64),
        a_sight(NODE, 4, "2000000", method=LiquidationMethod.BACKSTOP),
        a_sight(NODE, 5, "30", timestamp=NEXT),
    ),
    block_runs=(a_run(1, 9),),
)
API_BATCHES = [
    *heard(API, minutes=(1, 2, 3)),
    a_batch(
        source=API,
        events=(
            a_sight(API, 1, "600.5"),
            a_sight(API, 3, "600", hash="0x" + "a" * 64),
            a_sight(API, 6, "77"),
        ),
        heard_at=HOUR + 30 * MINUTE,
    ),
]
SHARES = [
    (API, "backstop", "1M and more", Decimal(0), Decimal(2_000_000), 0, 1),
    (API, "market", "1k to 10k", Decimal(600), Decimal(1_000), 1, 2),
    (API, "market", "under 1k", Decimal("600.5"), Decimal("600.5"), 1, 1),
]
HOURS = [
    (API, NODE, None, Decimal("1200.5"), Decimal("2001600.5"), Decimal(77), 1, 4),
    (NODE, None, "is_reference", None, None, None, None, 0),
]


async def rows(pool: Pool, statement: str, *values: object) -> list[tuple[Any, ...]]:
    async with pool.acquire() as connection:
        return [tuple(row) for row in await connection.fetch(statement, *values)]


async def hours_of(pool: Pool) -> list[tuple[Any, ...]]:
    return await rows(
        pool,
        """SELECT source, reference, reason, seen_usd, reference_usd, unknown_usd, unknown_fills,
            heard_minutes
        FROM coverage_hours WHERE hour = $1 ORDER BY source""",
        HOUR,
    )


async def shares_of(pool: Pool) -> list[tuple[Any, ...]]:
    return await rows(
        pool,
        """SELECT source, method, size_bucket, seen_usd, reference_usd, seen_fills, reference_fills
        FROM coverage_shares WHERE hour = $1 ORDER BY source, method, size_bucket""",
        HOUR,
    )


async def told(pool: Pool) -> list[dict[str, Any]]:
    found = await rows(pool, "SELECT messages FROM outbox WHERE channel = 'coverage' ORDER BY id")
    return [message for (messages,) in found for message in msgspec.json.decode(messages)]


@pytest.fixture
async def journal(pool: Pool) -> PostgresJournal:
    """Give a journal with a node and the API registered."""
    journal = PostgresJournal(pool)
    for source in (NODE, API):
        await journal.register(described(source))
    return journal


async def write(journal: PostgresJournal, *batches: Batch) -> None:
    for batch in batches:
        await journal.write(batch)


async def test_an_hour_counts_as_counted_by_hand(pool: Pool, journal: PostgresJournal) -> None:
    """The API saw 600.5 + 600 of 2,001,600.5 USD; what only it saw stands beside."""
    await write(journal, NODE_BATCH, *API_BATCHES)
    assert await measure_due_hours(pool, ManualClock(AFTER)) == 1
    assert await hours_of(pool) == HOURS
    assert await shares_of(pool) == SHARES
    messages = {each["source"]: each for each in await told(pool)}
    assert messages[NODE]["reason"] == "is_reference"
    assert messages[API] == {
        "hour": "2025-10-10T21:00:00.000Z",
        "chain": CHAIN,
        "source": API,
        "label": "sample",
        "reference": NODE,
        "share_pct": "0.05",
        "seen_usd": "1200.5",
        "reference_usd": "2001600.5",
        "reason": None,
        "detail": "",
        "unknown_to_reference_usd": "77",
        "heard_minutes": 4,
        "measured_at": "2025-10-10T22:10:00.000Z",
    }


@pytest.mark.parametrize("seed", range(4))
async def test_the_order_of_batches_does_not_matter(pool: Pool, journal: PostgresJournal, seed: int) -> None:
    """Whoever was stored first, in whatever pieces, however often, and measured in between or not."""
    chance = random.Random(seed)
    pieces = [
        *(a_batch(source=NODE, events=(each,)) for each in NODE_BATCH.events),
        *(a_batch(source=NODE, events=(), block_runs=(a_run(n, n, start=n - 1, end=59.99 if n == 9 else n),))
          for n in range(1, 10)),
        *API_BATCHES,
    ]  # fmt: skip
    pieces += chance.choices(pieces, k=5)
    for piece in chance.sample(pieces, len(pieces)):
        # The first block's beginning and the last one's end are what bounds the hour.
        await journal.write(piece)
        if chance.random() < 0.3:
            await measure_due_hours(pool, ManualClock(AFTER))
    await measure_due_hours(pool, ManualClock(AFTER))
    assert await hours_of(pool) == HOURS
    assert await shares_of(pool) == SHARES


async def test_an_hour_is_measured_once_it_is_over_and_again_when_more_is_known(
    pool: Pool, journal: PostgresJournal
) -> None:
    """Nothing is measured too early or twice; a further sight, another minute or a block changes the hour."""
    clock = ManualClock(AFTER - timedelta(milliseconds=1))
    await write(journal, NODE_BATCH, *API_BATCHES)
    assert await measure_due_hours(pool, clock) == 0
    await clock.sleep(timedelta(milliseconds=1))
    assert [await measure_due_hours(pool, clock) for _ in range(2)] == [1, 0]
    count = len(await told(pool))
    for changed in (
        a_batch(source=API, events=(a_sight(API, 2, "400", hash="0x" + "a" * 64),)),
        *heard(API, minutes=(50,)),
        a_batch(events=(), block_runs=(a_run(10, 11, hour=NEXT),)),
        a_batch(events=(), block_runs=(BlockRun(first=0, last=0, first_at=HOUR, last_at=HOUR),)),
    ):
        await journal.write(changed)
        assert [await measure_due_hours(pool, clock) for _ in range(2)] == [1, 0]
    await write(journal, NODE_BATCH, *API_BATCHES)
    assert await measure_due_hours(pool, clock) == 0
    [api, _node] = await hours_of(pool)
    assert api[3] == Decimal("1600.5")
    assert [each["seen_usd"] for each in (await told(pool))[count:]] == ["1600.5"]


async def test_an_hour_with_a_missing_block_has_no_figure(pool: Pool, journal: PostgresJournal) -> None:
    """It says which, and has a figure once the block was read after all."""
    holed = msgspec.structs.replace(NODE_BATCH, block_runs=(a_run(1, 4), a_run(6, 9)))
    await write(journal, holed, *API_BATCHES)
    await measure_due_hours(pool, ManualClock(AFTER))
    assert [row[1:5] for row in await hours_of(pool)] == [(None, "missing_blocks", None, None)] * 2
    [detail] = {row[0] for row in await rows(pool, "SELECT detail FROM coverage_hours")}
    assert detail == "hyperliquid_node lacks 1 of the blocks 1 to 9"
    assert await shares_of(pool) == []
    await write(journal, a_batch(events=(), block_runs=(a_run(5, 5),)))
    await measure_due_hours(pool, ManualClock(AFTER))
    assert await hours_of(pool) == HOURS


async def test_an_archive_measures_the_node_and_what_the_node_missed(
    pool: Pool, journal: PostgresJournal
) -> None:
    """A node with a hole is compared with an archive without one; the archive looked where it has blocks."""
    holed = msgspec.structs.replace(NODE_BATCH, block_runs=(a_run(1, 4), a_run(6, 9)))
    await journal.register(described(ARCHIVE))
    archived = a_batch(
        source=ARCHIVE,
        events=(*(msgspec.structs.replace(each, source=ARCHIVE) for each in NODE_BATCH.events),
                a_sight(ARCHIVE, 9, "0.5")),
        block_runs=(a_run(1, 9),),
        heard_at=NEXT + timedelta(days=1),
    )  # fmt: skip
    await write(journal, holed, archived)
    assert await measure_due_hours(pool, ManualClock(AFTER + timedelta(days=3))) == 2
    assert await hours_of(pool) == [
        (API, None, "not_heard", None, None, None, None, 0),
        (ARCHIVE, None, "is_reference", None, None, None, None, 0),
        (NODE, ARCHIVE, None, Decimal("2001600.5"), Decimal(2_001_601), Decimal(0), 0, 0),
    ]


async def test_nothing_is_measured_of_an_hour_without_liquidations(
    pool: Pool, journal: PostgresJournal
) -> None:
    """What nobody can have seen nobody missed; what only a sample saw is counted all the same."""
    await write(journal, a_batch(events=(), block_runs=(a_run(1, 9),)), *API_BATCHES)
    await measure_due_hours(pool, ManualClock(AFTER))
    [api, _node] = await hours_of(pool)
    assert api == (API, NODE, "nothing_to_compare", None, None, Decimal("1277.5"), 3, 4)


async def test_without_a_reference_nothing_is_measured(pool: Pool, journal: PostgresJournal) -> None:
    """A sample alone is neither none nor all of anything."""
    await write(journal, *API_BATCHES)
    await measure_due_hours(pool, ManualClock(AFTER))
    assert [row[:3] for row in await hours_of(pool)] == [
        (API, None, "no_reference"),
        (NODE, None, "not_heard"),
    ]


async def test_several_workers_measure_each_hour_as_one_would(pool: Pool, journal: PostgresJournal) -> None:
    """An hour that another worker has in hand is left to it."""
    await write(journal, NODE_BATCH, *API_BATCHES)
    clock = ManualClock(AFTER)
    async with asyncio.TaskGroup() as tasks:
        done = [tasks.create_task(measure_due_hours(pool, clock)) for _ in range(4)]
    assert sum(each.result() for each in done) >= 1
    assert await hours_of(pool) == HOURS
    assert len(await told(pool)) == 2
    await write(
        journal, a_batch(source=API, events=(a_sight(API, 4, "2000000", method=LiquidationMethod.BACKSTOP),))
    )
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('coverage/' || $1, 0))",
            "hyperliquid/2025-10-10T21:00:00.000Z",
        )
        assert await measure_due_hours(pool, clock) == 0
    assert await measure_due_hours(pool, clock) == 1


async def test_a_turn_is_bounded_and_the_newest_hours_come_first(
    pool: Pool, journal: PostgresJournal
) -> None:
    """A long history is measured in pieces, at once one after the other."""
    for hour in range(5):
        await write(journal, *heard(API, hour=HOUR - hour * 60 * MINUTE))
    clock = ManualClock(AFTER)
    assert await measure_due_hours(pool, clock, limit=2) == 2
    found = await rows(pool, "SELECT DISTINCT hour FROM coverage_hours ORDER BY hour DESC")
    assert [hour for (hour,) in found] == [HOUR, HOUR - 60 * MINUTE]

    class Ended(Exception):
        pass

    class Once(ManualClock):
        async def sleep(self, duration: timedelta) -> None:
            raise Ended(duration)

    with pytest.raises(Ended):
        await keep_measuring(pool, Once(), clock)
    assert await rows(pool, "SELECT count(DISTINCT hour) FROM coverage_hours") == [(5,)]


async def test_an_hour_whose_facts_were_let_go_keeps_its_figure(pool: Pool, journal: PostgresJournal) -> None:
    """What is left of it may be a part, so that it is not measured again."""
    await write(journal, NODE_BATCH, *API_BATCHES)
    clock = ManualClock(AFTER)
    await measure_due_hours(pool, clock)
    async with pool.acquire() as connection:
        statement = "INSERT INTO retained VALUES ('liquidations', NULL, $1, $1)"
        await connection.execute(statement, NEXT)
        await connection.execute("DELETE FROM liquidation_fills")
    await write(journal, *heard(API, minutes=(50,)))
    assert await measure_due_hours(pool, clock) == 0
    assert await hours_of(pool) == HOURS
