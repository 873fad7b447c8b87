"""One source that is asked now and then: asked when it is due, by one worker, and left alone in between."""

from __future__ import annotations

import random
from datetime import timedelta

from kamiyo.aggregators.base import BaseAggregator, Waiting
from kamiyo.core.errors import LeaseLost, RateLimited
from kamiyo.core.ids import SourceName
from kamiyo.core.ports import Journal, Lease, Leases
from kamiyo.core.sources import SourceState
from kamiyo.core.time import EPOCH, Clock
from kamiyo.kit import metrics
from kamiyo.kit.supervision import failure_of
from kamiyo.processing.reading import Reading
from kamiyo.processing.telling import Teller, first_cause, state_at_first, state_of
from kamiyo.storage.polls import PostgresTimetable

_MINUTE = timedelta(minutes=1)
_LONGEST_BACK_OFF = timedelta(minutes=30)  # or one interval, where that is longer
_MOST_DOUBLINGS = 20
_PERCENT, _MOST_PERCENT = 100, 110  # of the wait, by chance
_ANSWERED = "answered"
_ENDED = "ended"
_UNTOLD = "untold"
_WELL = {_ANSWERED, SourceState.NOT_CONFIGURED}


class PolledSource:
    """One source: its lease, its pipeline, its state, and how the last poll of it went."""

    def __init__(
        self,
        aggregator: BaseAggregator,
        journal: Journal,
        leases: Leases,
        timetable: PostgresTimetable,
        clock: Clock,
        *,
        chance: random.Random | None = None,
    ) -> None:
        self.poll_every = aggregator.description.poll_every or _LONGEST_BACK_OFF
        self._aggregator = aggregator
        self._journal = journal
        self._leases = leases
        self._timetable = timetable
        self._clock = clock
        self._chance = chance or random.Random()  # noqa: S311 -- jitter, not a secret
        self._teller = Teller(aggregator.name, journal)
        self._registered = False
        self._untold = 0
        self._rest_until = EPOCH

    @property
    def name(self) -> SourceName:
        """The source's name."""
        return self._aggregator.name

    async def register(self) -> None:
        """Make it known, before anything is asked; StorageUnavailable if that may work later."""
        await self._journal.register(self._aggregator.description, state_at_first(self._aggregator))
        await self._timetable.register(self.name, self.poll_every)
        self._registered = True

    async def poll_if_due(self) -> None:
        """Ask the source if it is due and switched on, and nobody else asks it; nothing is raised.

        While the timetable cannot be kept, this worker keeps its distance by its own clock.
        """
        if self._clock.now() < self._rest_until:
            return
        error = await failure_of(self._poll_if_due)
        if error is None:
            self._untold = 0
            return
        self._untold += 1
        self._rest_until = self._clock.now() + self._wait(self._untold, error)
        await self._teller.report_failure(error)
        metrics.POLLS.labels(self.name, _UNTOLD).inc()

    async def _poll_if_due(self) -> None:
        if not self._registered:
            await self.register()
        if not self._aggregator.active:
            await self._teller.enter(SourceState.INACTIVE, "switched off by its settings")
        elif await self._failures_if_due() is not None:
            async with self._leases.hold(f"source/{self.name}") as lease:
                # Once more: somebody else may have asked it while we got the lease.
                if lease is not None and (failures := await self._failures_if_due()) is not None:
                    await self._poll(lease, failures)

    async def _failures_if_due(self) -> int | None:
        turn = await self._timetable.look(self.name)
        if turn is None:
            self._registered = False  # a database restored behind our back
        elif not turn.active:
            await self._teller.enter_inactive()
        elif turn.due:
            return turn.failures
        return None

    async def _poll(self, lease: Lease, failures: int) -> None:
        was_inactive = self._teller.told is SourceState.INACTIVE
        self._teller.begin(lease)
        if was_inactive:
            await self._teller.enter(SourceState.STARTING, "")
        poll = _Poll(self._aggregator, self._teller.journal, self._clock)
        error = await failure_of(poll.run)
        result = await self._tell(poll, error)
        metrics.POLLS.labels(self.name, result).inc()
        if result == _ENDED or isinstance(_cause(error), LeaseLost):
            return  # the next poll is at once when it is switched on, or somebody else's to plan
        failures = 0 if result in _WELL else failures + 1
        await self._timetable.plan(self.name, self._wait(failures, error), failures, lease=lease)

    async def _tell(self, poll: _Poll, error: Exception | None) -> str:
        """Say what became of the source, once the poll is over; the name of that."""
        if error is not None:
            return await self._teller.report_failure(error) or _UNTOLD
        if not poll.ended:
            await self._teller.enter_inactive()
            return _ENDED
        if poll.waiting is not None:
            state = state_of(poll.waiting)
            await self._teller.enter(state, poll.waiting.detail)
            return state
        if poll.lacking is not None:
            await self._teller.enter(SourceState.LIVE, poll.lacking)
        return _ANSWERED

    def _wait(self, failures: int, error: Exception | None) -> timedelta:
        told_to_wait = isinstance(_cause(error), RateLimited)
        wait = wait_before_poll(self.poll_every, failures, told_to_wait=told_to_wait)
        return wait * self._chance.randint(_PERCENT, _MOST_PERCENT) / _PERCENT


class _Poll:
    """One poll, and what was heard in it."""

    def __init__(self, aggregator: BaseAggregator, journal: Journal, clock: Clock) -> None:
        self.ended = False
        self.lacking: str | None = None  # as long as nothing was heard
        self.waiting: Waiting | None = None
        self._reading = Reading(aggregator, journal, clock, heard=self._hear, waits=self._wait)

    async def run(self) -> None:
        """Read until the poll ends by itself, or the source is switched off."""
        self.ended = await self._reading.run_while_active(follow=False)

    async def _hear(self, lacking: str) -> None:
        self.lacking = lacking

    async def _wait(self, waiting: Waiting) -> None:
        self.waiting = waiting


def wait_before_poll(poll_every: timedelta, failures: int, *, told_to_wait: bool = False) -> timedelta:
    """How long to leave a source alone: its interval, or what this many failures in a row make of it.

    After a failure a minute, or the interval where that is shorter or the source asked for fewer
    questions; then twice as long each time, up to half an hour, or the interval where that is longer.
    """
    if not failures:
        return poll_every
    first = poll_every if told_to_wait else min(poll_every, _MINUTE)
    return min(first * (1 << min(failures - 1, _MOST_DOUBLINGS)), max(poll_every, _LONGEST_BACK_OFF))


def _cause(error: Exception | None) -> Exception | None:
    return None if error is None else first_cause(error)
