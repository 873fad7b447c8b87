"""The one place that opens sockets to the outside: HTTP and WebSocket behind small ports."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from kamiyo.core.errors import SourceUnavailable

_TIMEOUT_SECONDS = 20.0
_LARGEST_FRAME = 16 << 20
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
# This machine is never reached by a proxy, whatever the environment says of proxies.
_DIRECT: dict[str, httpx.AsyncBaseTransport | None] = {f"all://{host}": None for host in _LOOPBACK}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpSession:
    """HTTP over one pooled client."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def request(self, method: str, url: str, *, body: bytes | None = None) -> Answer:
        """Send one request; SourceUnavailable where no answer came."""
        try:
            response = await self._client.request(method, url, content=body)
        except httpx.HTTPError as error:
            raise SourceUnavailable(f"{httpx.URL(url).host}: {type(error).__name__}") from error
        return Answer(response.status_code, response.headers, response.content)


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
    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, text: str) -> None:
        try:
            await self._connection.send(text)
        except WebSocketException as error:
            raise SourceUnavailable(str(error)) from error

    async def receive(self) -> list[bytes]:
        try:
            return [await self._connection.recv(decode=False)]
        except WebSocketException as error:
            raise SourceUnavailable(str(error)) from error


@asynccontextmanager
async def open_session() -> AsyncGenerator[HttpSession]:
    """A session, closed on the way out."""
    async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, mounts=_DIRECT) as client:
        yield HttpSession(client)


@asynccontextmanager
async def open_websocket(url: str) -> AsyncGenerator[WebSocket]:
    """A connection to a ``ws:`` or ``wss:`` URL, closed on the way out; SourceUnavailable without one."""
    host = httpx.URL(url).host
    connecting = connect(
        url,
        open_timeout=_TIMEOUT_SECONDS,
        max_size=_LARGEST_FRAME,
        compression=None,
        proxy=None if host in {each.strip("[]") for each in _LOOPBACK} else True,
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
