"""One subscription to a server's stream, kept through every loss of the connection."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol, TypeVar

import msgspec

from kamiyo.api.stream import grammar
from kamiyo.cli.client import check_server, no_answer
from kamiyo.core.errors import InvalidQuery, SourceUnavailable
from kamiyo.core.modes import LIVE, Mode, Showing
from kamiyo.core.time import Clock
from kamiyo.kit.supervision import wait_before_restart
from kamiyo.kit.transport import WebSocket, open_websocket

LONGEST_SILENCE = timedelta(seconds=60)  # three heartbeats
_TEMPORARY = frozenset({"storage_unavailable", "unavailable", "too_many_connections"})


class Listener(Protocol):
    """Who is told."""

    def messages(self, rows: Sequence[msgspec.Raw], *, replayed: bool) -> None:
        """Messages of the subscription, in order."""
        ...

    def notice(self, state: str, detail: str) -> None:
        """What became of the connection: ``connected``, ``lost`` or ``missed``; or how it is not live."""
        ...


class _Frame(msgspec.Struct, frozen=True):
    channel: str
    cursor: str | None = None
    replayed: bool = False
    data: msgspec.Raw = msgspec.Raw(b"null")
    mode: Mode = LIVE.mode
    recording: str | None = None


class _Response(msgspec.Struct, frozen=True):
    cursor: str


class _Error(msgspec.Struct, frozen=True):
    code: str
    detail: str


_frame = msgspec.json.Decoder(_Frame)
_response = msgspec.json.Decoder(_Response)
_error = msgspec.json.Decoder(_Error)
_rows: msgspec.json.Decoder[Sequence[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw])


class Subscription:
    """Guards how far the subscription was told, so that the next connection goes on exactly there."""

    def __init__(self, server: str, wanted: grammar.Wanted, listener: Listener, clock: Clock) -> None:
        self._server = check_server(server)
        self._wanted = wanted
        self._listener = listener
        self._clock = clock
        self._cursor: str | None = None
        self._connected = False
        self._failures: int | None = None  # None until the first connection

    async def run(self) -> None:
        """Listen for ever; SourceUnavailable if not even the first connection comes about."""
        while True:
            try:
                await self._listen()
            except SourceUnavailable as error:
                if self._failures is None:
                    raise no_answer(self._server) from error
                self._tell_loss(error)
                await self._clock.sleep(wait_before_restart(self._failures))
                self._failures += 1

    async def _listen(self) -> None:
        async with open_websocket(f"ws{self._server.removeprefix('http')}/stream") as socket:
            await self._subscribe(socket)
            while True:
                for text in await _next_texts(socket):
                    await self._take(_decoded(_frame, text), socket)

    async def _subscribe(self, socket: WebSocket) -> None:
        resume = None if self._cursor is None else grammar.Resume(self._cursor)
        request = grammar.Subscribe(subscription=self._wanted, resume=resume)
        await socket.send(msgspec.json.encode(request).decode())

    async def _take(self, frame: _Frame, socket: WebSocket) -> None:
        match frame.channel:
            case "subscriptionResponse":
                self._cursor = _decoded(_response, frame.data).cursor
                self._tell_connection()
            case "error":
                await self._take_error(_decoded(_error, frame.data), socket)
            case "hello":
                self._tell_mode(Showing(frame.mode, frame.recording))
            case channel if channel == type(self._wanted).__struct_config__.tag:
                self._listener.messages(_decoded(_rows, frame.data), replayed=frame.replayed)
            case _:
                pass
        self._cursor = frame.cursor or self._cursor

    async def _take_error(self, error: _Error, socket: WebSocket) -> None:
        if error.code == "cursor_expired":
            detail = f"the stream cannot go on where it stopped, so something may be missing: {error.detail}"
            self._listener.notice("missed", detail)
            self._cursor = None
            await self._subscribe(socket)
        elif error.code in _TEMPORARY:
            raise SourceUnavailable(error.detail)
        else:
            raise InvalidQuery(error.detail)

    def _tell_connection(self) -> None:
        if not self._connected:
            again = "" if self._failures is None else " again, going on where it stopped"
            self._listener.notice("connected", f"connected to {self._server}{again}")
        self._connected = True
        self._failures = 0

    def _tell_mode(self, showing: Showing) -> None:
        if showing.notice is not None:
            self._listener.notice(showing.mode.lower(), showing.notice)

    def _tell_loss(self, error: SourceUnavailable) -> None:
        if self._connected:
            detail = f"connection to {self._server} lost ({error}): trying again"
            self._listener.notice("lost", detail)
        self._connected = False


async def _next_texts(socket: WebSocket) -> list[bytes]:
    try:
        async with asyncio.timeout(LONGEST_SILENCE.total_seconds()):
            return await socket.receive()
    except TimeoutError as error:
        raise SourceUnavailable(f"not a word for {LONGEST_SILENCE.seconds} s") from error


R = TypeVar("R")


def _decoded(decoder: msgspec.json.Decoder[R], content: bytes | msgspec.Raw) -> R:
    try:
        return decoder.decode(content)
    except msgspec.DecodeError as error:
        raise SourceUnavailable(f"the stream does not speak as this KAMIYO does: {error}") from error
