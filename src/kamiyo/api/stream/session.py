"""One caller's connection: answers what it asks, and sends what it subscribed to at the pace it reads."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TypeAlias

from starlette.websockets import WebSocket, WebSocketDisconnect

from kamiyo.api.stream import grammar
from kamiyo.api.stream.filters import build_selection
from kamiyo.api.stream.grammar import Ping, Refused, Subscribe, Unsubscribe, Wanted
from kamiyo.api.stream.hub import Hub, joined
from kamiyo.api.stream.window import Body
from kamiyo.core.errors import CursorExpired, StorageUnavailable
from kamiyo.kit import metrics
from kamiyo.storage.outbox import StreamCursor

TOO_MANY_BAD_FRAMES = 4400
IDLE = 4408
TOO_MANY_CONNECTIONS = 4429
TOO_BIG = 1009
TOO_SLOW = 1013

_RETRY = timedelta(seconds=1)
_LOOKS_PER_HEARTBEAT = 4

_REASONS = {
    TOO_MANY_BAD_FRAMES: "bad_frames",
    IDLE: "idle",
    TOO_BIG: "frame_size",
    TOO_SLOW: "slow",
    TOO_MANY_CONNECTIONS: "connections",
}

Farewell: TypeAlias = tuple[int, str]


class _Ended(Exception):
    """It is us who close the connection."""


class _Feed:
    """One subscription: where it is, and what it counts."""

    def __init__(self, wanted: Wanted, start: StreamCursor, newest: StreamCursor) -> None:
        self.selection = build_selection(wanted)
        self.epoch = start.epoch
        self.position = start.position
        self.replayed_until = max(newest.position, start.position)
        self.caught_up = start.position >= newest.position
        self.seq = 0

    @property
    def cursor(self) -> StreamCursor:
        """What this subscription has been told, or been spared, so far."""
        return StreamCursor(self.epoch, self.position)


class Session:
    """One connection. Four tasks, one purpose each; the first to fail or to finish ends them all."""

    def __init__(self, hub: Hub, socket: WebSocket) -> None:
        self._hub = hub
        self._limits = hub.limits
        self._clock = hub.clock
        self._socket = socket
        self._feeds: dict[str, _Feed] = {}
        self._woken = asyncio.Event()
        self._ended = asyncio.Event()
        self._farewell: Farewell | None = None
        self._bad_frames = 0
        now = hub.clock.now()
        self._subscribed_at = now
        self._beat_at = now
        self._sending_since: datetime | None = None

    async def run(self) -> None:
        """Serve the caller until either side closes."""
        async with joined(self._hub, self):
            try:
                async with asyncio.TaskGroup() as tasks:
                    for part in (self._receive, self._send, self._keep_time, self._wait_for_end):
                        tasks.create_task(part())
            except* (WebSocketDisconnect, _Ended):
                await self._say_farewell()

    def wake(self) -> None:
        """Something new is there to send; whoever is too far behind to be sent it is sent away."""
        self._woken.set()
        self._end_if_behind()

    def end(self, code: int, reason: str) -> None:
        """Close the connection; the first reason counts."""
        if self._farewell is None:
            self._farewell = (code, reason)
            self._ended.set()

    # --- what the caller says -------------------------------------------------------------------------------

    async def _receive(self) -> None:
        while True:
            text = await self._next_text()
            if len(text) > self._limits.received_bytes:
                self.end(TOO_BIG, f"a frame may have {self._limits.received_bytes} bytes")
                return
            try:
                await self._answer(text)
                self._bad_frames = 0
            except (Refused, CursorExpired, StorageUnavailable) as error:
                await self._refuse(error)

    async def _next_text(self) -> str:
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message["code"])
        return message.get("text") or ""

    async def _answer(self, text: str) -> None:
        match grammar.parse_request(text):
            case Ping():
                await self._socket.send_text(grammar.PONG)
            case Subscribe(subscription=wanted, resume=resume):
                await self._subscribe(wanted, None if resume is None else resume.cursor)
            case Unsubscribe(subscription=wanted):
                await self._unsubscribe(wanted)

    async def _refuse(self, error: Refused | CursorExpired | StorageUnavailable) -> None:
        self._bad_frames += isinstance(error, Refused)
        await self._socket.send_text(grammar.error_text(error))
        if self._bad_frames >= self._limits.bad_frames:
            self.end(TOO_MANY_BAD_FRAMES, f"{self._bad_frames} bad frames in a row")

    async def _subscribe(self, wanted: Wanted, cursor: str | None) -> None:
        key = grammar.subscription_text(wanted)
        if key in self._feeds:
            raise Refused("already subscribed to this: unsubscribe first", code="already_subscribed")
        if len(self._feeds) >= self._limits.subscriptions:
            detail = f"a connection may have {self._limits.subscriptions} subscriptions"
            raise Refused(detail, code="too_many_subscriptions")
        start = await self._hub.start(cursor)
        newest = self._hub.newest or start
        feed = _Feed(wanted, start, newest)
        await self._socket.send_text(grammar.response_text("subscribe", feed.selection.text, str(start)))
        self._feeds[key] = feed
        self._woken.set()

    async def _unsubscribe(self, wanted: Wanted) -> None:
        key = grammar.subscription_text(wanted)
        feed = self._feeds.pop(key, None)
        if feed is None:
            raise Refused("not subscribed to this", code="not_subscribed")
        self._subscribed_at = self._clock.now()
        await self._socket.send_text(grammar.response_text("unsubscribe", key, str(feed.cursor)))

    # --- what the caller is told ----------------------------------------------------------------------------

    async def _send(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                as_of = self._hub.as_of
                while await self._send_round():
                    as_of = self._hub.as_of
                await self._send_heartbeat(as_of)
            except StorageUnavailable:
                await self._clock.sleep(_RETRY)
                self._woken.set()

    async def _send_round(self) -> bool:
        """Send each subscription its next frame, so that none waits for another's backlog."""
        return any([await self._send_next(feed) for feed in tuple(self._feeds.values())])

    async def _send_next(self, feed: _Feed) -> bool:
        """Send one frame of a subscription, if anything of it is due; whether there is more to look at."""
        newest = self._hub.newest
        if newest is None or newest.epoch != feed.epoch or feed.position >= newest.position:
            return False
        try:
            window = await self._hub.window_after(feed.cursor)
        except CursorExpired as error:
            self._feeds.pop(feed.selection.text, None)
            await self._send_text(grammar.error_text(error))
            return False
        replayed = feed.position < feed.replayed_until
        until = min(feed.replayed_until if replayed else newest.position, window.newest)
        body = self._hub.body_after(window, feed.selection, feed.position, until)
        if feed.selection.text not in self._feeds:
            return False
        if body.count:
            await self._send_body(feed, body, replayed=replayed)
        feed.position = body.position
        feed.caught_up = feed.caught_up or feed.position >= newest.position
        return feed.position < newest.position

    async def _send_body(self, feed: _Feed, body: Body, *, replayed: bool) -> None:
        text = grammar.data_text(
            channel=feed.selection.channel,
            subscription=feed.selection.text,
            seq=feed.seq + 1,
            cursor=str(StreamCursor(feed.epoch, body.position)),
            replayed=replayed,
            as_of=self._hub.as_of,
            coverage=self._hub.coverage,
            body=body.text,
        )
        await self._send_text(text)
        feed.seq += 1
        metrics.STREAM_FRAMES.inc()
        metrics.STREAM_DELIVERED.inc(body.count)

    async def _send_text(self, text: str) -> None:
        self._sending_since = self._clock.now()
        await self._socket.send_text(text)
        self._sending_since = None

    async def _send_heartbeat(self, as_of: datetime | None) -> None:
        """Say that nothing is missing; ``as_of`` is from before the round that found nothing to send."""
        now = self._clock.now()
        if self._feeds and now - self._beat_at >= self._limits.heartbeat:
            self._beat_at = now
            await self._send_text(grammar.heartbeat_text(str(self._oldest_cursor()), as_of))

    # --- limits ---------------------------------------------------------------------------------------------

    async def _keep_time(self) -> None:
        look = min(self._limits.heartbeat, self._limits.idle, self._limits.stall) / _LOOKS_PER_HEARTBEAT
        while True:
            await self._clock.sleep(look)
            now = self._clock.now()
            if not self._feeds and now - self._subscribed_at >= self._limits.idle:
                self.end(IDLE, "nothing subscribed")
            if self._sending_since is not None and now - self._sending_since >= self._limits.stall:
                self.end(TOO_SLOW, "not reading")
            self._end_if_behind()
            if now - self._beat_at >= self._limits.heartbeat:
                self._woken.set()

    def _end_if_behind(self) -> None:
        if self._sending_since is not None and any(
            feed.caught_up and self._hub.bytes_overdue(feed.position) > self._limits.backlog_bytes
            for feed in self._feeds.values()
        ):
            self.end(TOO_SLOW, "too slow")

    async def _wait_for_end(self) -> None:
        await self._ended.wait()
        raise _Ended

    async def _say_farewell(self) -> None:
        if self._farewell is None:
            return
        code, reason = self._farewell
        metrics.STREAM_CLOSED.labels(_REASONS.get(code, "restart")).inc()
        cursor = f"; cursor {self._oldest_cursor()}" if self._feeds else ""
        try:
            async with asyncio.timeout(self._limits.farewell.total_seconds()):
                await self._socket.close(code, reason + cursor)
        except (TimeoutError, WebSocketDisconnect, RuntimeError):
            return  # it does not even read that: the server drops the connection

    def _oldest_cursor(self) -> StreamCursor:
        return min((feed.cursor for feed in self._feeds.values()), key=lambda cursor: cursor.position)
