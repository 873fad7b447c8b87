"""Markets, vaults and open positions over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from kamiyo.api.dependencies import MarketQuery, MinuteQuery, PositionQuery, State, VaultQuery, only
from kamiyo.api.routes.answers import json_answer
from kamiyo.api.schemas import ListShape, responses
from kamiyo.api.services.states import list_markets, list_positions, list_vaults, show_market, show_vault
from kamiyo.api.state_schemas import (
    MarketShape,
    MarketWithMinutesShape,
    PositionListShape,
    VaultShape,
    VaultWithMinutesShape,
)

router = APIRouter(tags=["states"], default_response_class=Response)


@router.get(
    "/markets",
    responses=responses(ListShape[MarketShape], 400, 422, 503),
    dependencies=[only(MarketQuery)],
)
async def get_markets(state: State, query: Annotated[MarketQuery, Query()]) -> Response:
    """The newest state of each market, each with its own time; what is unknown is null, never 0."""
    return json_answer(await list_markets(state, query))


@router.get(
    "/markets/{asset}",
    responses=responses(MarketWithMinutesShape, 400, 404, 422, 503),
    dependencies=[only(MinuteQuery)],
)
async def get_market(state: State, asset: str, query: Annotated[MinuteQuery, Query()]) -> Response:
    """One market's newest state, and a page of its minutes."""
    return json_answer(await show_market(state, asset, query))


@router.get(
    "/vaults",
    responses=responses(ListShape[VaultShape], 400, 422, 503),
    dependencies=[only(VaultQuery)],
)
async def get_vaults(state: State, query: Annotated[VaultQuery, Query()]) -> Response:
    """The newest state of each vault, the largest first."""
    return json_answer(await list_vaults(state, query))


@router.get(
    "/vaults/{address}",
    responses=responses(VaultWithMinutesShape, 400, 404, 422, 503),
    dependencies=[only(MinuteQuery)],
)
async def get_vault(state: State, address: str, query: Annotated[MinuteQuery, Query()]) -> Response:
    """One vault's newest state, and a page of its minutes."""
    return json_answer(await show_vault(state, address, query))


@router.get(
    "/positions",
    responses=responses(PositionListShape, 400, 422, 503),
    dependencies=[only(PositionQuery)],
)
async def get_positions(state: State, query: Annotated[PositionQuery, Query()]) -> Response:
    """Open positions of the accounts looked at, the nearest to its liquidation first: a sample."""
    return json_answer(await list_positions(state, query))
