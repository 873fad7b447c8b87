"""Keep a task running: when it fails, say so once, wait longer each time, and start it again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Protocol

_FIRST_WAIT = timedelta(milliseconds=500)
_LONGEST_WAIT = timedelta(seconds=30)
_HEALTHY_AFTER = timedelta(seconds=60)


class Clock(Protocol):
    """Time, as far as waiting needs it."""

    def now(self) -> datetime:
        """The present moment."""
        ...

    async def sleep(self, duration: timedelta) -> None:
        """Wait."""
        ...


Task = Callable[[], Awaitable[None]]
Failed = Callable[[Exception], Awaitable[None]]


async def supervise(task: Task, failed: Failed, clock: Clock) -> None:
    """Run ``task`` until it returns; after each exception call ``failed``, wait and run it again.

    Waits double from half a second to thirty, with jitter, and start over once a run has lasted a
    minute. Cancellation passes through.
    """
    failures = 0
    while True:
        started = clock.now()
        error = await failure_of(task)
        if error is None:
            return
        if clock.now() - started >= _HEALTHY_AFTER:
            failures = 0
        await failed(error)
        await clock.sleep(wait_before_restart(failures))
        failures += 1


async def failure_of(task: Task) -> Exception | None:
    """Run ``task`` once; what it failed with, if it did. Cancellation passes through."""
    # In a task of its own: a task group that is cancelled while a task of it fails raises the failure alone,
    # and the cancellation would be lost.
    async with asyncio.TaskGroup() as tasks:
        run = tasks.create_task(_run(task))
    return run.result()


async def _run(task: Task) -> Exception | None:
    try:
        await task()
    except Exception as error:  # the supervisor's purpose: whatever failed is reported and restarted
        return error
    return None


def wait_before_restart(failures: int) -> timedelta:
    """How long to wait after this many failures in a row: doubling, bounded, with up to half of it random."""
    longest = min(_LONGEST_WAIT, _FIRST_WAIT * (1 << min(failures, 10)))
    jitter: float = random.uniform(0.5, 1.0)  # noqa: S311 -- jitter, not a secret
    return longest * jitter
