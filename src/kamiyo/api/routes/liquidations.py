"""Liquidations over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from kamiyo.api.dependencies import LiquidationQuery, State, only
from kamiyo.api.routes.answers import json_answer
from kamiyo.api.schemas import DataShape, LiquidationDetailShape, LiquidationShape, ListShape, responses
from kamiyo.api.services.liquidations import list_liquidations, show_liquidation

router = APIRouter(tags=["liquidations"], default_response_class=Response)


@router.get(
    "/liquidations",
    responses=responses(ListShape[LiquidationShape], 400, 422, 503),
    dependencies=[only(LiquidationQuery)],
)
async def get_liquidations(state: State, query: Annotated[LiquidationQuery, Query()]) -> Response:
    """Liquidations, the newest first, with what can be said of their completeness."""
    return json_answer(await list_liquidations(state, query))


@router.get(
    "/liquidations/{liquidation_id}",
    responses=responses(DataShape[LiquidationDetailShape], 404, 422, 503),
    dependencies=[only()],
)
async def get_liquidation(state: State, liquidation_id: str) -> Response:
    """One liquidation with all of its fills and who saw them."""
    return json_answer(await show_liquidation(state, liquidation_id))
