"""What is known of completeness, and what is not: nothing here is a number nobody measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from kamiyo.api.coverage_queries import CoverageQuery
from kamiyo.api.dependencies import WindowQuery, refuse
from kamiyo.api.pages import encode_data
from kamiyo.api.problems import FieldError
from kamiyo.api.services.sources import LIQUIDATIONS, build_freshness, streams_of
from kamiyo.api.state import ApiState
from kamiyo.core.coverage import EXPLANATIONS, SETTLE, SIZES, Measured, NoFigure, label_text, percent
from kamiyo.core.events import LiquidationMethod
from kamiyo.core.ids import Chain
from kamiyo.core.money import plain
from kamiyo.core.sources import CoverageLabel, SourceStatus
from kamiyo.core.time import HOUR, hour_of, rfc3339
from kamiyo.core.validation import VENUE_OPENED
from kamiyo.storage.read_coverage import GapText, count_open_gaps, read_open_gaps
from kamiyo.storage.read_measured import (
    HourRow,
    HoursWanted,
    ShareRow,
    read_coverage_hours,
    read_coverage_shares,
    read_measured,
)
from kamiyo.storage.read_rows import reading
from kamiyo.storage.sources import list_sources

SHOWN_GAPS = 100
LONGEST_WINDOW = timedelta(days=7)
MEASURED = "measured"

_DEFAULT_WINDOW = timedelta(days=1)
_AHEAD = timedelta(days=1)  # the end of today may be asked for


class ShareLine(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of what the reference saw; ``share_pct`` is None where that was nothing."""

    share_pct: str | None
    seen_usd: str
    reference_usd: str
    seen_fills: int
    reference_fills: int


