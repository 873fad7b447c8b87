"""The worker of backfills: one job of pgqueuer's queue for each object of an archive.

A job only says that there may be something to do; what is to be done stands in the object's row. Whoever
reads an object holds its lease, and all it stores is refused once another holds it. So a worker may be killed
or stand still at any moment, and another reads the object again from its start, without a further effect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import NamedTuple

import structlog

from kamiyo.aggregators.base import BaseAggregator
from kamiyo.core.backfills import (
    BackfillObject,
    ObjectCounts,
    ObjectState,
    is_deadly,
    lease_name,
    wait_before_attempt,
)
from kamiyo.core.errors import (
    LeaseLost,
    NoSuchThing,
    SchemaMismatch,
    StorageUnavailable,
    Transient,
)
from kamiyo.core.ids import SourceName
from kamiyo.core.ports import Journal, Lease, Leases
from kamiyo.core.time import EPOCH, Clock
from kamiyo.jobs.queues import FEWEST_AT_ONCE, HEARTBEAT, Queue, run_queue
from kamiyo.kit.supervision import failure_of
from kamiyo.processing.backfill import read_object
from kamiyo.processing.telling import first_cause, state_at_first
from kamiyo.storage.backfills import ENTRYPOINT, PostgresBackfills
from kamiyo.storage.pool import Pool

_TELL_EVERY = timedelta(seconds=1)
_BUSY = timedelta(seconds=2)
_ELSEWHERE = timedelta(minutes=1)
_PATIENCE_SECONDS = 3
_OPEN = {ObjectState.QUEUED, ObjectState.RUNNING}
_log = structlog.get_logger()


class _Ending(NamedTuple):
    """How an object ended, and why."""

    state: ObjectState
    detail: str


class _Later(NamedTuple):
    """An object is left alone for so long, and why."""

    wait: timedelta
    detail: str


_READ = _Ending(ObjectState.DONE, "")


@dataclass(slots=True)
class _Turn:
    """What became of one look at an object."""

    name: str = ""
    wait: timedelta | None = None


class ObjectReader:
    """Reads objects of archives, each under its lease, and says what became of each."""

    def __init__(
        self,
        archives: Mapping[SourceName, BaseAggregator],
        backfills: PostgresBackfills,
        journal: Journal,
        leases: Leases,
        clock: Clock,
    ) -> None:
        self._archives = archives
        self._backfills = backfills
        self._journal = journal
        self._leases = leases
        self._clock = clock
        self._registered: set[SourceName] = set()

    async def read(self, object_id: int) -> timedelta | None:
        """Read one object; how long to wait before somebody should look at it again, if anybody should.

        Nothing is raised: where nobody can tell what became of it, somebody looks at it soon.
        """
        turn = _Turn()
        error = await failure_of(partial(self._take, object_id, turn))
        if error is None:
            return turn.wait
        cause = first_cause(error)
        _log.warning("backfill_object_left", object=turn.name, detail=f"{type(cause).__name__}: {cause}")
        return None if isinstance(cause, LeaseLost) else _BUSY  # who has the lease by now has a job, too

    async def _take(self, object_id: int, turn: _Turn) -> None:
        wanted = await self._backfills.look(object_id)
        if wanted is None or wanted.state not in _OPEN:
            return
        turn.name = wanted.found.name
        aggregator = self._archives.get(wanted.found.source)
        if aggregator is None or not await self._may_read(aggregator):
            turn.wait = _ELSEWHERE
            return
        async with self._leases.hold(lease_name(wanted.found)) as lease:
            turn.wait = _BUSY if lease is None else await self._read(aggregator, object_id, lease)

    async def _may_read(self, aggregator: BaseAggregator) -> bool:
        """Whether its operator lets it be read: asked each time, as that is switched while all runs."""
        active = await self._journal.register(aggregator.description, state_at_first(aggregator))
        return active and aggregator.active

    async def _read(self, aggregator: BaseAggregator, object_id: int, lease: Lease) -> timedelta | None:
        wanted = await self._backfills.look(object_id)
        if wanted is None or wanted.state not in _OPEN:
            return None  # somebody finished it before we got the lease
        ending: _Ending | _Later | None = await self._ending_unread(wanted)
        if ending is None and await self._backfills.begin(object_id, lease):
            error = await self._error_of_reading(aggregator, wanted, lease)
            ending = _READ if error is None else _ending_of(first_cause(error), wanted.failures + 1)
        if isinstance(ending, _Later):
            await self._put_back(wanted, lease, ending)
            return ending.wait
        if ending is not None:
            await self._settle(wanted, lease, ending)
        return None

    async def _ending_unread(self, wanted: BackfillObject) -> _Ending | None:
        """How it ends without being read, if it does."""
        if not wanted.again and await self._backfills.read_before(wanted.found.source, [wanted.found]):
            return _Ending(ObjectState.DONE, "read before")
        if is_deadly(wanted.attempts, wanted.failures):
            deaths = wanted.attempts - wanted.failures
            return _Ending(ObjectState.FAILED, f"whoever read it ended {deaths} times")
        return None

    async def _error_of_reading(
        self, aggregator: BaseAggregator, wanted: BackfillObject, lease: Lease
    ) -> Exception | None:
        tell = partial(self._backfills.count, wanted.object_id, lease=lease)
        reading = _Reading(aggregator, wanted, self._journal.under(lease), self._clock, tell)
        try:
            return await failure_of(reading.run)
        except asyncio.CancelledError:
            # The process is told to end: that is nobody's failure, and the object is the next one's.
            with suppress(StorageUnavailable, LeaseLost, TimeoutError):
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    await self._backfills.put_back(wanted.object_id, "", lease, failed=False)
            raise

    async def _put_back(self, wanted: BackfillObject, lease: Lease, later: _Later) -> None:
        _log.info("backfill_object_put_back", object=wanted.found.name, detail=later.detail)
        await self._backfills.put_back(wanted.object_id, later.detail, lease, failed=True)

    async def _settle(self, wanted: BackfillObject, lease: Lease, ending: _Ending) -> None:
        if await self._backfills.settle(wanted.object_id, ending.state, ending.detail, lease):
            level = _log.info if ending.state is ObjectState.DONE else _log.warning
            told = {"state": ending.state.value, "detail": ending.detail}
            level("backfill_object_settled", object=wanted.found.name, **told)


def _ending_of(cause: Exception, failures: int) -> _Ending | _Later:
    """What an error of reading an object means for it; raised again where it says nothing of the object."""
    if isinstance(cause, StorageUnavailable | LeaseLost | SchemaMismatch):
        raise cause
    detail = f"{type(cause).__name__}: {cause}"
    if isinstance(cause, NoSuchThing):
        return _Ending(ObjectState.MISSING, detail)
    wait = wait_before_attempt(failures) if isinstance(cause, Transient) else None
    return _Ending(ObjectState.FAILED, detail) if wait is None else _Later(wait, detail)


class _Reading:
    """One reading of one object, and when it was last said how far it is."""

    def __init__(
        self,
        aggregator: BaseAggregator,
        wanted: BackfillObject,
        journal: Journal,
        clock: Clock,
        tell: Callable[[ObjectCounts], Awaitable[None]],
    ) -> None:
        self._aggregator = aggregator
        self._wanted = wanted
        self._journal = journal
        self._clock = clock
        self._tell = tell
        self._told_at = EPOCH

    async def run(self) -> None:
        """Read it all."""
        found, assets = self._wanted.found, self._wanted.assets
        counts = await read_object(
            self._aggregator, found, self._journal, self._clock, assets=assets, told=self._hear
        )
        await self._tell(counts)

    async def _hear(self, counts: ObjectCounts) -> None:
        now = self._clock.now()
        if now - self._told_at >= _TELL_EVERY:
            await self._tell(counts)
            self._told_at = now


async def run_backfills(
    reader: ObjectReader,
    backfills: PostgresBackfills,
    pool: Pool,
    clock: Clock,
    *,
    at_once: int = FEWEST_AT_ONCE,
    heartbeat: timedelta = HEARTBEAT,
) -> None:
    """Read what is queued, so many objects at once, until cancelled; then what is unread is others' again.

    StorageUnavailable when the queue cannot be read: start it again. The jobs of a worker that dies are
    taken up once its heartbeat has not been heard for that long.
    """
    queue = Queue(
        entrypoint=ENTRYPOINT,
        work=reader.read,
        enqueue_open=backfills.enqueue_open,
        at_once=at_once,
        heartbeat=heartbeat,
    )
    await run_queue(queue, pool, clock)
