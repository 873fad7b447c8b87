"""The venue on a port: its HTTP answers and its socket, until the caller is done with it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, MutableMapping
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from typing import Any, cast

import uvicorn

from kamiyo.core.errors import InvalidSettings
from kamiyo.core.time import Clock
from kamiyo.lab.faults import Faults
from kamiyo.lab.ports import Tape
from kamiyo.lab.protocol import LabVenue
from kamiyo.lab.questions import Reply
from kamiyo.lab.sockets import socket_class

_JSON = b"application/json"
_NOT_JSON = b"Expected request with `Content-Type: application/json`"
_LARGEST_QUESTION = 1 << 20
_KEEP_ALIVE_SECONDS = 75
_BACKLOG = 128

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


def app_of(venue: LabVenue) -> Application:
    """The venue's HTTP side as an ASGI application."""

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        reply = await _reply(venue, scope, receive)
        headers = [(b"content-length", b"%d" % len(reply.content))]
        if reply.content:
            headers.append((b"content-type", reply.content_type.encode()))
        await send({"type": "http.response.start", "status": int(reply.status), "headers": headers})
        await send({"type": "http.response.body", "body": reply.content})

    return app


async def _reply(venue: LabVenue, scope: Message, receive: Receive) -> Reply:
    path, method = str(scope["path"]), str(scope["method"])
    if path != "/info":
        return venue.desk.statistics(path[1:]) if method == "GET" else Reply(HTTPStatus.NOT_FOUND, b"")
    if method != "POST":
        return Reply(HTTPStatus.METHOD_NOT_ALLOWED, b"")
    body = await _body(receive)
    headers = dict(cast("list[tuple[bytes, bytes]]", scope["headers"]))
    if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != _JSON:
        return Reply(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, _NOT_JSON, "text/plain; charset=utf-8")
    address, _port = cast("tuple[str, int]", scope["client"])
    return await venue.desk.ask(address, body)


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = bool(message.get("more_body")) and sum(map(len, parts)) <= _LARGEST_QUESTION
    return b"".join(parts)


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        # Whoever opened the venue hears the signals.
        yield


@asynccontextmanager
async def open_lab_venue(
    tape: Tape,
    *,
    clock: Clock,
    host: str = "127.0.0.1",
    port: int = 0,
    faults: Faults | None = None,
    seed: int = 0,
    greeting: bool = True,
    keep: bool = True,
    patient: bool = False,
) -> AsyncGenerator[LabVenue]:
    """The venue, playing and listening, at its ``url``; InvalidSettings where the port cannot be had."""
    venue = LabVenue(
        tape, clock=clock, faults=faults, seed=seed, greeting=greeting, keep=keep, patient=patient
    )
    with _listening(host, port) as listening:
        venue.url = f"http://{host}:{listening.getsockname()[1]}"
        server = _Server(_config(venue))
        async with asyncio.TaskGroup() as tasks:
            playing = tasks.create_task(venue.run(), name="lab venue")
            serving = tasks.create_task(server.serve(sockets=[listening]), name="lab venue's server")
            try:
                yield venue
            finally:
                playing.cancel()
                server.should_exit = True
                await serving


def _config(venue: LabVenue) -> uvicorn.Config:
    return uvicorn.Config(
        cast("Any", app_of(venue)),
        ws=socket_class(venue),
        log_config=None,
        access_log=False,
        proxy_headers=False,  # an address is who connects, not whom he names
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        lifespan="off",
    )


@contextmanager
def _listening(host: str, port: int) -> Generator[socket.socket]:
    # asyncio turns Nagle's algorithm off only where the protocol is named: without, each answer waits 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
        except OSError as error:
            raise InvalidSettings(f"cannot listen on {host}:{port}: {error.strerror}") from error
        listening.listen(_BACKLOG)
        yield listening
