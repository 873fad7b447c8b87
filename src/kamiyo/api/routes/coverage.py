"""Coverage over HTTP: what share of reality was seen, and what the venue says it was in all."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from kamiyo.api.coverage_queries import CoverageDaysQuery, CoverageQuery
from kamiyo.api.coverage_schemas import CompletenessShape, DaysShape
from kamiyo.api.dependencies import State, only
from kamiyo.api.routes.answers import json_answer
from kamiyo.api.schemas import DataShape, responses
from kamiyo.api.services.coverage import show_coverage
from kamiyo.api.services.coverage_days import show_coverage_days

router = APIRouter(tags=["coverage"], default_response_class=Response)


@router.get(
    "/coverage",
    responses=responses(DataShape[CompletenessShape], 422, 503),
    dependencies=[only(CoverageQuery)],
)
async def get_coverage(state: State, query: Annotated[CoverageQuery, Query()]) -> Response:
    """What share of each hour's liquidations each source saw, or why that is not known."""
    return json_answer(await show_coverage(state, query))


@router.get(
    "/coverage/days",
    responses=responses(DataShape[DaysShape], 422, 503),
    dependencies=[only(CoverageDaysQuery)],
)
async def get_coverage_days(state: State, query: Annotated[CoverageDaysQuery, Query()]) -> Response:
    """What was liquidated on each day beside what the venue itself says was."""
    return json_answer(await show_coverage_days(state, query))
