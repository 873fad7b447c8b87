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
    running = set[asyncio.Task[None]]()
    for source in sources:
        name, expression = f"poll/{source.name}", look_expression(source.name, source.poll_every)
        scheduler.schedule(name, expression, accepts_context=False)(_job(source, running))
    async with asyncio.TaskGroup() as tasks:
        schedules = tasks.create_task(_keep(scheduler), name="schedules")
        try:
            await asyncio.wait({schedules})
        finally:
            # It waits for what it started, however long a poll may take.
            for poll in running:
                poll.cancel()


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


def _job(source: PolledSource, running: set[asyncio.Task[None]]) -> Job:
    async def poll(_schedule: Schedule) -> None:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(source.poll_if_due(), name=f"poll/{source.name}")
            running.add(task)
            task.add_done_callback(running.discard)

    return poll
