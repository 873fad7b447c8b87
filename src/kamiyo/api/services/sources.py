"""How far answers may be believed: the sources behind a dataset, and what is wrong with them now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

import msgspec

from kamiyo.api.pages import Coverage, Freshness, SourceLine
from kamiyo.api.services.retention import with_retention
from kamiyo.core.coverage import Measured, label_text
from kamiyo.core.money import plain
from kamiyo.core.sources import (
    ANY_AGE,
    CoverageLabel,
    SourceHealth,
    SourceState,
    SourceStatus,
    SourceType,
    Subject,
    health_of,
)
from kamiyo.core.time import rfc3339
from kamiyo.storage.pool import Connection
from kamiyo.storage.read_coverage import count_open_gaps
from kamiyo.storage.read_measured import read_measured
from kamiyo.storage.sources import list_sources
from kamiyo.storage.spending import DailySpending

LIQUIDATIONS = "liquidations"
EXPLOITS = "exploits"
HONEST_CASES = "honest_cases"
SOURCES = "sources"
MARKETS = "markets"
VAULTS = "vaults"
POSITIONS = "positions"

_NO_CONCERN = {SourceHealth.LIVE, SourceHealth.INACTIVE, SourceHealth.NOT_CONFIGURED}
_SPEAKING = {SourceHealth.LIVE, SourceHealth.BEHIND, SourceHealth.LOADED}
# From everything to nothing.
_LABELS = (
    CoverageLabel.COMPLETE,
    CoverageLabel.DELAYED_COMPLETE,
    CoverageLabel.SAMPLE,
    CoverageLabel.CURATED,
    CoverageLabel.NOT_MEASURED,
)
_TYPE_OF_DATASET = {
    LIQUIDATIONS: SourceType.STREAM,
    EXPLOITS: SourceType.CATALOGUE,
    HONEST_CASES: SourceType.CATALOGUE,
}


class SpendingRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a source spent on this UTC day, with what is set aside, and what it may."""

    spent_usd: str
    limit_usd: str


class SourceRow(msgspec.Struct, frozen=True, kw_only=True):
    """A source with what a reader may believe of it now.

    ``age_seconds``: since it last proved alive. ``lag_seconds``: how old the newest it told of was then;
    None for what tells of old things by nature. ``spending``: None where nothing was paid for today.
    """

    name: str
    type: str
    url: str
    priority: int
    active: bool
    label: str
    health: str
    state: str
    detail: str
    heard_at: str | None
    last_fetch: str | None
    last_event_at: str | None
    state_changed_at: str
    age_seconds: int | None
    silence_limit_seconds: int
    lag_limit_seconds: int
    lag_seconds: int | None
    last_error: str | None
    last_error_at: str | None
    poll_every_seconds: int | None
    next_poll_at: str | None
    failed_polls: int | None
    spending: SpendingRow | None


async def read_freshness(connection: Connection, dataset: str, now: datetime) -> Freshness:
    """What to say beside every answer about a dataset."""
    sources = await list_sources(connection)
    gaps = await count_open_gaps(connection) if dataset == LIQUIDATIONS else {}
    measured = await read_measured(connection) if dataset == LIQUIDATIONS else {}
    known = build_freshness(sources, gaps, dataset, now, measured)
    return await with_retention(connection, known, dataset)


def build_freshness(
    sources: Sequence[SourceStatus],
    gaps: Mapping[str, int],
    dataset: str,
    now: datetime,
    measured: Mapping[str, Measured] = MappingProxyType({}),
) -> Freshness:
    """The same, of known sources: stale unless a stream of this dataset is live."""
    kind = _TYPE_OF_DATASET.get(dataset)
    own = _sources_of(dataset, sources)
    gaps = _gaps_of_venue(gaps, sources)
    streams = _watchers(own) if dataset == EXPLOITS else streams_of(own)
    live = any(health_of(each, now) is SourceHealth.LIVE for each in streams)
    if kind is SourceType.CATALOGUE:
        warnings = _catalogue_warnings(dataset, own, now)
    else:
        warnings = [*_stream_warnings(streams, now, live=live), *_gap_warnings(gaps)]
    shown = _shown(own, gaps, now) if kind else None
    coverage = _coverage(shown, measured, [source_line(each, now) for each in own])
    return Freshness(as_of=rfc3339(now), stale=not live, coverage=coverage, warnings=warnings)


def source_row(status: SourceStatus, now: datetime, spending: Sequence[DailySpending]) -> SourceRow:
    """A source as ``/sources`` and ``/health`` show it, with what was spent today."""
    return SourceRow(
        name=status.name,
        type=status.type,
        url=status.url,
        priority=status.priority,
        active=status.active,
        label=status.label,
        health=health_of(status, now),
        state=status.state,
        detail=status.detail,
        heard_at=_moment(status.heard_at),
        last_fetch=_moment(status.last_fetch),
        last_event_at=_moment(status.last_event_at),
        state_changed_at=rfc3339(status.state_changed_at),
        age_seconds=age_seconds(status, now),
        silence_limit_seconds=int(status.silence_limit.total_seconds()),
        lag_limit_seconds=int(status.lag_limit.total_seconds()),
        lag_seconds=_lag_seconds(status),
        last_error=status.last_error,
        last_error_at=_moment(status.last_error_at),
        poll_every_seconds=None if status.poll_every is None else int(status.poll_every.total_seconds()),
        next_poll_at=_moment(status.next_poll_at),
        failed_polls=status.failed_polls,
        spending=next((_spending_row(each) for each in spending if each.source == status.name), None),
    )


def _spending_row(spent: DailySpending) -> SpendingRow:
    return SpendingRow(spent_usd=plain(spent.spent_usd), limit_usd=plain(spent.limit_usd))


