"""What is to be believed of the rows of an export: the words the list itself would be shown with."""

from __future__ import annotations

from datetime import datetime

import msgspec

from kamiyo.api.pages import Freshness
from kamiyo.api.services.claims import judge_claims
from kamiyo.api.services.retention import with_retention
from kamiyo.api.services.sources import EXPLOITS, read_freshness
from kamiyo.api.services.states import read_sample, read_state_freshness
from kamiyo.core.exports import About, ExportDataset
from kamiyo.core.time import rfc3339
from kamiyo.storage.pool import Connection
from kamiyo.storage.read_coverage import GapText, read_open_gaps
from kamiyo.storage.read_liquidations import LiquidationFilter
from kamiyo.storage.read_states import PositionFilter
from kamiyo.storage.sources import list_sources

MOST_GAPS = 1_000

_CLAIMS = {ExportDataset.CLAIMS, ExportDataset.CLAIMED_TOTALS, ExportDataset.CLAIMED_POSITIONS}


async def describe_rows(
    connection: Connection, dataset: ExportDataset, filters: bytes, now: datetime
) -> About:
    """What a list would say of itself now, with the open gaps of the time that was asked for."""
    known = await _read_freshness(connection, dataset, filters, now)
    gaps: list[GapText] = []
    if dataset is ExportDataset.LIQUIDATIONS:
        wanted = msgspec.json.decode(filters, type=LiquidationFilter)
        gaps = [each for each in await read_open_gaps(connection, MOST_GAPS) if _concerns(each, wanted)]
    return About(
        as_of=now,
        stale=known.stale,
        coverage=msgspec.to_builtins(known.coverage),
        warnings=known.warnings,
        gaps=[msgspec.structs.asdict(each) for each in gaps],
    )


async def _read_freshness(
    connection: Connection, dataset: ExportDataset, filters: bytes, now: datetime
) -> Freshness:
    if dataset in _CLAIMS:
        known = judge_claims(await list_sources(connection), now, dataset)
        return await with_retention(connection, known, dataset)
    if dataset is ExportDataset.POSITIONS:
        wanted = msgspec.json.decode(filters, type=PositionFilter)
        return (await read_sample(connection, wanted, now))[0]
    if dataset in {ExportDataset.MARKETS, ExportDataset.VAULTS}:
        return await read_state_freshness(connection, dataset, now)
    name = EXPLOITS if dataset is ExportDataset.REPORTS else dataset
    return await read_freshness(connection, name, now)


def _concerns(gap: GapText, wanted: LiquidationFilter) -> bool:
    """Whether what was asked for may lack something by it; nobody can say that of a gap of unknown times."""
    begins_after = (
        wanted.end is not None and gap.started_at is not None and gap.started_at >= rfc3339(wanted.end)
    )
    ended_before = (
        wanted.start is not None and gap.ended_at is not None and gap.ended_at < rfc3339(wanted.start)
    )
    return not (begins_after or ended_before)
