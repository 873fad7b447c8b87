"""Read what is known of completeness: open gaps, and what each dataset spans."""

from __future__ import annotations

import msgspec

from kamiyo.storage.migrate import shipped_migrations
from kamiyo.storage.pool import Connection
from kamiyo.storage.read_rows import as_moment

_GAPS = f"""
SELECT source, scale, scope, first, after_last, reason, {as_moment("started_at")}, {as_moment("ended_at")},
    {as_moment("detected_at")}
FROM gaps WHERE closed_at IS NULL ORDER BY detected_at DESC, source, scale, scope, first LIMIT $1
"""  # noqa: S608
_GAP_COUNTS = "SELECT source, count(*) FROM gaps WHERE closed_at IS NULL GROUP BY source ORDER BY source"
_EXTENTS = f"""
SELECT 'claimed_positions', count(*), {as_moment("min(timestamp)")}, {as_moment("max(timestamp)")}
FROM claimed_positions
UNION ALL
SELECT 'claimed_totals', NULL,
    {as_moment("(SELECT start FROM claimed_totals ORDER BY start LIMIT 1)")},
    {as_moment("(SELECT start FROM claimed_totals ORDER BY start DESC LIMIT 1)")}
UNION ALL
SELECT 'claims', NULL,
    {as_moment("(SELECT timestamp FROM claims ORDER BY timestamp LIMIT 1)")},
    {as_moment("(SELECT timestamp FROM claims ORDER BY timestamp DESC LIMIT 1)")}
UNION ALL
SELECT 'exploits', count(*), {as_moment("min(timestamp)")}, {as_moment("max(timestamp)")} FROM exploits
UNION ALL
SELECT 'honest_cases', count(*), {as_moment("min(timestamp)")}, {as_moment("max(timestamp)")}
FROM honest_cases
UNION ALL
SELECT 'liquidations', NULL,
    {as_moment("(SELECT timestamp FROM liquidations ORDER BY timestamp LIMIT 1)")},
    {as_moment("(SELECT timestamp FROM liquidations ORDER BY timestamp DESC LIMIT 1)")}
UNION ALL
SELECT 'markets', count(*), {as_moment("min(timestamp)")}, {as_moment("max(timestamp)")} FROM market_states
UNION ALL
SELECT 'positions', count(*), {as_moment("min(timestamp)")}, {as_moment("max(timestamp)")}
FROM account_positions
UNION ALL
SELECT 'vaults', count(*), {as_moment("min(timestamp)")}, {as_moment("max(timestamp)")} FROM vault_states
"""  # noqa: S608
# Leaps from one asset to the next in the index instead of reading every row.
_ASSETS = """
WITH RECURSIVE seen(asset) AS (
    (SELECT asset FROM liquidations ORDER BY asset LIMIT 1)
    UNION ALL
    SELECT (SELECT l.asset FROM liquidations l WHERE l.asset > seen.asset ORDER BY l.asset LIMIT 1)
    FROM seen WHERE seen.asset IS NOT NULL)
SELECT asset FROM seen WHERE asset IS NOT NULL
"""
_CATEGORIES = "SELECT DISTINCT category FROM exploits ORDER BY category"


class GapText(msgspec.Struct, frozen=True):
    """An open gap, as text."""

    source: str
    scale: str
    scope: str
    first: int
    after_last: int
    reason: str
    started_at: str | None
    ended_at: str | None
    detected_at: str


class Extent(msgspec.Struct, frozen=True):
    """What a dataset spans; ``count`` is None where counting would read everything."""

    name: str
    count: int | None
    first: str | None
    last: str | None


async def read_open_gaps(connection: Connection, limit: int) -> list[GapText]:
    """The open gaps, the newest first."""
    return [GapText(*row) for row in await connection.fetch(_GAPS, limit)]


async def count_open_gaps(connection: Connection) -> dict[str, int]:
    """How many gaps are open, by source; a source without any is not in it."""
    return {row[0]: row[1] for row in await connection.fetch(_GAP_COUNTS)}


async def read_extents(connection: Connection) -> list[Extent]:
    """First and last instant of each dataset."""
    return [Extent(*row) for row in await connection.fetch(_EXTENTS)]


async def read_assets(connection: Connection) -> list[str]:
    """Every asset that has a liquidation."""
    return [row[0] for row in await connection.fetch(_ASSETS)]


async def read_categories(connection: Connection) -> list[str]:
    """Every category an exploit has."""
    return [row[0] for row in await connection.fetch(_CATEGORIES)]


def schema_version() -> int:
    """The number of the newest step this version of KAMIYO ships."""
    return shipped_migrations()[-1].version
