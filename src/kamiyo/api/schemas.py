"""The shapes of answers, for the documentation only: answers are encoded from the values themselves."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from kamiyo.core.events import FillRole, LiquidationMethod, MarginMode
from kamiyo.core.exploits import CaseKind, Confidence, ExploitStatus
from kamiyo.core.margin import Direction
from kamiyo.core.modes import Mode
from kamiyo.core.sources import CoverageLabel, SourceHealth, SourceState, SourceType

Digits = Annotated[
    str, Field(pattern=r"^-?[0-9]+(\.[0-9]+)?$", description="A decimal number in plain digits")
]
Instant = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$",
        description="RFC 3339 in UTC, with milliseconds",
    ),
]
D = TypeVar("D")


class Shape(BaseModel):
    """Exactly these fields."""

    # Built when the document is first asked for: building what only describes answers delays a start.
    model_config = ConfigDict(defer_build=True, extra="forbid")


class FieldErrorShape(Shape):
    field: str
    code: str


class ProblemShape(Shape):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    code: str
    errors: list[FieldErrorShape]


class SourceLineShape(Shape):
    name: str
    label: CoverageLabel
    health: SourceHealth
    heard_at: Instant | None
    last_event_at: Instant | None


class CoverageShape(Shape):
    label: str = Field(
        description="complete, delayed-complete, sample, curated or not measured; a sample whose share was "
        "measured says so: sample 61 % (7 days, 2025-10-27)"
    )
    measured_pct: Digits | None = Field(description="Null: not measured")
    measured_at: Instant | None
    sources: list[SourceLineShape]


class MetaShape(Shape):
    mode: Mode
    recording: str | None = Field(description="What is played where the mode is not LIVE")
    as_of: Instant
    stale: bool = Field(description="No stream of this dataset is live")
    coverage: CoverageShape
    warnings: list[str]


class ListMetaShape(MetaShape):
    count: int
    next_cursor: str | None
    has_more: bool


class ListShape(Shape, Generic[D]):
    data: list[D]
    meta: ListMetaShape


class DataShape(Shape, Generic[D]):
    data: D
    meta: MetaShape


class LiquidationMetadataShape(Shape):
    hash: str | None
    liquidated_user: str
    fill_directions: list[str]
    closed_pnl: Digits | None
    fee: Digits | None
    position_size_before: Digits | None


class LiquidationShape(Shape):
    liquidation_id: str
    chain: str
    protocol: str
    user: str
    asset: str
    side: Direction
    method: LiquidationMethod
    size: Digits
    liquidation_price: Digits
    mark_price: Digits
    amount_usd: Digits
    leverage: Digits | None
    margin_mode: MarginMode | None
    fill_count: int
    timestamp: Instant
    source: str
    observed_by: list[str]
    version: int
    metadata: LiquidationMetadataShape


class FillShape(Shape):
    asset: str
    tid: int
    user: str
    side: Direction
    method: LiquidationMethod
    price: Digits
    size: Digits
    mark_price: Digits
    timestamp: Instant
    hash: str | None
    role: FillRole
    liquidated_user: str
    direction_text: str
    margin_mode: MarginMode | None
    closed_pnl: Digits | None
    fee: Digits | None
    position_size_before: Digits | None
    counterparty: str | None
    source: str
    observations: list[str]


class LiquidationDetailShape(LiquidationShape):
    fills: list[FillShape]


class ReportLineShape(Shape):
    report_id: str
    source: str
    source_url: str
    title: str
    grade: str


class TimelineEntryShape(Shape):
    timestamp: Instant
    precision: str
    event: str


class CaseShape(Shape):
    name: str
    chain: str
    protocol: str
    timestamp: Instant
    ended_at: Instant | None
    timestamp_precision: str
    category: str
    description: str
    assets: list[str]
    confidence: Confidence
    reports: list[ReportLineShape]


class HonestCaseShape(CaseShape):
    case_id: str


class ExploitShape(CaseShape):
    tx_hash: str
    kind: CaseKind
    amount_usd: Digits | None = Field(description="None where nobody knows, never 0 for that")
    amount_usd_low: Digits | None
    amount_usd_high: Digits | None
    amount_note: str
    source: str
    source_url: str
    recovery_status: str
    status: ExploitStatus
    addresses: list[str]
    aliases: list[str]
    timeline: list[TimelineEntryShape]
    conflicts: list[str]
    version: int


class SpendingShape(Shape):
    spent_usd: Digits
    limit_usd: Digits


class SourceShape(Shape):
    name: str
    type: SourceType
    url: str
    priority: int
    active: bool
    label: CoverageLabel
    health: SourceHealth
    state: SourceState
    detail: str
    heard_at: Instant | None
    last_fetch: Instant | None
    last_event_at: Instant | None
    state_changed_at: Instant
    age_seconds: int | None = Field(description="Since it last proved alive; null if it never did")
    silence_limit_seconds: int
    lag_limit_seconds: int
    lag_seconds: int | None = Field(
        description="How old the newest it told of was when it was last heard; null where that is any age"
    )
    last_error: str | None = Field(description="The last trouble it had, over or not")
    last_error_at: Instant | None
    poll_every_seconds: int | None = Field(description="Null where it is not asked but listened to")
    next_poll_at: Instant | None = Field(description="Null where that is at once, or it is not asked")
    failed_polls: int | None = Field(description="In a row")
    spending: SpendingShape | None = Field(description="Of this UTC day; null where nothing was paid for")


class DatabaseShape(Shape):
    reachable: bool
    schema_current: bool | None


class HealthShape(Shape):
    status: Literal["ok", "degraded", "down"]
    reasons: list[str]
    as_of: Instant
    mode: Mode
    recording: str | None = Field(description="What is played where the mode is not LIVE")
    version: str
    database: DatabaseShape
    sources: list[SourceShape] | None


class AliveShape(Shape):
    status: Literal["alive", "ready"]


class DatasetShape(Shape):
    name: str
    path: str
    count: int | None
    first: Instant | None
    last: Instant | None
    kept_from: Instant | None = Field(description="Nothing before is kept; null: all is")
    dropped_before: Instant | None = Field(
        description="All before was dropped once, and is at most what was read again since; null: nothing was"
    )
    parameters: list[str]
    formats: list[str]
    orders: list[str]
    max_limit: int
    streamed: bool


class AboutShape(Shape):
    version: str
    schema_version: int
    mode: Mode
    recording: str | None = Field(description="What is played where the mode is not LIVE")
    started_at: Instant
    datasets: list[DatasetShape]
    assets: list[str]
    methods: list[LiquidationMethod]
    categories: list[str]


class SumShape(Shape):
    count: int
    amount_usd: Digits


class AssetSumShape(SumShape):
    asset: str


class MethodSumShape(SumShape):
    largest_usd: Digits | None
    users: int
    by_side: dict[Direction, SumShape]
    top_assets: list[AssetSumShape]


class WindowShape(Shape):
    name: str
    start: Instant
    end: Instant
    covered_from: Instant | None = Field(
        description="The first moment of the window any stream has told of; null if none"
    )
    covered_until: Instant | None = Field(description="The last moment of the window any stream has told of")
    liquidations: dict[LiquidationMethod, MethodSumShape] | None = Field(
        description="Null where nothing was heard of the window; methods are never added up"
    )


class CaseSumShape(Shape):
    count: int
    amount_usd: Digits | None = Field(description="The sum of the known amounts; null if none is known")
    amount_usd_low: Digits | None
    amount_usd_high: Digits | None
    unknown_amounts: int


class KindSumShape(Shape):
    total: CaseSumShape
    by_category: dict[str, CaseSumShape]
    by_status: dict[ExploitStatus, CaseSumShape]


class IngestSumShape(Shape):
    source: str
    counts: dict[str, int]


class RejectSumShape(Shape):
    source: str
    rule: str
    count: int


class StatsShape(Shape):
    windows: list[WindowShape]
    exploits: dict[CaseKind, KindSumShape]
    ingest: list[IngestSumShape]
    rejects: list[RejectSumShape]


Responses = dict[int | str, dict[str, Any]]


def responses(shape: type[BaseModel] | None, *problems: int) -> Responses:
    """What a route's documentation says of its answers."""
    found: Responses = {200: {"model": shape}}
    for status in problems:
        content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemShape"}}}
        found[status] = {"description": _DESCRIPTIONS[status], "content": content}
    return found


_DESCRIPTIONS = {
    400: "The cursor was not given out for this list, or the body was cut off",
    403: "A page of another origin asked for a change",
    404: "It is not stored",
    409: "It does not fit what stands there now",
    413: "The body is too large",
    415: "The body is not sent as JSON",
    422: "A parameter is unknown, repeated or malformed, or the body is not of its form",
    416: "The file has no such bytes",
    429: "So many are open that no other is begun",
    503: "The database does not answer; Retry-After says when to try again",
    507: "The files take all the room they may",
}
