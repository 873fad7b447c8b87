"""Totals: the three methods never added up, unknown never shown as zero."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from kamiyo.api.dependencies import StatsQuery, refuse
from kamiyo.api.pages import encode_data
from kamiyo.api.problems import FieldError
from kamiyo.api.services.retention import with_retention
from kamiyo.api.services.sources import LIQUIDATIONS, build_freshness, streams_of
from kamiyo.api.state import ApiState
from kamiyo.core.events import LiquidationMethod
from kamiyo.core.margin import Direction
from kamiyo.core.money import plain
from kamiyo.core.sources import SourceStatus
from kamiyo.core.time import rfc3339
from kamiyo.storage.pool import Connection
from kamiyo.storage.read_coverage import count_open_gaps
from kamiyo.storage.read_measured import read_measured
from kamiyo.storage.read_rows import reading
from kamiyo.storage.read_stats import (
    ExploitSum,
    IngestSum,
    LiquidationSum,
    RejectSum,
    read_exploit_sums,
    read_ingest_sums,
    read_liquidation_sums,
    read_reject_sums,
)
from kamiyo.storage.sources import list_sources

WINDOWS = {"1h": timedelta(hours=1), "24h": timedelta(hours=24), "7d": timedelta(days=7)}
LONGEST_WINDOW = timedelta(days=31)
TOP_ASSETS = 10


class Sum(msgspec.Struct, frozen=True):
    """How often, and how much."""

    count: int
    amount_usd: str


class AssetSum(msgspec.Struct, frozen=True):
    """The same in one asset."""

    asset: str
    count: int
    amount_usd: str


class MethodSum(msgspec.Struct, frozen=True, kw_only=True):
    """What one method took. ``largest_usd`` is None where it took nothing."""

    count: int
    amount_usd: str
    largest_usd: str | None
    users: int
    by_side: dict[str, Sum]
    top_assets: Sequence[AssetSum]


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Liquidations of a window, by method; None where nothing was heard of it.

    What is counted happened between ``covered_from`` and ``covered_until``: of the rest of the window
    nothing was ever heard.
    """

    name: str
    start: str
    end: str
    covered_from: str | None
    covered_until: str | None
    liquidations: dict[str, MethodSum] | None


class CaseSum(msgspec.Struct, frozen=True, kw_only=True):
    """Cases and what they cost: sums of what is known (None if nothing is), and how many are unknown."""

    count: int
    amount_usd: str | None
    amount_usd_low: str | None
    amount_usd_high: str | None
    unknown_amounts: int


class KindSum(msgspec.Struct, frozen=True, kw_only=True):
    """Cases of one kind. Kinds are never added up: an analog happened on another venue."""

    total: CaseSum
    by_category: dict[str, CaseSum]
    by_status: dict[str, CaseSum]


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """Everything ``/stats`` says."""

    windows: Sequence[Window]
    exploits: dict[str, KindSum]
    ingest: Sequence[IngestSum]
    rejects: Sequence[RejectSum]


class Asked(msgspec.Struct, frozen=True):
    """A window of time with its name."""

    name: str
    start: datetime
    end: datetime


async def show_stats(state: ApiState, query: StatsQuery) -> bytes:
    """The fixed windows that end now, and the one asked for."""
    now = state.clock.now()
    asked = [*asked_window(query, now), *(Asked(name, now - length, now) for name, length in WINDOWS.items())]
    async with reading(state.pool) as connection:
        sources = await list_sources(connection)
        gaps = await count_open_gaps(connection)
        measured = await read_measured(connection)
        windows = [await _window(connection, each, sources) for each in asked]
        stats = Stats(
            windows=windows,
            exploits=sum_exploits(await read_exploit_sums(connection)),
            ingest=await read_ingest_sums(connection),
            rejects=await read_reject_sums(connection),
        )
        known = build_freshness(sources, gaps, LIQUIDATIONS, now, measured)
        known = await with_retention(connection, known, LIQUIDATIONS)
    unknown = [f"nothing was heard of {each.name}" for each in windows if each.liquidations is None]
    known = msgspec.structs.replace(known, warnings=[*known.warnings, *unknown])
    return encode_data(stats, known, state.showing)


