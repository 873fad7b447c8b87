"""Liquidations: pages of the list, and one with its fills."""

from __future__ import annotations

import msgspec

from kamiyo.api.dependencies import LiquidationQuery
from kamiyo.api.pages import encode_data
from kamiyo.api.problems import Refused
from kamiyo.api.services.lists import list_page
from kamiyo.api.services.sources import LIQUIDATIONS, read_freshness
from kamiyo.api.state import ApiState
from kamiyo.storage.read_liquidations import (
    LiquidationFilter,
    read_fills,
    read_liquidation,
    read_liquidations,
)
from kamiyo.storage.read_rows import reading


async def list_liquidations(state: ApiState, query: LiquidationQuery) -> bytes:
    """One page."""
    wanted = LiquidationFilter(**{name: getattr(query, name) for name in LiquidationFilter.__struct_fields__})
    return await list_page(state, query, LIQUIDATIONS, read_liquidations, wanted)


async def show_liquidation(state: ApiState, identity: str) -> bytes:
    """One liquidation with everything its fills say."""
    now = state.clock.now()
    async with reading(state.pool) as connection:
        found = await read_liquidation(connection, identity)
        if found is None:
            raise Refused(404, "not_found", "no liquidation with this id is stored")
        fills = await read_fills(connection, found)
        known = await read_freshness(connection, LIQUIDATIONS, now)
    return encode_data(msgspec.structs.asdict(found) | {"fills": fills}, known, state.showing)
