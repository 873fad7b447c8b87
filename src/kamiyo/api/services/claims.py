"""What others claim: orders, totals and positions, under words that say that nobody here checked them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

import msgspec

from kamiyo.api.claim_queries import ClaimedPositionQuery, ClaimedTotalQuery, ClaimQuery
from kamiyo.api.dependencies import ListQuery
from kamiyo.api.pages import Coverage, Freshness, Order, PageOf, encode_page, read_cursor
from kamiyo.api.services.lists import ReadPage
from kamiyo.api.services.retention import with_retention
from kamiyo.api.services.sources import describe, source_line
from kamiyo.api.state import ApiState
from kamiyo.core.sources import CoverageLabel, SourceHealth, SourceStatus, Subject, health_of
from kamiyo.core.time import rfc3339
from kamiyo.storage.read_claims import (
    ClaimedPositionFilter,
    ClaimedTotalFilter,
    ClaimFilter,
    read_claimed_positions,
    read_claimed_totals,
    read_claims,
)
from kamiyo.storage.read_rows import reading
from kamiyo.storage.sources import list_sources

CLAIMS = "claims"
CLAIMED_TOTALS = "claimed_totals"
CLAIMED_POSITIONS = "claimed_positions"
LABEL = "claims of another party that nobody here can check: never summed with liquidations"

F = TypeVar("F", bound=msgspec.Struct)


async def list_claims(state: ApiState, query: ClaimQuery) -> bytes:
    """One page of orders."""
    return await _list(state, query, CLAIMS, read_claims, _wanted(ClaimFilter, query))


async def list_claimed_totals(state: ApiState, query: ClaimedTotalQuery) -> bytes:
    """One page of totals."""
    wanted = _wanted(ClaimedTotalFilter, query)
    return await _list(state, query, CLAIMED_TOTALS, read_claimed_totals, wanted)


async def list_claimed_positions(state: ApiState, query: ClaimedPositionQuery) -> bytes:
    """One page of positions."""
    wanted = _wanted(ClaimedPositionFilter, query)
    return await _list(state, query, CLAIMED_POSITIONS, read_claimed_positions, wanted)


def judge_claims(sources: Sequence[SourceStatus], now: datetime, dataset: str = CLAIMS) -> Freshness:
    """How far claims may be believed to be all that is claimed; that they are claims stands before that.

    A source that tells of totals alone says nothing of how well orders and positions are known.
    """
    subjects = {Subject.CLAIMS, Subject.TOTALS} if dataset == CLAIMED_TOTALS else {Subject.CLAIMS}
    own = [each for each in sources if each.subject in subjects]
    live = any(health_of(each, now) is SourceHealth.LIVE for each in own)
    conditions = [describe(each, now) for each in own if _is_worth_telling(each, now)]
    warnings = [LABEL, *conditions]
    if not own:
        warnings.append("no source of claims is set up")
    elif not live:
        warnings = [LABEL, f"no source of claims is live: {'; '.join(describe(each, now) for each in own)}"]
    coverage = Coverage(label=CoverageLabel.NOT_MEASURED, sources=[source_line(each, now) for each in own])
    return Freshness(as_of=rfc3339(now), stale=not live, coverage=coverage, warnings=warnings)


def _is_worth_telling(status: SourceStatus, now: datetime) -> bool:
    """What is heard may lack something, which its detail says."""
    return health_of(status, now) is not SourceHealth.LIVE or bool(status.detail)


def _wanted(kind: type[F], query: ListQuery) -> F:
    return kind(**{name: getattr(query, name) for name in kind.__struct_fields__})


async def _list(state: ApiState, query: ListQuery, dataset: str, read: ReadPage[F], wanted: F) -> bytes:
    past = None if query.cursor is None else read_cursor(query.cursor, dataset, query.order)
    now = state.clock.now()
    async with reading(state.pool) as connection:
        descending = query.order is Order.DESCENDING
        rows = await read(connection, wanted, past=past, limit=query.limit + 1, descending=descending)
        known = judge_claims(await list_sources(connection), now, dataset)
        known = await with_retention(connection, known, dataset)
    return encode_page(rows, PageOf(dataset, query.order, query.limit), known, state.showing)
