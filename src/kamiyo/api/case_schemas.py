"""The shapes of reports, cases and what is done to them, for the documentation only."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from kamiyo.api.schemas import Digits, ExploitShape, Instant, Shape, TimelineEntryShape
from kamiyo.core.cases import Answer, CaseEventKind
from kamiyo.core.exploits import CaseKind, Confidence, ExploitStatus
from kamiyo.core.reports import Grade, Medium, Precision, ReportKind


class ProvenanceShape(Shape):
    report_id: str | None = Field(description="The report it comes from, where one alone decides it")
    rule: str


class AssetAmountShape(Shape):
    amount: str
    asset: str


class FactsShape(Shape):
    name: str | None
    protocol: str | None
    chains: list[str]
    assets: list[str]
    amount_usd: Digits | None
    amount_usd_low: Digits | None
    amount_usd_high: Digits | None
    amounts: list[AssetAmountShape]
    returned_usd: Digits | None
    addresses: list[str]
    transactions: list[str]
    occurred_at: Instant | None
    precision: Precision | None
    ended_at: Instant | None
    category: str | None
    confidence: dict[str, float] = Field(description="How surely a field was read, from 0 to 1")


class CuratedShape(Shape):
    tx_hash: str
    kind: CaseKind
    status: ExploitStatus
    confidence: Confidence
    description: str
    amount_note: str
    recovery_status: str
    timeline: list[TimelineEntryShape]
    conflicts: list[str]
    aliases: list[str]


class CitationShape(Shape):
    title: str
    source_url: str
    grade: Grade


class ReportShape(Shape):
    report_id: str
    source: str
    medium: Medium
    origin: str
    source_url: str
    title: str
    text: str = Field(description="Empty once its author took it back")
    grade: Grade
    kind: ReportKind
    published_at: Instant
    received_at: Instant
    edited_at: Instant | None
    deleted_at: Instant | None
    repost_of: str | None
    facts: FactsShape
    curated: CuratedShape | None
    citations: list[CitationShape]


class ReportRowShape(Shape):
    tx_hash: str
    version: int
    report: ReportShape


class ExploitDetailShape(ExploitShape):
    first_seen_at: Instant
    updated_at: Instant
    provenance: dict[str, ProvenanceShape]
    evidence: list[ReportRowShape] = Field(description="Its reports whole, the oldest 200 at most")


class ReasonShape(Shape):
    feature: str
    detail: str
    weight: float


class CaseEventShape(Shape):
    event_id: int
    tx_hash: str
    kind: CaseEventKind
    at: Instant
    author: str
    reason: str
    reasons: list[ReasonShape]
    report_ids: list[str]
    other: str | None
    undone_by: int | None
    details: dict[str, Any]


class ReviewShape(Shape):
    review_id: int
    report_id: str
    tx_hash: str
    other: str
    probability: float
    reasons: list[ReasonShape]
    asked_at: Instant
    answer: Answer | None
    answered_at: Instant | None
    author: str | None
    reason: str | None
    report: ReportShape


class ChangedShape(Shape):
    event_id: int
    tx_hash: str = Field(description="The id that the case has now")
