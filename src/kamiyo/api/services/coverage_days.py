"""Whole days beside the venue's own daily totals: what differs, and by how much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from kamiyo.api.coverage_queries import CoverageDaysQuery
from kamiyo.api.dependencies import refuse
from kamiyo.api.pages import encode_data
from kamiyo.api.problems import FieldError
from kamiyo.api.services.coverage import MEASURED, digits, window_of
from kamiyo.api.services.sources import LIQUIDATIONS, build_freshness
from kamiyo.api.state import ApiState
from kamiyo.core.coverage import BlockHour, HourFacts, SourceHour, differences, sees_everything
from kamiyo.core.events import LiquidationMethod
from kamiyo.core.ids import Chain, SourceName
from kamiyo.core.money import plain
from kamiyo.core.retention import Dataset
from kamiyo.core.sources import CoverageLabel, SourceStatus
from kamiyo.core.time import HOUR, hour_of, rfc3339
from kamiyo.processing.coverage import reference_of_day
from kamiyo.storage.pool import Connection
from kamiyo.storage.read_coverage import count_open_gaps
from kamiyo.storage.read_measured import (
    ClaimedDay,
    DaySum,
    read_block_hours,
    read_claimed_days,
    read_day_sums,
    read_measured,
)
from kamiyo.storage.read_rows import reading
from kamiyo.storage.retained import read_retained
from kamiyo.storage.sources import list_sources

CLAIMED_BY = SourceName("hyperliquid_stats")
LONGEST_WINDOW = timedelta(days=31)
LONGEST_BY_ASSET = timedelta(days=7)
EXPLANATION = (
    "The venue does not say what its total of a day counts: market liquidations alone, takeovers by the "
    "backstop, too, or auto-deleveraging as well; nor whether a trade counts for one side or both. Ours, "
    "each fill once, is therefore shown in each of the three ways, and none is called the right one. The "
    "three methods are added up here and nowhere else."
)

_DAY = timedelta(days=1)
_HOURS = 24
_Blocks = Mapping[tuple[SourceName, datetime], BlockHour]


class DifferenceLine(msgspec.Struct, frozen=True, kw_only=True):
    """Our total of some methods beside the venue's."""

    methods: Sequence[str]
    our_usd: str
    difference_usd: str
    difference_pct: str | None


class AssetDay(msgspec.Struct, frozen=True, kw_only=True):
    """The same in one asset; nothing is compared where the venue does not tell of it."""

    asset: str
    venue_usd: str | None
    our_usd: Mapping[str, str]
    differences: Sequence[DifferenceLine]


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """One day in UTC. ``our_usd`` is None unless a reference read every block of it."""

    day: str
    status: str
    reference: str | None
    detail: str
    venue_usd: str | None
    venue_observed_at: str | None
    our_usd: Mapping[str, str] | None
    differences: Sequence[DifferenceLine]
    by_asset: Sequence[AssetDay]


class Days(msgspec.Struct, frozen=True, kw_only=True):
    """Everything ``/coverage/days`` says, the newest day first."""

    chain: str
    claimed_by: str
    explanation: str
    days: Sequence[Day]


class Known(msgspec.Struct, frozen=True):
    """Whose blocks of which hours were read, and before when what they held is not all there any more."""

    chain: Chain
    sources: Sequence[SourceStatus]
    blocks: _Blocks
    let_go_before: datetime | None


class OurDay(msgspec.Struct, frozen=True):
    """What the reference of a day saw; without one, ``detail`` says why there is none."""

    day: datetime
    reference: SourceName | None
    detail: str
    sums: Sequence[DaySum] = ()


