"""Run every active source under supervision, by priority; one that fails never disturbs another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from datetime import timedelta
from typing import Protocol, cast

import structlog

from kamiyo.aggregators.base import BaseAggregator, NotConfigured, Waiting
from kamiyo.core.errors import KamiyoError, SourceUnavailable, StorageUnavailable
from kamiyo.core.ids import SourceName
from kamiyo.core.ports import Journal
from kamiyo.core.sources import SourceState, SourceType
from kamiyo.core.time import Clock
from kamiyo.kit.supervision import supervise
from kamiyo.processing.backlog import Backlog
from kamiyo.processing.pipeline import Pipeline

_LOOK_AGAIN = timedelta(seconds=2)
_LONGEST_DETAIL = 500


class Leases(Protocol):
    """Exclusive rights that end with their holder's connection."""

    def hold(self, name: str) -> AbstractAsyncContextManager[bool]:
        """Hold the right while inside; False where somebody else has it. StorageUnavailable if it is lost."""
        ...


class Orchestrator:
    """All sources of one ingesting process."""

    def __init__(
        self, aggregators: Sequence[BaseAggregator], journal: Journal, leases: Leases, clock: Clock
    ) -> None:
        self.catalogues_loaded = asyncio.Event()
        self._clock = clock
        self._sources = [
            SupervisedSource(each, journal, leases, clock)
            for each in sorted(aggregators, key=lambda each: (each.description.priority, each.name))
        ]

    async def run(self) -> None:
        """Run until cancelled. Sources start in the order of their priority.

        ``catalogues_loaded`` is set once everything that ships with the product is in place.
        """
        catalogues: list[asyncio.Task[None]] = []
        async with asyncio.TaskGroup() as tasks:
            for source in self._sources:
                task = tasks.create_task(source.run(), name=source.name)
                if not source.is_live_source:
                    catalogues.append(task)
                await self._clock.sleep(timedelta(0))  # let it begin before the next, less important one
            if catalogues:
                await asyncio.wait(catalogues)
            self.catalogues_loaded.set()


class SupervisedSource:
    """One source: its lease, its stream, its pipeline, and the state it is in."""

    def __init__(self, aggregator: BaseAggregator, journal: Journal, leases: Leases, clock: Clock) -> None:
        self._aggregator = aggregator
        self._journal = journal
        self._leases = leases
        self._clock = clock
        self._state: tuple[SourceState, str] | None = None
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
        while not await self._journal.register(self._aggregator.description) or not self._aggregator.active:
            await self._enter(SourceState.INACTIVE, "switched off")
            await self._clock.sleep(_LOOK_AGAIN)
        while not await self._read_while_leased():
            await self._clock.sleep(_LOOK_AGAIN)

    async def _read_while_leased(self) -> bool:
        async with self._leases.hold(f"source/{self.name}") as held:
            if held:
                await self._read_stream()
            elif not self._standing_by:
                # Said in the log alone: the source's state in the database is its holder's to tell.
                self._log.info("source_standing_by", detail="another worker reads this source")
            self._standing_by = not held
        return held

    async def _read_stream(self) -> None:
        backlog = Backlog()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._fill(backlog), name=f"{self.name}/read")
            tasks.create_task(self._drain(backlog), name=f"{self.name}/store")
        if not self.is_live_source:
            await self._enter(SourceState.LOADED, "")

    async def _fill(self, backlog: Backlog) -> None:
        cursor = await self._journal.cursor(self.name)
        async with aclosing(self._aggregator.stream(cursor)) as items:
            async for item in items:
                await backlog.put(item)
        backlog.end()

    async def _drain(self, backlog: Backlog) -> None:
        newest_block = await self._journal.newest_block(self.name)
        pipeline = Pipeline(self._aggregator, self._journal, self._clock, newest_block=newest_block)
        while taken := await backlog.take():
            for waiting in (item for item in taken if isinstance(item, Waiting)):
                # After what was read before it is stored, so that this does not call the source live again.
                await self._enter(_state_of(waiting), waiting.detail)
            batch = [item for item in taken if not isinstance(item, Waiting)]
            outcomes = await pipeline.run(batch) if batch else []
            if self.is_live_source and any(each.batch.heard_at is not None for each in outcomes):
                await self._enter(SourceState.LIVE, "")

    async def _enter(self, state: SourceState, detail: str) -> None:
        """Say a state once: in the database, where readers look, and in the log, where operators do."""
        detail = _storable(detail)
        if (state, detail) == self._state:
            return
        await self._journal.report_state(self.name, state, detail)
        self._state = (state, detail)
        level = self._log.info if state in _GOOD else self._log.warning
        level("source_state_changed", state=state.value, detail=detail)

    async def _report_failure(self, error: Exception) -> None:
        cause = _first_cause(error)
        if isinstance(cause, StorageUnavailable):
            # The database cannot be told that it is gone; readers see the source grow stale.
            self._say_once(SourceState.FAILED, str(cause))
            return
        state = SourceState.UNREACHABLE if isinstance(cause, SourceUnavailable) else SourceState.FAILED
        try:
            await self._enter(state, f"{type(cause).__name__}: {cause}")
        except KamiyoError as untold:
            self._say_once(SourceState.FAILED, str(untold))

    def _say_once(self, state: SourceState, detail: str) -> None:
        if self._state is None or self._state[0] is not state:
            self._log.warning("source_state_changed", state=state.value, detail=detail)
        self._state = (state, detail)


_GOOD = {SourceState.LIVE, SourceState.LOADED, SourceState.STARTING, SourceState.NOT_CONFIGURED}


def _state_of(waiting: Waiting) -> SourceState:
    return SourceState.NOT_CONFIGURED if isinstance(waiting, NotConfigured) else SourceState.UNREACHABLE


def _storable(detail: str) -> str:
    """The detail in text that any database and terminal takes: it may quote what a source sent."""
    return "".join(letter if letter.isprintable() else "?" for letter in detail[:_LONGEST_DETAIL])


def _first_cause(error: Exception) -> Exception:
    """The error itself, out of the groups that task groups wrap it in."""
    cause: BaseException = error
    while isinstance(cause, BaseExceptionGroup):
        cause = cast("BaseExceptionGroup[BaseException]", cause).exceptions[0]
    return cause if isinstance(cause, Exception) else error
