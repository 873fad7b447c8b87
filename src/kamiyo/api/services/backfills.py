"""Backfills: how far each is, what it cost, and what could not be read."""

from __future__ import annotations

import msgspec

from kamiyo.api.dependencies import NumberedQuery
from kamiyo.api.pages import Order, PageOf, encode_data, encode_page, read_rank
from kamiyo.api.problems import Refused
from kamiyo.api.services.sources import SOURCES, read_freshness
from kamiyo.api.state import ApiState
from kamiyo.core.errors import SchemaMismatch, StorageUnavailable
from kamiyo.kit import metrics
from kamiyo.storage.read_backfills import read_backfill, read_backfills, read_troubles, sum_objects
from kamiyo.storage.read_rows import reading

BACKFILLS = "backfills"


async def list_backfills(state: ApiState, query: NumberedQuery) -> bytes:
    """One page of backfills, the latest first."""
    past = None if query.cursor is None else read_rank(query.cursor, BACKFILLS, query.order, keys=0)
    now, descending = state.clock.now(), query.order is Order.DESCENDING
    async with reading(state.pool) as connection:
        rows = await read_backfills(connection, past=past, limit=query.limit + 1, descending=descending)
        known = await read_freshness(connection, SOURCES, now)
    return encode_page(rows, PageOf(BACKFILLS, query.order, query.limit), known, state.showing)


async def show_backfill(state: ApiState, backfill_id: int) -> bytes:
    """One backfill, with the objects that could not be read."""
    now = state.clock.now()
    async with reading(state.pool) as connection:
        found = await read_backfill(connection, backfill_id)
        if found is None:
            raise Refused(404, "not_found", f"there is no backfill {backfill_id}")
        troubles = await read_troubles(connection, backfill_id)
        known = await read_freshness(connection, SOURCES, now)
    return encode_data(msgspec.structs.asdict(found) | {"troubles": troubles}, known, state.showing)


async def measure_backfills(state: ApiState) -> None:
    """Set the metrics of history, which only the database knows; what is not known is absent."""
    metrics.BACKFILL_OBJECTS.clear()
    try:
        async with reading(state.pool) as connection:
            sums = await sum_objects(connection)
    except (StorageUnavailable, SchemaMismatch):
        return
    for each in sums:
        metrics.BACKFILL_OBJECTS.labels(each.state).set(each.objects)
    metrics.BACKFILL_READ_BYTES.set(sum(each.bytes_read for each in sums))
    metrics.BACKFILL_SECONDS.set(sum(each.seconds for each in sums))
    metrics.BACKFILL_FAILURES.set(sum(each.failures for each in sums))
