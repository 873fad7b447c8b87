"""The scripted socket of the unit tests keeps the promises of the real one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from kamiyo.core.errors import SourceUnavailable
from kamiyo.core.time import Clock
from kamiyo.kit.clock import LapseClock
from kamiyo.kit.transport import WebSocket, open_websocket
from tests.builders import NOW
from tests.fake_venue import ScriptedSocket, SteppedClock
from tests.frames import TEXT, Peer, closing, frame, serving

Say = Callable[[bytes], Awaitable[None]]
End = Callable[[], Awaitable[None]]
Both = tuple[WebSocket, Say, End]


@asynccontextmanager
async def scripted() -> AsyncIterator[Both]:
    socket = ScriptedSocket()

    async def say(text: bytes) -> None:
        socket.say(text)

    async def end() -> None:
        socket.end()

    yield socket, say, end


@asynccontextmanager
async def real() -> AsyncIterator[Both]:
    peers: list[Peer] = []
    finished = asyncio.Event()

    async def script(peer: Peer) -> None:
        peers.append(peer)
        await finished.wait()

    async def say(text: bytes) -> None:
        await peers[0].write(frame(TEXT, text))

    async def end() -> None:
        await peers[0].write(closing(1000, "Expired"))
        await peers[0].read()

    async with serving(script) as port, open_websocket(f"ws://127.0.0.1:{port}/ws") as socket:
        while not peers:
            await asyncio.sleep(0.01)
        try:
            yield socket, say, end
        finally:
            finished.set()


@pytest.fixture(params=[scripted, real])
def connected(request: pytest.FixtureRequest):
    """Give a connection, scripted or real, with what its other side can do."""
    return request.param


async def taken(socket: WebSocket, number: int) -> list[bytes]:
    texts: list[bytes] = []
    while len(texts) < number:
        some = await asyncio.wait_for(socket.receive(), 10)
        assert some
        texts += some
    return texts


async def test_texts_come_in_order_and_each_once(connected) -> None:
    """Whether they were read one by one or all at once."""
    async with connected() as (socket, say, _end):
        for text in (b"a", b"b"):
            await say(text)
        assert await taken(socket, 2) == [b"a", b"b"]
        waiting = asyncio.ensure_future(socket.receive())
        await asyncio.sleep(0.01)
        assert not waiting.done()
        await say(b"c")
        assert await waiting == [b"c"]


async def test_the_end_comes_after_what_came_before_it(connected) -> None:
    """And again for whoever asks again; nothing can be sent any more."""
    async with connected() as (socket, say, end):
        await say(b"last")
        await end()
        assert await taken(socket, 1) == [b"last"]
        for _ in range(2):
            with pytest.raises(SourceUnavailable):
                await asyncio.wait_for(socket.receive(), 10)
        with pytest.raises(SourceUnavailable):
            await socket.send("anybody?")


@pytest.fixture(params=["stepped", "lapsing"])
def clock(request: pytest.FixtureRequest) -> Clock:
    """Give a clock that a test moves, and one that really runs."""
    return SteppedClock() if request.param == "stepped" else LapseClock(NOW, 100)


async def test_sleepers_wake_in_the_order_of_time_and_not_too_early(clock: Clock) -> None:
    """Whoever began first, who sleeps less wakes first; nobody before his time."""
    woken: list[tuple[int, bool]] = []

    async def sleeper(seconds: int) -> None:
        until = clock.now() + timedelta(seconds=seconds)
        await clock.sleep(timedelta(seconds=seconds))
        woken.append((seconds, clock.now() >= until - timedelta(milliseconds=1)))

    async with asyncio.TaskGroup() as tasks:
        for seconds in (20, 5, 0, 10):
            tasks.create_task(sleeper(seconds))
        if isinstance(clock, SteppedClock):
            await clock.advance(30)
    assert woken == [(0, True), (5, True), (10, True), (20, True)]
