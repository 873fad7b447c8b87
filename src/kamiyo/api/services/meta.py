"""What this server is, what it holds, and what may be asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from pydantic import BaseModel

from kamiyo.api.claim_queries import ClaimedPositionQuery, ClaimedTotalQuery, ClaimQuery
from kamiyo.api.dependencies import (
    ExploitQuery,
    HonestCaseQuery,
    LiquidationQuery,
    MarketQuery,
    PositionQuery,
    VaultQuery,
)
from kamiyo.api.pages import Order, encode_data
from kamiyo.api.services.claims import CLAIMED_POSITIONS, CLAIMED_TOTALS, CLAIMS
from kamiyo.api.services.retention import retained_of
from kamiyo.api.services.sources import (
    EXPLOITS,
    HONEST_CASES,
    LIQUIDATIONS,
    MARKETS,
    POSITIONS,
    VAULTS,
    read_freshness,
)
from kamiyo.api.state import ApiState
from kamiyo.core.events import LiquidationMethod
from kamiyo.core.retention import Retained
from kamiyo.core.time import rfc3339
from kamiyo.storage.read_coverage import (
    Extent,
    read_assets,
    read_categories,
    read_extents,
    schema_version,
)
from kamiyo.storage.read_rows import reading
from kamiyo.storage.retained import read_retained

MAX_LIMIT = 1000
_QUERIES: dict[str, type[BaseModel]] = {
    LIQUIDATIONS: LiquidationQuery,
    EXPLOITS: ExploitQuery,
    HONEST_CASES: HonestCaseQuery,
    MARKETS: MarketQuery,
    VAULTS: VaultQuery,
    POSITIONS: PositionQuery,
    CLAIMS: ClaimQuery,
    CLAIMED_TOTALS: ClaimedTotalQuery,
    CLAIMED_POSITIONS: ClaimedPositionQuery,
}
_STREAMED = {LIQUIDATIONS, EXPLOITS, CLAIMS}
_PATHS = {
    LIQUIDATIONS: "/liquidations",
    EXPLOITS: "/exploits",
    HONEST_CASES: "/honest-cases",
    MARKETS: "/markets",
    VAULTS: "/vaults",
    POSITIONS: "/positions",
    CLAIMS: "/claims",
    CLAIMED_TOTALS: "/claims/totals",
    CLAIMED_POSITIONS: "/claims/positions",
}


class Dataset(msgspec.Struct, frozen=True, kw_only=True):
    """A list, what it spans and how it can be asked. ``count`` is None where counting would read it all.

    Nothing before ``kept_from`` is kept; before ``dropped_before`` is at most what was read again since.
    """

    name: str
    path: str
    count: int | None
    first: str | None
    last: str | None
    kept_from: str | None
    dropped_before: str | None
    parameters: Sequence[str]
    formats: Sequence[str]
    orders: Sequence[str]
    max_limit: int
    streamed: bool


class About(msgspec.Struct, frozen=True, kw_only=True):
    """Everything ``/meta`` says."""

    version: str
    schema_version: int
    mode: str
    recording: str | None
    started_at: str
    datasets: Sequence[Dataset]
    assets: Sequence[str]
    methods: Sequence[str]
    categories: Sequence[str]


async def show_meta(state: ApiState) -> bytes:
    """The server in its own words."""
    now = state.clock.now()
    async with reading(state.pool) as connection:
        extents = await read_extents(connection)
        retained = await read_retained(connection)
        about = About(
            version=state.version,
            schema_version=schema_version(),
            mode=state.showing.mode,
            recording=state.showing.recording,
            started_at=rfc3339(state.started_at),
            datasets=[_dataset(each, retained_of(retained, each.name)) for each in extents],
            assets=await read_assets(connection),
            methods=list(LiquidationMethod),
            categories=await read_categories(connection),
        )
        known = await read_freshness(connection, LIQUIDATIONS, now)
    return encode_data(about, known, state.showing)


def _dataset(extent: Extent, retained: Retained | None) -> Dataset:
    return Dataset(
        name=extent.name,
        path=_PATHS[extent.name],
        count=extent.count,
        first=extent.first,
        last=extent.last,
        kept_from=None if retained is None else _moment(retained.stored_from),
        dropped_before=None if retained is None else _moment(retained.dropped_before),
        parameters=sorted(_QUERIES[extent.name].model_fields),
        formats=["json"],
        orders=list(Order) if "order" in _QUERIES[extent.name].model_fields else [Order.ASCENDING],
        max_limit=MAX_LIMIT,
        streamed=extent.name in _STREAMED,
    )


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
