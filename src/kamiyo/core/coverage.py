"""What share of the venue's liquidations a source saw, hour by hour, and why there is no figure.

A share is never guessed: it is of an hour of which a reference read every block, or it is not told.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Final

import msgspec

from kamiyo.core.events import LiquidationMethod
from kamiyo.core.ids import Chain, SourceName
from kamiyo.core.sources import CoverageLabel, SourceType
from kamiyo.core.time import HOUR, Utc, rfc3339

# An hour is measured once it is over for so long; and again whenever anything of it changes.
SETTLE: Final = timedelta(minutes=10)
# What a label speaks of: so much time up to the newest hour that has a figure.
LABEL_WINDOW: Final = timedelta(days=7)
# Where the hour beside it is not known, an hour's blocks must begin, or end, this near to its border.
EDGE: Final = timedelta(seconds=2)
# In USD; a liquidation of exactly a limit is of the larger size.
SIZE_LIMITS: Final = (Decimal(1_000), Decimal(10_000), Decimal(100_000), Decimal(1_000_000))

_ALL = Decimal(100)
_STEP = Decimal("0.01")
_WHOLE = Decimal(1)


class SizeBucket(enum.StrEnum):
    """How large a liquidation was, in USD, as the reference saw it."""

    UNDER_1K = "under 1k"
    FROM_1K = "1k to 10k"
    FROM_10K = "10k to 100k"
    FROM_100K = "100k to 1M"
    FROM_1M = "1M and more"


SIZES: Final = tuple(SizeBucket)


class NoFigure(enum.StrEnum):
    """Why an hour of a source has no share."""

    NOT_OVER = "not_over"
    NOT_MEASURED_YET = "not_measured_yet"
    NOT_HEARD = "not_heard"
    NO_REFERENCE = "no_reference"
    MISSING_BLOCKS = "missing_blocks"
    IS_REFERENCE = "is_reference"
    NOTHING_TO_COMPARE = "nothing_to_compare"


EXPLANATIONS: Final = {
    NoFigure.NOT_OVER: "the hour is not over, or was only just now",
    NoFigure.NOT_MEASURED_YET: "nothing is known of the hour, or nobody has measured it yet",
    NoFigure.NOT_HEARD: "the source was not heard in this hour: that it saw nothing means nothing",
    NoFigure.NO_REFERENCE: "no source that sees every fill was read block by block in this hour",
    NoFigure.MISSING_BLOCKS: "blocks of the hour were not read, or not understood whole",
    NoFigure.IS_REFERENCE: "it is what others are compared with, and nothing else is as complete",
    NoFigure.NOTHING_TO_COMPARE: "the reference saw no liquidation in this hour: nothing has no share",
}


class BlockHour(msgspec.Struct, frozen=True):
    """The blocks of one hour that a source read: half-open ranges of numbers, in order."""

    ranges: tuple[tuple[int, int], ...]
    first_at: Utc
    last_at: Utc


class SourceHour(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a source in an hour; ``before`` and ``after`` are its blocks of the hours beside."""

    source: SourceName
    type: SourceType
    label: CoverageLabel
    heard_minutes: int
    before: BlockHour | None = None
    blocks: BlockHour | None = None
    after: BlockHour | None = None


class HourFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one hour; ``version`` changes whenever any of it, or of the hour's fills, does."""

    chain: Chain
    hour: Utc
    version: int
    sources: Sequence[SourceHour]


class Pair(msgspec.Struct, frozen=True):
    """Who is compared, and with whom."""

    source: SourceName
    reference: SourceName


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What a source saw of what its reference saw, of one method and size."""

    method: str
    size: SizeBucket
    seen_usd: Decimal
    reference_usd: Decimal
    seen_fills: int
    reference_fills: int


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A source beside its reference: shares, and what only the source saw, which is part of no share."""

    shares: tuple[Share, ...] = ()
    unknown_usd: Decimal = Decimal(0)
    unknown_fills: int = 0

    @property
    def seen_usd(self) -> Decimal:
        """What it saw of what the reference saw."""
        return sum((each.seen_usd for each in self.shares), Decimal(0))

    @property
    def reference_usd(self) -> Decimal:
        """What the reference saw."""
        return sum((each.reference_usd for each in self.shares), Decimal(0))


