"""Read the casebook back for people: reports, the history of a case, and what waits for an answer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from kamiyo.core.ids import ExploitId
from kamiyo.core.reports import ReportKind
from kamiyo.storage.pool import Connection
from kamiyo.storage.read_rows import Condition, Place, Rank, as_moment, beyond, given, where

_REPORTS = """
SELECT timestamp, report_id, tx_hash, version, content
FROM (SELECT *, published_at AS timestamp FROM reports) AS by_time
WHERE {condition} ORDER BY timestamp {order}, report_id {order} LIMIT {limit}
"""
_OF_CASE = """
SELECT tx_hash, version, content FROM reports WHERE tx_hash = $1 ORDER BY published_at, report_id LIMIT $2
"""
_NAMES = "SELECT alias FROM exploit_aliases WHERE tx_hash = $1"
_HISTORY = f"""
SELECT event_id, tx_hash, kind, {as_moment("at")}, author, reason, reasons, report_ids, other, undone_by,
    details
FROM case_events WHERE (tx_hash = ANY($1::text[]) OR other = ANY($1::text[])) AND event_id {{sign}} $2
ORDER BY event_id {{order}} LIMIT $3
"""  # noqa: S608
_REVIEWS = f"""
SELECT review_id, reviews.report_id, reports.tx_hash,
    coalesce(alias.tx_hash, reviews.other), probability, reasons, {as_moment("asked_at")}, answer,
    {as_moment("answered_at")}, author, reason, reports.content
FROM reviews JOIN reports USING (report_id) LEFT JOIN exploit_aliases AS alias ON alias.alias = reviews.other
WHERE {{condition}} ORDER BY review_id {{order}} LIMIT {{limit}}
"""  # noqa: S608


class ReportFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which reports are asked for; ``end`` is exclusive."""

    start: datetime | None = None
    end: datetime | None = None
    source: str | None = None
    origin: str | None = None
    case: str | None = None
    kind: ReportKind | None = None


class ReportRow(msgspec.Struct, frozen=True):
    """A report whole, with the case it belongs to and how often it was edited."""

    tx_hash: str
    version: int
    report: msgspec.Raw


class EventRow(msgspec.Struct, frozen=True):
    """An entry of a case's history, as text."""

    event_id: int
    tx_hash: str
    kind: str
    at: str
    author: str
    reason: str
    reasons: msgspec.Raw
    report_ids: list[str]
    other: str | None
    undone_by: int | None
    details: msgspec.Raw


class ReviewRow(msgspec.Struct, frozen=True):
    """Whether a report's case is the ``other`` one: the rules could not decide, a person may have."""

    review_id: int
    report_id: str
    tx_hash: str
    other: str
    probability: float
    reasons: msgspec.Raw
    asked_at: str
    answer: str | None
    answered_at: str | None
    author: str | None
    reason: str | None
    report: msgspec.Raw


async def read_reports(
    connection: Connection, wanted: ReportFilter, *, past: Place | None, limit: int, descending: bool
) -> list[tuple[Place, ReportRow]]:
    """One page in the order of ``(published_at, report_id)``, each row with its place."""
    conditions = [*_conditions(wanted), *beyond(past, "report_id", descending=descending)]
    condition, values = where(conditions)
    order = "DESC" if descending else "ASC"
    rows = await connection.fetch(_REPORTS.format(condition=condition, order=order, limit=limit), *values)
    return [(Place(row[0], row[1]), _report(tuple(row)[2:])) for row in rows]


async def read_reports_of(connection: Connection, tx_hash: str, limit: int) -> list[ReportRow]:
    """The oldest reports of a case."""
    return [_report(tuple(row)) for row in await connection.fetch(_OF_CASE, tx_hash, limit)]


async def read_history(
    connection: Connection, tx_hash: ExploitId, *, past: Rank | None, limit: int, descending: bool
) -> list[tuple[Rank, EventRow]]:
    """One page of what was done to a case, and to those that became part of it."""
    names = [tx_hash, *(row["alias"] for row in await connection.fetch(_NAMES, tx_hash))]
    sign, order, edge = ("<", "DESC", 2**62) if descending else (">", "ASC", 0)
    statement = _HISTORY.format(sign=sign, order=order)
    rows = await connection.fetch(statement, names, int(past.number) if past else edge, limit)
    return [(Rank(str(row[0]), ()), _event(tuple(row))) for row in rows]


async def case_of_event(connection: Connection, event_id: int) -> str:
    """The case an event is told of."""
    return str(await connection.fetchval("SELECT tx_hash FROM case_events WHERE event_id = $1", event_id))


async def read_reviews(
    connection: Connection, *, answered: bool | None, past: Rank | None, limit: int, descending: bool
) -> list[tuple[Rank, ReviewRow]]:
    """One page of reviews, in the order they were asked: waiting for an answer, answered, or both."""
    waiting = [] if answered is None else [(f"answer IS {'NOT ' if answered else ''}NULL", ())]
    edge = given("review_id < {}" if descending else "review_id > {}", past and int(past.number))
    condition, values = where([*waiting, *edge])
    order = "DESC" if descending else "ASC"
    rows = await connection.fetch(_REVIEWS.format(condition=condition, order=order, limit=limit), *values)
    return [(Rank(str(row[0]), ()), _review(tuple(row))) for row in rows]


def _conditions(wanted: ReportFilter) -> list[Condition]:
    return [
        *given("timestamp >= {}", wanted.start),
        *given("timestamp < {}", wanted.end),
        *given("source = {}", wanted.source),
        *given("origin = {}", wanted.origin),
        *given(
            "tx_hash = coalesce((SELECT a.tx_hash FROM exploit_aliases a WHERE a.alias = {0}), {0})",
            wanted.case,
        ),
        *given("kind = {}", wanted.kind),
    ]


def _report(row: Sequence[Any]) -> ReportRow:
    tx_hash, version, content = row
    return ReportRow(tx_hash, version, _raw(content))


def _event(row: Sequence[Any]) -> EventRow:
    *first, reasons, report_ids, other, undone_by, details = row
    columns: list[Any] = [*first, _raw(reasons), report_ids, other, undone_by, _raw(details)]
    return EventRow(*columns)


def _review(row: Sequence[Any]) -> ReviewRow:
    *first, reasons, asked_at, answer, answered_at, author, reason, content = row
    columns: list[Any] = [*first, _raw(reasons), asked_at, answer, answered_at, author, reason, _raw(content)]
    return ReviewRow(*columns)


def _raw(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())
