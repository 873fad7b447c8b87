"""Several tasks of one source that put what they hear into one stream: in order and bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine

from kamiyo.aggregators.base import StreamItem
from kamiyo.core.ports import Raw

MOST_ITEMS = 1_000
MOST_BYTES = 16 << 20


class Outlet:
    """Putting never waits, so that an item and the cursor it carries belong together; room is waited for."""

    def __init__(self) -> None:
        self._items: list[StreamItem] = []
        self._bytes = 0
        self._ended = False
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()

    def put(self, item: StreamItem) -> None:
        """Add an item."""
        self._items.append(item)
        self._bytes += len(item.payload) if isinstance(item, Raw) else 0
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


Routine = Callable[[], Coroutine[None, None, None]]


async def merged(outlet: Outlet, *routines: Routine) -> AsyncGenerator[StreamItem, None]:
    """What the routines put into the outlet, until all of them are done; what one fails of ends it."""
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(_all(outlet, routines))
        try:
            while items := await outlet.take():
                for item in items:
                    yield item
        except GeneratorExit:
            return  # the group would wrap it, and who closed the stream would not know it again
        finally:
            running.cancel()


async def _all(outlet: Outlet, routines: tuple[Routine, ...]) -> None:
    async with asyncio.TaskGroup() as tasks:
        for routine in routines:
            tasks.create_task(routine())
    outlet.end()
