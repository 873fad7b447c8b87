"""The one place that opens sockets to the outside: HTTP and WebSocket behind small ports."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.frames import CloseCode
from websockets.proxy import get_proxy
from websockets.uri import parse_uri

from kamiyo.core.errors import SourceUnavailable
from kamiyo.kit.fast_socket import BINARY, CLOSE_SECONDS, LARGEST_TEXT, LOST, OPEN_SECONDS, ended, open_fast

_LARGEST_ANSWER = 64 << 20
_LONGEST_LINE = 4 << 20
_LONGEST_REQUEST_SECONDS = 120.0
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# This machine is never reached by a proxy, whatever the environment says of proxies.
_DIRECT: dict[str, httpx.AsyncBaseTransport | None] = {
    f"all://{host}": None for host in ("localhost", "127.0.0.1", "[::1]")
}
_JSON = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class LineStream:
    """An answer that goes on. ``answer`` has no body unless it is a refusal."""

    answer: Answer
    lines: AsyncGenerator[bytes]


class HttpSession:
    """HTTP over one pooled client. A body is JSON; a redirect is an answer like any other."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def request(
        self, method: str, url: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request; SourceUnavailable where no answer came, none in time, or one without an end."""
        host = _host_of(url)
        sent = ({} if body is None else _JSON) | dict(headers or {})
        try:
            async with (
                asyncio.timeout(_LONGEST_REQUEST_SECONDS),
                self._client.stream(method, url, content=body, headers=sent) as response,
            ):
                content = await _whole_body(response, host)
        except (httpx.HTTPError, TimeoutError) as error:
            raise SourceUnavailable(f"{host}: {type(error).__name__}") from error
        return Answer(response.status_code, response.headers, content)

    @asynccontextmanager
    async def open_lines(
        self, url: str, *, headers: Mapping[str, str] | None = None, silence: timedelta
    ) -> AsyncGenerator[LineStream]:
        """An answer that has no end, line by line; SourceUnavailable after a silence of that length.

        An answer that is no success has no lines: its status and what it says are all there is.
        """
        host = _host_of(url)
        timeout = httpx.Timeout(OPEN_SECONDS, read=silence.total_seconds())
        try:
            async with self._client.stream("GET", url, headers=headers, timeout=timeout) as response:
                good = response.is_success
                body = b"" if good else await _whole_body(response, host)
                yield LineStream(
                    Answer(response.status_code, response.headers, body), _lines_of(response, host, some=good)
                )
        except httpx.HTTPError as error:
            raise SourceUnavailable(f"{host}: {type(error).__name__}") from error


def _host_of(url: str) -> str:
    """What may be said of a URL: a path or a query can hold a secret."""
    try:
        return httpx.URL(url).host
    except httpx.InvalidURL as error:
        raise SourceUnavailable("a URL that is none was asked for") from error


async def _lines_of(response: httpx.Response, host: str, *, some: bool) -> AsyncGenerator[bytes]:
    """Each line without its end, an empty one too: it may be what says that the server is alive."""
    if not some:
        return
    rest = bytearray()
    async for part in response.aiter_bytes():
        rest += part
        *whole, last = rest.split(b"\n")
        for line in whole:
            yield bytes(line.removesuffix(b"\r"))
        rest = last
        if len(rest) > _LONGEST_LINE:
            raise SourceUnavailable(f"{host}: a line of more than {_LONGEST_LINE >> 20} MiB")


async def _whole_body(response: httpx.Response, host: str) -> bytes:
    content = bytearray()
    async for part in response.aiter_bytes():
        content += part
        if len(content) > _LARGEST_ANSWER:
            raise SourceUnavailable(f"{host}: an answer of more than {_LARGEST_ANSWER >> 20} MiB")
    return bytes(content)


class WebSocket(Protocol):
    """One connection that sends and receives texts."""

    async def send(self, text: str) -> None:
        """Send one text; ConnectionEnded if it has."""
        ...

    async def receive(self) -> list[bytes]:
        """Every text that has arrived whole and was not handed out yet, in order: at least one.

        ConnectionEnded once it has and all that came before was handed out.
        """
        ...

    async def close(self, code: int = 1000) -> None:
        """End the connection with this code; whoever opened it need not, it ends with him."""
        ...


class _PlainSocket:
    """The same over another library, which knows how to reach through a proxy."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, text: str) -> None:
        with _endings_told():
            await self._connection.send(text)

    async def receive(self) -> list[bytes]:
        with _endings_told():
            text = await self._connection.recv()
        if isinstance(text, bytes):
            await self._connection.close(CloseCode.UNSUPPORTED_DATA, BINARY)
            raise ended(CloseCode.UNSUPPORTED_DATA, BINARY)
        return [text.encode()]

    async def close(self, code: int = CloseCode.NORMAL_CLOSURE) -> None:
        await self._connection.close(code)


@contextmanager
def _endings_told() -> Generator[None]:
    try:
        yield
    except ConnectionClosed as error:
        told = error.sent if error.rcvd is None or error.rcvd_then_sent is False else error.rcvd
        code, reason = (CloseCode.ABNORMAL_CLOSURE, LOST) if told is None else (told.code, told.reason)
        raise ended(code, reason) from error


class _Connect(connect):
    """Goes where it is told to, and nowhere else."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


@asynccontextmanager
async def open_session() -> AsyncGenerator[HttpSession]:
    """A session, closed on the way out."""
    async with httpx.AsyncClient(timeout=OPEN_SECONDS, mounts=_DIRECT) as client:
        yield HttpSession(client)


@asynccontextmanager
async def open_websocket(url: str) -> AsyncGenerator[WebSocket]:
    """A connection to a ``ws:`` or ``wss:`` URL, closed on the way out; SourceUnavailable without one."""
    host = httpx.URL(url).host
    proxy = None if host in _LOOPBACK else get_proxy(parse_uri(url))
    opening = open_fast(url, host) if proxy is None else _open_plain(url, host, proxy)
    async with opening as connection:
        yield connection


@asynccontextmanager
async def _open_plain(url: str, host: str, proxy: str | None) -> AsyncGenerator[WebSocket]:
    connecting = _Connect(
        url,
        open_timeout=OPEN_SECONDS,
        close_timeout=CLOSE_SECONDS,
        ping_interval=None,
        max_size=LARGEST_TEXT,
        compression=None,
        proxy=proxy,
    )
    try:
        connection = await connecting
    except InvalidStatus as error:
        raise SourceUnavailable(f"{host}: answered {error.response.status_code}") from error
    except (OSError, WebSocketException) as error:
        raise SourceUnavailable(f"{host}: {type(error).__name__}") from error
    try:
        yield _PlainSocket(connection)
    finally:
        await connection.close()


def port_is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    family, kind, protocol, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError:
            return False
    return True
