"""WebSocket connections of our own over picows: texts as bytes, many at once, in bounded memory."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from picows import (
    WSCloseCode,
    WSError,
    WSFrame,
    WSHandshakeError,
    WSListener,
    WSMsgType,
    WSTransport,
    ws_connect,  # pyright: ignore[reportUnknownVariableType]  # passes on what it does not know
)

from kamiyo.core.errors import ConnectionEnded, SourceUnavailable

OPEN_SECONDS = 20.0
LARGEST_TEXT = 16 << 20
LARGEST_BACKLOG = 8 << 20
CLOSE_SECONDS = 1.0
BINARY = "a binary frame"
LOST = "the connection was lost"

_SHORTEST = 126  # one byte more than a control frame may have
_BRACE = ord("{")
_NO_CODE = 1005
# What ends a connection reaches its user as an error, and is said there if it is worth saying.
_SILENT = logging.Logger("picows", logging.CRITICAL + 1)  # noqa: LOG001 -- of no use to anybody else


def ended(code: int, reason: str) -> ConnectionEnded:
    """How a connection ended: in words that begin with the code, and as the code."""
    return ConnectionEnded(f"closed: {code} {reason}".rstrip(), code=code)


@asynccontextmanager
async def open_fast(url: str, host: str) -> AsyncGenerator[FastSocket]:
    """A direct connection, closed on the way out; SourceUnavailable without one."""
    connection = FastSocket()
    try:
        await _open(url, host, connection)
        yield connection
    finally:
        await connection.close()


async def _open(url: str, host: str, connection: FastSocket) -> None:
    try:
        async with asyncio.timeout(OPEN_SECONDS):
            await ws_connect(
                lambda _request, _response: connection,
                url,
                ssl_context=ssl.create_default_context() if url.startswith("wss:") else None,
                websocket_handshake_timeout=OPEN_SECONDS,
                logger_name=_SILENT,
                enable_auto_pong=False,  # a frame that is answered behind our back may be a buffer's last
                max_frame_size=LARGEST_TEXT,
                max_redirects=0,
            )
    except WSHandshakeError as error:
        detail = type(error).__name__ if error.response is None else f"answered {error.response.status:d}"
        raise SourceUnavailable(f"{host}: {detail}") from error
    except (OSError, WSError) as error:  # TimeoutError is an OSError
        raise SourceUnavailable(f"{host}: {type(error).__name__}") from error
    if not connection.is_open:  # picows is content with a server that hangs up instead of answering
        raise SourceUnavailable(f"{host}: hung up")


class FastSocket(WSListener):
    """One connection. Guards what has arrived until it is taken; one task may take it."""

    def __init__(self) -> None:
        self._transport: WSTransport | None = None
        self._texts: list[bytes] = []
        self._counted = 0  # of the texts, and how long these are together
        self._backlog = 0
        self._unfinished: bytearray | None = None  # a text of which the last fragment is to come
        self._plain = True  # no text is unfinished, and the connection is not at its end
        self._paused = False
        self._end: tuple[int, str] | None = None  # code and reason
        self._arrival: asyncio.Future[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    @property
    def is_open(self) -> bool:
        """Whether the server agreed to be spoken to."""
        return self._transport is not None

    async def send(self, text: str) -> None:
        """Send one text, once earlier ones are on their way; SourceUnavailable if the connection ended."""
        await self._writable.wait()
        if self._transport is None or self._end is not None:
            raise SourceUnavailable("not connected") if self._end is None else ended(*self._end)
        self._transport.send(WSMsgType.TEXT, text)

    async def receive(self) -> list[bytes]:
        """Every whole text that has arrived, at least one; SourceUnavailable after the last."""
        while not self._texts:
            if self._end is not None:
                raise ended(*self._end)
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        texts, self._texts, self._counted, self._backlog = self._texts, [], 0, 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.underlying_transport.resume_reading()
        return texts

    async def close(self, code: int = WSCloseCode.OK.value) -> None:
        """Close the connection, and wait a moment until the other side has heard of it."""
        transport = self._transport
        if transport is None:
            return
        self._finish(code, "by us")
        transport.send_close(code)  # type: ignore[arg-type]  # any number will do
        transport.disconnect()
        with suppress(WSError, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await transport.wait_disconnected()
            return
        transport.disconnect(graceful=False)

    # --- what picows calls ----------------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Begin."""
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Keep a whole text; look closer at anything else."""
        content = frame.get_payload_as_bytes()
        # To ask a frame of its kind costs more than all the rest. Only a message is so long and begins so.
        if self._plain and frame.fin and _SHORTEST <= len(content) <= LARGEST_TEXT and content[0] == _BRACE:
            self._texts.append(content)
        else:
            self._take(transport, frame, content)
        if frame.last_in_buffer:
            self._tell(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """End, for the reason given by whoever closed first."""
        if self._end is not None:
            return  # with a code that may be no code of picows
        sent = transport.close_handshake.sent if transport.is_close_frame_sent else None
        if sent is not None:  # by picows, which found the protocol broken
            self._finish(sent.code.value, sent.reason)
        self._finish(WSCloseCode.ABNORMAL_CLOSURE.value, LOST)

    def pause_writing(self) -> None:
        """Let senders wait."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let senders go on."""
        self._writable.set()

    # --- frames ---------------------------------------------------------------------------------------------

    def _take(self, transport: WSTransport, frame: WSFrame, content: bytes) -> None:
        if self._end is not None:
            return
        match frame.msg_type:
            case WSMsgType.TEXT | WSMsgType.CONTINUATION as kind:
                self._take_part(transport, content, begins=kind == WSMsgType.TEXT, ends=frame.fin)
            case WSMsgType.PING:
                transport.send_pong(content)
            case WSMsgType.CLOSE:
                code = int.from_bytes(content[:2], "big") or _NO_CODE
                self._finish(code, frame.get_close_reason())
                # Its own code, as others answer: a server may take another for a goodbye of ours.
                transport.send_close(WSCloseCode.OK if code == _NO_CODE else code)  # type: ignore[arg-type]
                transport.disconnect()
            case WSMsgType.BINARY:
                self._refuse(transport, WSCloseCode.UNSUPPORTED_DATA, BINARY)
            case WSMsgType.PONG:
                pass

    def _take_part(self, transport: WSTransport, content: bytes, *, begins: bool, ends: bool) -> None:
        if begins is (self._unfinished is not None):
            self._refuse(transport, WSCloseCode.PROTOCOL_ERROR, "fragments that do not belong together")
            return
        text = bytearray() if self._unfinished is None else self._unfinished
        text += content
        if len(text) > LARGEST_TEXT:
            self._refuse(transport, WSCloseCode.MESSAGE_TOO_BIG, "a text that is too long")
            return
        if ends:
            self._texts.append(bytes(text))
        self._unfinished = None if ends else text
        self._plain = ends

    def _refuse(self, transport: WSTransport, code: WSCloseCode, reason: str) -> None:
        self._finish(code.value, reason)
        transport.send_close(code, reason)
        transport.disconnect()

    def _tell(self, transport: WSTransport) -> None:
        """Wake who waits for texts, and stop reading while too many wait for him."""
        if self._texts:
            self._wake()
        self._backlog += sum(map(len, self._texts[self._counted :]))
        self._counted = len(self._texts)
        if self._backlog > LARGEST_BACKLOG and not self._paused:
            self._paused = True
            transport.underlying_transport.pause_reading()

    def _finish(self, code: int, reason: str) -> None:
        """The connection ended; the first reason counts."""
        self._end = self._end or (code, reason)
        self._plain = False
        self._unfinished = None
        self._writable.set()
        self._wake()

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)
