"""A WebSocket server that says exactly the bytes a test wants: frames, fragments, nonsense, or nothing."""

import asyncio
import base64
import hashlib
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 0x1, 0x2, 0x0, 0x8, 0x9, 0xA
_ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(kind: int, content: bytes, *, whole: bool = True) -> bytes:
    """One frame as a server writes it."""
    first = bytes([kind | (0x80 if whole else 0)])
    if len(content) < 126:
        return first + bytes([len(content)]) + content
    if len(content) < 1 << 16:
        return first + b"\x7e" + struct.pack(">H", len(content)) + content
    return first + b"\x7f" + struct.pack(">Q", len(content)) + content


def closing(code: int, reason: str = "") -> bytes:
    """A close frame."""
    return frame(CLOSE, struct.pack(">H", code) + reason.encode())


class Peer:
    """The server's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.request = b""

    async def accept(self) -> None:
        """Agree to be spoken to."""
        lines = self.request.split(b"\r\n")
        key = next(each[19:] for each in lines if each.lower().startswith(b"sec-websocket-key: "))
        accept = base64.b64encode(hashlib.sha1(key + _ACCEPT).digest())
        head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        await self.write(head + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")

    async def write(self, content: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(content)
        await self.writer.drain()

    async def read(self) -> tuple[int, bytes]:
        """The kind and the content of the client's next frame."""
        first, second = await self.reader.readexactly(2)
        length = second & 0x7F
        if length >= 126:
            length = int.from_bytes(await self.reader.readexactly(2 if length == 126 else 8), "big")
        mask = await self.reader.readexactly(4)
        masked = await self.reader.readexactly(length)
        return first & 0xF, bytes(each ^ mask[place % 4] for place, each in enumerate(masked))


Script = Callable[[Peer], Awaitable[None]]
Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(handle: Handle, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Handle each connection until it is done or the test is; give the port."""
    open_ones: set[asyncio.Task[None]] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_ones.add(task)
        try:
            await handle(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            open_ones.discard(task)

    server = await asyncio.start_server(one, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]
        for task in (left := tuple(open_ones)):
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


@asynccontextmanager
async def serving(
    script: Script, *, accept: bool = True, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Play the script to whoever connects; give the port."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        peer.request = await reader.readuntil(b"\r\n\r\n")
        if accept:
            await peer.accept()
        await script(peer)

    async with listening(play, tls) as port:
        yield port
