"""Read what was measured: the share behind each label, hours with their shares, and whole days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from kamiyo.core.coverage import LABEL_WINDOW, BlockHour, Measured, NoFigure, SizeBucket
from kamiyo.core.ids import Asset, Chain, SourceName
from kamiyo.storage.pool import Connection

_MEASURED = """
SELECT s.name, w.seen_usd, w.reference_usd, w.hours, w.first_hour, newest.hour AS last_hour, w.measured_at
FROM sources s
CROSS JOIN LATERAL (
    SELECT c.hour FROM coverage_hours c WHERE c.source = s.name AND c.reason IS NULL
    ORDER BY c.hour DESC LIMIT 1) AS newest
CROSS JOIN LATERAL (
    SELECT sum(c.seen_usd) AS seen_usd, sum(c.reference_usd) AS reference_usd, count(*)::int AS hours,
        min(c.hour) AS first_hour, max(c.measured_at) AS measured_at
    FROM coverage_hours c
    WHERE c.source = s.name AND c.reason IS NULL AND c.hour > newest.hour - $1::interval) AS w
"""
_HOURS = """
SELECT hour, source, reference, reason, detail, seen_usd, reference_usd, unknown_usd, unknown_fills,
    heard_minutes, measured_at
FROM coverage_hours WHERE chain = $1 AND hour >= $2 AND hour < $3 AND ($4::text IS NULL OR source = $4)
"""
_SHARES = """
SELECT hour, source, method, size_bucket, seen_usd, reference_usd, seen_fills, reference_fills
FROM coverage_shares
WHERE chain = $1 AND hour >= $2 AND hour < $3 AND ($4::text IS NULL OR source = $4)
    AND ($5::text IS NULL OR method = $5)
"""
_BLOCKS = """
SELECT source, hour, ranges, first_at, last_at FROM block_hours
WHERE chain = $1 AND hour >= $2 AND hour < $3
"""
_DAY_SUMS = """
SELECT method, asset, sum(price * size) AS usd, count(*)::int AS fills
FROM liquidation_fills
WHERE chain = $1 AND timestamp >= $2 AND timestamp < $3
    AND EXISTS (SELECT FROM unnest(observations) AS one WHERE split_part(one, '/', 1) = $4)
GROUP BY method, asset
"""
_CLAIMED_DAYS = """
SELECT DISTINCT ON (start, asset) start, asset, total_usd, observed_at FROM claimed_totals
WHERE source = $1 AND window_seconds = 86400 AND NOT rolling AND start >= $2 AND start < $3
ORDER BY start, asset, observed_at DESC
"""


class HourRow(msgspec.Struct, frozen=True):
    """What was measured of a source in an hour, as it is stored."""

    hour: datetime
    source: SourceName
    reference: SourceName | None
    reason: NoFigure | None
    detail: str
    seen_usd: Decimal | None
    reference_usd: Decimal | None
    unknown_usd: Decimal | None
    unknown_fills: int | None
    heard_minutes: int
    measured_at: datetime


class ShareRow(msgspec.Struct, frozen=True):
    """What a source saw in an hour of one method and size, as it is stored."""

    hour: datetime
    source: SourceName
    method: str
    size: SizeBucket
    seen_usd: Decimal
    reference_usd: Decimal
    seen_fills: int
    reference_fills: int


class DaySum(msgspec.Struct, frozen=True):
    """What a source saw of one method in one asset on one day."""

    method: str
    asset: Asset
    usd: Decimal
    fills: int


class ClaimedDay(msgspec.Struct, frozen=True):
    """What somebody claims was liquidated on a day: in all, or of one asset."""

    start: datetime
    asset: str | None
    total_usd: Decimal | None
    observed_at: datetime


class HoursWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which hours, ``end`` exclusive."""

    chain: Chain
    start: datetime
    end: datetime
    source: str | None = None
    method: str | None = None


async def read_measured(connection: Connection) -> dict[str, Measured]:
    """The share behind the label of each source that has one."""
    rows = await connection.fetch(_MEASURED, LABEL_WINDOW)
    return {row[0]: Measured(**dict(list(row.items())[1:])) for row in rows}


async def read_coverage_hours(connection: Connection, wanted: HoursWanted) -> list[HourRow]:
    """Hours as they were measured, each with or without a figure."""
    rows = await connection.fetch(_HOURS, wanted.chain, wanted.start, wanted.end, wanted.source)
    return [msgspec.convert(dict(row), HourRow) for row in rows]


async def read_coverage_shares(connection: Connection, wanted: HoursWanted) -> list[ShareRow]:
    """The shares of these hours by method and size."""
    rows = await connection.fetch(
        _SHARES, wanted.chain, wanted.start, wanted.end, wanted.source, wanted.method
    )
    return [ShareRow(row[0], row[1], row[2], SizeBucket(row[3]), *tuple(row)[4:]) for row in rows]


async def read_block_hours(
    connection: Connection, chain: Chain, start: datetime, end: datetime
) -> Mapping[tuple[SourceName, datetime], BlockHour]:
    """The blocks of every source that counts them, by hour."""
    rows = await connection.fetch(_BLOCKS, chain, start, end)
    return {
        (SourceName(row["source"]), row["hour"]): BlockHour(
            tuple((each.lower, each.upper) for each in row["ranges"]), row["first_at"], row["last_at"]
        )
        for row in rows
    }


async def read_day_sums(
    connection: Connection, chain: Chain, source: SourceName, start: datetime, end: datetime
) -> list[DaySum]:
    """What a source saw liquidated, by method and asset."""
    return [DaySum(*row) for row in await connection.fetch(_DAY_SUMS, chain, start, end, source)]


async def read_claimed_days(
    connection: Connection, source: SourceName, start: datetime, end: datetime
) -> Sequence[ClaimedDay]:
    """What a source claims of each day, in all and by asset."""
    return [ClaimedDay(*row) for row in await connection.fetch(_CLAIMED_DAYS, source, start, end)]
