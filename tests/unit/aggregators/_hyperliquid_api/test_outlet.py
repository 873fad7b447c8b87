"""What was heard waits in one line, in order, until it is taken."""

import asyncio

import pytest

from kamiyo.aggregators._hyperliquid_api import outlet as module
from kamiyo.aggregators._hyperliquid_api.outlet import Numbered, Outlet
from kamiyo.aggregators.base import Waiting
from kamiyo.core.ids import Cursor
from kamiyo.core.ports import Raw, Span
from tests.builders import API, NOW, a_gap


def raws(items) -> list[Raw]:
    return [item for item in items if isinstance(item, Raw)]


async def test_items_are_taken_together_and_in_order() -> None:
    """Payloads carry where they stand in their scope; several in one take as many numbers."""
    outlet, place = Outlet(API), Numbered("ws/1/public")
    outlet.put_payload("ws/trades", b"1\n2", NOW, place, number=2)
    outlet.put(a_gap())
    outlet.put_payload("ws/bbo", b"3", NOW, place)
    outlet.put(Waiting("gone"))
    taken = await outlet.take()
    assert [type(item).__name__ for item in taken] == ["Raw", "Gap", "Raw", "Waiting"]
    first, second = raws(taken)
    assert (first.source, first.stream, first.payload, first.received_at) == (API, "ws/trades", b"1\n2", NOW)
    assert [first.span, second.span] == [Span("ws/1/public", 0, 2), Span("ws/1/public", 2, 3)]


async def test_a_cursor_is_given_once_to_what_comes_after_it() -> None:
    """It covers what was put before: the payload that carries it is stored after all that."""
    outlet, place = Outlet(API), Numbered("s")
    outlet.put_payload("a", b"", NOW, place)
    outlet.mark(Cursor("1"))
    outlet.mark(Cursor("2"))
    outlet.put_payload("b", b"", NOW, place)
    outlet.put_payload("c", b"", NOW, place)
    assert [raw.cursor for raw in raws(await outlet.take())] == [None, "2", None]


async def test_whoever_takes_waits_until_something_comes_or_nothing_ever_will() -> None:
    """An ended line is emptied first."""
    outlet = Outlet(API)
    taking = asyncio.ensure_future(outlet.take())
    await asyncio.sleep(0)
    assert not taking.done()
    outlet.put(a_gap())
    outlet.end()
    assert await taking == [a_gap()]
    assert await outlet.take() == []


@pytest.mark.parametrize(("limit", "payload"), [("MOST_ITEMS", b""), ("MOST_BYTES", b"xxx")])
async def test_there_is_room_until_there_are_too_many_items_or_bytes(monkeypatch, limit, payload) -> None:
    """Putting never waits; who asks for room waits until what is there was taken."""
    monkeypatch.setattr(module, limit, 3)
    outlet, place = Outlet(API), Numbered("s")
    await outlet.room()
    for _ in range(3):
        outlet.put_payload("a", payload, NOW, place)
    waiting = asyncio.ensure_future(outlet.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    assert len(await outlet.take()) == 3
    await waiting
