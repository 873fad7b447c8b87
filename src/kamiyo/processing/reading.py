"""One reading of a source: its stream through the pipeline into the journal, until it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing

from kamiyo.aggregators.base import Alive, BaseAggregator, NotConfigured, Waiting
from kamiyo.core.ids import Cursor
from kamiyo.core.ports import Journal
from kamiyo.core.time import Clock
from kamiyo.processing.backlog import Backlog
from kamiyo.processing.pipeline import Pipeline

Heard = Callable[[str], Awaitable[None]]
Waits = Callable[[Waiting], Awaitable[None]]


class Reading:
    """Reads a source from where the journal says it resumes, and says what it hears of it.

    ``heard`` is called after what was heard is stored, with what the source lacks though it is heard, and
    ``waits`` after everything before it is: so nothing old calls a source live again.
    """

    def __init__(
        self, aggregator: BaseAggregator, journal: Journal, clock: Clock, *, heard: Heard, waits: Waits
    ) -> None:
        self._aggregator = aggregator
        self._journal = journal
        self._clock = clock
        self._heard = heard
        self._waits = waits

    async def run(self, *, follow: bool = True) -> None:
        """Read until the stream ends; without ``follow`` one that lacks its setting has ended, too."""
        backlog = Backlog()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._fill(backlog, follow=follow), name=f"{self._aggregator.name}/read")
            tasks.create_task(self._drain(backlog), name=f"{self._aggregator.name}/store")

    async def run_while_active(self, *, follow: bool = True) -> bool:
        """Read until the stream ends, or the source is switched off; whether it ended by itself."""
        name = self._aggregator.name
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(self.run(follow=follow), name=name)
            switched = tasks.create_task(self._journal.until_switched(name, active=False))
            await asyncio.wait({reading, switched}, return_when=asyncio.FIRST_COMPLETED)
            ended = reading.done()
            reading.cancel()
            switched.cancel()
        return ended

    async def _fill(self, backlog: Backlog, *, follow: bool) -> None:
        cursor = await self._journal.cursor(self._aggregator.name)
        async with aclosing(self._aggregator.stream(cursor, follow=follow)) as items:
            async for item in items:
                await backlog.put(item)
                if isinstance(item, NotConfigured) and not follow:
                    break
        backlog.end()

    async def _drain(self, backlog: Backlog) -> None:
        newest_block = await self._journal.newest_block(self._aggregator.name)
        pipeline = Pipeline(self._aggregator, self._journal, self._clock, newest_block=newest_block)
        lacking = ""
        while taken := await backlog.take():
            for waiting in (item for item in taken if isinstance(item, Waiting)):
                await self._waits(waiting)
            batch = [item for item in taken if not isinstance(item, Waiting)]
            outcomes = await pipeline.run(batch) if batch else []
            self._tell_stored([each.batch.cursor for each in outcomes])
            lacking = next((each.lacking for each in reversed(batch) if isinstance(each, Alive)), lacking)
            if any(each.batch.heard_at is not None for each in outcomes):
                await self._heard(lacking)

    def _tell_stored(self, cursors: Sequence[Cursor | None]) -> None:
        for cursor in cursors:
            if cursor is not None:
                self._aggregator.stored(cursor)