class HourCoverage(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of one source in one hour: a comparison, or the reason why there is none.

    Where the reference saw nothing there are both: ``compared`` then holds what only the source saw.
    """

    source: SourceName
    heard_minutes: int
    reference: SourceName | None = None
    reason: NoFigure | None = None
    detail: str = ""
    compared: Comparison | None = None


# Which of our totals the venue's own one of a day may be: what it counts is not documented; none is chosen.
COUNTED_METHODS: Final = (
    (LiquidationMethod.MARKET,),
    (LiquidationMethod.MARKET, LiquidationMethod.BACKSTOP),
    (LiquidationMethod.MARKET, LiquidationMethod.BACKSTOP, LiquidationMethod.ADL),
)


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Our total of some methods beside a claimed one; ``percent`` is of the claim, None if that is zero."""

    methods: tuple[LiquidationMethod, ...]
    our_usd: Decimal
    difference_usd: Decimal
    percent: Decimal | None


def differences(ours: Mapping[str, Decimal], claimed: Decimal) -> list[Difference]:
    """Our totals by method, in every way they may be meant, against one claimed total; ours minus theirs."""
    found = list[Difference]()
    for methods in COUNTED_METHODS:
        total = sum((ours[method] for method in methods if method in ours), Decimal(0))
        difference = total - claimed
        share = (difference * _ALL / claimed).quantize(_STEP) if claimed else None
        found.append(Difference(methods=methods, our_usd=total, difference_usd=difference, percent=share))
    return found


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What a source saw, of what its references did, in all hours of a window that have a figure."""

    seen_usd: Decimal
    reference_usd: Decimal
    hours: int
    first_hour: Utc
    last_hour: Utc
    measured_at: Utc

    @property
    def percent(self) -> Decimal:
        """The share in percent."""
        return percent(self.seen_usd, self.reference_usd)

    @property
    def window(self) -> str:
        """How long the window is: the days it spans, or how many hours of one day have a figure."""
        span = self.last_hour - self.first_hour + HOUR
        if span <= timedelta(days=1):
            return "1 hour" if self.hours == 1 else f"{self.hours} hours"
        return f"{-(-span // timedelta(days=1))} days"

    @property
    def day(self) -> date:
        """The day of the newest hour."""
        return self.last_hour.date()


def percent(seen: Decimal, reference: Decimal) -> Decimal:
    """The share in percent of a reference that is not zero: 0 only of nothing, 100 only of everything."""
    share = (seen * _ALL / reference).quantize(_STEP, rounding=ROUND_DOWN)
    return max(share, _STEP) if seen else share


def label_text(label: CoverageLabel, measured: Measured | None) -> str:
    """The label as people read it; of a sample with its share, where that was measured."""
    if label is not CoverageLabel.SAMPLE or measured is None:
        return label
    return f"{label} {_rounded(measured)} % ({measured.window}, {measured.day.isoformat()})"


def _rounded(measured: Measured) -> str:
    whole = measured.percent.quantize(_WHOLE, rounding=ROUND_DOWN)
    return "<1" if measured.seen_usd and not whole else str(whole)


def missing_of(facts: SourceHour, hour: datetime) -> str:
    """What keeps the source's blocks of the hour from being all there are; nothing where none is missing."""
    blocks = facts.blocks
    if blocks is None:
        return f"{facts.source} read no block of it"
    first, end = blocks.ranges[0][0], blocks.ranges[-1][1]
    missing = end - first - sum(high - low for low, high in blocks.ranges)
    if missing:
        return f"{facts.source} lacks {missing} of the blocks {first} to {end - 1}"
    if not _begins(facts, first, blocks.first_at, hour):
        return f"{facts.source} begins with block {first} at {rfc3339(blocks.first_at)}"
    if not _ends(facts, end, blocks.last_at, hour + HOUR):
        return f"{facts.source} ends with block {end - 1} at {rfc3339(blocks.last_at)}"
    return ""


def _begins(facts: SourceHour, first: int, first_at: datetime, start: datetime) -> bool:
    """Whether nothing can be missing at the hour's beginning."""
    if first_at < start:
        return True  # a run that crosses the border
    if facts.before is not None:
        return first <= facts.before.ranges[-1][1]
    return first_at - start <= EDGE


def _ends(facts: SourceHour, end: int, last_at: datetime, until: datetime) -> bool:
    """Whether nothing can be missing at the hour's end."""
    if last_at >= until:
        return True
    if facts.after is not None:
        return facts.after.ranges[0][0] <= end
    return until - last_at <= EDGE


def sees_everything(facts: SourceHour) -> bool:
    """Whether others can be compared with the source: it claims to see all, and blocks can prove it."""
    return facts.label in {CoverageLabel.COMPLETE, CoverageLabel.DELAYED_COMPLETE}


def was_running(facts: SourceHour) -> bool:
    """Whether the source looked at the hour, so that what it did not see it missed.

    What is read long after it happened proves it by its blocks alone: it is heard while it reads the past.
    """
    if facts.blocks is not None:
        return True
    return facts.label is not CoverageLabel.DELAYED_COMPLETE and facts.heard_minutes > 0