class HourLine(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of a source in an hour; figures are None where ``reason`` says why."""

    hour: str
    source: str
    status: str
    reference: str | None
    share_pct: str | None
    seen_usd: str | None
    reference_usd: str | None
    reason: str | None
    explanation: str
    detail: str
    unknown_to_reference_usd: str | None
    unknown_to_reference_fills: int | None
    heard_minutes: int | None
    by_method: Mapping[str, ShareLine]
    by_size: Mapping[str, ShareLine]
    measured_at: str | None


class SourceTotal(msgspec.Struct, frozen=True, kw_only=True):
    """What a source saw in all hours of the window that have a figure; ``label`` is of its newest days."""

    source: str
    label: str
    status: str
    hours: int
    hours_measured: int
    reasons: Mapping[str, int]
    references: Sequence[str]
    share_pct: str | None
    seen_usd: str | None
    reference_usd: str | None
    by_method: Mapping[str, ShareLine]
    by_size: Mapping[str, ShareLine]


class GapCount(msgspec.Struct, frozen=True):
    """How many gaps of a source are open."""

    source: str
    open: int


class Completeness(msgspec.Struct, frozen=True, kw_only=True):
    """Everything ``/coverage`` says. ``gaps`` are the newest of the open ones."""

    dataset: str
    chain: str
    start: str
    end: str
    method: str | None
    totals: Sequence[SourceTotal]
    hourly: Sequence[HourLine]
    open_gaps: Sequence[GapCount]
    gaps: Sequence[GapText]


async def show_coverage(state: ApiState, query: CoverageQuery) -> bytes:
    """Hours with their shares or the reason why there is none, what they add up to, and open gaps."""
    now = state.clock.now()
    wanted = hours_wanted(query, now)
    async with reading(state.pool) as connection:
        sources = await list_sources(connection)
        counts = await count_open_gaps(connection)
        gaps = await read_open_gaps(connection, SHOWN_GAPS)
        measured = await read_measured(connection)
        # Without the filter on the source: what was heard of an hour is told by what others' rows say.
        rows = await read_coverage_hours(connection, msgspec.structs.replace(wanted, source=None))
        shares = await read_coverage_shares(connection, wanted)
    hourly = build_hours(rows, shares, sources, wanted, now)
    completeness = Completeness(
        dataset=LIQUIDATIONS,
        chain=wanted.chain,
        start=rfc3339(wanted.start),
        end=rfc3339(wanted.end),
        method=wanted.method,
        totals=build_totals(hourly, shares, sources, measured),
        hourly=hourly,
        open_gaps=[GapCount(name, count) for name, count in counts.items()],
        gaps=gaps,
    )
    known = build_freshness(sources, counts, LIQUIDATIONS, now, measured)
    return encode_data(completeness, known, state.showing)


def hours_wanted(query: CoverageQuery, now: datetime) -> HoursWanted:
    """The whole hours that a request's window touches; refused where those are none, or too many."""
    start, end = window_of(query, now, _DEFAULT_WINDOW, LONGEST_WINDOW)
    first, last = hour_of(start), hour_of(end)
    return HoursWanted(
        chain=Chain(query.chain),
        start=first,
        end=last if last == end else last + HOUR,
        source=query.source,
        method=query.method,
    )


def window_of(
    query: WindowQuery, now: datetime, usual: timedelta, longest: timedelta
) -> tuple[datetime, datetime]:
    """A request's window, of the usual length where it names no start; refused if empty or too long."""
    asked = {"start": query.start, "end": query.end}
    refuse(
        FieldError(name, "out_of_range")
        for name, moment in asked.items()
        if moment is not None and not VENUE_OPENED <= moment <= now + _AHEAD
    )
    end = query.end or (now if query.start is None else min(now, query.start + longest))
    start = query.start or end - usual
    refuse([] if timedelta(0) < end - start <= longest else [FieldError("start", "out_of_range")])
    return start, end


def build_hours(
    rows: Sequence[HourRow],
    shares: Sequence[ShareRow],
    sources: Sequence[SourceStatus],
    wanted: HoursWanted,
    now: datetime,
) -> list[HourLine]:
    """Every hour of every source, the newest first, whether it was measured or not."""
    stored = {(row.hour, str(row.source)): row for row in rows}
    known = {row.hour for row in rows}
    own: dict[tuple[datetime, str], list[ShareRow]] = {}
    for share in shares:
        own.setdefault((share.hour, share.source), []).append(share)
    names = _names(rows, sources, wanted)
    return [
        _hour_line(stored[hour, name], own.get((hour, name)) or [], wanted.method)
        if (hour, name) in stored
        else _without_row(hour, name, now, known=hour in known)
        for hour in _hours(wanted)
        for name in names
    ]


def build_totals(
    hourly: Sequence[HourLine],
    shares: Sequence[ShareRow],
    sources: Sequence[SourceStatus],
    measured: Mapping[str, Measured],
) -> list[SourceTotal]:
    """What the hours of each source add up to."""
    labels = {str(each.name): label_text(each.label, measured.get(each.name)) for each in sources}
    names = dict.fromkeys(line.source for line in hourly)
    return [
        _total(
            labels.get(name) or CoverageLabel.NOT_MEASURED,
            [line for line in hourly if line.source == name],
            [share for share in shares if share.source == name],
        )
        for name in names
    ]


def _names(rows: Iterable[HourRow], sources: Sequence[SourceStatus], wanted: HoursWanted) -> list[str]:
    names = {each.name for each in streams_of(sources)} | {row.source for row in rows}
    return sorted(names) if wanted.source is None else [wanted.source]


def _hours(wanted: HoursWanted) -> list[datetime]:
    count = (wanted.end - wanted.start) // HOUR
    return [wanted.end - back * HOUR for back in range(1, count + 1)]


def _hour_line(row: HourRow, shares: Sequence[ShareRow], method: str | None) -> HourLine:
    reason = row.reason
    seen, reference = row.seen_usd, row.reference_usd
    if reason is None and method is not None:
        seen, reference = _sums(shares)
        reason = None if reference else NoFigure.NOTHING_TO_COMPARE
    whole = method is None
    return HourLine(
        hour=rfc3339(row.hour),
        source=row.source,
        status=MEASURED if reason is None else CoverageLabel.NOT_MEASURED,
        reference=row.reference,
        share_pct=_percent(seen, reference) if reason is None else None,
        seen_usd=digits(seen) if reason is None else None,
        reference_usd=digits(reference) if reason is None else None,
        reason=reason,
        explanation="" if reason is None else EXPLANATIONS[reason],
        detail=row.detail,
        unknown_to_reference_usd=digits(row.unknown_usd) if whole else None,
        unknown_to_reference_fills=row.unknown_fills if whole else None,
        heard_minutes=row.heard_minutes,
        by_method=_by_method(shares),
        by_size=_by_size(shares),
        measured_at=rfc3339(row.measured_at),
    )


def _without_row(hour: datetime, source: str, now: datetime, *, known: bool) -> HourLine:
    """An hour nobody measured of this source: too early, or nothing of it was heard."""
    reason = NoFigure.NOT_HEARD if known else NoFigure.NOT_MEASURED_YET
    if now < hour + HOUR + SETTLE:
        reason = NoFigure.NOT_OVER
    return HourLine(
        hour=rfc3339(hour),
        source=source,
        status=CoverageLabel.NOT_MEASURED,
        reference=None,
        share_pct=None,
        seen_usd=None,
        reference_usd=None,
        reason=reason,
        explanation=EXPLANATIONS[reason],
        detail="",
        unknown_to_reference_usd=None,
        unknown_to_reference_fills=None,
        heard_minutes=None,
        by_method={},
        by_size={},
        measured_at=None,
    )


def _total(label: str, lines: Sequence[HourLine], shares: Sequence[ShareRow]) -> SourceTotal:
    figures = [line for line in lines if line.reason is None]
    seen, reference = _sums(shares)
    reasons = [line.reason for line in lines if line.reason is not None]
    return SourceTotal(
        source=lines[0].source,
        label=label,
        status=MEASURED if figures else CoverageLabel.NOT_MEASURED,
        hours=len(lines),
        hours_measured=len(figures),
        reasons={reason: reasons.count(reason) for reason in NoFigure if reason in reasons},
        references=sorted({line.reference for line in figures if line.reference}),
        share_pct=_percent(seen, reference) if figures else None,
        seen_usd=plain(seen) if figures else None,
        reference_usd=plain(reference) if figures else None,
        by_method=_by_method(shares),
        by_size=_by_size(shares),
    )


def _by_method(shares: Sequence[ShareRow]) -> dict[str, ShareLine]:
    return _grouped(shares, LiquidationMethod, lambda share: share.method)


def _by_size(shares: Sequence[ShareRow]) -> dict[str, ShareLine]:
    return _grouped(shares, SIZES, lambda share: share.size)


def _grouped(
    shares: Sequence[ShareRow], names: Iterable[str], name_of: Callable[[ShareRow], str]
) -> dict[str, ShareLine]:
    """The shares of each name that the reference saw anything of: of the others nothing was measured."""
    groups = {name: [share for share in shares if name_of(share) == name] for name in names}
    return {str(name): _share_line(group) for name, group in groups.items() if group}


def _share_line(shares: Sequence[ShareRow]) -> ShareLine:
    seen, reference = _sums(shares)
    return ShareLine(
        share_pct=_percent(seen, reference),
        seen_usd=plain(seen),
        reference_usd=plain(reference),
        seen_fills=sum(share.seen_fills for share in shares),
        reference_fills=sum(share.reference_fills for share in shares),
    )


def _sums(shares: Sequence[ShareRow]) -> tuple[Decimal, Decimal]:
    seen = sum((share.seen_usd for share in shares), Decimal(0))
    return seen, sum((share.reference_usd for share in shares), Decimal(0))


def _percent(seen: Decimal | None, reference: Decimal | None) -> str | None:
    return plain(percent(seen, reference)) if seen is not None and reference else None


def digits(number: Decimal | None) -> str | None:
    """The number in plain digits; None where nobody knows it."""
    return None if number is None else plain(number)
