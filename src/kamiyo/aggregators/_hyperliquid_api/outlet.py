"""Where all tasks of the source put what they heard: one line, in order, bounded in number and bytes."""

from __future__ import annotations

import asyncio
from datetime import datetime

from kamiyo.aggregators.base import StreamItem
from kamiyo.core.ids import Cursor, SourceName
from kamiyo.core.ports import Raw, Span

MOST_ITEMS = 1_000
MOST_BYTES = 32 << 20


class Numbered:
    """A scope whose payloads are numbered as they come: a connection, or the answers of one run."""

    def __init__(self, scope: str) -> None:
        self.scope = scope
        self._next = 0

    def span(self, number: int) -> Span:
        """The place of the next so many payloads."""
        first = self._next
        self._next = after = first + number
        return Span(self.scope, first, after)


class Outlet:
    """Putting never waits, so that what arrived together stays together; waiting for room is a step apart.

    A cursor is given once, to the next payload: more often would only cost.
    """

    def __init__(self, source: SourceName) -> None:
        self._source = source
        self._items: list[StreamItem] = []
        self._bytes = 0
        self._cursor: Cursor | None = None
        self._ended = False
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()

    def mark(self, cursor: Cursor) -> None:
        """Whatever was put so far, and nothing else, is covered by this cursor."""
        self._cursor = cursor

    def put(self, item: StreamItem) -> None:
        """Add an item."""
        self._items.append(item)
        self._filled.set()

    def put_payload(
        self, stream: str, payload: bytes, at: datetime, place: Numbered, *, number: int = 1
    ) -> None:
        """Add a payload as the next one of its scope, or as the next ``number`` if it is several in one."""
        self._items.append(
            Raw(
                source=self._source,
                stream=stream,
                payload=payload,
                received_at=at,
                cursor=self._cursor,
                span=place.span(number),
            )
        )
        self._cursor = None
        self._bytes += len(payload)
        if not self._filled.is_set():
            self._filled.set()

    async def room(self) -> None:
        """Wait until there is room for more."""
        while len(self._items) >= MOST_ITEMS or self._bytes >= MOST_BYTES:
            self._drained.clear()
            await self._drained.wait()

    def end(self) -> None:
        """Nothing will be put any more."""
        self._ended = True
        self._filled.set()

    async def take(self) -> list[StreamItem]:
        """Everything there is, at least one item; nothing once all was taken."""
        while not self._items and not self._ended:
            self._filled.clear()
            await self._filled.wait()
        taken, self._items, self._bytes = self._items, [], 0
        self._drained.set()
        return taken
