"""What every WebSocket promises, asked of the fast one on both loops and of the one that knows proxies."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import pytest
import uvloop

from kamiyo.core.errors import ConnectionEnded, SourceUnavailable
from kamiyo.kit.fast_socket import LARGEST_TEXT, open_fast
from kamiyo.kit.transport import WebSocket, _open_plain
from tests.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Peer,
    Script,
    closing,
    frame,
    serving,
)

LONG = b'{"data":"' + b"x" * 200 + b'"}'
Use = Callable[[WebSocket], Awaitable[None]]


@dataclass(frozen=True)
class Side:
    """One implementation on one loop."""

    library: str
    uvloop: bool = False

    def open(self, url: str) -> AbstractAsyncContextManager[WebSocket]:
        if self.library == "picows":
            return open_fast(url, "127.0.0.1")
        return _open_plain(url, "127.0.0.1", None)

    def run(self, script: Script, use: Use, *, accept: bool = True) -> None:
        """Play a script of the server's to what uses the connection."""

        async def both() -> None:
            async with (
                asyncio.timeout(20),
                serving(script, accept=accept) as port,
                self.open(f"ws://127.0.0.1:{port}/ws") as socket,
            ):
                await use(socket)

        with asyncio.Runner(loop_factory=uvloop.new_event_loop if self.uvloop else None) as runner:
            runner.run(both())


@pytest.fixture(
    params=[Side("picows"), Side("picows", uvloop=True), Side("websockets")],
    ids=["picows", "picows-uvloop", "websockets"],
)
def side(request: pytest.FixtureRequest) -> Side:
    """Give each implementation in turn."""
    chosen: Side = request.param
    return chosen


async def texts(socket: WebSocket, count: int) -> list[bytes]:
    """Take this many texts, however they come."""
    taken: list[bytes] = []
    while len(taken) < count:
        some = await socket.receive()
        assert some
        taken += some
    return taken


async def ending_of(socket: WebSocket) -> str:
    """Tell why nothing more comes."""
    try:
        while True:
            await socket.receive()
    except SourceUnavailable as told:
        return str(told)


def says(*parts: bytes) -> Script:
    """Write the parts one after the other, then listen until the client says goodbye."""

    async def script(peer: Peer) -> None:
        for part in parts:
            await peer.write(part)
            await asyncio.sleep(0)
        while (await peer.read())[0] != CLOSE:
            pass

    return script


def test_every_text_comes_whole_and_in_order(side: Side) -> None:
    """Short and long texts, JSON or not, come as they were sent, in one read or in many."""
    sent = [b"", b"Websocket connection established.", LONG, b"x" * 300, b'{"a":"\xc3\xa9"}', LONG * 900]

    async def use(socket: WebSocket) -> None:
        assert await texts(socket, 2 * len(sent)) == sent * 2

    together = b"".join(frame(TEXT, each) for each in sent)
    side.run(says(together, *(frame(TEXT, each) for each in sent)), use)


def test_a_text_arrives_byte_by_byte(side: Side) -> None:
    """A frame that is cut anywhere is handed out once it is whole."""
    whole = frame(TEXT, b"short") + frame(TEXT, LONG)

    async def use(socket: WebSocket) -> None:
        assert await texts(socket, 2) == [b"short", LONG]

    side.run(says(*(whole[at : at + 1] for at in range(len(whole)))), use)


def test_fragments_are_put_together(side: Side) -> None:
    """A text in fragments is one text, even where a fragment looks like a text and a ping comes between."""
    fragments = (
        frame(TEXT, b"", whole=False)
        + frame(CONTINUATION, b'{"a":', whole=False)
        + frame(PING, b"now")
        + frame(CONTINUATION, LONG, whole=False)
        + frame(CONTINUATION, b"}" + b" " * 200)
    )

    async def use(socket: WebSocket) -> None:
        assert await texts(socket, 2) == [b'{"a":' + LONG + b"}" + b" " * 200, LONG]

    side.run(says(fragments + frame(TEXT, LONG)), use)


