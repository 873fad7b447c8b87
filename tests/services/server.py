"""A small HTTP server for imitated services: whole, slow, cut, endless and garbled answers."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

_LONGEST_HEAD = 64 << 10
_CLOSE_SECONDS = 5


@dataclass(frozen=True)
class Request:
    """What somebody asked. Names of headers are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What is answered.

    ``delay`` seconds pass before the first byte. With ``cut_after`` the connection is lost after so many
    bytes of the body, though all of it was promised. ``raw`` is sent instead of any HTTP. ``parts`` is an
    answer without an end: it goes on, chunk by chunk, as long as they come.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut_after: int | None = None
    raw: bytes | None = None
    parts: AsyncIterator[bytes] | None = None


Answering = Callable[[Request], Reply | Awaitable[Reply]]


@dataclass
class Server:
    """A running server: where it is, and what it was asked so far."""

    url: str
    requests: list[Request] = field(default_factory=list)

    def paths(self) -> list[str]:
        """What was asked for, in order."""
        return [request.path for request in self.requests]


def json_reply(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """A value as JSON."""
    kind = {"content-type": "application/json"}
    return Reply(status, msgspec.json.encode(value), kind | dict(headers or {}))


class _Connections:
    """Every connection there is, so that none outlives the server."""

    def __init__(self, answer: Answering, asked: list[Request]) -> None:
        self._answer = answer
        self._asked = asked
        self._open: set[asyncio.Task[None]] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        # Cancelled at the server's end, which asyncio's streams would report as an error.
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._serve(reader, writer)
        self._open.discard(task)
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await _read(reader)) is not None:
            self._asked.append(request)
            reply = await _reply(self._answer, request)
            if reply.parts is not None:
                await _write_while_heard(reader, writer, reply, reply.parts)
                return
            if not await _write(writer, request, reply):
                return

    async def close(self) -> None:
        for task in self._open:
            task.cancel()
        if self._open:
            await asyncio.wait(self._open, timeout=_CLOSE_SECONDS)


@asynccontextmanager
async def open_server(answer: Answering) -> AsyncIterator[Server]:
    """Serve on a free port of this machine; every connection is closed on the way out."""
    asked: list[Request] = []
    connections = _Connections(answer, asked)
    listener = await asyncio.start_server(connections.accept, "127.0.0.1", 0, limit=_LONGEST_HEAD)
    try:
        yield Server(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}", asked)
    finally:
        listener.close()
        await connections.close()


async def _reply(answer: Answering, request: Request) -> Reply:
    found = answer(request)
    return found if isinstance(found, Reply) else await found


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *rest = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _version = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    return Request(method, unquote(parts.path), query, headers, body)


async def _write(writer: asyncio.StreamWriter, request: Request, reply: Reply) -> bool:
    """Whether the connection can be used for another request."""
    await asyncio.sleep(reply.delay)
    if reply.raw is not None:
        writer.write(reply.raw)
        await writer.drain()
        return False
    none = request.method == "HEAD" or reply.status in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
    size = {} if none else {"content-length": str(len(reply.body))}
    body = b"" if none else reply.body[: reply.cut_after]
    writer.write(_head(reply, size) + body)
    await writer.drain()
    return reply.cut_after is None


async def _write_while_heard(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reply: Reply, parts: AsyncIterator[bytes]
) -> None:
    """An answer without an end ends when whoever listens has gone."""
    writing = asyncio.ensure_future(_write_parts(writer, reply, parts))
    gone = asyncio.ensure_future(reader.read(1))
    try:
        await asyncio.wait({writing, gone}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        writing.cancel()
        with suppress(asyncio.CancelledError, ConnectionError):
            await writing
        if isinstance(parts, AsyncGenerator):
            await parts.aclose()


async def _write_parts(writer: asyncio.StreamWriter, reply: Reply, parts: AsyncIterator[bytes]) -> None:
    writer.write(_head(reply, {"transfer-encoding": "chunked"}))
    await writer.drain()
    async for part in parts:
        if part:
            writer.write(b"%x\r\n%s\r\n" % (len(part), part))
            await writer.drain()
    if reply.cut_after is None:
        writer.write(b"0\r\n\r\n")
        await writer.drain()


def _head(reply: Reply, more: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in (dict(reply.headers) | dict(more)).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
