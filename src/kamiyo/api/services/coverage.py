"""What is known of completeness, and what is not: nothing here is a number nobody measured."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kamiyo.api.pages import encode_data
from kamiyo.api.services.sources import LIQUIDATIONS, build_freshness
from kamiyo.api.state import ApiState
from kamiyo.core.sources import CoverageLabel
from kamiyo.storage.read_coverage import GapText, count_open_gaps, read_open_gaps
from kamiyo.storage.read_rows import reading
from kamiyo.storage.sources import list_sources

SHOWN_GAPS = 100
_NEEDS = (
    "a reference source that sees every fill, with contiguous block numbers through the hour",
    "for each other source, the liquidated fills it saw of those the reference saw, by USD",
)


class Hourly(msgspec.Struct, frozen=True, kw_only=True):
    """The share of each hour's liquidations that was seen."""

    status: str
    explanation: str
    needs: Sequence[str]


class GapCount(msgspec.Struct, frozen=True):
    """How many gaps of a source are open."""

    source: str
    open: int


class Completeness(msgspec.Struct, frozen=True, kw_only=True):
    """Everything ``/coverage`` says. ``gaps`` are the newest of the open ones."""

    dataset: str
    hourly: Hourly
    open_gaps: Sequence[GapCount]
    gaps: Sequence[GapText]


async def show_coverage(state: ApiState) -> bytes:
    """Labels, open gaps, and that hourly coverage is not measured."""
    now = state.clock.now()
    async with reading(state.pool) as connection:
        sources = await list_sources(connection)
        counts = await count_open_gaps(connection)
        gaps = await read_open_gaps(connection, SHOWN_GAPS)
    known = build_freshness(sources, counts, LIQUIDATIONS, now)
    hourly = Hourly(
        status=CoverageLabel.NOT_MEASURED,
        explanation="no hour has been compared with a reference yet, so no share can be stated",
        needs=_NEEDS,
    )
    open_gaps = [GapCount(name, count) for name, count in counts.items()]
    completeness = Completeness(dataset=LIQUIDATIONS, hourly=hourly, open_gaps=open_gaps, gaps=gaps)
    return encode_data(completeness, known, state.showing)
