"""What others claim, over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from kamiyo.api.claim_queries import ClaimedPositionQuery, ClaimedTotalQuery, ClaimQuery
from kamiyo.api.claim_schemas import ClaimedPositionShape, ClaimedTotalShape, ClaimShape
from kamiyo.api.dependencies import State, only
from kamiyo.api.routes.answers import json_answer
from kamiyo.api.schemas import ListShape, responses
from kamiyo.api.services.claims import list_claimed_positions, list_claimed_totals, list_claims

router = APIRouter(tags=["claims"], default_response_class=Response)


@router.get(
    "/claims",
    responses=responses(ListShape[ClaimShape], 400, 422, 503),
    dependencies=[only(ClaimQuery)],
)
async def get_claims(state: State, query: Annotated[ClaimQuery, Query()]) -> Response:
    """Liquidation orders another party tells of, on any exchange: claims, never summed with liquidations."""
    return json_answer(await list_claims(state, query))


@router.get(
    "/claims/totals",
    responses=responses(ListShape[ClaimedTotalShape], 400, 422, 503),
    dependencies=[only(ClaimedTotalQuery)],
)
async def get_claimed_totals(state: State, query: Annotated[ClaimedTotalQuery, Query()]) -> Response:
    """What another party says was liquidated in a window; windows overlap, so that no two may be added."""
    return json_answer(await list_claimed_totals(state, query))


@router.get(
    "/claims/positions",
    responses=responses(ListShape[ClaimedPositionShape], 400, 422, 503),
    dependencies=[only(ClaimedPositionQuery)],
)
async def get_claimed_positions(state: State, query: Annotated[ClaimedPositionQuery, Query()]) -> Response:
    """Large positions on the venue another party tells of: opened, closed, or last observed."""
    return json_answer(await list_claimed_positions(state, query))