def test_the_answer_to_a_ping_is_a_pong(side: Side) -> None:
    """A ping is answered with what it held, and a text before it in the same read is handed out at once."""
    answered: list[tuple[int, bytes]] = []
    taken = asyncio.Event()

    async def script(peer: Peer) -> None:
        await asyncio.sleep(0.05)  # until the client waits
        await peer.write(frame(TEXT, LONG) + frame(PONG, b"") + frame(PING, b"are you there"))
        answered.append(await peer.read())
        await taken.wait()
        await peer.write(frame(TEXT, b"yes"))

    async def use(socket: WebSocket) -> None:
        assert await texts(socket, 1) == [LONG]
        taken.set()
        assert await texts(socket, 1) == [b"yes"]

    side.run(script, use)
    assert answered == [(PONG, b"are you there")]


@pytest.mark.parametrize("text", ['{"method":"ping"}', "é" * 100, "x" * 70_000])
def test_a_text_is_sent(side: Side, text: str) -> None:
    """What is sent arrives as one text."""
    heard: list[tuple[int, bytes]] = []

    async def script(peer: Peer) -> None:
        heard.append(await peer.read())
        await peer.write(closing(1000))

    async def use(socket: WebSocket) -> None:
        await socket.send(text)
        await ending_of(socket)

    side.run(script, use)
    assert heard == [(TEXT, text.encode())]


@pytest.mark.parametrize(
    ("last", "told"),
    [
        (closing(1000, "Expired"), "closed: 1000 Expired"),
        (closing(4001, "no such thing"), "closed: 4001 no such thing"),
        (closing(1011), "closed: 1011"),
        (frame(CLOSE, b""), "closed: 1005"),
        (frame(BINARY, b"\x00" * 10), "closed: 1003 a binary frame"),
        (frame(BINARY, b"\x00" * 1000), "closed: 1003 a binary frame"),
        (frame(CONTINUATION, LONG[1:]), "closed: 1002"),
        (frame(TEXT, LONG, whole=False) + frame(TEXT, LONG), "closed: 1002"),
        (b"\x83\x00", "closed: 1002"),
    ],
)
def test_the_end_comes_after_what_came_before_it(side: Side, last: bytes, told: str) -> None:
    """However a connection ends, texts before that are handed out, none after, and then code and reason."""

    async def use(socket: WebSocket) -> None:
        assert await texts(socket, 2) == [LONG, b"short"]
        assert (await ending_of(socket)).startswith(told)
        assert (await ending_of(socket)).startswith(told)
        with pytest.raises(SourceUnavailable):
            await socket.send("anybody?")

    side.run(says(frame(TEXT, LONG) + frame(TEXT, b"short") + last + frame(TEXT, LONG)), use)


def test_a_connection_that_is_cut_says_1006(side: Side) -> None:
    """Without a close frame the end has the code for that."""

    async def script(peer: Peer) -> None:
        await peer.write(frame(TEXT, b"one") + frame(TEXT, LONG)[:50])

    async def use(socket: WebSocket) -> None:
        assert await texts(socket, 1) == [b"one"]
        assert await ending_of(socket) == "closed: 1006 the connection was lost"

    side.run(script, use)


@pytest.mark.parametrize("split", [False, True])
def test_a_text_beyond_the_limit_ends_the_connection(side: Side, *, split: bool) -> None:
    """Sixteen mebibytes are a text, one byte more is the end, in one frame or in many."""
    most, more = b"{" * LARGEST_TEXT, b"{" * (LARGEST_TEXT + 1)

    def text(content: bytes) -> bytes:
        if not split:
            return frame(TEXT, content)
        half = len(content) // 2
        return frame(TEXT, content[:half], whole=False) + frame(CONTINUATION, content[half:])

    async def use(socket: WebSocket) -> None:
        assert [len(each) for each in await texts(socket, 2)] == [LARGEST_TEXT, len(LONG)]
        assert (await ending_of(socket)).startswith("closed: 1009")

    side.run(says(text(most), frame(TEXT, LONG), text(more) + frame(TEXT, LONG)), use)


def test_reading_stops_while_too_much_waits(side: Side) -> None:
    """A server that sends without end is held up by who does not take, and goes on when he does."""
    million = frame(TEXT, b'{"x":"' + b"y" * 999_990 + b'"}')
    written: list[float] = []

    async def script(peer: Peer) -> None:
        for _ in range(300):
            await peer.write(million)
            written.append(time.monotonic())

    async def use(socket: WebSocket) -> None:
        while not written or time.monotonic() - written[-1] < 0.5:
            await asyncio.sleep(0.05)
        assert len(written) < 60
        taken = await texts(socket, 300)
        assert len(taken) == len(written) == 300

    side.run(script, use)


