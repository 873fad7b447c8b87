"""The list of sources, with what they cost and when they are asked, and the switches of each."""

from __future__ import annotations

from typing import Annotated

import msgspec
import structlog
from msgspec import UNSET, UnsetType

from kamiyo.api.pages import Order, PageOf, encode_data, encode_page
from kamiyo.api.problems import Refused
from kamiyo.api.services.sources import SOURCES, build_freshness, source_row
from kamiyo.api.state import ApiState
from kamiyo.storage.pool import translated
from kamiyo.storage.read_coverage import count_open_gaps
from kamiyo.storage.read_rows import Place, reading
from kamiyo.storage.sources import list_sources, switch
from kamiyo.storage.spending import read_spending, spending_day

Priority = Annotated[int, msgspec.Meta(ge=0, le=1_000)]


class SourceChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a source: what is not there stays as it is. A lower ``priority`` starts first."""

    active: bool | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET


async def list_source_rows(state: ApiState) -> bytes:
    """Every source, with what may be believed of it now."""
    now = state.clock.now()
    async with reading(state.pool) as connection:
        sources = await list_sources(connection)
        gaps = await count_open_gaps(connection)
        spending = await read_spending(connection, spending_day(now))
    known = build_freshness(sources, gaps, SOURCES, now)
    rows = [(Place(now, each.name), source_row(each, now, spending)) for each in sources]
    return encode_page(rows, PageOf(SOURCES, Order.ASCENDING, len(rows)), known, state.showing)


async def change_source(state: ApiState, name: str, change: SourceChange, request_id: str) -> bytes:
    """Switch a source on or off, or give it another priority, for all workers at once; its row after that."""
    wanted = msgspec.to_builtins(change)
    if wanted:
        async with translated(), state.pool.acquire() as connection:
            switched = await switch(connection, name, **wanted)
        if switched:
            structlog.get_logger().info("source_switched", source=name, request=request_id, **wanted)
    now = state.clock.now()
    async with reading(state.pool) as connection:
        sources = await list_sources(connection)
        spending = await read_spending(connection, spending_day(now))
    for each in sources:
        if each.name == name:
            row = source_row(each, now, spending)
            return encode_data(row, build_freshness(sources, {}, SOURCES, now), state.showing)
    raise Refused(404, "not_found", f"there is no source {name}")
