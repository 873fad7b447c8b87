"""The numbering of what subscribers are told: nothing is lost, doubled or out of order."""

import asyncio
from random import Random

import msgspec
import pytest

from kamiyo.core.errors import CursorExpired
from kamiyo.storage import outbox
from kamiyo.storage.outbox import StreamCursor
from kamiyo.storage.pool import Connection, Pool, connect

WRITERS = 8
ROUNDS = 12


async def numbered(connection: Connection) -> str:
    epoch = await outbox.begin_epoch_if_restored(connection)
    while await outbox.number_next(connection):
        pass
    return epoch


async def told_after(connection: Connection, epoch: str, position: int) -> list[tuple[int, int]]:
    found = list[tuple[int, int]]()
    while packets := await outbox.read_after(connection, StreamCursor(epoch, position), limit=7):
        for packet in packets:
            numbers = [msgspec.json.decode(message) for message in packet.messages]
            found += enumerate(numbers, start=packet.first_position)
        position = found[-1][0]
    return found


async def write(database_url: str, writer: int, written: set[int]) -> None:
    random = Random(writer)
    async with connect(database_url) as own:
        for turn in range(ROUNDS):
            async with own.transaction():
                first = (writer * ROUNDS + turn) * 10
                size = random.randint(1, 10)
                await outbox.publish(own, "c", [b"%d" % (first + at) for at in range(size)])
                written.update(range(first, first + size))
                await asyncio.sleep(random.choice([0, 0.002, 0.03]))  # held open while others commit


async def test_writers_that_commit_out_of_order_lose_nothing(database_url: str, pool: Pool) -> None:
    """Transactions that began early and end late are waited for; positions have no hole and no repetition."""

    written = set[int]()
    done = asyncio.Event()
    async with pool.acquire() as relay:
        epoch = await outbox.begin_epoch_if_restored(relay)

        async def number() -> None:
            while not done.is_set():
                await outbox.number_next(relay)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(number())
            async with asyncio.TaskGroup() as writers:
                for writer in range(WRITERS):
                    writers.create_task(write(database_url, writer, written))
            done.set()
        assert await numbered(relay) == epoch
        told = await told_after(relay, epoch, 0)
    assert [position for position, _number in told] == list(range(1, len(written) + 1))
    assert {number for _position, number in told} == written


async def test_an_open_transaction_holds_back_what_came_after_it(database_url: str, pool: Pool) -> None:
    """What could still become visible before it is waited for, and then told first."""
    async with connect(database_url) as early, pool.acquire() as relay:
        epoch = await outbox.begin_epoch_if_restored(relay)
        held = early.transaction()
        await held.start()
        await outbox.publish(early, "c", [b"1"])
        async with pool.acquire() as late, late.transaction():
            await outbox.publish(late, "c", [b"2"])
        assert await outbox.number_next(relay) == 0
        await held.commit()
        assert await numbered(relay) == epoch
        assert await told_after(relay, epoch, 0) == [(1, 1), (2, 2)]


async def publish(pool: Pool, *numbers: int) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await outbox.publish(connection, "c", [b"%d" % number for number in numbers])


async def test_a_cursor_may_stand_within_a_packed_row(pool: Pool) -> None:
    """Resuming in the middle of a batch's messages gives exactly the rest."""
    await publish(pool, *range(1, 2501))
    async with pool.acquire() as connection:
        epoch = await numbered(connection)
        for position in (0, 1, 999, 1000, 1001, 2499, 2500):
            told = await told_after(connection, epoch, position)
            assert told == [(number, number) for number in range(position + 1, 2501)]


async def test_the_bounds_of_a_cursor(pool: Pool) -> None:
    """From just before the oldest to the newest position a cursor is good, beyond it has expired."""
    await publish(pool, 1, 2, 3)
    async with pool.acquire() as connection:
        with pytest.raises(CursorExpired):
            await outbox.check_cursor(connection, StreamCursor("1", 0))  # no relay has ever run
        assert await outbox.newest_cursor(connection) is None
        epoch = await numbered(connection)
        for position in (0, 3):
            await outbox.check_cursor(connection, StreamCursor(epoch, position))
        for position in (-1, 4):
            with pytest.raises(CursorExpired):
                await outbox.check_cursor(connection, StreamCursor(epoch, position))
        await publish(pool, 4)
        await numbered(connection)
        await connection.execute("DELETE FROM stream_positions WHERE first_position = 1")
        with pytest.raises(CursorExpired):
            await outbox.check_cursor(connection, StreamCursor(epoch, 2))
        await outbox.check_cursor(connection, StreamCursor(epoch, 3))
        assert await outbox.newest_cursor(connection) == StreamCursor(epoch, 4)


async def test_what_was_dropped_is_never_skipped_in_silence(pool: Pool) -> None:
    """A position whose messages are gone ends the resumption instead of going on behind it."""
    await publish(pool, 1)
    await publish(pool, 2)
    async with pool.acquire() as connection:
        epoch = await numbered(connection)
        await connection.execute("DELETE FROM outbox WHERE messages = '[1]'")
        with pytest.raises(CursorExpired):
            await outbox.read_after(connection, StreamCursor(epoch, 0))
        assert len(await outbox.read_after(connection, StreamCursor(epoch, 1))) == 1


async def test_another_server_begins_a_new_epoch(pool: Pool) -> None:
    """After a restore old messages are dropped and old cursors have expired: numbers are not used twice."""
    await publish(pool, 1, 2)
    async with pool.acquire() as connection:
        old = await numbered(connection)
        assert await outbox.begin_epoch_if_restored(connection) == old
        await connection.execute("UPDATE relay SET server = 'another'")
        new = await outbox.begin_epoch_if_restored(connection)
        assert new != old
        assert await connection.fetchval("SELECT count(*) FROM outbox") == 0
        with pytest.raises(CursorExpired):
            await outbox.check_cursor(connection, StreamCursor(old, 1))
        await publish(pool, 3)
        await numbered(connection)
        assert await told_after(connection, new, 0) == [(1, 3)]


async def test_only_one_relay_numbers(database_url: str) -> None:
    """The right to number is one connection's, and free again when that ends."""
    async with connect(database_url) as one, connect(database_url) as other:
        assert await outbox.acquire_relay_lease(one) is True
        assert await outbox.acquire_relay_lease(other) is False
        await one.close()
        assert await outbox.acquire_relay_lease(other) is True
