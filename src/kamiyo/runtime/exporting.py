"""Who writes exports: this process, or, where what is live must not wait for it, one beside it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial

from kamiyo import __version__
from kamiyo.api.services.export_about import describe_rows
from kamiyo.core.exports import ExportPolicy
from kamiyo.core.modes import LIVE
from kamiyo.core.time import Clock
from kamiyo.jobs.exporting import ExportKeeper, keep_exports, run_exports
from kamiyo.kit.clock import SystemClock
from kamiyo.processing.exporting import ExportWriter
from kamiyo.runtime.beside import work_beside
from kamiyo.runtime.settings import Settings
from kamiyo.storage.export_sets import PostgresLists
from kamiyo.storage.exports import PostgresExports
from kamiyo.storage.leases import PostgresLeases
from kamiyo.storage.pool import Pool, open_pool

_CONNECTIONS = 7  # the queue's three, and two for each of two exports: one reads, one tells


def open_exports(settings: Settings, pool: Pool, clock: Clock) -> PostgresExports:
    """The exports these settings allow."""
    policy = ExportPolicy(
        folder=settings.home_path.resolve() / "exports",
        keep=timedelta(hours=settings.export_keep_hours),
        most_bytes=settings.export_most_bytes,
        most_open=settings.export_most_open,
    )
    return PostgresExports(pool, clock, policy)


async def work_on_exports(
    settings: Settings, database_url: str, exports: PostgresExports, clock: Clock, *, beside: bool
) -> None:
    """Delete what is past its time, and write what is asked for: here, or ``beside`` while there is any."""
    work = partial(write_exports, settings, database_url)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(keep_exports(exports, clock), name="exports/expiry")
        if beside:
            writing = work_beside("exports", work, exports.any_open, clock, log_json=settings.log_json)
        else:
            writing = work()
        tasks.create_task(writing, name="exports/writing")


async def write_exports(settings: Settings, database_url: str) -> None:
    """Write what is asked for until cancelled, with connections of its own: nothing live waits for them."""
    clock = SystemClock()
    async with (
        open_pool(database_url, size=_CONNECTIONS) as pool,
        open_pool(database_url, size=2) as pool_of_leases,
    ):
        exports = open_exports(settings, pool, clock)
        writer = ExportWriter(
            exports, PostgresLists(pool, describe_rows), clock, version=__version__, showing=LIVE
        )
        keeper = ExportKeeper(writer, exports, PostgresLeases(pool_of_leases, clock), clock)
        await run_exports(keeper, exports, pool, clock)
