import asyncio

import pytest

from kamiyo.aggregators.base import Waiting
from kamiyo.processing.backlog import MAX_BATCH_BYTES, MAX_QUEUED_BYTES, MAX_QUEUED_ITEMS, Backlog
from kamiyo.processing.pipeline import MAX_BATCH_PAYLOADS
from tests.builders import a_gap, a_raw

WAITING = Waiting("nobody is there")


async def filled(*items) -> Backlog:
    backlog = Backlog()
    for item in items:
        await backlog.put(item)
    return backlog


async def test_all_that_waits_is_taken_at_once_in_order() -> None:
    """A batch is what has come in the meantime, payloads and gaps alike."""
    backlog = await filled(a_raw(), a_gap(), a_raw(payload=b"2"))
    assert list(await backlog.take()) == [a_raw(), a_gap(), a_raw(payload=b"2")]
    assert len(backlog) == 0


async def test_nothing_is_taken_once_it_has_ended() -> None:
    """What was put before the end is taken first, and then nothing, again and again."""
    backlog = await filled(a_raw())
    backlog.end()
    assert [len(await backlog.take()) for _ in range(3)] == [1, 0, 0]


async def test_the_writer_waits_for_the_first_item() -> None:
    """Taking from an empty backlog lasts until something is put or it ends."""
    backlog = Backlog()
    async with asyncio.TaskGroup() as tasks:
        taken = tasks.create_task(backlog.take())
        await asyncio.sleep(0)
        assert not taken.done()
        await backlog.put(a_raw())
    assert list(taken.result()) == [a_raw()]
    async with asyncio.TaskGroup() as tasks:
        taken = tasks.create_task(backlog.take())
        await asyncio.sleep(0)
        backlog.end()
    assert list(taken.result()) == []


async def test_a_waiting_source_is_told_apart_from_what_it_said_before() -> None:
    """A ``Waiting`` is taken alone and in its place, so that it is believed in time."""
    backlog = await filled(a_raw(), WAITING, a_raw())
    assert [list(await backlog.take()) for _ in range(3)] == [[a_raw()], [WAITING], [a_raw()]]


async def test_a_batch_is_bounded_in_number_and_in_bytes() -> None:
    """However much waits, one transaction stays of a size that can be undone."""
    many = await filled(*[a_gap()] * (MAX_BATCH_PAYLOADS + 1))
    assert [len(await many.take()) for _ in range(2)] == [MAX_BATCH_PAYLOADS, 1]
    large = await filled(*[a_raw(payload=bytes(MAX_BATCH_BYTES // 2 + 1))] * 3)
    assert [len(await large.take()) for _ in range(2)] == [2, 1]


@pytest.mark.parametrize(
    ("item", "room"),
    [(a_gap(), MAX_QUEUED_ITEMS), (a_raw(payload=bytes(MAX_QUEUED_BYTES // 4)), 4)],
    ids=["number", "bytes"],
)
async def test_the_reader_waits_while_it_is_full(item, room: int) -> None:
    """A writer that cannot keep up stops the reader, by number or by bytes, and never drops anything."""
    backlog = Backlog()
    put = 0

    async def read() -> None:
        nonlocal put
        for _ in range(room + 1):
            await backlog.put(item)
            put += 1

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(read())
        await asyncio.sleep(0.01)
        assert put == len(backlog) == room
        await backlog.take()
    assert put == room + 1


async def test_a_single_item_larger_than_all_room_still_fits() -> None:
    """The bound never stops the stream for ever."""
    backlog = await filled(a_raw(payload=bytes(MAX_QUEUED_BYTES + 1)))
    assert len(await backlog.take()) == 1
