"""The worker of polls: pgqueuer's schedules say which source this process looks after now."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
from pgqueuer.adapters.persistence import qb
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.sm import SchedulerManager
from pgqueuer.domain.models import Schedule
from pgqueuer.domain.settings import DBSettings

from kamiyo.jobs.polling import PolledSource
from kamiyo.storage.pool import Pool, translated

_STEPS = (1, 2, 5, 10, 15, 30)  # seconds, each a part of a minute
_LOOKS_IN_AN_INTERVAL = 12

Job = Callable[[Schedule], Awaitable[None]]


async def run_polls(sources: Sequence[PolledSource], pool: Pool) -> None:
    """Poll these sources, each by one worker of all at a time, until cancelled.

    StorageUnavailable when the schedules cannot be read: start it again. A worker that dies is replaced
    within half a minute.
    """
    for source in sources:
        await source.register()  # so that it is listed from the start, and not from its first turn on
    scheduler = build_scheduler(pool)
    looks = [_Look(source) for source in sources]
    for look in looks:
        scheduler.schedule(look.name, look.expression, accepts_context=False)(_job(look))
    async with asyncio.TaskGroup() as tasks:
        for look in looks:
            # At once: until its first turn nobody would know whether it has what it needs.
            tasks.create_task(look.take(), name=look.name)
        schedules = tasks.create_task(_keep(scheduler), name="schedules")
        try:
            await asyncio.wait({schedules})
        finally:
            # It waits for what it started, however long a poll may take.
            for look in looks:
                look.cancel()


def build_scheduler(pool: Pool) -> SchedulerManager:
    """The schedules of pgqueuer in our tables."""
    return SchedulerManager(plain_queries(pool))


def plain_queries(pool: Pool) -> Queries:
    """What pgqueuer asks of our tables, whatever names its environment variables may hold."""
    settings = plain_settings()
    return Queries(
        AsyncpgPoolDriver(pool),
        qb.QueryBuilderEnvironment(settings),
        qb.QueryQueueBuilder(settings),
        qb.QuerySchedulerBuilder(settings),
    )


def plain_settings() -> DBSettings:
    """The names of pgqueuer's tables as our migrations make them."""
    return DBSettings.model_construct()  # the one way in which it does not ask the environment


def look_expression(name: str, poll_every: timedelta) -> str:
    """How often it is looked whether a source is due, as cron has it: each source at seconds of its own."""
    wanted = poll_every.total_seconds() / _LOOKS_IN_AN_INTERVAL
    step = max((each for each in _STEPS if each <= wanted), default=_STEPS[0])
    return f"* * * * * {zlib.crc32(name.encode()) % step}-59/{step}"


async def _keep(scheduler: SchedulerManager) -> None:
    async with translated():
        await scheduler.run()


class _Look:
    """A source's turns in this process, one at a time."""

    def __init__(self, source: PolledSource) -> None:
        self.name = f"poll/{source.name}"
        self.expression = look_expression(source.name, source.poll_every)
        self._source = source
        self._task: asyncio.Task[None] | None = None

    async def take(self) -> None:
        """Ask the source if it is due, unless that is being done."""
        if self._task is not None:
            return
        async with asyncio.TaskGroup() as tasks:
            self._task = tasks.create_task(self._source.poll_if_due(), name=self.name)
            self._task.add_done_callback(self._over)

    def cancel(self) -> None:
        """End the turn that is being taken, if any."""
        if self._task is not None:
            self._task.cancel()

    def _over(self, _task: asyncio.Task[None]) -> None:
        self._task = None


def _job(look: _Look) -> Job:
    async def poll(_schedule: Schedule) -> None:
        await look.take()

    return poll