def _lag_seconds(status: SourceStatus) -> int | None:
    if status.heard_at is None or status.last_event_at is None or status.lag_limit >= ANY_AGE:
        return None
    return max(0, int((status.heard_at - status.last_event_at).total_seconds()))


def age_seconds(status: SourceStatus, now: datetime) -> int | None:
    """Whole seconds since a source last proved alive; None if it never did."""
    return None if status.heard_at is None else max(0, int((now - status.heard_at).total_seconds()))


def streams_of(sources: Sequence[SourceStatus]) -> list[SourceStatus]:
    """The sources that must be heard again and again for what happens on the venue to be known."""
    return [each for each in sources if each.type is SourceType.STREAM and each.subject is Subject.VENUE]


def describe(status: SourceStatus, now: datetime) -> str:
    """A source's condition in a few words."""
    health = health_of(status, now)
    condition = status.state if health is SourceHealth.DOWN else health
    words = f"{status.name} is {condition.replace('_', ' ')}"
    if health is SourceHealth.STALE:
        words += f" (last heard {_moment(status.heard_at)})"
    if health is SourceHealth.BEHIND:
        words += f" (its newest event is of {_moment(status.last_event_at) or 'an unknown time'})"
    return f"{words}: {status.detail}" if status.detail else words


def _sources_of(dataset: str, sources: Sequence[SourceStatus]) -> list[SourceStatus]:
    kind = _TYPE_OF_DATASET.get(dataset)
    if dataset == LIQUIDATIONS:
        return streams_of(sources)
    if dataset == EXPLOITS:
        return [each for each in sources if each.type is kind or each.subject is Subject.EXPLOITS]
    return [each for each in sources if kind is None or each.type is kind]


def _watchers(own: Sequence[SourceStatus]) -> list[SourceStatus]:
    """Those that would tell of a new exploit."""
    return [each for each in own if each.type is not SourceType.CATALOGUE]


def _coverage(
    shown: SourceStatus | None, measured: Mapping[str, Measured], lines: Sequence[SourceLine]
) -> Coverage:
    """The label of what is shown, with its share where that was measured."""
    if shown is None:
        return Coverage(label=CoverageLabel.NOT_MEASURED, sources=lines)
    found = measured.get(shown.name)
    return Coverage(
        label=label_text(shown.label, found),
        measured_pct=None if found is None else plain(found.percent),
        measured_at=None if found is None else rfc3339(found.measured_at),
        sources=lines,
    )


def _shown(own: Sequence[SourceStatus], gaps: Mapping[str, int], now: datetime) -> SourceStatus | None:
    """Who has the strongest label among those who speak now, else among those who ever did.

    A source with open gaps does not show everything, whatever its nature; a sample never claimed to. Gaps
    that an archive has filled are closed, and count no more.
    """
    heard = [each for each in own if _has_spoken(each)]
    speaking = [each for each in heard if health_of(each, now) in _SPEAKING]
    strongest = min(speaking or heard, key=lambda each: _LABELS.index(each.label), default=None)
    if strongest is None or (gaps.get(strongest.name) and strongest.label is not CoverageLabel.SAMPLE):
        return None
    return strongest


def _has_spoken(status: SourceStatus) -> bool:
    catalogue = status.type is SourceType.CATALOGUE
    return status.state is SourceState.LOADED if catalogue else status.heard_at is not None


def _stream_warnings(streams: Sequence[SourceStatus], now: datetime, *, live: bool) -> list[str]:
    conditions = "; ".join(describe(each, now) for each in streams)
    if not streams:
        return ["no source of liquidations is set up"]
    if all(each.heard_at is None for each in streams):
        return [f"no source of liquidations has been heard: {conditions}"]
    if not live:
        return [f"no source of liquidations is live: {conditions}"]
    return [describe(each, now) for each in streams if is_worth_a_warning(each, now)]


def is_worth_a_warning(status: SourceStatus, now: datetime) -> bool:
    """Whether a source should be live and is not."""
    return health_of(status, now) not in _NO_CONCERN


def _catalogue_warnings(dataset: str, own: Sequence[SourceStatus], now: datetime) -> list[str]:
    name, watchers = dataset.replace("_", " "), _watchers(own)
    loaded = [each for each in own if health_of(each, now) is SourceHealth.LOADED]
    silent = [describe(each, now) for each in watchers if is_worth_a_warning(each, now)]
    if any(health_of(each, now) is SourceHealth.LIVE for each in watchers):
        return silent
    if not loaded:
        conditions = "; ".join(describe(each, now) for each in own) or "no catalogue is set up"
        return [f"no source of {name} is loaded: {conditions}"]
    if any(map(_has_spoken, watchers)):
        kept = f"nothing watches for new {name} now: shown is what ships with it and was heard before"
        return [kept, *silent]
    names = ", ".join(each.name for each in loaded)
    shipped = f"{name} come from the curated {names} shipped with this version: nothing watches for new ones"
    return [shipped, *silent]


def _gaps_of_venue(gaps: Mapping[str, int], sources: Sequence[SourceStatus]) -> Mapping[str, int]:
    """Without those of what others say: of that no liquidation can be missing."""
    others = {each.name for each in sources if each.subject is not Subject.VENUE}
    return {name: count for name, count in gaps.items() if name not in others}


def _gap_warnings(gaps: Mapping[str, int]) -> list[str]:
    return [f"open gaps of {name}: {count}; liquidations may be missing" for name, count in gaps.items()]


def source_line(status: SourceStatus, now: datetime) -> SourceLine:
    """A source as every answer about a dataset of it names it."""
    return SourceLine(
        name=status.name,
        label=status.label,
        health=health_of(status, now),
        heard_at=_moment(status.heard_at),
        last_event_at=_moment(status.last_event_at),
    )


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
