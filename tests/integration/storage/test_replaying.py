"""What is proved of the journal in memory, seen in PostgreSQL: no crash, cut or repetition leaves a trace."""

from random import Random

import pytest

from kamiyo.storage import outbox
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.pool import Pool
from tests.fakes import MemoryJournal
from tests.replaying import Interrupted, check, recordings, replay, run, run_at_once, versions_of
from tests.stored import stored_in, table
from tests.watched import watched

FACTS = (
    "liquidation_fills",
    "liquidations",
    "account_liquidations",
    "ledger_movements",
    "exploits",
    "rejects",
    "gaps",
    "spans",
    "sources",
    "outbox",
)


@pytest.mark.parametrize(
    ("stage", "nth"),
    [
        ("write", 2),
        ("statement", 9),
        ("statement", 33),
        ("statement", 66),
        ("commit", 3),
        ("committed", 3),
        ("committed", 4),
    ],
)
@pytest.mark.parametrize("capacity", [1, 1 << 10])
async def test_a_crash_at_any_stage_leaves_no_trace(pool: Pool, stage: str, nth: int, capacity: int) -> None:
    """A process that ends anywhere around or within a transaction begins again and reaches the same rows.

    The journal in memory, which is simple, says which rows those are.
    """
    seed = 1000 * nth + capacity
    found, expected = recordings(seed), MemoryJournal()
    await run_at_once(found, expected)
    crash = Interrupted(MemoryJournal(), stage, nth)
    journal = PostgresJournal(watched(pool, crash.pass_stage if stage != "write" else lambda _stage: None))
    reached = Interrupted(journal, stage, nth) if stage == "write" else journal

    await run(found, reached, Random(seed), capacity=capacity)

    check(await stored_in(pool), expected.stored())
    await _check_numbering(pool)


async def test_replaying_again_changes_no_row(pool: Pool) -> None:
    """A recording that is read once more by a process without memory is no news to any table."""
    found, journal = recordings(7), PostgresJournal(pool)
    await run(found, journal, Random(7))
    async with pool.acquire() as connection:
        before = {name: await table(connection, name) for name in FACTS}
        assert before["liquidations"]
        await replay(found, journal)
        assert {name: await table(connection, name) for name in FACTS} == before


async def _check_numbering(pool: Pool) -> None:
    """After the relay has numbered everything, subscribers are told growing versions and the last row."""
    async with pool.acquire() as connection:
        epoch = await outbox.begin_epoch_if_restored(connection)
        while await outbox.number_next(connection):
            pass
        packets = await outbox.read_after(connection, outbox.StreamCursor(epoch, 0), limit=10_000)
    told = [(packet.channel, message) for packet in packets for message in packet.messages]
    for versions in versions_of(told).values():
        assert versions == sorted(set(versions))
    stored = await stored_in(pool)
    assert {identity: versions[-1] for identity, versions in versions_of(told).items()} == {
        identity: each.version for identity, each in stored.liquidations.items()
    }
