"""One subscription through everything a server may do to it, on real sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve

from kamiyo.api.stream.grammar import Liquidations
from kamiyo.cli import subscription
from kamiyo.cli.subscription import Subscription
from kamiyo.core.errors import InvalidQuery, SourceUnavailable
from tests.fakes import ManualClock

Script = Callable[[ServerConnection], Awaitable[None]]


class Told:
    """Remembers rows and notices in the order they came."""

    def __init__(self) -> None:
        self.all: list[Any] = []

    def messages(self, rows: Sequence[msgspec.Raw], *, replayed: bool) -> None:
        self.all += [(msgspec.json.decode(row), replayed) for row in rows]

    def notice(self, state: str, detail: str) -> None:
        assert detail
        self.all.append(state)


class Server:
    """Answers each connection by the next script, and remembers the resume of each subscription."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts)
        self.resumes: list[Any] = []

    async def answer(self, connection: ServerConnection) -> None:
        script = self.scripts.pop(0)
        await self.subscribed(connection)
        await script(connection)

    async def subscribed(self, connection: ServerConnection) -> None:
        request = msgspec.json.decode(await connection.recv())
        assert request["method"] == "subscribe"
        assert request["subscription"] == {"type": "liquidations", "asset": "BTC"}
        self.resumes.append(request.get("resume"))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        async with serve(self.answer, "127.0.0.1", 0) as server:
            yield f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"

    async def serve_until_it_fails(self) -> tuple[Told, Exception]:
        told = Told()
        async with self.running() as address:
            subject = Subscription(address, Liquidations(asset="BTC"), told, ManualClock())
            with pytest.raises((InvalidQuery, SourceUnavailable)) as caught:
                await asyncio.wait_for(subject.run(), 10)
        return told, caught.value


def frame(**values: Any) -> str:
    return msgspec.json.encode(values).decode()


def accepted(cursor: str) -> str:
    data = {"method": "subscribe", "subscription": {}, "cursor": cursor}
    return frame(channel="subscriptionResponse", data=data)


def rows(cursor: str, *data: int, replayed: bool = False) -> str:
    return frame(channel="liquidations", seq=1, cursor=cursor, replayed=replayed, as_of=None, data=data)


def error(code: str) -> str:
    return frame(channel="error", data={"code": code, "detail": "the reason"})


def saying(*texts: str) -> Script:
    async def script(connection: ServerConnection) -> None:
        for text in texts:
            await connection.send(text)

    return script


REFUSED = saying(error("invalid_frame"))


async def test_each_connection_goes_on_where_the_last_one_ended() -> None:
    """The cursor is that of the last frame, be it rows, a heartbeat or the answer to subscribing."""
    server = Server(
        saying(accepted("c:1")),
        saying(accepted("c:1"), rows("c:2", 1, 2)),
        saying(accepted("c:2"), rows("c:3", 3, replayed=True), frame(channel="heartbeat", cursor="c:9")),
        REFUSED,
    )
    told, _error = await server.serve_until_it_fails()
    assert server.resumes == [None, {"cursor": "c:1"}, {"cursor": "c:2"}, {"cursor": "c:9"}]
    assert told.all == [
        "connected", "lost",
        "connected", (1, False), (2, False), "lost",
        "connected", (3, True), "lost",
    ]  # fmt: skip


async def test_a_cursor_that_expired_is_told_and_the_stream_goes_on() -> None:
    """What may be missing is not passed over in silence."""
    server = Server()

    async def forgetful(connection: ServerConnection) -> None:
        await connection.send(error("cursor_expired"))
        await server.subscribed(connection)
        await saying(accepted("d:1"), rows("d:2", 7), error("invalid_frame"))(connection)

    server.scripts = [saying(accepted("c:1")), forgetful]
    told, _error = await server.serve_until_it_fails()
    assert server.resumes == [None, {"cursor": "c:1"}, None]
    assert told.all == ["connected", "lost", "missed", "connected", (7, False)]


async def test_a_temporary_error_is_a_loss() -> None:
    """The server will be able to go on later."""
    server = Server(saying(accepted("c:1"), error("storage_unavailable")), REFUSED)
    told, _error = await server.serve_until_it_fails()
    assert told.all == ["connected", "lost"]
    assert server.resumes[-1] == {"cursor": "c:1"}


async def test_a_refused_question_ends_it() -> None:
    """Asking again would not help."""
    _told, failure = await Server(REFUSED).serve_until_it_fails()
    assert isinstance(failure, InvalidQuery)
    assert str(failure) == "the reason"


async def test_nobody_there_at_first_ends_it() -> None:
    """The address may be wrong: only a connection that once was is tried again for ever."""
    _told, failure = await Server(saying(error("too_many_connections"))).serve_until_it_fails()
    assert isinstance(failure, SourceUnavailable)
    assert "start it with" in str(failure)


async def test_what_is_not_live_is_said_first() -> None:
    """Before the first message the one who listens knows that what comes happened before, or never."""

    async def replay(connection: ServerConnection) -> None:
        await connection.send(frame(channel="hello", mode="REPLAY", recording="POPCAT"))
        await connection.send(accepted("e:1"))
        await connection.send(frame(channel="error", data={"code": "invalid_frame", "detail": "enough"}))

    told, error = await Server(replay).serve_until_it_fails()
    assert told.all == ["replay", "connected"]
    assert str(error) == "enough"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"channel":"subscriptionResponse","data":{}}'])
async def test_what_cannot_be_read_is_a_loss(text: str) -> None:
    """It is never taken for silence."""
    server = Server(saying(accepted("c:1"), text), REFUSED)
    told, _error = await server.serve_until_it_fails()
    assert told.all == ["connected", "lost"]


async def test_a_connection_without_a_heartbeat_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that says nothing at all does not look like a quiet market."""
    monkeypatch.setattr(subscription, "LONGEST_SILENCE", timedelta(milliseconds=200))

    async def silent(connection: ServerConnection) -> None:
        await connection.send(accepted("c:1"))
        await connection.wait_closed()

    told, _error = await Server(silent, REFUSED).serve_until_it_fails()
    assert told.all == ["connected", "lost"]
