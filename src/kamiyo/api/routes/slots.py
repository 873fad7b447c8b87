"""User slots over HTTP."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from kamiyo.api.dependencies import State, only
from kamiyo.api.routes.answers import json_answer
from kamiyo.api.schemas import DataShape, responses
from kamiyo.api.services.slots import show_slots
from kamiyo.api.slot_schemas import SlotsShape

router = APIRouter(tags=["coverage"], default_response_class=Response)


@router.get("/coverage/slots", responses=responses(DataShape[SlotsShape], 422, 503), dependencies=[only()])
async def get_slots(state: State) -> Response:
    """Whose fills are followed where only a few accounts can be, and why these."""
    return json_answer(await show_slots(state))
