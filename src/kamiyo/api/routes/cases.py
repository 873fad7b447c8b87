"""The casebook over HTTP: reports, the history of cases, what waits for an answer, and what people change."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from kamiyo.api.case_schemas import CaseEventShape, ChangedShape, ReportRowShape, ReviewShape
from kamiyo.api.dependencies import NumberedQuery, ReportQuery, ReviewQuery, State, only
from kamiyo.api.gateway.changes import CHANGE_STATUSES, body_of, described_body
from kamiyo.api.routes.answers import json_answer
from kamiyo.api.schemas import DataShape, ListShape, Responses, responses
from kamiyo.api.services import cases
from kamiyo.api.services.cases import AnswerReview, Change, Merge, SetStatus, Split
from kamiyo.api.services.exploits import Elsewhere

router = APIRouter(tags=["cases"], default_response_class=Response)
_MOVED: Responses = {308: {"description": "It is kept under the id in Location"}}
_CHANGED = responses(DataShape[ChangedShape], 400, 404, 409, *CHANGE_STATUSES)

MAX_SPLIT_BYTES = 65_536

Number = Annotated[int, Path(ge=1, le=2**62)]


@router.get(
    "/reports",
    responses=responses(ListShape[ReportRowShape], 400, 422, 503),
    dependencies=[only(ReportQuery)],
)
async def get_reports(state: State, query: Annotated[ReportQuery, Query()]) -> Response:
    """What sources claim, each report whole and with the case it belongs to, the newest first."""
    return json_answer(await cases.list_reports(state, query))


@router.get(
    "/exploits/{tx_hash}/history",
    responses=responses(ListShape[CaseEventShape], 400, 404, 422, 503) | _MOVED,
    dependencies=[only(NumberedQuery)],
)
async def get_history(state: State, tx_hash: str, query: Annotated[NumberedQuery, Query()]) -> Response:
    """Everything that was done to a case, by whom and why, the latest first."""
    found = await cases.list_history(state, tx_hash, query)
    if isinstance(found, Elsewhere):
        where = f"/exploits/{quote(found.identity, safe=':')}/history"
        return Response(status_code=308, headers={"Location": where})
    return json_answer(found)


@router.get(
    "/reviews", responses=responses(ListShape[ReviewShape], 400, 422, 503), dependencies=[only(ReviewQuery)]
)
async def get_reviews(state: State, query: Annotated[ReviewQuery, Query()]) -> Response:
    """Reports of which the rules could not decide whether they tell of a case that is known."""
    return json_answer(await cases.list_reviews(state, query))


@router.post(
    "/reviews/{review_id}/answer",
    responses=_CHANGED,
    dependencies=[only()],
    openapi_extra=described_body(AnswerReview),
)
async def answer_review(
    state: State, review_id: Number, change: Annotated[AnswerReview, body_of(AnswerReview)]
) -> Response:
    """Say whether the report belongs to the case it was asked about: ``same`` merges the two."""
    return json_answer(await cases.answer(state, review_id, change))


@router.post(
    "/exploits/{tx_hash}/merge",
    responses=_CHANGED,
    dependencies=[only()],
    openapi_extra=described_body(Merge),
)
async def merge_cases(state: State, tx_hash: str, change: Annotated[Merge, body_of(Merge)]) -> Response:
    """Make another case part of this one; its id leads here from then on."""
    return json_answer(await cases.merge(state, tx_hash, change))


@router.post(
    "/exploits/{tx_hash}/split",
    responses=_CHANGED,
    dependencies=[only()],
    openapi_extra=described_body(Split),
)
async def split_case(
    state: State, tx_hash: str, change: Annotated[Split, body_of(Split, max_bytes=MAX_SPLIT_BYTES)]
) -> Response:
    """Take reports out into a case of their own; one that was merged gets its old id back."""
    return json_answer(await cases.split(state, tx_hash, change))


@router.post(
    "/exploits/{tx_hash}/status",
    responses=_CHANGED,
    dependencies=[only()],
    openapi_extra=described_body(SetStatus),
)
async def set_status(
    state: State, tx_hash: str, change: Annotated[SetStatus, body_of(SetStatus)]
) -> Response:
    """Decide what is held of a case; it holds until it is undone, whatever the rules say."""
    return json_answer(await cases.decide_status(state, tx_hash, change))


@router.post(
    "/exploits/{tx_hash}/history/{event_id}/undo",
    responses=_CHANGED,
    dependencies=[only()],
    openapi_extra=described_body(Change),
)
async def undo_event(
    state: State, tx_hash: str, event_id: Number, change: Annotated[Change, body_of(Change)]
) -> Response:
    """Take back what was done: all stands as before, but for what came since."""
    return json_answer(await cases.undo(state, tx_hash, event_id, change))
