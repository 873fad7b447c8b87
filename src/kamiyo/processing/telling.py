"""What becomes of one source, told once: in the database, where readers look, and in the log."""

from __future__ import annotations

from typing import cast

import structlog

from kamiyo.aggregators.base import BaseAggregator, NotConfigured, Waiting
from kamiyo.core.errors import KamiyoError, LeaseLost, SourceUnavailable, StorageUnavailable
from kamiyo.core.ids import SourceName
from kamiyo.core.ports import Journal, Lease
from kamiyo.core.sources import SourceState
from kamiyo.kit import metrics

_LONGEST_DETAIL = 500
_GOOD = {
    SourceState.LIVE,
    SourceState.LOADED,
    SourceState.STARTING,
    SourceState.INACTIVE,
    SourceState.NOT_CONFIGURED,
}


class Teller:
    """Guards what was told of a source last, so that nothing is told twice.

    Told under a lease, it is refused once somebody else holds that: then it is theirs to tell.
    """

    def __init__(self, source: SourceName, journal: Journal) -> None:
        self.journal = journal
        self._source = source
        self._base = journal
        self._token = 0
        self._told: tuple[SourceState, str] | None = None
        self._log = structlog.get_logger().bind(source=source)

    @property
    def told(self) -> SourceState | None:
        """The state told last, if any is known to stand."""
        return None if self._told is None else self._told[0]

    def begin(self, lease: Lease) -> None:
        """From now on everything is written, and told, under this lease.

        Whoever held it in between may have told something else: then what was told is not known to stand.
        """
        if lease.token != self._token + 1:
            self._told = None
        self._token = lease.token
        self.journal = self._base.under(lease)

    async def enter(self, state: SourceState, detail: str) -> None:
        """Say a state, unless it was said last."""
        detail = _storable(detail)
        if (state, detail) == self._told:
            return
        await self.journal.report_state(self._source, state, detail)
        self._told = (state, detail)
        level = self._log.info if state in _GOOD else self._log.warning
        level("source_state_changed", state=state.value, detail=detail)

    async def enter_inactive(self) -> None:
        """Say that it is switched off, which is nobody's to tell alone."""
        self.journal = self._base
        await self.enter(SourceState.INACTIVE, "switched off")

    async def report_failure(self, error: Exception) -> SourceState | None:
        """Say what a failure means for the source, and that alone; None where it is not ours to tell."""
        cause = first_cause(error)
        try:
            return await self._report(cause)
        except LeaseLost as lost:
            self._lose(lost)
        except KamiyoError as untold:
            self._say_once(SourceState.FAILED, str(untold))
        return None

    async def _report(self, cause: Exception) -> SourceState | None:
        if isinstance(cause, LeaseLost):
            self._lose(cause)
            return None
        if isinstance(cause, StorageUnavailable):
            # The database cannot be told that it is gone; readers see the source grow stale.
            self._say_once(SourceState.FAILED, str(cause))
            return None
        state = SourceState.UNREACHABLE if isinstance(cause, SourceUnavailable) else SourceState.FAILED
        await self.enter(state, f"{type(cause).__name__}: {cause}")
        return state

    def _lose(self, lost: LeaseLost) -> None:
        metrics.LEASE_LOSSES.labels(self._source).inc()
        self._log.warning("source_lease_lost", detail=str(lost))
        self.journal = self._base
        self._told = None

    def _say_once(self, state: SourceState, detail: str) -> None:
        if self._told is None or self._told[0] is not state:
            self._log.warning("source_state_changed", state=state.value, detail=detail)
        self._told = (state, detail)


def state_at_first(aggregator: BaseAggregator) -> SourceState:
    """The state a source is made known in: one that its settings leave out is never said to start."""
    return SourceState.STARTING if aggregator.active else SourceState.INACTIVE


def state_of(waiting: Waiting) -> SourceState:
    """The state of a source that says it waits."""
    return SourceState.NOT_CONFIGURED if isinstance(waiting, NotConfigured) else SourceState.UNREACHABLE


def first_cause(error: Exception) -> Exception:
    """The error itself, out of the groups that task groups wrap it in."""
    cause: BaseException = error
    while isinstance(cause, BaseExceptionGroup):
        cause = cast("BaseExceptionGroup[BaseException]", cause).exceptions[0]
    return cause if isinstance(cause, Exception) else error


def _storable(detail: str) -> str:
    """The detail in text that any database and terminal takes: it may quote what a source sent."""
    return "".join(letter if letter.isprintable() else "?" for letter in detail[:_LONGEST_DETAIL])
