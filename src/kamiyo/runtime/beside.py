"""Work in a process of low priority beside this one, so that what is live never waits for it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from multiprocessing.context import SpawnProcess

import structlog
import uvloop

from kamiyo.core.money import install_context
from kamiyo.core.time import Clock
from kamiyo.kit.clock import SystemClock
from kamiyo.kit.logging import configure
from kamiyo.kit.supervision import supervise
from kamiyo.runtime.stopping import stop_signal

Work = Callable[[], Awaitable[None]]

_LOOK_AGAIN = timedelta(seconds=2)
_LOW_PRIORITY = 10
_LAST_WORDS_SECONDS = 10
_log = structlog.get_logger()


async def work_beside(
    name: str, work: Work, wanted: Callable[[], Awaitable[bool]], clock: Clock, *, log_json: bool
) -> None:
    """A process that does this work, which goes on for ever, as long as it is wanted.

    ``work`` must be something another process can import: a function of a module, or a partial of one.
    """
    while True:
        if await wanted():
            async with _process(name, work, log_json=log_json) as process:
                while process.is_alive() and await wanted():
                    await clock.sleep(_LOOK_AGAIN)
        await clock.sleep(_LOOK_AGAIN)


@asynccontextmanager
async def _process(name: str, work: Work, *, log_json: bool) -> AsyncGenerator[SpawnProcess]:
    process = SpawnProcess(target=_live, args=(name, work, log_json, os.getpid()), name=name, daemon=True)
    process.start()
    try:
        yield process
    finally:
        process.terminate()
        await asyncio.to_thread(process.join, _LAST_WORDS_SECONDS)
        process.kill()


def _live(name: str, work: Work, log_json: bool, parent: int) -> None:  # noqa: FBT001 -- a process's arguments
    """The whole life of the process: it ends with a signal, or with the one that started it."""
    os.nice(_LOW_PRIORITY)
    install_context()
    configure(json=log_json)
    uvloop.run(_work_for(name, work, parent))


async def _work_for(name: str, work: Work, parent: int) -> None:
    clock, stopping = SystemClock(), stop_signal()

    async def failed(error: Exception) -> None:
        _log.warning("task_failed", task=name, detail=f"{type(error).__name__}: {error}")

    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(supervise(work, failed, clock), name=name)
        while os.getppid() == parent and not stopping.is_set():
            await clock.sleep(_LOOK_AGAIN / 4)
        working.cancel()