def asked_window(query: StatsQuery, now: datetime) -> list[Asked]:
    """The window asked for, if one was."""
    if query.start is None and query.end is None:
        return []
    end = query.end or now
    start = query.start
    if start is None:
        refuse([FieldError("start", "missing")])
        return []
    if not start < end or end - start > LONGEST_WINDOW:
        refuse([FieldError("start", "out_of_range")])
    return [Asked("asked", start, end)]


async def _window(connection: Connection, asked: Asked, sources: Sequence[SourceStatus]) -> Window:
    sums = await read_liquidation_sums(connection, asked.start, asked.end)
    covered = covered_part(asked, sources)
    return Window(
        name=asked.name,
        start=rfc3339(asked.start),
        end=rfc3339(asked.end),
        covered_from=rfc3339(covered[0]) if covered else None,
        covered_until=rfc3339(covered[1]) if covered else None,
        liquidations=sum_liquidations(sums) if sums or covered else None,
    )


def covered_part(asked: Asked, sources: Sequence[SourceStatus]) -> tuple[datetime, datetime] | None:
    """The part of a window from the first to the last event any stream has told of; None if there is none."""
    told = [
        (each.first_event_at, each.last_event_at)
        for each in streams_of(sources)
        if each.first_event_at is not None and each.last_event_at is not None
    ]
    if not told:
        return None
    start = max(asked.start, min(first for first, _last in told))
    end = min(asked.end, max(last for _first, last in told))
    return (start, end) if start <= end else None


def sum_liquidations(sums: Sequence[LiquidationSum]) -> dict[str, MethodSum]:
    """The three methods side by side; a method without a row took nothing of what was heard."""
    return {method: _method([each for each in sums if each.method == method]) for method in LiquidationMethod}


def _method(sums: Sequence[LiquidationSum]) -> MethodSum:
    total = next((each for each in sums if each.side is None and each.asset is None), None)
    sides = {each.side: Sum(each.count, plain(each.amount_usd)) for each in sums if each.side}
    assets = sorted(
        (each for each in sums if each.asset), key=lambda each: (-each.amount_usd, each.asset or "")
    )
    return MethodSum(
        count=total.count if total else 0,
        amount_usd=plain(total.amount_usd) if total else "0",
        largest_usd=plain(total.largest_usd) if total else None,
        users=total.users or 0 if total else 0,
        by_side={side: sides.get(side, Sum(0, "0")) for side in Direction},
        top_assets=[
            AssetSum(each.asset or "", each.count, plain(each.amount_usd)) for each in assets[:TOP_ASSETS]
        ],
    )


def sum_exploits(sums: Sequence[ExploitSum]) -> dict[str, KindSum]:
    """Every kind with its categories and states."""
    totals = {each.kind: each for each in sums if each.category is None and each.status is None}
    return {
        kind: KindSum(
            total=_case(total),
            by_category=_cases(each for each in sums if each.kind == kind and each.category),
            by_status=_cases(each for each in sums if each.kind == kind and each.status),
        )
        for kind, total in totals.items()
    }


def _cases(sums: Iterable[ExploitSum]) -> dict[str, CaseSum]:
    return {each.category or each.status or "": _case(each) for each in sums}


def _case(each: ExploitSum) -> CaseSum:
    return CaseSum(
        count=each.count,
        amount_usd=_digits(each.amount_usd),
        amount_usd_low=_digits(each.amount_usd_low),
        amount_usd_high=_digits(each.amount_usd_high),
        unknown_amounts=each.count - each.amounts_known,
    )


def _digits(number: Decimal | None) -> str | None:
    return None if number is None else plain(number)
