"""Count what is stored: the three methods apart, what is unknown apart from what is zero."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from kamiyo.core.ports import Counted
from kamiyo.storage.pool import Connection

_LIQUIDATIONS = """
SELECT method, side, asset, count(*) AS count, sum(amount_usd) AS amount_usd, max(amount_usd) AS largest_usd,
    CASE WHEN GROUPING(side, asset) = 3 THEN count(DISTINCT "user") END AS users
FROM liquidations WHERE timestamp >= $1 AND timestamp < $2
GROUP BY GROUPING SETS ((method), (method, side), (method, asset))
"""
_EXPLOITS = """
SELECT kind, category, status, count(*) AS count, count(amount_usd) AS amounts_known,
    sum(amount_usd) AS amount_usd, sum(coalesce(amount_usd_low, amount_usd)) AS low,
    sum(coalesce(amount_usd_high, amount_usd)) AS high
FROM exploits GROUP BY GROUPING SETS ((kind), (kind, category), (kind, status))
ORDER BY kind, category, status
"""
_INGEST = f"""
SELECT source, {", ".join(f"sum({name})::bigint AS {name}" for name in Counted)}
FROM spans GROUP BY source ORDER BY source
"""  # noqa: S608
_REJECTS = "SELECT source, rule, count(*) AS count FROM rejects GROUP BY source, rule ORDER BY source, rule"


class LiquidationSum(msgspec.Struct, frozen=True):
    """What one method took: in all (neither side nor asset), from one side, or in one asset."""

    method: str
    side: str | None
    asset: str | None
    count: int
    amount_usd: Decimal
    largest_usd: Decimal
    users: int | None


class ExploitSum(msgspec.Struct, frozen=True):
    """Cases of one kind: in all, of one category, or of one status. Sums are of the known amounts."""

    kind: str
    category: str | None
    status: str | None
    count: int
    amounts_known: int
    amount_usd: Decimal | None
    amount_usd_low: Decimal | None
    amount_usd_high: Decimal | None


class RejectSum(msgspec.Struct, frozen=True):
    """How many distinct payloads of a source broke a rule."""

    source: str
    rule: str
    count: int


class IngestSum(msgspec.Struct, frozen=True):
    """What the payloads of one source held, each counted once."""

    source: str
    counts: dict[str, int]


async def read_liquidation_sums(
    connection: Connection, start: datetime, end: datetime
) -> list[LiquidationSum]:
    """Sums over a window, ``end`` exclusive; no row for what did not happen."""
    return [LiquidationSum(*row) for row in await connection.fetch(_LIQUIDATIONS, start, end)]


async def read_exploit_sums(connection: Connection) -> list[ExploitSum]:
    """Sums over every exploit there is."""
    return [ExploitSum(*row) for row in await connection.fetch(_EXPLOITS)]


async def read_ingest_sums(connection: Connection) -> list[IngestSum]:
    """The accounting of every source that ever delivered a payload whose place is known."""
    rows = await connection.fetch(_INGEST)
    return [IngestSum(row["source"], {name: row[name] for name in Counted}) for row in rows]


async def read_reject_sums(connection: Connection) -> list[RejectSum]:
    """What was refused, by source and rule."""
    return [RejectSum(*row) for row in await connection.fetch(_REJECTS)]
