"""The relay's numbering on a real PostgreSQL, under writers whose commits come out of order."""

import asyncio
import random
from collections import Counter
from typing import Any

from kamiyo.api.stream.relay import run_relay
from kamiyo.core.errors import CursorExpired
from kamiyo.kit import metrics
from kamiyo.storage import outbox
from kamiyo.storage.pool import LONGEST_PAUSE, Pool, connect, open_pool
from tests.integration.api.stream_harness import CLOCK, message, numbered, read_all, relaying, running, tell
from tests.standing import AN_ID, standing_still

WRITERS = 8
BATCHES = 40


async def _write(pool: Pool, writer: int, versions: Counter[int]) -> None:
    """Commit batches after random pauses; like the journal, take a key's lock before anything is written."""
    for batch in range(BATCHES):
        key = random.randrange(3)
        async with pool.acquire() as connection, connection.transaction():
            if batch % 2:
                await connection.execute("SELECT pg_current_xact_id()")  # an early id and a late commit
                facts: dict[str, Any] = {"key": None}
            else:
                await connection.execute("SELECT pg_advisory_xact_lock($1)", key)
                versions[key] += 1
                facts = {"key": key, "version": versions[key]}
            await asyncio.sleep(random.random() * 0.02)
            await outbox.publish(connection, "liquidations", [message(writer * BATCHES + batch, **facts)])
            await asyncio.sleep(random.random() * 0.02)


async def test_nothing_is_lost_when_commits_come_out_of_order(database_url: str) -> None:
    """Eight writers at once: every message has one position, without gaps, and versions of a key increase."""
    versions: Counter[int] = Counter()
    async with relaying(database_url), open_pool(database_url, size=WRITERS + 1) as pool:
        async with asyncio.TaskGroup() as tasks:
            for writer in range(WRITERS):
                tasks.create_task(_write(pool, writer, versions))
        end = await numbered(pool, WRITERS * BATCHES)
        told = await read_all(pool, end.epoch)
    assert sorted(each["number"] for each in told) == list(range(WRITERS * BATCHES))
    for key, newest in versions.items():
        assert [each["version"] for each in told if each["key"] == key] == list(range(1, newest + 1))


async def test_transaction_ids_are_ordered_as_numbers(database_url: str, pool: Pool) -> None:
    """Messages from both sides of a power of ten, numbered together, keep their order and come once."""
    spend = "DO $$ BEGIN FOR i IN 1..{} LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
    async with pool.acquire() as connection:
        now = int(await connection.fetchval("SELECT pg_current_xact_id()::text"))
        await connection.execute(spend.format(10 ** len(str(now)) - now - 20))
    for number in range(30):
        await tell(pool, message(number))
    async with relaying(database_url):
        end = await numbered(pool, 30)
        await tell(pool, message(30))
        await numbered(pool, 31)
    assert [each["number"] for each in await read_all(pool, end.epoch)] == list(range(31))


async def test_a_long_transaction_delays_the_numbering_and_shows_as_lag(
    database_url: str, pool: Pool
) -> None:
    """What commits behind it waits, the lag grows, and everything is numbered once it ends."""
    async with relaying(database_url):
        await tell(pool, message(0))
        end = await numbered(pool, 1)
        async with connect(database_url) as other:
            transaction = other.transaction()
            await transaction.start()
            await outbox.publish(other, "liquidations", [message(1)])
            await tell(pool, message(2))
            await asyncio.sleep(0.6)
            lag = metrics.STREAM_RELAY_LAG._value.get()
            assert 0.3 < lag < 5
            assert len(await read_all(pool, end.epoch)) == 1
            await transaction.commit()
        end = await numbered(pool, 3)
        assert [each["number"] for each in await read_all(pool, end.epoch)] == [0, 1, 2]
        await asyncio.sleep(0.2)
        assert metrics.STREAM_RELAY_LAG._value.get() == 0


async def test_a_transaction_that_stands_still_within_a_statement_does_not_hold_up_the_stream(
    database_url: str, pool: Pool
) -> None:
    """The relay ends it, for it has a transaction id, and goes on."""
    async with (
        connect(database_url) as still,
        standing_still(still, AN_ID) as copying,
        relaying(database_url),
    ):
        await tell(pool, message(0))
        async with asyncio.timeout(2 * LONGEST_PAUSE.total_seconds()):
            end = await numbered(pool, 1)
    assert copying.exception()
    assert len(await read_all(pool, end.epoch)) == 1


async def test_another_relay_takes_over_within_seconds(database_url: str, pool: Pool) -> None:
    """Of two relays one numbers; when it is gone the other goes on in the same epoch without a gap."""
    async with running(run_relay(database_url, CLOCK)) as first:
        await tell(pool, message(0))
        before = await numbered(pool, 1)
        async with running(run_relay(database_url, CLOCK)):
            await asyncio.sleep(0.2)
            first[0].cancel()
            await tell(pool, message(1))
            async with asyncio.timeout(4):
                after = await numbered(pool, 2)
    assert after.epoch == before.epoch
    assert [each["number"] for each in await read_all(pool, after.epoch)] == [0, 1]


async def test_a_hole_in_the_positions_is_never_skipped(database_url: str, pool: Pool) -> None:
    """Reading over messages that are no longer kept raises instead of going on behind them."""
    async with relaying(database_url):
        for number in range(5):
            await tell(pool, message(number))
        end = await numbered(pool, 5)
    async with pool.acquire() as connection:
        await connection.execute("DELETE FROM outbox WHERE id = (SELECT min(id) + 2 FROM outbox)")
        for position, expired in ((0, True), (2, True), (3, False)):
            try:
                await outbox.read_after(connection, outbox.StreamCursor(end.epoch, position))
                assert not expired
            except CursorExpired:
                assert expired
