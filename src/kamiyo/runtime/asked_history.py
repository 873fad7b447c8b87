"""What a person asks to be read of the past: what there is of it, what it costs, and how far it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import structlog

from kamiyo.core.backfills import BackfillPlan, BackfillRequest, Stretch, uncovered, unread
from kamiyo.core.errors import InvalidQuery, StorageUnavailable
from kamiyo.core.money import install_context
from kamiyo.core.time import rfc3339
from kamiyo.jobs.housekeeping import keep_house_once
from kamiyo.kit.clock import SystemClock
from kamiyo.kit.supervision import supervise
from kamiyo.processing.backfill import archive_of
from kamiyo.runtime.backfilling import History, open_history
from kamiyo.runtime.processes import prepare_database
from kamiyo.runtime.settings import Settings
from kamiyo.storage.gaps import PostgresGaps
from kamiyo.storage.read_backfills import BackfillObjectText, BackfillText, read_backfill, read_troubles
from kamiyo.storage.read_rows import reading

_TELL_EVERY = timedelta(milliseconds=500)
_log = structlog.get_logger()

Told = Callable[[BackfillText], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What would be read: ``listed`` objects there are, of which some were read before.

    Of the ``uncovered`` times the archive has nothing, by stream.
    """

    plan: BackfillPlan
    listed: int
    uncovered: Mapping[str, Sequence[Stretch]]

    @property
    def known(self) -> int:
        """How many of the objects were read before, and are not read again."""
        return self.listed - len(self.plan.objects)


@asynccontextmanager
async def open_prepared_history(settings: Settings, database_url: str) -> AsyncGenerator[History]:
    """The archives and a database that is of this version."""
    install_context()
    clock = SystemClock()
    await prepare_database(database_url, clock)
    async with open_history(settings, database_url) as history:
        await keep_house_once(history.pool, clock)
        yield history


async def make_offer(history: History, request: BackfillRequest) -> Offer:
    """What there is to read; InvalidQuery for a source that keeps none, SourceUnavailable as always."""
    aggregator = history.archives.get(request.source)
    archive = None if aggregator is None else archive_of(aggregator)
    if aggregator is None or archive is None:
        known = ", ".join(sorted(history.archives)) or "none"
        raise InvalidQuery(f"{request.source} keeps no history that could be read; what does: {known}")
    if not aggregator.active:
        raise InvalidQuery(f"{request.source} is switched off by its settings")
    stored_from = await PostgresGaps(history.pool, history.clock).stored_from()
    if stored_from is not None and request.start < stored_from:
        raise InvalidQuery(f"nothing before {rfc3339(stored_from)} is stored: see [retention.liquidations]")
    listed = await archive.list_objects(request.start, request.end)
    read = set[tuple[str, str, str]]()
    if not request.again:
        read = await history.backfills.read_before(request.source, listed)
    objects = unread(listed, read)
    cost = archive.cost_usd(len(objects), sum(each.size for each in objects))
    return Offer(
        plan=BackfillPlan(request=request, objects=objects, cost_usd=cost),
        listed=len(listed),
        uncovered=uncovered(listed, request.start, request.end),
    )


async def follow(history: History, backfill_id: int, told: Told, stopping: asyncio.Event) -> BackfillText:
    """Work on what is queued, and tell how far this backfill is, until it is over or nobody waits for it."""

    async def failed(error: Exception) -> None:
        _log.warning("task_failed", task="history", detail=f"{type(error).__name__}: {error}")

    async with asyncio.TaskGroup() as tasks:
        reading_history = tasks.create_task(supervise(history.read, failed, history.clock), name="history")
        while True:
            found = await _patiently(lambda: read_progress(history, backfill_id))
            if found is not None:
                told(found)
                if found.over or stopping.is_set():
                    reading_history.cancel()
                    return found
            await _until(stopping, _TELL_EVERY)


async def read_progress(history: History, backfill_id: int) -> BackfillText:
    """How far a backfill is; InvalidQuery where there is none of this number."""
    async with reading(history.pool) as connection:
        found = await read_backfill(connection, backfill_id)
    if found is None:
        raise InvalidQuery(f"there is no backfill {backfill_id}")
    return found


async def read_unread(history: History, backfill_id: int) -> list[BackfillObjectText]:
    """What of a backfill could not be read, with the reason of each object."""
    async with reading(history.pool) as connection:
        return await read_troubles(connection, backfill_id)


async def _patiently(read: Callable[[], Awaitable[BackfillText]]) -> BackfillText | None:
    try:
        return await read()
    except StorageUnavailable:
        return None  # who reads the history says so


async def _until(stopping: asyncio.Event, longest: timedelta) -> None:
    try:
        async with asyncio.timeout(longest.total_seconds()):
            await stopping.wait()
    except TimeoutError:
        return
