"""One page of any list: what was asked for, and how fresh and complete it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import msgspec

from kamiyo.api.dependencies import ListQuery
from kamiyo.api.pages import Order, PageOf, encode_page, read_cursor
from kamiyo.api.services.sources import read_freshness
from kamiyo.api.state import ApiState
from kamiyo.storage.pool import Connection
from kamiyo.storage.read_rows import Place, reading

F_contra = TypeVar("F_contra", contravariant=True)


class ReadPage(Protocol[F_contra]):
    """How one table's rows are read, in the order of its keys."""

    async def __call__(
        self, connection: Connection, wanted: F_contra, /, *, past: Place | None, limit: int, descending: bool
    ) -> Sequence[tuple[Place, msgspec.Struct]]:
        """At most ``limit`` rows that fit, each with its place, beginning after ``past``."""
        ...


async def list_page(
    state: ApiState, query: ListQuery, dataset: str, read: ReadPage[F_contra], wanted: F_contra
) -> bytes:
    """The page of a dataset that a query asks for; one row more is read to know whether there are more."""
    past = None if query.cursor is None else read_cursor(query.cursor, dataset, query.order)
    now = state.clock.now()
    async with reading(state.pool) as connection:
        descending = query.order is Order.DESCENDING
        rows = await read(connection, wanted, past=past, limit=query.limit + 1, descending=descending)
        known = await read_freshness(connection, dataset, now)
    return encode_page(rows, PageOf(dataset, query.order, query.limit), known, state.showing)
