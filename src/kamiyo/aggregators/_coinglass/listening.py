"""The live orders: one socket that is kept open, and what was missed while it was not."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Final

import msgspec
import structlog

from kamiyo.aggregators._coinglass.marks import Marks
from kamiyo.aggregators._coinglass.payloads import SOCKET
from kamiyo.aggregators._merged import Outlet
from kamiyo.aggregators.base import Connect
from kamiyo.core.errors import SourceUnavailable
from kamiyo.core.events import Gap
from kamiyo.core.ids import SourceName
from kamiyo.core.ports import Raw, Span
from kamiyo.core.time import Clock, from_millis, to_millis
from kamiyo.kit.secret import Secret
from kamiyo.kit.transport import WebSocket

SUBSCRIBE: Final = '{"method":"subscribe","channels":["liquidationOrders"]}'
PING: Final = "ping"
_PONG: Final = b"pong"
_PING_EVERY: Final = timedelta(seconds=20)
_SILENCE: Final = timedelta(seconds=65)  # three pings without an answer
_FIRST_WAIT: Final = timedelta(seconds=5)
_LONGEST_WAIT: Final = timedelta(minutes=10)
_GOOD: Final = frozenset({None, "0", 0, "200", 200})


class _Head(msgspec.Struct):
    channel: str | None = None
    code: str | int | None = None


_head = msgspec.json.Decoder(_Head)


class Listener:
    """Hears the live orders where the plan lets it; ``problem`` says why not, and polling goes on."""

    def __init__(
        self,
        source: SourceName,
        url: str,
        key: Secret,
        *,
        connect: Connect,
        outlet: Outlet,
        marks: Marks,
        clock: Clock,
    ) -> None:
        self.problem = ""
        self._source = source
        self._url = url
        self._key = key
        self._connect = connect
        self._outlet = outlet
        self._marks = marks
        self._clock = clock
        self._heard_at = clock.now()
        self._scope, self._frames = "", 0
        self._hearing = False
        self._failures = 0
        self._log = structlog.get_logger().bind(source=source)

    async def run(self) -> None:
        """Keep the socket open until cancelled; wait longer each time it is refused."""
        while True:
            try:
                # The one place where the key is part of an address: errors name the host alone.
                async with self._connect(f"{self._url}?cg-api-key={self._key.reveal()}") as socket:
                    self._fail(await self._converse(socket))
            except SourceUnavailable as error:
                self._fail(str(error))
            wait = min(_FIRST_WAIT * (1 << min(self._failures, 8)), _LONGEST_WAIT)
            self._failures += 1
            await self._clock.sleep(wait)

    @property
    def heard_at(self) -> datetime | None:
        """When the socket last answered, while it is open."""
        return self._heard_at if self._hearing else None

    def _fail(self, reason: str) -> None:
        self._hearing = False
        if not self.problem:
            self._log.warning("live_orders_not_heard", detail=reason)
        self.problem = f"{SOCKET}: {reason}"

    async def _converse(self, socket: WebSocket) -> str:
        """Why it ended. Neither task raises that: the group would hide a cancellation behind it."""
        now = self._clock.now()
        self._scope, self._frames = f"{SOCKET}/{to_millis(now)}", 0
        self._hearing, self._heard_at = False, now
        async with asyncio.TaskGroup() as tasks:
            both = [tasks.create_task(self._receive(socket)), tasks.create_task(self._attend(socket))]
            done, _running = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in both:
                task.cancel()
        return next(iter(done)).result()

    async def _attend(self, socket: WebSocket) -> str:
        try:
            await socket.send(SUBSCRIBE)
            while True:
                await socket.send(PING)
                await self._clock.sleep(_PING_EVERY)
                if self._clock.now() - self._heard_at > _SILENCE:
                    return "silent"
        except SourceUnavailable as error:
            return str(error)

    async def _receive(self, socket: WebSocket) -> str:
        while True:
            try:
                frames = await socket.receive()
            except SourceUnavailable as error:
                return str(error)
            now = self._clock.now()
            for frame in frames:
                refusal = self._take(frame, now)
                if refusal is not None:
                    return refusal
            await self._outlet.room()

    def _take(self, frame: bytes, now: datetime) -> str | None:
        """Hand on what holds orders; why the socket is of no use, if it says so."""
        head = _read_head(frame)
        if head is not None and head.channel is None and head.code not in _GOOD:
            return f"refused with the code {str(head.code)[:20]}"
        self._hear(now)
        if frame.strip() != _PONG and (head is None or head.channel == SOCKET):
            self._failures = 0
            self._put(frame, now)
        return None

    def _hear(self, now: datetime) -> None:
        """It answers, so that what was missed since it last did is known."""
        last = self._marks.get(SOCKET)
        if not self._hearing and last is not None:
            self._outlet.put(self._gap(last, to_millis(now)))
        self._marks.move(SOCKET, to_millis(now))
        self._hearing, self._heard_at, self.problem = True, now, ""

    def _put(self, frame: bytes, now: datetime) -> None:
        self._outlet.put(
            Raw(
                source=self._source,
                stream=SOCKET,
                payload=frame.replace(self._key.reveal().encode(), repr(self._key).encode()),
                received_at=now,
                cursor=self._marks.cursor(),
                span=Span(self._scope, self._frames, self._frames + 1),
            )
        )
        self._frames += 1

    def _gap(self, last: int, now: int) -> Gap:
        return Gap(
            source=self._source,
            scale="millisecond",
            scope=SOCKET,
            first=last,
            after_last=now,
            reason="live orders were not heard",
            detected_at=self._clock.now(),
            started_at=from_millis(last),
            ended_at=from_millis(now),
        )


def _read_head(frame: bytes) -> _Head | None:
    """None for what is no object: a pong, or garbage, which is refused where it is read."""
    try:
        return _head.decode(frame)
    except msgspec.DecodeError:
        return None