def test_what_was_given_up_waiting_for_is_not_lost(side: Side) -> None:
    """A wait may be cancelled; the text that comes later is handed to the next who asks."""
    asked = asyncio.Event()

    async def script(peer: Peer) -> None:
        await asked.wait()
        await peer.write(frame(TEXT, LONG))
        await peer.reader.read()

    async def use(socket: WebSocket) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await socket.receive()
        asked.set()
        assert await texts(socket, 1) == [LONG]

    side.run(script, use)


def test_the_server_hears_that_the_client_is_done(side: Side) -> None:
    """Leaving the block says goodbye with code 1000."""
    heard: list[tuple[int, bytes]] = []

    async def script(peer: Peer) -> None:
        await peer.write(frame(TEXT, b"hello"))
        heard.append(await peer.read())

    async def use(socket: WebSocket) -> None:
        await texts(socket, 1)

    side.run(script, use)
    assert heard == [(CLOSE, b"\x03\xe8")]


def test_a_connection_is_closed_with_a_code_of_the_clients(side: Side) -> None:
    """The server hears the code, and whoever goes on is told that it was the client."""
    heard: list[tuple[int, bytes]] = []

    async def script(peer: Peer) -> None:
        await peer.write(frame(TEXT, b"hello"))
        heard.append(await peer.read())

    async def use(socket: WebSocket) -> None:
        await texts(socket, 1)
        await socket.close(4000)
        with pytest.raises(ConnectionEnded) as told:
            await socket.send("anybody?")
        assert told.value.code == 4000

    side.run(script, use)
    assert heard == [(CLOSE, b"\x0f\xa0")]


@pytest.mark.parametrize(
    ("last", "code"), [(closing(4014, "Disallowed intent(s)."), 4014), (closing(1001), 1001), (b"", 1006)]
)
def test_the_code_of_an_ending_is_told(side: Side, last: bytes, code: int) -> None:
    """Whoever reads or writes after the end is told the server's code, or the one for a lost connection."""

    async def script(peer: Peer) -> None:
        await peer.write(frame(TEXT, LONG) + last)

    async def use(socket: WebSocket) -> None:
        assert await texts(socket, 1) == [LONG]
        for attempt in (socket.receive(), socket.send("anybody?")):
            with pytest.raises(ConnectionEnded) as told:
                await attempt
            assert told.value.code == code

    side.run(script, use)


@pytest.mark.parametrize("code", [1000, 1001, 4000, 4014])
def test_a_close_is_answered_with_its_code(side: Side, code: int) -> None:
    """The client does not seem to have closed for a reason of its own."""
    heard: list[tuple[int, bytes]] = []

    async def script(peer: Peer) -> None:
        await peer.write(closing(code, "because"))
        heard.append(await peer.read())

    async def use(socket: WebSocket) -> None:
        assert await ending_of(socket) == f"closed: {code} because"
        while not heard:
            await asyncio.sleep(0.01)

    side.run(script, use)
    ((kind, content),) = heard
    assert (kind, content[:2]) == (CLOSE, code.to_bytes(2, "big"))


def test_nothing_is_said_of_compression(side: Side) -> None:
    """The client offers no extension, so that no frame need be inflated."""
    asked: list[bytes] = []

    async def script(peer: Peer) -> None:
        asked.append(peer.request.lower())

    async def use(socket: WebSocket) -> None:
        await ending_of(socket)

    side.run(script, use)
    assert b"upgrade: websocket" in asked[0]
    assert b"sec-websocket-extensions" not in asked[0]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n", "127.0.0.1: answered 429"),
        (
            b"HTTP/1.1 302 Found\r\nlocation: ws://127.0.0.1:1/elsewhere\r\ncontent-length: 0\r\n\r\n",
            "127.0.0.1: answered 302",
        ),
        (b"not http\r\n\r\n", "127.0.0.1: "),
        (b"", "127.0.0.1: "),
    ],
)
def test_a_server_that_refuses_is_an_unavailable_source(side: Side, answer: bytes, told: str) -> None:
    """No connection is told by the host and the answer; a redirect is not followed."""

    async def script(peer: Peer) -> None:
        await peer.write(answer)

    async def use(socket: WebSocket) -> None:
        raise AssertionError("there is no connection to use")

    with pytest.raises(SourceUnavailable, match=f"^{told}"):
        side.run(script, use, accept=False)
