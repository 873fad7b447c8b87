"""Whether what is shown happens now: never better than what was just heard."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from datetime import datetime

import msgspec

from kamiyo.api.services.sources import (
    SourceRow,
    age_seconds,
    describe,
    source_row,
    streams_of,
)
from kamiyo.api.state import ApiState
from kamiyo.core.coverage import Measured
from kamiyo.core.errors import SchemaMismatch, StorageUnavailable
from kamiyo.core.sources import SourceHealth, SourceStatus, health_of
from kamiyo.core.time import rfc3339
from kamiyo.kit import metrics
from kamiyo.storage.migrate import is_current
from kamiyo.storage.read_measured import read_measured
from kamiyo.storage.read_rows import reading
from kamiyo.storage.sources import list_sources
from kamiyo.storage.spending import DailySpending, read_spending, spending_day

_WELL = {SourceHealth.LIVE, SourceHealth.LOADED, SourceHealth.INACTIVE, SourceHealth.NOT_CONFIGURED}


class Status(enum.StrEnum):
    """``ok`` and ``degraded`` are answered with 200, ``down`` with 503."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


class Database(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the database answers, and with the schema of this version; None is not known."""

    reachable: bool
    schema_current: bool | None


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Everything ``/health`` says. ``sources`` is None while the database cannot be asked."""

    status: Status
    reasons: Sequence[str]
    as_of: str
    mode: str
    recording: str | None
    version: str
    database: Database
    sources: Sequence[SourceRow] | None


async def check_health(state: ApiState) -> Health:
    """The state of everything, asked now."""
    now = state.clock.now()
    try:
        async with reading(state.pool) as connection:
            current = await is_current(connection)
            sources = await list_sources(connection)
            spending = await read_spending(connection, spending_day(now))
    except StorageUnavailable:
        return _health(state, now, Database(reachable=False, schema_current=None), None)
    except SchemaMismatch:
        return _health(state, now, Database(reachable=True, schema_current=False), None)
    return _health(state, now, Database(reachable=True, schema_current=current), sources, spending)


def judge(
    database: Database, sources: Sequence[SourceStatus] | None, now: datetime
) -> tuple[Status, list[str]]:
    """The overall status and everything that speaks against ``ok``."""
    if not database.reachable:
        return Status.DOWN, ["the database does not answer"]
    if not database.schema_current or sources is None:
        return Status.DOWN, ["the database is not of this version of KAMIYO"]
    reasons = [describe(each, now) for each in sources if health_of(each, now) not in _WELL]
    streams = streams_of(sources)
    if not any(health_of(each, now) is SourceHealth.LIVE for each in streams):
        return Status.DOWN, reasons or ["no stream is set up or active: nothing is heard"]
    return Status.DEGRADED if reasons else Status.OK, reasons


async def is_ready(state: ApiState) -> bool:
    """Whether the database answers with the schema of this version; StorageUnavailable if not at all."""
    async with reading(state.pool) as connection:
        return await is_current(connection)


async def measure_sources(state: ApiState) -> None:
    """Set the mode, and the metrics that only the database knows; what is not known is absent."""
    metrics.MODE.clear()
    metrics.MODE.labels(state.showing.mode).set(1)
    try:
        async with reading(state.pool) as connection:
            sources = await list_sources(connection)
            measured = await read_measured(connection)
    except (StorageUnavailable, SchemaMismatch):
        metrics.DATABASE_UP.set(0)
        sources, measured = [], dict[str, Measured]()
    else:
        metrics.DATABASE_UP.set(1)
    metrics.SOURCE_UP.clear()
    metrics.SOURCE_AGE.clear()
    metrics.SOURCE_NEXT_POLL.clear()
    metrics.COVERAGE_RATIO.clear()
    for name, found in measured.items():
        metrics.COVERAGE_RATIO.labels(name).set(float(found.seen_usd / found.reference_usd))
    now = state.clock.now()
    for each in sources:
        up = health_of(each, now) in {SourceHealth.LIVE, SourceHealth.LOADED}
        metrics.SOURCE_UP.labels(each.name).set(up)
        age = age_seconds(each, now)
        if age is not None:
            metrics.SOURCE_AGE.labels(each.name).set(age)
        if each.next_poll_at is not None:
            metrics.SOURCE_NEXT_POLL.labels(each.name).set(each.next_poll_at.timestamp())


def _health(
    state: ApiState,
    now: datetime,
    database: Database,
    sources: Sequence[SourceStatus] | None,
    spending: Sequence[DailySpending] = (),
) -> Health:
    status, reasons = judge(database, sources, now)
    return Health(
        status=status,
        reasons=reasons,
        as_of=rfc3339(now),
        mode=state.showing.mode,
        recording=state.showing.recording,
        version=state.version,
        database=database,
        sources=None if sources is None else [source_row(each, now, spending) for each in sources],
    )
