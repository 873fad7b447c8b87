"""Run every active source under supervision, by priority; one that fails never disturbs another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

import structlog

from kamiyo.aggregators.base import BaseAggregator, Waiting
from kamiyo.core.errors import StorageUnavailable
from kamiyo.core.ids import SourceName
from kamiyo.core.ports import Journal, Lease, Leases
from kamiyo.core.sources import SourceState, SourceType
from kamiyo.core.time import Clock
from kamiyo.kit.supervision import supervise
from kamiyo.processing.reading import Reading
from kamiyo.processing.telling import Teller, state_at_first, state_of

_LOOK_AGAIN = timedelta(seconds=2)


class Orchestrator:
    """All sources of one ingesting process."""

    def __init__(
        self, aggregators: Sequence[BaseAggregator], journal: Journal, leases: Leases, clock: Clock
    ) -> None:
        self.catalogues_loaded = asyncio.Event()
        self._aggregators = aggregators
        self._journal = journal
        self._leases = leases
        self._clock = clock

    async def run(self) -> None:
        """Run until cancelled. Sources start in the order of their priority.

        ``catalogues_loaded`` is set once everything that ships with the product is in place.
        """
        catalogues: list[asyncio.Task[None]] = []
        ordered = await self._in_order()
        async with asyncio.TaskGroup() as tasks:
            for aggregator in ordered:
                source = SupervisedSource(aggregator, self._journal, self._leases, self._clock)
                task = tasks.create_task(source.run(), name=source.name)
                if not source.is_live_source:
                    catalogues.append(task)
                await self._clock.sleep(timedelta(0))  # let it begin before the next, less important one
            if catalogues:
                await asyncio.wait(catalogues)
            self.catalogues_loaded.set()

    async def _in_order(self) -> list[BaseAggregator]:
        """By the priority operators gave them, or their own where nobody did or can tell."""
        known = {each.name: each.description.priority for each in self._aggregators}
        with suppress(StorageUnavailable):
            known |= await self._journal.priorities()
        return sorted(self._aggregators, key=lambda each: (known[each.name], each.name))


class SupervisedSource:
    """One source: its lease, its stream, its pipeline, and the state it is in."""

    def __init__(self, aggregator: BaseAggregator, journal: Journal, leases: Leases, clock: Clock) -> None:
        self._aggregator = aggregator
        self._journal = journal
        self._leases = leases
        self._clock = clock
        self._teller = Teller(aggregator.name, journal)
        self._standing_by = False
        self._log = structlog.get_logger().bind(source=aggregator.name)

    @property
    def name(self) -> SourceName:
        """The source's name."""
        return self._aggregator.name

    @property
    def is_live_source(self) -> bool:
        """Whether it goes on for ever; a catalogue ends once it is loaded."""
        return self._aggregator.description.type is SourceType.STREAM

    async def run(self) -> None:
        """Run the source for ever; whatever ends a run is reported, and the next begins from stored state."""
        await supervise(self._run_once, self._report_failure, self._clock)

    async def _run_once(self) -> None:
        active = await self._journal.register(self._aggregator.description, state_at_first(self._aggregator))
        if not self._aggregator.active:
            await self._teller.enter(SourceState.INACTIVE, "switched off by its settings")
            return
        if not active:
            await self._teller.enter_inactive()
        ended: bool | None = False
        while not ended:
            await self._journal.until_switched(self.name, active=True)
            ended = await self._read_if_ours()
            if ended is None:
                await self._clock.sleep(_LOOK_AGAIN)
            elif not ended:
                await self._teller.enter_inactive()

    async def _read_if_ours(self) -> bool | None:
        """Read unless another worker does: whether it ended by itself, or was switched off."""
        async with self._leases.hold(f"source/{self.name}") as lease:
            if lease is not None:
                self._standing_by = False
                return await self._read(lease)
        if not self._standing_by:
            # Said in the log alone: the source's state in the database is its holder's to tell.
            self._log.info("source_standing_by", detail="another worker reads this source")
        self._standing_by = True
        return None

    async def _read(self, lease: Lease) -> bool:
        teller, was_inactive = self._teller, self._teller.told is SourceState.INACTIVE
        teller.begin(lease)
        if was_inactive:
            await teller.enter(SourceState.STARTING, "")
        reading = Reading(self._aggregator, teller.journal, self._clock, heard=self._heard, waits=self._waits)
        ended = await reading.run_while_active()
        if ended and not self.is_live_source:
            await teller.enter(SourceState.LOADED, "")
        return ended

    async def _heard(self, lacking: str) -> None:
        if self.is_live_source:
            await self._teller.enter(SourceState.LIVE, lacking)

    async def _waits(self, waiting: Waiting) -> None:
        await self._teller.enter(state_of(waiting), waiting.detail)

    async def _report_failure(self, error: Exception) -> None:
        await self._teller.report_failure(error)
