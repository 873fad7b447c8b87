"""The casebook: pages of reports, history and reviews, and what people change in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated

import msgspec

from kamiyo.api.dependencies import NumberedQuery, ReportQuery, ReviewQuery
from kamiyo.api.pages import Order, PageOf, encode_data, encode_page, read_cursor, read_rank
from kamiyo.api.problems import Refused
from kamiyo.api.services.exploits import ID, Elsewhere, find_elsewhere, find_exploit
from kamiyo.api.services.sources import EXPLOITS, read_freshness
from kamiyo.api.state import ApiState
from kamiyo.core.cases import RULES, Answer
from kamiyo.core.errors import CaseConflict, UnknownCase
from kamiyo.core.exploits import ExploitStatus
from kamiyo.core.ids import ExploitId
from kamiyo.storage.case_changes import (
    answer_review,
    changing,
    merge_cases,
    set_status,
    split_case,
)
from kamiyo.storage.case_moves import Judge
from kamiyo.storage.case_undo import undo_event
from kamiyo.storage.pool import Connection
from kamiyo.storage.read_cases import ReportFilter, case_of_event, read_history, read_reports, read_reviews
from kamiyo.storage.read_rows import Rank, reading

REPORTS = "reports"
REVIEWS = "reviews"
HISTORY = "history"

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9:_.-]+$")]
_Person = Annotated[
    str, msgspec.Meta(min_length=1, max_length=100, pattern=rf"^(?!{RULES}$)[^\x00-\x1f\x7f]+$")
]
_Words = Annotated[str, msgspec.Meta(min_length=1, max_length=1_000, pattern=r"^[^\x00]+$")]
_ReportName = Annotated[str, msgspec.Meta(min_length=1, max_length=300, pattern=r"^[^\x00]+$")]


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every change says: who makes it, and why."""

    author: _Person
    reason: _Words


class Merge(Change, frozen=True, kw_only=True):
    """The other case becomes part of this one."""

    other: _Name


class Split(Change, frozen=True, kw_only=True):
    """These reports become a case of their own."""

    report_ids: Annotated[tuple[_ReportName, ...], msgspec.Meta(min_length=1, max_length=200)]


class SetStatus(Change, frozen=True, kw_only=True):
    """What is held of the case, whatever the rules say."""

    status: ExploitStatus


class AnswerReview(Change, frozen=True, kw_only=True):
    """Whether the report belongs to the case it was asked about."""

    answer: Answer


class Changed(msgspec.Struct, frozen=True):
    """What a change left: its event, and the id of the case it concerned."""

    event_id: int
    tx_hash: str


async def list_reports(state: ApiState, query: ReportQuery) -> bytes:
    """One page of reports, the newest first."""
    past = None if query.cursor is None else read_cursor(query.cursor, REPORTS, query.order)
    wanted = ReportFilter(**{name: getattr(query, name) for name in ReportFilter.__struct_fields__})
    now, descending = state.clock.now(), query.order is Order.DESCENDING
    async with reading(state.pool) as connection:
        rows = await read_reports(connection, wanted, past=past, limit=query.limit + 1, descending=descending)
        known = await read_freshness(connection, EXPLOITS, now)
    return encode_page(rows, PageOf(REPORTS, query.order, query.limit), known, state.showing)


async def list_reviews(state: ApiState, query: ReviewQuery) -> bytes:
    """One page of reviews, the latest question first."""
    dataset = f"{REVIEWS}/{query.answered}"
    past = _past(query, dataset)
    now, descending = state.clock.now(), query.order is Order.DESCENDING
    async with reading(state.pool) as connection:
        rows = await read_reviews(
            connection, answered=query.answered, past=past, limit=query.limit + 1, descending=descending
        )
        known = await read_freshness(connection, EXPLOITS, now)
    return encode_page(rows, PageOf(dataset, query.order, query.limit), known, state.showing)


async def list_history(state: ApiState, identity: str, query: NumberedQuery) -> bytes | Elsewhere:
    """One page of what was done to a case, or under which id it is kept."""
    past = _past(query, f"{HISTORY}/{identity}")
    now, descending = state.clock.now(), query.order is Order.DESCENDING
    async with reading(state.pool) as connection:
        if await find_exploit(connection, identity) is None:
            return await find_elsewhere(connection, identity)
        rows = await read_history(
            connection, ExploitId(identity), past=past, limit=query.limit + 1, descending=descending
        )
        known = await read_freshness(connection, EXPLOITS, now)
    page = PageOf(f"{HISTORY}/{identity}", query.order, query.limit)
    return encode_page(rows, page, known, state.showing)


async def merge(state: ApiState, identity: str, change: Merge) -> bytes:
    """Another case becomes part of this one."""
    case, other = _case(identity), ExploitId(change.other)
    return await _make(
        state, change, lambda connection, judge, at: merge_cases(connection, case, other, judge, at)
    )


async def split(state: ApiState, identity: str, change: Split) -> bytes:
    """Reports of this case become one of their own."""
    case = _case(identity)
    return await _make(
        state,
        change,
        lambda connection, judge, at: split_case(connection, case, change.report_ids, judge, at),
    )


async def decide_status(state: ApiState, identity: str, change: SetStatus) -> bytes:
    """A person decides what is held of a case."""
    case = _case(identity)
    return await _make(
        state, change, lambda connection, judge, at: set_status(connection, case, change.status, judge, at)
    )


async def answer(state: ApiState, review_id: int, change: AnswerReview) -> bytes:
    """A person answers a review."""
    return await _make(
        state,
        change,
        lambda connection, judge, at: answer_review(connection, review_id, change.answer, judge, at),
    )


async def undo(state: ApiState, identity: str, event_id: int, change: Change) -> bytes:
    """What was done to a case is taken back."""
    case = _case(identity)
    return await _make(
        state, change, lambda connection, judge, at: undo_event(connection, case, event_id, judge, at)
    )


async def _make(
    state: ApiState, change: Change, make: Callable[[Connection, Judge, datetime], Awaitable[int]]
) -> bytes:
    """What a change left, or the problem that it met."""
    now = state.clock.now()
    try:
        async with changing(state.pool) as connection:
            event_id = await make(connection, Judge(change.author, change.reason), now)
            case = await case_of_event(connection, event_id)
            known = await read_freshness(connection, EXPLOITS, now)
    except UnknownCase as error:
        raise Refused(404, "not_found", str(error)) from error
    except CaseConflict as error:
        raise Refused(409, "case_conflict", str(error)) from error
    return encode_data(Changed(event_id, case), known, state.showing)


def _past(query: NumberedQuery, dataset: str) -> Rank | None:
    return None if query.cursor is None else read_rank(query.cursor, dataset, query.order, keys=0)


def _case(identity: str) -> ExploitId:
    if ID.fullmatch(identity) is None:
        raise Refused(404, "not_found", "no exploit is known by this id or hash")
    return ExploitId(identity)
