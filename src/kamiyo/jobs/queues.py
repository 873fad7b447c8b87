"""The worker of a queue: jobs of pgqueuer that say that there may be something to do, each with a number.

A job is only a word. What is to be done stands in a row of its own, and changes under a lease: a job that is
lost, or comes twice, does no harm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Job
from pgqueuer.domain.types import Channel

from kamiyo.core.time import Clock
from kamiyo.jobs.worker import plain_queries, plain_settings
from kamiyo.storage.pool import Pool, translated

FEWEST_AT_ONCE = 2  # of the queue's own making
HEARTBEAT = timedelta(seconds=20)

_LOOK_FOR_JOBS = timedelta(seconds=5)
_LOOK_FOR_LOST_JOBS = timedelta(seconds=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Jobs of one kind. ``work`` says how long to wait before somebody looks at it again, if anybody should.

    ``enqueue_open`` gives whatever is to be done a job, if it has none: a worker may have died with it.
    """

    entrypoint: str
    work: Callable[[int], Awaitable[timedelta | None]]
    enqueue_open: Callable[[], Awaitable[None]]
    at_once: int = FEWEST_AT_ONCE
    heartbeat: timedelta = HEARTBEAT


async def run_queue(queue: Queue, pool: Pool, clock: Clock) -> None:
    """Do what is queued, so much at once, until cancelled; then what is undone is others' again.

    StorageUnavailable when the queue cannot be read: start it again. The jobs of a worker that dies are
    taken up once its heartbeat has not been heard for that long.
    """
    manager = QueueManager(plain_queries(pool), Channel(plain_settings().channel))
    running = set[asyncio.Task[timedelta | None]]()
    manager.entrypoint(queue.entrypoint, accepts_context=False)(_job(queue, running))
    async with asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(_keep(manager, queue), name=f"{queue.entrypoint}/queue")
        looking = tasks.create_task(_look_for_lost_jobs(queue, clock), name=f"{queue.entrypoint}/lost")
        try:
            await asyncio.wait({keeping})
        finally:
            # The queue waits for what it started, however long that may take.
            for task in running:
                task.cancel()
            looking.cancel()


async def _keep(manager: QueueManager, queue: Queue) -> None:
    async with translated():
        await manager.run(
            dequeue_timeout=_LOOK_FOR_JOBS,
            batch_size=1,  # what one worker has taken no other can do
            max_concurrent_tasks=max(queue.at_once, FEWEST_AT_ONCE),
            heartbeat_timeout=queue.heartbeat,
        )


async def _look_for_lost_jobs(queue: Queue, clock: Clock) -> None:
    while True:
        await queue.enqueue_open()
        await clock.sleep(_LOOK_FOR_LOST_JOBS)


def _job(queue: Queue, running: set[asyncio.Task[timedelta | None]]) -> Callable[[Job], Awaitable[None]]:
    async def work(job: Job) -> None:
        number = int(job.payload or b"0")
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(_run(queue, number), name=f"{queue.entrypoint}/{number}")
            running.add(task)
            task.add_done_callback(running.discard)
        if task.cancelled():
            raise RetryRequested(timedelta(0), "this worker ends")
        wait = task.result()
        if wait is not None:
            raise RetryRequested(wait, "not now")

    return work


async def _run(queue: Queue, number: int) -> timedelta | None:
    return await queue.work(number)
