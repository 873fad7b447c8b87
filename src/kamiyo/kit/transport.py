"""The one place that opens sockets to the outside: HTTP and WebSocket behind small ports."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Protocol

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.frames import CloseCode
from websockets.proxy import get_proxy
from websockets.uri import parse_uri

from kamiyo.core.errors import SourceUnavailable
from kamiyo.kit.fast_socket import BINARY, CLOSE_SECONDS, LARGEST_TEXT, LOST, OPEN_SECONDS, ending, open_fast

_LARGEST_ANSWER = 64 << 20
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


class HttpSession:
    """HTTP over one pooled client. A body is JSON; a redirect is an answer like any other."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def request(self, method: str, url: str, *, body: bytes | None = None) -> Answer:
        """Send one request; SourceUnavailable where no answer came, none in time, or one without an end."""
        host = httpx.URL(url).host
        headers = None if body is None else _JSON
        try:
            async with (
                asyncio.timeout(_LONGEST_REQUEST_SECONDS),
                self._client.stream(method, url, content=body, headers=headers) as response,
            ):
                content = await _whole_body(response, host)
        except (httpx.HTTPError, TimeoutError) as error:
            raise SourceUnavailable(f"{host}: {type(error).__name__}") from error
        return Answer(response.status_code, response.headers, content)


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
        """Send one text; SourceUnavailable if the connection has ended."""
        ...

    async def receive(self) -> list[bytes]:
        """Every text that has arrived whole and was not handed out yet, in order: at least one.

        SourceUnavailable once the connection has ended and all that came before was handed out.
        """
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
            raise SourceUnavailable(ending(CloseCode.UNSUPPORTED_DATA, BINARY))
        return [text.encode()]


@contextmanager
def _endings_told() -> Generator[None]:
    try:
        yield
    except ConnectionClosed as error:
        told = error.sent if error.rcvd is None or error.rcvd_then_sent is False else error.rcvd
        code, reason = (CloseCode.ABNORMAL_CLOSURE, LOST) if told is None else (told.code, told.reason)
        raise SourceUnavailable(ending(code, reason)) from error


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
