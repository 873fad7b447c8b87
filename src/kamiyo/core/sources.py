"""What a source is, and what state it is in: never better than what was just heard."""

from __future__ import annotations

import enum
from datetime import datetime, timedelta
from typing import Final

import msgspec

from kamiyo.core.ids import SourceName
from kamiyo.core.time import Utc

ANY_AGE: Final = timedelta(days=36_500)  # the lag limit of what tells of old things, or of none for days


class SourceType(enum.StrEnum):
    """How a source speaks to us."""

    STREAM = "stream"  # alive only while it is heard
    POLLED = "polled"  # asked now and then; alive while it answers
    CATALOGUE = "catalogue"  # ships with the product; loaded, never live


class Subject(enum.StrEnum):
    """What a source tells of: one that is live says nothing of how well the others' subjects are known."""

    VENUE = "venue"  # what happens on the venue itself
    EXPLOITS = "exploits"  # cases, and what is reported of them
    CLAIMS = "claims"  # what others say happened, there and elsewhere
    TOTALS = "totals"  # the same, and only in sums of whole days


class SourceState(enum.StrEnum):
    """What the ingesting process last knew of a source."""

    STARTING = "starting"
    LIVE = "live"
    UNREACHABLE = "unreachable"
    FAILED = "failed"
    LOADED = "loaded"
    INACTIVE = "inactive"
    NOT_CONFIGURED = "not_configured"


class SourceHealth(enum.StrEnum):
    """What a reader may believe of a source now."""

    LIVE = "live"  # heard within its silence limit
    BEHIND = "behind"  # heard, but what it says is old: catching up
    STALE = "stale"  # was heard, but not within the limit
    DOWN = "down"
    UNKNOWN = "unknown"  # never heard
    LOADED = "loaded"  # static content is in place
    INACTIVE = "inactive"
    NOT_CONFIGURED = "not_configured"  # it lacks what only its operator can give; nothing is wrong


class CoverageLabel(enum.StrEnum):
    """What share of reality a source can show, as far as it is known."""

    COMPLETE = "complete"
    DELAYED_COMPLETE = "delayed-complete"
    SAMPLE = "sample"
    CURATED = "curated"
    NOT_MEASURED = "not measured"


class SourceDescription(msgspec.Struct, frozen=True, kw_only=True):
    """What an aggregator says of the source it reads. Lower ``priority`` starts first.

    ``poll_every`` is how often one that is polled is asked.
    """

    name: SourceName
    type: SourceType
    url: str
    priority: int
    label: CoverageLabel
    silence_limit: timedelta
    lag_limit: timedelta
    poll_every: timedelta | None = None
    subject: Subject = Subject.EXPLOITS


class SourceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A source as the database knows it.

    ``heard_at`` is when it last proved alive, ``last_fetch`` when a payload of it was last stored,
    ``first_event_at`` and ``last_event_at`` the venue's own times of the oldest and newest it told of.
    ``last_error`` is the last trouble it had, over or not, and ``last_error_at`` when that began;
    ``failed_polls`` are those in a row.
    """

    name: SourceName
    type: SourceType
    url: str
    priority: int
    active: bool
    label: CoverageLabel
    silence_limit: timedelta
    lag_limit: timedelta
    state: SourceState
    detail: str
    heard_at: datetime | None
    last_fetch: datetime | None
    first_event_at: datetime | None
    last_event_at: datetime | None
    state_changed_at: Utc
    subject: Subject = Subject.EXPLOITS
    poll_every: timedelta | None = None
    next_poll_at: datetime | None = None
    failed_polls: int | None = None
    last_error: str | None = None
    last_error_at: datetime | None = None


def health_of(status: SourceStatus, now: datetime) -> SourceHealth:
    """How healthy a source may be called at ``now``: only a fresh word from it is ``live``."""
    if not status.active or status.state is SourceState.INACTIVE:
        return SourceHealth.INACTIVE
    if status.state is SourceState.NOT_CONFIGURED:
        return SourceHealth.NOT_CONFIGURED
    if status.state in {SourceState.UNREACHABLE, SourceState.FAILED}:
        return SourceHealth.DOWN
    if status.type is SourceType.CATALOGUE:
        return SourceHealth.LOADED if status.state is SourceState.LOADED else SourceHealth.UNKNOWN
    return _freshness(status, now)


def _freshness(status: SourceStatus, now: datetime) -> SourceHealth:
    if status.heard_at is None:
        return SourceHealth.UNKNOWN
    # Both ways: what is dated later than now was dated by a wrong clock, and would look fresh until then.
    if abs(now - status.heard_at) > status.silence_limit:
        return SourceHealth.STALE
    if status.lag_limit >= ANY_AGE:
        return SourceHealth.LIVE
    if status.last_event_at is None or abs(now - status.last_event_at) > status.lag_limit:
        return SourceHealth.BEHIND
    return SourceHealth.LIVE
