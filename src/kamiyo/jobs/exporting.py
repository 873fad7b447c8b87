"""The worker of exports: one job of pgqueuer's queue for each, and files that are past their time deleted.

A job only says that there may be something to do; what is to be done stands in the export's row. Whoever
writes it holds its lease. A worker may be killed at any moment: the next one goes on after the last part
that was on disk for good.
"""

from __future__ import annotations

import asyncio
import shutil
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import structlog

from kamiyo.core.errors import LeaseLost, SchemaMismatch, StorageUnavailable, Transient
from kamiyo.core.exports import OPEN, Export, is_deadly, lease_name, wait_before_attempt
from kamiyo.core.ports import Lease, Leases
from kamiyo.core.time import Clock
from kamiyo.jobs.queues import HEARTBEAT, Queue, run_queue
from kamiyo.kit.supervision import failure_of
from kamiyo.processing.exporting import ExportGoneError, ExportWriter
from kamiyo.processing.telling import first_cause
from kamiyo.storage.exports import ENTRYPOINT, PostgresExports
from kamiyo.storage.pool import Pool

_BUSY = timedelta(seconds=2)
_PATIENCE_SECONDS = 3
_LOOK_FOR_EXPIRED = timedelta(minutes=1)
_STRAY = timedelta(days=1)  # beyond the time any export is kept
_log = structlog.get_logger()


class ExportKeeper:
    """Takes up exports, each under its lease, and says what became of each."""

    def __init__(self, writer: ExportWriter, exports: PostgresExports, leases: Leases, clock: Clock) -> None:
        self._writer = writer
        self._exports = exports
        self._leases = leases
        self._clock = clock

    async def take_up(self, export_id: int) -> timedelta | None:
        """Write one export; how long to wait before somebody should look at it again, if anybody should.

        Nothing is raised: where nobody can tell what became of it, somebody looks at it soon.
        """
        waits: list[timedelta | None] = []
        error = await failure_of(partial(self._take, export_id, waits))
        if error is None:
            return waits[0]
        cause = first_cause(error)
        _log.warning("export_left", export=export_id, detail=f"{type(cause).__name__}: {cause}")
        return None if isinstance(cause, LeaseLost) else _BUSY  # who has the lease by now has a job, too

    async def _take(self, export_id: int, waits: list[timedelta | None]) -> None:
        async with self._leases.hold(lease_name(export_id)) as lease:
            waits.append(_BUSY if lease is None else await self._write(export_id, lease))

    async def _write(self, export_id: int, lease: Lease) -> timedelta | None:
        export = await self._exports.look(export_id)
        if export is None or export.state not in OPEN:
            return None
        if is_deadly(export):
            await self._give_up(export, f"whoever wrote it ended {export.attempts} times", lease)
        elif await self._exports.begin(export_id, lease):
            return await self._follow(export, lease)
        return None

    async def _follow(self, export: Export, lease: Lease) -> timedelta | None:
        try:
            error = await failure_of(partial(self._finish, export, lease))
        except asyncio.CancelledError:
            # The process is told to end: that is nobody's failure, and the export is the next one's.
            with suppress(StorageUnavailable, LeaseLost, TimeoutError):
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    await self._exports.put_back(export.export_id, "", lease, failed=False)
            raise
        if error is None:
            return None
        return await self._judge(export, first_cause(error), lease)

    async def _finish(self, export: Export, lease: Lease) -> None:
        written = await self._writer.write(export, lease)
        told = {"rows": written.rows, "bytes": written.size, "dataset": export.dataset.value}
        _log.info("export_written", export=export.export_id, **told)

    async def _judge(self, export: Export, cause: Exception, lease: Lease) -> timedelta | None:
        if isinstance(cause, LeaseLost | SchemaMismatch):
            raise cause
        if isinstance(cause, ExportGoneError):
            await asyncio.to_thread(remove_folder, self._writer.folder_of(export.folder))
            return None
        detail = f"{type(cause).__name__}: {cause}"
        wait = wait_before_attempt(export.failures + 1) if isinstance(cause, Transient) else None
        if wait is None:
            await self._give_up(export, detail, lease)
        else:
            await self._exports.put_back(export.export_id, detail, lease, failed=True)
        return wait

    async def _give_up(self, export: Export, detail: str, lease: Lease) -> None:
        await self._exports.fail(export.export_id, detail, lease)
        _log.warning("export_failed", export=export.export_id, detail=detail)
        await asyncio.to_thread(remove_folder, self._writer.folder_of(export.folder))


async def run_exports(
    keeper: ExportKeeper,
    exports: PostgresExports,
    pool: Pool,
    clock: Clock,
    *,
    heartbeat: timedelta = HEARTBEAT,
) -> None:
    """Write what is asked for until cancelled; StorageUnavailable when the queue cannot be read.

    The jobs of a worker that dies are taken up once its heartbeat has not been heard for that long.
    """
    queue = Queue(
        entrypoint=ENTRYPOINT,
        work=keeper.take_up,
        enqueue_open=exports.enqueue_open,
        heartbeat=heartbeat,
    )
    await run_queue(queue, pool, clock)


async def keep_exports(exports: PostgresExports, clock: Clock) -> None:
    """Delete what is past its time, now and every minute, for ever. Any number of workers may."""
    while True:
        await expire_once(exports, clock.now())
        await clock.sleep(_LOOK_FOR_EXPIRED)


async def expire_once(exports: PostgresExports, now: datetime) -> None:
    """Delete exports that are past their time with their files, and files that no export has any more."""
    place = exports.policy.folder
    for name in await exports.expire():
        await asyncio.to_thread(remove_folder, place / name)
    known = await exports.folders()
    oldest = now - exports.policy.keep - _STRAY
    await asyncio.to_thread(_remove_strays, place, known, oldest)


def remove_folder(folder: Path) -> None:
    """Delete the folder of an export with what is in it, if it is there."""
    with suppress(FileNotFoundError, NotADirectoryError):
        shutil.rmtree(folder)


def _remove_strays(place: Path, known: set[str], oldest: datetime) -> None:
    # Another database may have exports here: what it still keeps is younger than this.
    if not place.is_dir():
        return
    for folder in place.iterdir():
        with suppress(FileNotFoundError):  # another worker may be at it, too
            if folder.name not in known and folder.stat().st_mtime < oldest.timestamp():
                remove_folder(folder)
