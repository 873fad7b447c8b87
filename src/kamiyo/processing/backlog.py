"""Items on their way from a source's reader to its writer: in order, and bounded in number and bytes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from kamiyo.aggregators.base import StreamItem, Waiting
from kamiyo.core.ports import Raw
from kamiyo.processing.pipeline import MAX_BATCH_PAYLOADS

MAX_BATCH_BYTES = 16 << 20
MAX_QUEUED_ITEMS = 1_000
MAX_QUEUED_BYTES = 64 << 20


class Backlog:
    """One reader puts, one writer takes. A full backlog makes the reader wait; a single item always fits."""

    def __init__(self) -> None:
        self._items: deque[StreamItem] = deque()
        self._bytes = 0
        self._ended = False
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()

    def __len__(self) -> int:
        return len(self._items)

    async def put(self, item: StreamItem) -> None:
        """Add an item once there is room for more."""
        while len(self._items) >= MAX_QUEUED_ITEMS or self._bytes >= MAX_QUEUED_BYTES:
            self._drained.clear()
            await self._drained.wait()
        self._items.append(item)
        self._bytes += _size(item)
        self._filled.set()

    def end(self) -> None:
        """Nothing will be added any more."""
        self._ended = True
        self._filled.set()

    async def take(self) -> Sequence[StreamItem]:
        """What is there now, at least one item, a ``Waiting`` always alone; nothing once all was taken."""
        while not self._items and not self._ended:
            self._filled.clear()
            await self._filled.wait()
        taken, size = list[StreamItem](), 0
        while self._items and len(taken) < MAX_BATCH_PAYLOADS and size < MAX_BATCH_BYTES:
            if taken and isinstance(self._items[0], Waiting):
                break
            taken.append(self._items.popleft())
            size += _size(taken[-1])
            if isinstance(taken[-1], Waiting):
                break
        self._bytes -= size
        self._drained.set()
        return taken


def _size(item: StreamItem) -> int:
    return len(item.payload) if isinstance(item, Raw) else 0