async def show_coverage_days(state: ApiState, query: CoverageDaysQuery) -> bytes:
    """Each day of which a reference read every block, beside what the venue says of it."""
    now, chain = state.clock.now(), Chain(query.chain)
    first, last = _days_wanted(query, now)
    async with reading(state.pool) as connection:
        sources = await list_sources(connection)
        counts = await count_open_gaps(connection)
        measured = await read_measured(connection)
        blocks = await read_block_hours(connection, chain, first - HOUR, last + HOUR)
        claimed = await read_claimed_days(connection, CLAIMED_BY, first, last)
        whole = Known(chain, sources, blocks, await _let_go_before(connection))
        days = [
            build_day(await _ours(connection, whole, day), _of_day(claimed, day), query)
            for day in (first + back * _DAY for back in reversed(range((last - first) // _DAY)))
        ]
    known = build_freshness(sources, counts, LIQUIDATIONS, now, measured)
    told = Days(chain=chain, claimed_by=CLAIMED_BY, explanation=EXPLANATION, days=days)
    return encode_data(told, known, state.showing)


def _days_wanted(query: CoverageDaysQuery, now: datetime) -> tuple[datetime, datetime]:
    """The first day, and the one after the last."""
    start, end = window_of(query, now, LONGEST_BY_ASSET, LONGEST_WINDOW)
    first, last = _day_of(start), _day_of(end)
    if query.end is not None and last != end:
        last += _DAY  # a day that the window ends in is one of it
    if query.by_asset and last - first > LONGEST_BY_ASSET + _DAY:
        refuse([FieldError("by_asset", "out_of_range")])
    return first, last


async def _ours(connection: Connection, known: Known, day: datetime) -> OurDay:
    if known.let_go_before is not None and day < known.let_go_before:
        return OurDay(day, None, f"liquidations before {rfc3339(known.let_go_before)} were let go")
    reference, detail = reference_of_day(hours_of_day(known, day))
    if reference is None:
        return OurDay(day, None, detail)
    sums = await read_day_sums(connection, known.chain, reference, day, day + _DAY)
    return OurDay(day, reference, "", sums)


async def _let_go_before(connection: Connection) -> datetime | None:
    limits = [
        limit
        for each in await read_retained(connection)
        if each.dataset is Dataset.LIQUIDATIONS
        for limit in (each.stored_from, each.dropped_before)
        if limit is not None
    ]
    return max(limits, default=None)


def _of_day(claimed: Sequence[ClaimedDay], day: datetime) -> list[ClaimedDay]:
    return [each for each in claimed if each.start == day]


def hours_of_day(known: Known, day: datetime) -> list[HourFacts]:
    """What is known of the blocks of each hour of a day, of all who claim to see everything."""
    return [
        HourFacts(
            chain=known.chain,
            hour=hour,
            version=0,
            sources=[
                each
                for each in (_source_hour(one, hour, known.blocks) for one in known.sources)
                if sees_everything(each)
            ],
        )
        for hour in (day + number * HOUR for number in range(_HOURS))
    ]


def build_day(own: OurDay, claimed: Sequence[ClaimedDay], query: CoverageDaysQuery) -> Day:
    """One day as it is shown; nothing is compared unless both sides are known."""
    total = next((each for each in claimed if each.asset is None), None)
    venue = None if total is None else total.total_usd
    ours = None if own.reference is None else _by_method(own.sums)
    return Day(
        day=own.day.date().isoformat(),
        status=CoverageLabel.NOT_MEASURED if ours is None or venue is None else MEASURED,
        reference=own.reference,
        detail=own.detail or ("" if venue is not None else f"{CLAIMED_BY} does not tell of this day"),
        venue_usd=digits(venue),
        venue_observed_at=None if total is None else rfc3339(total.observed_at),
        our_usd=None if ours is None else _texts(ours),
        differences=[] if ours is None else _differences(ours, venue),
        by_asset=[] if ours is None else _by_asset(own.sums, claimed, query),
    )


def _by_asset(
    sums: Sequence[DaySum], claimed: Sequence[ClaimedDay], query: CoverageDaysQuery
) -> list[AssetDay]:
    theirs = {each.asset: each.total_usd for each in claimed if each.asset is not None}
    names = sorted({each.asset for each in sums} | theirs.keys()) if query.by_asset else []
    if query.asset is not None:
        names = [query.asset]
    return [
        _asset_day(name, _by_method([each for each in sums if each.asset == name]), theirs.get(name))
        for name in names
    ]


def _asset_day(name: str, ours: Mapping[str, Decimal], venue: Decimal | None) -> AssetDay:
    return AssetDay(
        asset=name, venue_usd=digits(venue), our_usd=_texts(ours), differences=_differences(ours, venue)
    )


def _by_method(sums: Sequence[DaySum]) -> dict[str, Decimal]:
    """All three methods: of a day that was read whole, what is not there did not happen."""
    return {
        method: sum((each.usd for each in sums if each.method == method), Decimal(0))
        for method in LiquidationMethod
    }


def _differences(ours: Mapping[str, Decimal], venue: Decimal | None) -> list[DifferenceLine]:
    if venue is None:
        return []
    return [
        DifferenceLine(
            methods=each.methods,
            our_usd=plain(each.our_usd),
            difference_usd=plain(each.difference_usd),
            difference_pct=digits(each.percent),
        )
        for each in differences(ours, venue)
    ]


def _texts(ours: Mapping[str, Decimal]) -> dict[str, str]:
    return {str(method): plain(usd) for method, usd in ours.items()}


def _source_hour(source: SourceStatus, hour: datetime, blocks: _Blocks) -> SourceHour:
    return SourceHour(
        source=source.name,
        type=source.type,
        label=source.label,
        heard_minutes=0,
        before=blocks.get((source.name, hour - HOUR)),
        blocks=blocks.get((source.name, hour)),
        after=blocks.get((source.name, hour + HOUR)),
    )


def _day_of(moment: datetime) -> datetime:
    return hour_of(moment).replace(hour=0)
