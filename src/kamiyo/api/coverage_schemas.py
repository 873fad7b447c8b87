"""The shapes of answers about coverage, for the documentation only."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from kamiyo.api.schemas import Digits, Instant, Shape
from kamiyo.core.coverage import NoFigure, SizeBucket
from kamiyo.core.events import LiquidationMethod

Status = Literal["measured", "not measured"]


class GapCountShape(Shape):
    source: str
    open: int


class GapShape(Shape):
    source: str
    scale: str
    scope: str
    first: int
    after_last: int
    reason: str
    started_at: Instant | None
    ended_at: Instant | None
    detected_at: Instant


class ShareShape(Shape):
    share_pct: Digits | None = Field(description="Null where the reference saw nothing")
    seen_usd: Digits
    reference_usd: Digits
    seen_fills: int
    reference_fills: int


class HourShape(Shape):
    hour: Instant
    source: str
    status: Status
    reference: str | None = Field(description="Who saw everything in this hour, and is compared with")
    share_pct: Digits | None = Field(description="Null: not measured, never 0 and never 100")
    seen_usd: Digits | None
    reference_usd: Digits | None
    reason: NoFigure | None = Field(description="Why there is no figure")
    explanation: str
    detail: str = Field(description="Which blocks of whom are missing")
    unknown_to_reference_usd: Digits | None = Field(
        description="What the source saw and the reference did not: part of no share"
    )
    unknown_to_reference_fills: int | None
    heard_minutes: int | None = Field(description="In how many minutes of the hour the source was heard")
    by_method: dict[LiquidationMethod, ShareShape]
    by_size: dict[SizeBucket, ShareShape] = Field(
        description="By the liquidation's USD as the reference saw it"
    )
    measured_at: Instant | None


class SourceTotalShape(Shape):
    source: str
    label: str
    status: Status
    hours: int
    hours_measured: int
    reasons: dict[NoFigure, int] = Field(description="How many hours have no figure, by reason")
    references: list[str]
    share_pct: Digits | None
    seen_usd: Digits | None
    reference_usd: Digits | None
    by_method: dict[LiquidationMethod, ShareShape]
    by_size: dict[SizeBucket, ShareShape]


class CompletenessShape(Shape):
    dataset: str
    chain: str
    start: Instant
    end: Instant
    method: LiquidationMethod | None
    totals: list[SourceTotalShape]
    hourly: list[HourShape]
    open_gaps: list[GapCountShape]
    gaps: list[GapShape]


class DifferenceShape(Shape):
    methods: list[LiquidationMethod] = Field(description="Which of our totals are added up here")
    our_usd: Digits
    difference_usd: Digits = Field(description="Ours minus the venue's")
    difference_pct: Digits | None = Field(description="Of the venue's; null where that is zero")


class AssetDayShape(Shape):
    asset: str
    venue_usd: Digits | None = Field(description="Null: the venue does not tell of it")
    our_usd: dict[LiquidationMethod, Digits]
    differences: list[DifferenceShape]


class DayShape(Shape):
    day: str = Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
    status: Status
    reference: str | None
    detail: str = Field(description="Why the day is not measured")
    venue_usd: Digits | None
    venue_observed_at: Instant | None
    our_usd: dict[LiquidationMethod, Digits] | None = Field(
        description="By method; null where not all 24 hours are whole"
    )
    differences: list[DifferenceShape]
    by_asset: list[AssetDayShape]


class DaysShape(Shape):
    chain: str
    claimed_by: str
    explanation: str
    days: list[DayShape]
