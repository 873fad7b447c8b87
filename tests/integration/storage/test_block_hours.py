"""What the database keeps of hours: blocks that were read, minutes in which a source was heard, new fills."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kamiyo.aggregators.base import Toolbox
from kamiyo.aggregators.hyperliquid_node import AGGREGATOR, HyperliquidNodeSettings, stream_of
from kamiyo.core.archives import BlockRun
from kamiyo.core.errors import StorageRefused
from kamiyo.core.ports import Raw
from kamiyo.kit.clock import SystemClock
from kamiyo.kit.recordings import read_lines
from kamiyo.processing.pipeline import Pipeline
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.pool import Pool
from tests.builders import (
    API,
    CHAIN,
    NODE,
    NOW,
    a_batch,
    a_counterparty_fill,
    a_ledger_movement,
    a_liquidated_fill,
)
from tests.fakes import ManualClock
from tests.stored import stored_in

HOUR = NOW.replace(minute=0, second=0, microsecond=0)
MINUTE = timedelta(minutes=1)
BLOCKS = "hl-node-fills-2025-10-27/node_fills_by_block_20251027_1700.jsonl.zst"


async def rows(pool: Pool, statement: str) -> list[tuple[Any, ...]]:
    async with pool.acquire() as connection:
        return [tuple(row) for row in await connection.fetch(statement)]


def a_run(first: int, last: int) -> BlockRun:
    return BlockRun(first=first, last=last, first_at=NOW, last_at=NOW)


async def test_only_what_is_new_of_an_hour_makes_another_version_of_it(pool: Pool) -> None:
    """Blocks read again are no news; those between and beside known ones are."""
    journal = PostgresJournal(pool)
    versions = []
    for run in (a_run(5, 9), a_run(6, 8), a_run(5, 9), a_run(11, 12), a_run(10, 10)):
        await journal.write(a_batch(events=(), block_runs=(run,)))
        versions += await rows(pool, "SELECT version FROM block_hours")
    assert versions == [(1,), (1,), (1,), (2,), (3,)]
    earlier = BlockRun(first=5, last=5, first_at=HOUR, last_at=NOW)
    await journal.write(a_batch(events=(), block_runs=(earlier,)))
    assert await rows(pool, "SELECT version, first_at FROM block_hours") == [(4, HOUR)]


async def test_a_source_is_heard_in_the_minutes_in_which_it_was(pool: Pool) -> None:
    """Each minute is a bit of its hour, whoever heard it, once; another journal adds its own."""
    journal, other = PostgresJournal(pool), PostgresJournal(pool)
    for minute in (0, 0, 1, 59, 60):
        await journal.write(a_batch(events=(), heard_at=HOUR + minute * MINUTE + timedelta(seconds=30)))
    for minute in (1, 7):
        await other.write(a_batch(events=(), heard_at=HOUR + minute * MINUTE))
    await other.write(a_batch(events=(), heard_at=None))
    await other.write(a_batch(events=(), source=API, heard_at=HOUR))
    found = await rows(pool, "SELECT source, chain, hour, minutes FROM heard_hours ORDER BY source, hour")
    assert found == [
        (API, CHAIN, HOUR, 1),
        (NODE, CHAIN, HOUR, 1 | 1 << 1 | 1 << 7 | 1 << 59),
        (NODE, CHAIN, HOUR + 60 * MINUTE, 1),
    ]


async def test_a_minute_whose_batch_was_not_stored_is_written_with_the_next(pool: Pool) -> None:
    """What was rolled back was not heard; what a restored database lost is written down again."""
    journal = PostgresJournal(pool)
    with pytest.raises(StorageRefused):
        await journal.write(a_batch(events=(a_ledger_movement(delta=b"\xff"),), heard_at=HOUR))
    assert await rows(pool, "SELECT minutes FROM heard_hours") == []
    await journal.write(a_batch(events=(), heard_at=HOUR))
    assert await rows(pool, "SELECT minutes FROM heard_hours") == [(1,)]


async def test_an_hour_changes_with_each_batch_that_says_more_of_its_fills(pool: Pool) -> None:
    """New fills and further observers are news of their hour; a repetition is not."""
    journal, later = PostgresJournal(pool), NOW + timedelta(hours=1)
    fills = (a_liquidated_fill(), a_liquidated_fill(tid=8, timestamp=later))
    for events in (fills, fills, fills[:1], (a_counterparty_fill(source=API),), ()):
        await journal.write(a_batch(events=events))
    found = await rows(pool, "SELECT chain, hour, version FROM fill_hours ORDER BY hour")
    assert found == [(CHAIN, HOUR, 2), (CHAIN, HOUR + 60 * MINUTE, 1)]


async def test_recorded_blocks_of_a_node_are_one_range(pool: Pool, shared_data: Path) -> None:
    """700 real blocks in 14 batches, three of them of the hour before: nothing is missing in between."""
    clock = SystemClock()
    node = AGGREGATOR.build(HyperliquidNodeSettings(), Toolbox(clock))
    pipeline = Pipeline(node, PostgresJournal(pool, clock), ManualClock(datetime(2026, 1, 1, tzinfo=UTC)))
    raws = [
        Raw(source=node.name, stream=stream_of(line) or "", payload=line, received_at=NOW)
        for _offset, line in read_lines(shared_data / BLOCKS)
    ]
    for at in range(0, len(raws), 50):
        await pipeline.run(raws[at : at + 50])

    stored, hour = await stored_in(pool), datetime(2025, 10, 27, 17, tzinfo=UTC)
    assert {key: ranges for key, (ranges, _first, _last) in stored.block_hours.items()} == {
        (NODE, CHAIN, hour - timedelta(hours=1)): ((777010829, 777010832),),
        (NODE, CHAIN, hour): ((777010832, 777011529),),
    }
    _ranges, first_at, last_at = stored.block_hours[NODE, CHAIN, hour]
    assert hour <= first_at < hour + timedelta(seconds=1) < last_at < hour + MINUTE
    assert stored.gaps == frozenset()
