"""One per serving process: reads the numbered stream once, for every session that sends it on."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Protocol

from kamiyo.api.services.sources import LIQUIDATIONS, read_freshness
from kamiyo.api.stream.filters import Selection
from kamiyo.api.stream.limits import StreamLimits
from kamiyo.api.stream.window import Arrivals, Body, Bounds, Window
from kamiyo.core.errors import CursorExpired, StorageUnavailable
from kamiyo.core.time import Clock
from kamiyo.kit import metrics
from kamiyo.storage import outbox
from kamiyo.storage.outbox import StreamCursor, StreamState
from kamiyo.storage.pool import Connection, Pool, connect, translated

RESTARTED = 1012  # close code: come back, perhaps to another server

_POLL = timedelta(seconds=1)
_COVERAGE_EVERY = timedelta(seconds=5)
_ANSWER_WITHIN = timedelta(seconds=15)
_SHARED_BODIES = 256


class Subscriber(Protocol):
    """Whom the hub wakes: it takes what is new by itself, at its own pace."""

    def wake(self) -> None:
        """There is something new."""
        ...

    def end(self, code: int, reason: str) -> None:
        """Close the connection."""
        ...


class Hub:
    """The newest part of the stream in memory, and who follows it.

    ``as_of`` is the last moment of which it is known that everything committed before it is here:
    while the database is silent, or the relay numbers nothing, it stands still. So does ``coverage``, the
    label of liquidations as lists show it.
    """

    def __init__(
        self,
        database_url: str,
        pool: Pool,
        clock: Clock,
        limits: StreamLimits | None = None,
        *,
        shown_clock: Clock | None = None,
    ) -> None:
        self.clock = clock
        self._shown_clock = shown_clock or clock  # of what is told: not now where it is replayed
        self.limits = StreamLimits() if limits is None else limits
        self.as_of: datetime | None = None
        self.coverage: str | None = None
        self._coverage_asked_at: datetime | None = None
        self.newest: StreamCursor | None = None
        self._database_url = database_url
        self._pool = pool
        self._window = self._new_window(0)
        self._arrivals = Arrivals(0, self.limits.backlog_age)
        self._bodies: dict[tuple[str, int, int], Body] = {}
        self._stored: deque[tuple[str, Window]] = deque(maxlen=self.limits.replay_windows)
        self._subscribers: set[Subscriber] = set()
        self._replays = asyncio.Semaphore(self.limits.replays)
        self._written: tuple[tuple[int, int], datetime] | None = None
        self.closing = False

    async def run(self) -> None:
        """Follow the stream; StorageUnavailable when the database is lost, and a new run goes on from there.

        When it is cancelled the server is going down: every connection is closed with its cursor.
        """
        self.closing = False
        try:
            async with (
                connect(self._database_url) as connection,
                outbox.listen(connection, outbox.NOTIFY_STREAM) as wake_ups,
            ):
                while True:
                    async with translated(), asyncio.timeout(_ANSWER_WITHIN.total_seconds()):
                        await self._read_new(connection)
                        await self._learn_coverage(connection)
                    await self.clock.sleep(self.limits.tick)
                    await wake_ups.wait(_POLL)
        except asyncio.CancelledError:
            self.shut_down()
            raise

    def shut_down(self) -> None:
        """Send every caller away with its cursor, and take no new ones."""
        self.closing = True
        self._end_all("the server is restarting")

    @property
    def has_room(self) -> bool:
        """Whether one more connection may be opened."""
        return not self.closing and len(self._subscribers) < self.limits.connections

    def join(self, subscriber: Subscriber) -> None:
        """Wake this one from now on."""
        self._subscribers.add(subscriber)
        metrics.STREAM_CONNECTIONS.inc()

    def leave(self, subscriber: Subscriber) -> None:
        """Wake this one no more."""
        self._subscribers.discard(subscriber)
        metrics.STREAM_CONNECTIONS.dec()

    async def start(self, text: str | None) -> StreamCursor:
        """Where a subscription starts: at the cursor it has, or now.

        CursorExpired for a cursor nothing can be resumed from; StorageUnavailable while nobody knows.
        """
        if text is None:
            return self._known_newest()
        cursor = outbox.parse_cursor(text)
        if not self._remembers(cursor):
            async with translated(), self._pool.acquire() as connection:
                await outbox.check_cursor(connection, cursor)
        if self._known_newest().epoch != cursor.epoch:
            raise StorageUnavailable("the stream is being restarted: try again in a second")
        return cursor

    async def window_after(self, cursor: StreamCursor) -> Window:
        """A stretch of the stream that goes on after a cursor: what is in memory, or read from the database.

        CursorExpired if that is no longer kept.
        """
        if self._remembers(cursor):
            return self._window
        for epoch, window in self._stored:
            if (
                epoch == cursor.epoch
                and window.holds_after(cursor.position)
                and window.newest > cursor.position
            ):
                return window
        async with self._replays, translated(), self._pool.acquire() as connection:
            packets = await outbox.read_after(connection, cursor)
        if not packets:
            raise CursorExpired(f"position {cursor.position + 1} is no longer kept")
        stored = Window(cursor.position)
        stored.append(packets)
        self._stored.append((cursor.epoch, stored))
        return stored

    def body_after(self, window: Window, selection: Selection, position: int, until: int) -> Body:
        """What a subscription takes next; subscriptions that ask for the same share the work and the text."""
        if window is not self._window:
            return window.body_after(position, until, selection, self.limits.frame_bytes)
        key = (selection.text, position, until)
        found = self._bodies.get(key)
        if found is None:
            found = window.body_after(position, until, selection, self.limits.frame_bytes)
            # Callers choose where they resume: one body for each position would be the window times a frame.
            if len(self._bodies) >= _SHARED_BODIES:
                self._bodies.clear()
            self._bodies[key] = found
        return found

    def bytes_overdue(self, position: int) -> int:
        """How far in bytes it is behind what has been here for long; beyond any bound if it is forgotten."""
        aged = self._arrivals.aged(self.clock.now())
        if position >= aged:
            return 0
        if position < self._window.base:
            return self.limits.window_bytes + 1
        return self._window.bytes_after(position) - self._window.bytes_after(aged)

    async def _read_new(self, connection: Connection) -> None:
        asked_at = self._shown_clock.now()
        state = await outbox.read_state(connection)
        if state is None:
            return
        if self.newest is None or state.epoch != self.newest.epoch:
            self._begin(state, max(state.oldest - 1, state.newest - self.limits.first_messages))
        await self._read_packets(connection, state)
        self._learn_freshness(state, asked_at)

    def _begin(self, state: StreamState, base: int) -> None:
        self._window = self._new_window(base)
        self._arrivals = Arrivals(base, self.limits.backlog_age)
        self._bodies.clear()
        self._written = self.as_of = None
        if self.newest is not None:  # otherwise nobody has been told a position yet
            self._end_all("the stream was restarted")
        self.newest = StreamCursor(state.epoch, base)

    async def _read_packets(self, connection: Connection, state: StreamState) -> None:
        position = self._window.newest
        while position < state.newest:
            try:
                packets = await outbox.read_after(connection, StreamCursor(state.epoch, position))
            except CursorExpired:
                packets = []
            if not packets:
                self._begin(state, state.newest)  # this process slept longer than messages are kept
                return
            self._window.append(packets)
            position = self._window.newest
            self._arrivals.note(self.clock.now(), position)
            self.newest = StreamCursor(state.epoch, position)
            self._bodies.clear()
            for subscriber in tuple(self._subscribers):
                subscriber.wake()

    def _learn_freshness(self, state: StreamState, asked_at: datetime) -> None:
        """What was committed by then is here once its place in the outbox has been numbered and read."""
        if self._written is None:
            self._written = (state.written, asked_at)
        written, at = self._written
        if state.relayed >= written:
            self.as_of, self._written = at, None

    async def _learn_coverage(self, connection: Connection) -> None:
        now = self.clock.now()
        if self._coverage_asked_at is None or now - self._coverage_asked_at >= _COVERAGE_EVERY:
            known = await read_freshness(connection, LIQUIDATIONS, self._shown_clock.now())
            self.coverage, self._coverage_asked_at = known.coverage.label, now

    def _remembers(self, cursor: StreamCursor) -> bool:
        return (
            self.newest is not None
            and cursor.epoch == self.newest.epoch
            and self._window.holds_after(cursor.position)
        )

    def _known_newest(self) -> StreamCursor:
        if self.newest is None:
            raise StorageUnavailable("the stream has not been read yet: try again in a second")
        return self.newest

    def _new_window(self, base: int) -> Window:
        return Window(base, Bounds(messages=self.limits.window_messages, bytes=self.limits.window_bytes))

    def _end_all(self, reason: str) -> None:
        for subscriber in tuple(self._subscribers):
            subscriber.end(RESTARTED, reason)


@asynccontextmanager
async def joined(hub: Hub, subscriber: Subscriber) -> AsyncGenerator[None]:
    """Be woken by the hub for as long as this lasts."""
    hub.join(subscriber)
    try:
        yield
    finally:
        hub.leave(subscriber)
