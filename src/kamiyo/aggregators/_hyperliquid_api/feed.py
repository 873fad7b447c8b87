"""One socket that is kept open: asks for what is wanted, hands on what is heard, begins again."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from kamiyo.aggregators._hyperliquid_api.quiet import Quiet, were_held_up
from kamiyo.aggregators.base import Connect
from kamiyo.core.errors import MalformedPayload, SourceUnavailable
from kamiyo.core.time import Clock, to_millis
from kamiyo.hyperliquid.channels import Frame
from kamiyo.hyperliquid.limits import MESSAGES_PER_MINUTE, MINUTE, SlidingWindow
from kamiyo.hyperliquid.session import Ended, Reconnecting, Session
from kamiyo.hyperliquid.subscriptions import Subscription
from kamiyo.kit.transport import WebSocket

CUTS_PER_MINUTE = 4
_LOOK_AGAIN = timedelta(seconds=1)
_SHORTEST_WAIT = timedelta(milliseconds=50)


class Listener(Protocol):
    """Whoever a feed is kept for. What is wanted may change at any time and is looked at every second."""

    def wanted(self, now: datetime) -> Collection[Subscription]:
        """Every subscription that should be there."""
        ...

    def opened(self, number: str, now: datetime) -> None:
        """A connection opened; ``number`` is like no other's."""
        ...

    def heard(self, frame: Frame | None, payload: bytes, now: datetime) -> bool:
        """Take a frame with data; no frame where the payload is none. False if nothing of it can be read."""
        ...

    def heard_trades(self, frames: Sequence[bytes], now: datetime) -> bool:
        """Take the frames of trades that arrived together. False if nothing of one can be read."""
        ...

    def lost(self, reason: str, since: datetime, now: datetime) -> None:
        """Something was not heard between these moments, and will not be."""
        ...

    async def room(self) -> None:
        """Wait until there is room for what will be heard next."""
        ...

    def look(self, session: Session, now: datetime) -> None:
        """See how the connection stands: every second, while it is open."""
        ...

    def ended(self, ended: Ended, now: datetime) -> None:
        """The connection ended. What was heard until then was handed on before."""
        ...

    def failed(self, reason: str) -> None:
        """No connection could be opened."""
        ...


class Address:
    """What all sockets behind one address share: their messages' and their connections' limits."""

    def __init__(self, reconnecting: Reconnecting) -> None:
        self.reconnecting = reconnecting
        self.messages = SlidingWindow(MESSAGES_PER_MINUTE, MINUTE)


class Feed:
    """Keeps one connection open for a listener."""

    def __init__(
        self, url: str, *, connect: Connect, clock: Clock, address: Address, listener: Listener
    ) -> None:
        self._url = url
        self._connect = connect
        self._clock = clock
        self._address = address
        self._listener = listener
        self._suspects: tuple[Subscription, ...] = ()
        # Of this socket alone: two that end together would make one accident look like two.
        self._proven: set[Subscription] = set()
        self._cuts = SlidingWindow(CUTS_PER_MINUTE, MINUTE)
        self._quiet = Quiet()

    async def run(self) -> None:
        """Keep the connection open until cancelled."""
        reconnecting = self._address.reconnecting
        while True:
            now = self._clock.now()
            await self._clock.sleep(reconnecting.next_attempt(now) - now)
            try:
                await self._connection()
            except SourceUnavailable as error:
                self._listener.failed(str(error))
            reconnecting.failed(self._clock.now())

    async def _connection(self) -> None:
        """One connection until it ends; SourceUnavailable where none could be opened."""
        async with self._connect(self._url) as socket:
            now = self._clock.now()
            self._address.reconnecting.opened(now)
            session = Session(
                now=now,
                messages=self._address.messages,
                proven=self._proven,
                suspects=self._suspects,
            )
            self._listener.opened(str(to_millis(now)), now)
            ended = await self._converse(socket, session)
            self._suspects = ended.suspects
            self._listener.ended(ended, self._clock.now())

    async def _converse(self, socket: WebSocket, session: Session) -> Ended:
        # Both return how it ended and raise nothing of the sort: a task group that is cancelled while a task
        # of it fails raises the failure alone, and the cancellation would be lost.
        self._quiet.begin()
        async with asyncio.TaskGroup() as tasks:
            both = [
                tasks.create_task(self._receive(socket, session)),
                tasks.create_task(self._attend(socket, session)),
            ]
            done, _running = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in both:
                task.cancel()
        return next(iter(done)).result()

    async def _receive(self, socket: WebSocket, session: Session) -> Ended:
        quiet = self._quiet
        while True:
            await self._listener.room()
            heard_at = session.heard_at
            quiet.wait(self._clock.now())
            try:
                frames = await socket.receive()
            except SourceUnavailable as error:
                return session.ended(self._clock.now(), str(error))
            now = self._clock.now()
            waited = quiet.heard(now)
            lost = self._take(frames, session, now)
            if waited is not None and not were_held_up(frames, waited, now):
                lost = f"silent for {waited.total_seconds():.1f} s"
            if lost is not None and self._may_cut(lost, heard_at, now):
                return Ended(reason=lost, last_heard_at=heard_at)

    def _take(self, frames: Sequence[bytes], session: Session, now: datetime) -> str | None:
        """Hand the frames on; what is wrong where one cannot be read, and so came instead of another."""
        received, heard, lost = session.received, self._listener.heard, None
        trades: list[bytes] = []
        for payload in frames:
            try:
                frame = received(payload, now)
            except MalformedPayload as error:
                heard(None, payload, now)
                lost = f"unreadable: {error}"
                continue
            if frame is None:
                continue
            if frame.channel == "trades":
                trades.append(payload)
            elif not heard(frame, payload, now):
                lost = f"unreadable: a frame of {frame.channel[:64]!r}"
        if trades and not self._listener.heard_trades(trades, now):
            lost = "unreadable: a frame of trades"
        return lost

    def _may_cut(self, reason: str, heard_at: datetime, now: datetime) -> bool:
        """Whether to begin again, which brings back what was lost; if that is too often, it is lost."""
        if self._cuts.room(now):
            self._cuts.take(now)
            return True
        self._listener.lost(reason, heard_at, now)
        return False

    async def _attend(self, socket: WebSocket, session: Session) -> Ended:
        """Send what is due, say what is wanted, give up what is silent."""
        asked: Collection[Subscription] | None = None
        while True:
            now = self._clock.now()
            silent = self._quiet.too_long(now)
            if silent is not None:
                reason = f"silent for {silent.total_seconds():.1f} s"
                return Ended(reason=reason, last_heard_at=session.heard_at)
            wanted = self._listener.wanted(now)
            messages = session.tick(now)
            if wanted is not asked:
                asked = wanted
                messages += session.want(wanted, now)
            try:
                for message in messages:
                    await socket.send(message)
            except SourceUnavailable as error:
                return session.ended(self._clock.now(), str(error))
            self._listener.look(session, now)
            now = self._clock.now()
            await self._clock.sleep(max(min(session.next_tick(now) - now, _LOOK_AGAIN), _SHORTEST_WAIT))
