"""Whoever takes what a source's stream gives, and keeps it as a process would."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field

import structlog

from kamiyo.aggregators.base import Alive, BaseAggregator, StreamItem, Waiting
from kamiyo.core.ids import Cursor
from kamiyo.core.ports import Raw


@dataclass
class Heard:
    """Everything that was given so far, and where it would go on."""

    items: list[StreamItem] = field(default_factory=list)
    cursor: Cursor | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def raws(self) -> list[Raw]:
        return [each for each in self.items if isinstance(each, Raw)]

    @property
    def details(self) -> list[str]:
        """What was said to be wrong, as a whole or in part."""
        told = (
            each.detail if isinstance(each, Waiting) else each.lacking
            for each in self.items
            if isinstance(each, Waiting | Alive)
        )
        return [each for each in told if each]

    def take(self, item: StreamItem) -> None:
        self.items.append(item)
        if isinstance(item, Raw | Alive):
            self.cursor = item.cursor or self.cursor
        self.changed.set()

    async def until(self, true: Callable[[], bool], seconds: float = 15) -> None:
        """Wait until it is so; looked at whenever something is given, and now and then."""
        async with asyncio.timeout(seconds):
            while not true():
                self.changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.02):
                        await self.changed.wait()


@asynccontextmanager
async def hearing(aggregator: BaseAggregator, heard: Heard | None = None) -> AsyncIterator[Heard]:
    """Take what comes until the block is left; begin where ``heard`` is."""
    heard = Heard() if heard is None else heard

    async def take() -> None:
        async with aclosing(aggregator.stream(heard.cursor)) as items:
            async for item in items:
                heard.take(item)

    async with asyncio.TaskGroup() as tasks:
        taking = tasks.create_task(take())
        yield heard
        taking.cancel()


async def drained(aggregator: BaseAggregator, cursor: Cursor | None = None) -> Heard:
    """What the source has now."""
    heard = Heard(cursor=cursor)
    async with aclosing(aggregator.stream(cursor, follow=False)) as items:
        async for item in items:
            heard.take(item)
    return heard


@asynccontextmanager
async def logged() -> AsyncIterator[list[str]]:
    """All that is logged inside, as text."""
    lines: list[str] = []
    with structlog.testing.capture_logs() as entries:
        yield lines
    lines += [repr(entry) for entry in entries]
