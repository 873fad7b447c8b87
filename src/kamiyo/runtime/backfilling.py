"""Who reads history: this process, or, where what is live must not wait for it, one beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from kamiyo.aggregators.base import BaseAggregator, Toolbox
from kamiyo.core.ids import SourceName
from kamiyo.core.sources import Subject
from kamiyo.core.time import Clock
from kamiyo.jobs.backfilling import ObjectReader, run_backfills
from kamiyo.jobs.filling import GapFiller
from kamiyo.kit.clock import SystemClock
from kamiyo.kit.object_store import buckets_of
from kamiyo.kit.transport import open_session
from kamiyo.processing.backfill import archive_of
from kamiyo.processing.matching import Matcher
from kamiyo.runtime.beside import work_beside
from kamiyo.runtime.settings import Settings
from kamiyo.runtime.wiring import build_aggregators
from kamiyo.storage.backfills import PostgresBackfills
from kamiyo.storage.gaps import PostgresGaps
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.leases import PostgresLeases
from kamiyo.storage.pool import Pool, open_pool
from kamiyo.storage.spending import PostgresUsdBudget

_OF_THE_QUEUE = 3  # connections: one listens, the others take jobs and tell of them


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
        if beside:
            reading = work_beside(
                "history",
                partial(read_history, settings, database_url),
                history.backfills.any_open,
                history.clock,
                log_json=settings.log_json,
            )
        else:
            reading = history.read()
        tasks.create_task(reading, name="history")


async def read_history(settings: Settings, database_url: str) -> None:
    """Read what is queued until cancelled."""
    async with open_history(settings, database_url) as history:
        await history.read()
