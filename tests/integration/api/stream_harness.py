"""A stream on real sockets for the tests: servers, callers, and writers of messages."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close

from kamiyo.api.stream.hub import Hub
from kamiyo.api.stream.limits import StreamLimits
from kamiyo.api.stream.relay import run_relay
from kamiyo.api.stream.route import stream_route
from kamiyo.core.errors import StorageUnavailable
from kamiyo.kit.clock import SystemClock
from kamiyo.storage import outbox
from kamiyo.storage.pool import Pool, open_pool

Frame = dict[str, Any]
CLOCK = SystemClock()
LIQUIDATIONS = {"type": "liquidations"}


async def kept_running(task: Any) -> None:
    """Start a task again whenever the database was lost, as the supervisor does."""
    while True:
        try:
            await task()
        except StorageUnavailable:
            await asyncio.sleep(0.2)


@asynccontextmanager
async def running(*parts: Any) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Run coroutines beside the test and cancel them afterwards."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def relaying(database_url: str) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Number what is written for as long as the test runs."""
    async with running(kept_running(lambda: run_relay(database_url, CLOCK))) as tasks:
        yield tasks


@asynccontextmanager
async def serving(
    database_url: str, *, send_buffer: int | None = None, **limits: Any
) -> AsyncIterator[tuple[str, Hub]]:
    """Serve the stream on a port of its own; give its address and its hub."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(database_url, size=4))
        hub = Hub(database_url, pool, CLOCK, StreamLimits(**limits))
        listener = stack.enter_context(socket.socket())
        if send_buffer:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        listener.bind(("127.0.0.1", 0))
        app = Starlette(routes=[stream_route(hub)])
        config = uvicorn.Config(
            app,
            log_level="error",
            lifespan="off",
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=2,
        )
        server = uvicorn.Server(config)
        server.capture_signals = _no_signals  # type: ignore[method-assign]
        serve = asyncio.create_task(server.serve(sockets=[listener]))
        async with running(kept_running(hub.run)):
            while not server.started or hub.newest is None:
                await asyncio.sleep(0.01)
            yield f"ws://127.0.0.1:{listener.getsockname()[1]}/stream", hub
            server.should_exit = True
            await serve


def _no_signals() -> Any:
    class _Nothing:
        def __enter__(self) -> None: ...
        def __exit__(self, *_: object) -> None: ...

    return _Nothing()


class Caller:
    """A subscriber, as a stranger would write one."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, request: object) -> None:
        """Send one request."""
        await self.connection.send(msgspec.json.encode(request).decode())

    async def receive(self, seconds: float = 10) -> Frame:
        """The next frame."""
        async with asyncio.timeout(seconds):
            frame: Frame = msgspec.json.decode(await self.connection.recv())
            return frame

    async def subscribe(self, subscription: object = LIQUIDATIONS, cursor: str | None = None) -> Frame:
        """Subscribe and give the answer."""
        resume = {} if cursor is None else {"resume": {"cursor": cursor}}
        await self.send({"method": "subscribe", "subscription": subscription, **resume})
        return await self.receive()

    async def receive_messages(self, count: int, seconds: float = 20) -> tuple[list[Frame], list[Any]]:
        """Data frames until they hold this many messages; the frames, and the messages."""
        frames: list[Frame] = []
        messages: list[Any] = []
        async with asyncio.timeout(seconds):
            while len(messages) < count:
                frame = await self.receive(seconds)
                if "data" in frame and isinstance(frame["data"], list):
                    frames.append(frame)
                    messages.extend(frame["data"])
        return frames, messages

    async def receive_until_closed(self) -> tuple[list[Frame], Close]:
        """Every frame that still comes, and the code and reason the server closes with."""
        frames: list[Frame] = []
        with contextlib.suppress(ConnectionClosed):
            while True:
                frames.append(await self.receive())
        close = self.connection.protocol.close_rcvd
        assert close is not None
        return frames, close


@asynccontextmanager
async def calling(url: str, *, receive_buffer: int | None = None, **options: Any) -> AsyncIterator[Caller]:
    """A connected caller, with as little room in the kernel as a slow line has if it is told to."""
    # Or else who has not read all cannot close: the answer to that stands behind what is not read.
    options.setdefault("max_queue", None)
    if receive_buffer:
        address = url.removeprefix("ws://").partition("/")[0].partition(":")
        options["sock"] = line = socket.socket()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        line.connect((address[0], int(address[2])))
    async with connect(url, compression=None, max_size=None, **options) as connection:
        caller = Caller(connection)
        hello = await caller.receive()
        assert hello.pop("coverage") in {None, "not measured", "complete"}
        assert hello == {"channel": "hello", "mode": "LIVE", "recording": None}
        yield caller


def message(number: int, *, padding: int = 0, **facts: object) -> bytes:
    """A liquidation's message, as far as the stream looks at it."""
    content = {"number": number, "asset": "BTC", "amount_usd": "1000", "padding": "x" * padding, **facts}
    return msgspec.json.encode(content)


async def tell(pool: Pool, *messages: bytes, channel: str = "liquidations") -> None:
    """Put messages into the outbox in one transaction."""
    async with pool.acquire() as connection, connection.transaction():
        await outbox.publish(connection, channel, messages)


async def numbered(pool: Pool, count: int) -> outbox.StreamCursor:
    """Wait until this many messages have positions."""
    async with asyncio.timeout(20), pool.acquire() as connection:
        while True:
            cursor = await outbox.newest_cursor(connection)
            if cursor is not None and cursor.position >= count:
                return cursor
            await asyncio.sleep(0.02)


def numbers_in(frames: list[Frame]) -> list[int]:
    """The numbers of the messages in these frames."""
    return [each["number"] for frame in frames for each in frame.get("data", ())]


async def read_all(pool: Pool, epoch: str) -> list[Any]:
    """Every numbered message, in the order of its position."""
    found: list[Any] = []
    async with pool.acquire() as connection:
        while packets := await outbox.read_after(connection, outbox.StreamCursor(epoch, len(found))):
            for packet in packets:
                assert packet.first_position == len(found) + 1
                found.extend(msgspec.json.decode(each) for each in packet.messages)
    return found


SOON = timedelta(milliseconds=200)
