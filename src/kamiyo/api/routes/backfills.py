"""Backfills over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from kamiyo.api.backfill_schemas import BackfillDetailShape, BackfillShape
from kamiyo.api.dependencies import NumberedQuery, State, only
from kamiyo.api.routes.answers import json_answer
from kamiyo.api.schemas import DataShape, ListShape, responses
from kamiyo.api.services import backfills

router = APIRouter(tags=["system"], default_response_class=Response)


@router.get(
    "/backfills",
    responses=responses(ListShape[BackfillShape], 400, 422, 503),
    dependencies=[only(NumberedQuery)],
)
async def get_backfills(state: State, query: Annotated[NumberedQuery, Query()]) -> Response:
    """What was read of the past on purpose, and how far each of it is, the latest first."""
    return json_answer(await backfills.list_backfills(state, query))


@router.get(
    "/backfills/{backfill_id}",
    responses=responses(DataShape[BackfillDetailShape], 404, 422, 503),
    dependencies=[only()],
)
async def get_backfill(state: State, backfill_id: Annotated[int, Path(ge=1, le=2**62)]) -> Response:
    """One backfill: its progress, and the objects that could not be read with the reason of each."""
    return json_answer(await backfills.show_backfill(state, backfill_id))
