"""Who reads history: this process, or, where what is live must not wait for it, one beside it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.context import SpawnProcess

import structlog
import uvloop

from kamiyo.aggregators.base import BaseAggregator, Toolbox
from kamiyo.core.ids import SourceName
from kamiyo.core.money import install_context
from kamiyo.core.sources import Subject
from kamiyo.core.time import Clock
from kamiyo.jobs.backfilling import ObjectReader, run_backfills
from kamiyo.jobs.filling import GapFiller
from kamiyo.kit.clock import SystemClock
from kamiyo.kit.logging import configure
from kamiyo.kit.object_store import buckets_of
from kamiyo.kit.supervision import supervise
from kamiyo.kit.transport import open_session
from kamiyo.processing.backfill import archive_of
from kamiyo.processing.matching import Matcher
from kamiyo.runtime.settings import Settings
from kamiyo.runtime.stopping import stop_signal
from kamiyo.runtime.wiring import build_aggregators
from kamiyo.storage.backfills import PostgresBackfills
from kamiyo.storage.gaps import PostgresGaps
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.leases import PostgresLeases
from kamiyo.storage.pool import Pool, open_pool
from kamiyo.storage.spending import PostgresUsdBudget

_LOOK_AGAIN = timedelta(seconds=2)
_OF_THE_QUEUE = 3  # connections: one listens, the others take jobs and tell of them
_LOW_PRIORITY = 10
_LAST_WORDS_SECONDS = 10
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What reading history needs, opened, with connections of its own: nothing live waits for them."""

    aggregators: Sequence[BaseAggregator]
    archives: Mapping[SourceName, BaseAggregator]
    backfills: PostgresBackfills
    leases: PostgresLeases
    pool: Pool
    clock: Clock
    at_once: int

    async def read(self) -> None:
        """Read what is queued until cancelled; StorageUnavailable where it cannot be known."""
        journal = PostgresJournal(self.pool, self.clock, matching=Matcher())
        reader = ObjectReader(self.archives, self.backfills, journal, self.leases, self.clock)
        await run_backfills(reader, self.backfills, self.pool, self.clock, at_once=self.at_once)

    def gap_filler(self, delay: timedelta) -> GapFiller:
        """Who closes the gaps of what tells of the same chain as an archive does."""
        return GapFiller(
            archives=list(self.archives.values()),
            sources={name: self._sources_like(archive) for name, archive in self.archives.items()},
            gaps=PostgresGaps(self.pool, self.clock),
            backfills=self.backfills,
            leases=self.leases,
            money=PostgresUsdBudget(self.pool, self.clock),
            clock=self.clock,
            delay=delay,
        )

    def _sources_like(self, archive: BaseAggregator) -> list[SourceName]:
        return [
            each.name
            for each in self.aggregators
            if each.description.subject is Subject.VENUE
            and each.chain == archive.chain
            and each.name not in self.archives
        ]


@asynccontextmanager
async def open_history(settings: Settings, database_url: str) -> AsyncGenerator[History]:
    """The archives these settings name, and connections to read them with; closed on the way out."""
    clock, at_once = SystemClock(), settings.backfill_objects_at_once
    async with (
        open_session() as session,
        open_pool(database_url, size=at_once + _OF_THE_QUEUE) as pool,
        open_pool(database_url, size=1) as pool_of_leases,
    ):
        tools = Toolbox(
            clock=clock,
            session=session,
            money=PostgresUsdBudget(pool, clock),
            open_store=buckets_of(session),
        )
        aggregators = build_aggregators(settings, tools)
        yield History(
            aggregators=aggregators,
            archives={each.name: each for each in aggregators if archive_of(each) is not None},
            backfills=PostgresBackfills(pool, clock),
            leases=PostgresLeases(pool_of_leases, clock),
            pool=pool,
            clock=clock,
            at_once=at_once,
        )


async def work_on_history(settings: Settings, database_url: str, *, beside: bool) -> None:
    """Close gaps, and read what is queued: in this process, or ``beside`` it whenever there is something."""
    delay = timedelta(hours=settings.gap_backfill_after_hours)
    async with open_history(settings, database_url) as history, asyncio.TaskGroup() as tasks:
        if not history.archives:
            return
        tasks.create_task(history.gap_filler(delay).run(), name="gaps")
        reading = _read_beside(settings, database_url, history) if beside else history.read()
        tasks.create_task(reading, name="history")


async def _read_beside(settings: Settings, database_url: str, history: History) -> None:
    """A process of low priority, there as long as anything is to be read."""
    while True:
        if await history.backfills.any_open():
            async with _reader_process(settings, database_url) as process:
                while process.is_alive() and await history.backfills.any_open():
                    await history.clock.sleep(_LOOK_AGAIN)
        await history.clock.sleep(_LOOK_AGAIN)


@asynccontextmanager
async def _reader_process(settings: Settings, database_url: str) -> AsyncGenerator[SpawnProcess]:
    process = SpawnProcess(
        target=_read_until_told, args=(settings, database_url, os.getpid()), name="history", daemon=True
    )
    process.start()
    try:
        yield process
    finally:
        process.terminate()
        await asyncio.to_thread(process.join, _LAST_WORDS_SECONDS)
        process.kill()


def _read_until_told(settings: Settings, database_url: str, parent: int) -> None:
    """The whole life of the process beside: it ends with a signal, or with the one that started it."""
    os.nice(_LOW_PRIORITY)
    install_context()
    configure(json=settings.log_json)
    uvloop.run(_read_for(settings, database_url, parent))


async def _read_for(settings: Settings, database_url: str, parent: int) -> None:
    clock, stopping = SystemClock(), stop_signal()

    async def read() -> None:
        async with open_history(settings, database_url) as history:
            await history.read()

    async def failed(error: Exception) -> None:
        _log.warning("task_failed", task="history", detail=f"{type(error).__name__}: {error}")

    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(supervise(read, failed, clock), name="history")
        while os.getppid() == parent and not stopping.is_set():
            await clock.sleep(_LOOK_AGAIN / 4)
        reading.cancel()
