"""User slots: whose fills are followed where only few can be, and why."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kamiyo.api.pages import encode_data
from kamiyo.api.services.sources import LIQUIDATIONS, read_freshness
from kamiyo.api.state import ApiState
from kamiyo.storage.read_rows import reading
from kamiyo.storage.user_slots import ChosenText, SlotText, read_choice, read_slots


class Slots(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds the slots, and whom the last measured day chose."""

    slots: Sequence[SlotText]
    chosen: Sequence[ChosenText]


async def show_slots(state: ApiState) -> bytes:
    """Every slot with its reason, and every chosen maker with what was measured of it."""
    now = state.clock.now()
    async with reading(state.pool) as connection:
        slots = Slots(slots=await read_slots(connection), chosen=await read_choice(connection))
        known = await read_freshness(connection, LIQUIDATIONS, now)
    return encode_data(slots, known, state.showing)
