"""Measure hours: what is known of one, what its fills say of each source, and what was made of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import asyncpg
import msgspec

from kamiyo.core.codec import to_json
from kamiyo.core.coverage import (
    SETTLE,
    SIZE_LIMITS,
    SIZES,
    BlockHour,
    Comparison,
    HourCoverage,
    HourFacts,
    NoFigure,
    Pair,
    Share,
    SourceHour,
    percent,
)
from kamiyo.core.ids import Chain, SourceName
from kamiyo.core.money import plain
from kamiyo.core.sources import CoverageLabel, SourceType
from kamiyo.core.time import HOUR, rfc3339
from kamiyo.storage import outbox
from kamiyo.storage.pool import Connection

CHANNEL = "coverage"

# What an hour's measurement depends on, as one number: the order in which it is summed up does not matter.
_VERSIONS = """
SELECT chain, hour, (sum(part) % 9223372036854775807)::bigint AS version
FROM (
    SELECT b.chain, b.hour, hashtextextended(
        concat_ws('|', b.source, b.version, coalesce(upper(p.ranges), -1), coalesce(lower(n.ranges), -1)), 1
    ) AS part
    FROM block_hours b
    LEFT JOIN block_hours p
        ON p.source = b.source AND p.chain = b.chain AND p.hour = b.hour - interval '1 hour'
    LEFT JOIN block_hours n
        ON n.source = b.source AND n.chain = b.chain AND n.hour = b.hour + interval '1 hour'
    UNION ALL
    SELECT chain, hour, hashtextextended('fills|' || version, 1) FROM fill_hours
    UNION ALL
    SELECT chain, hour, hashtextextended(concat_ws('|', 'heard', source, minutes), 1)
    FROM heard_hours JOIN sources ON name = source AND subject = 'venue' AND type = 'stream'
) AS parts
"""
_DUE = f"""
SELECT chain, hour FROM ({_VERSIONS} WHERE hour <= $1 GROUP BY chain, hour) AS v
WHERE NOT EXISTS (
    SELECT FROM coverage_hours c WHERE c.chain = v.chain AND c.hour = v.hour AND c.measured_from = v.version)
    AND (EXISTS (SELECT FROM sources WHERE subject = 'venue' AND type = 'stream')
         OR EXISTS (SELECT FROM block_hours b WHERE b.chain = v.chain AND b.hour = v.hour))
    AND NOT EXISTS (
        SELECT FROM retained WHERE dataset = 'liquidations' AND hour < greatest(stored_from, dropped_before))
ORDER BY hour DESC, chain LIMIT $2
"""  # noqa: S608 -- of constants alone
_VERSION = f"SELECT version FROM ({_VERSIONS} WHERE chain = $1 AND hour = $2 GROUP BY chain, hour) AS v"  # noqa: S608
_TURN = "SELECT pg_try_advisory_xact_lock(hashtextextended('coverage/' || $1, 0))"
_SOURCES = """
SELECT s.name, s.type, s.label, coalesce(bit_count(h.minutes::bit(64)), 0)::int AS heard_minutes,
    p.ranges AS before, p.first_at AS before_from, p.last_at AS before_to,
    b.ranges AS blocks, b.first_at AS blocks_from, b.last_at AS blocks_to,
    n.ranges AS after, n.first_at AS after_from, n.last_at AS after_to
FROM sources s
LEFT JOIN heard_hours h ON h.source = s.name AND h.chain = $1 AND h.hour = $2
LEFT JOIN block_hours p ON p.source = s.name AND p.chain = $1 AND p.hour = $2 - interval '1 hour'
LEFT JOIN block_hours b ON b.source = s.name AND b.chain = $1 AND b.hour = $2
LEFT JOIN block_hours n ON n.source = s.name AND n.chain = $1 AND n.hour = $2 + interval '1 hour'
WHERE s.subject = 'venue' AND (s.type = 'stream' OR b.source IS NOT NULL)
ORDER BY s.name
"""
# How large a liquidation is, is what the reference saw of it; what it did not see at all has no size.
_COMPARE = """
WITH fills AS MATERIALIZED (
    SELECT liquidation_id, method, price * size AS usd,
        ARRAY(SELECT DISTINCT split_part(one, '/', 1) FROM unnest(observations) AS one) AS seen_by
    FROM liquidation_fills WHERE chain = $1 AND timestamp >= $2 AND timestamp < $3
), compared AS (
    SELECT number, liquidation_id, method, usd,
        source = ANY(seen_by) AS seen, reference = ANY(seen_by) AS known
    FROM fills CROSS JOIN unnest($4::text[], $5::text[]) WITH ORDINALITY AS pair (source, reference, number)
    WHERE ARRAY[source, reference] && seen_by
), sized AS (
    SELECT number, method, usd, seen, known,
        sum(usd) FILTER (WHERE known) OVER (PARTITION BY number, liquidation_id) AS whole
    FROM compared
)
SELECT number, method, CASE WHEN known THEN width_bucket(whole, $6::numeric[]) END AS size,
    coalesce(sum(usd) FILTER (WHERE seen), 0) AS seen_usd, sum(usd) AS usd,
    (count(*) FILTER (WHERE seen))::int AS seen_fills, count(*)::int AS fills
FROM sized GROUP BY number, method, CASE WHEN known THEN width_bucket(whole, $6::numeric[]) END
ORDER BY number, method, size
"""
_BEFORE = """
SELECT source, reference, reason, seen_usd, reference_usd, unknown_usd FROM coverage_hours
WHERE chain = $1 AND hour = $2
"""
_CLEAR = """
WITH hours AS (DELETE FROM coverage_hours WHERE chain = $1 AND hour = $2)
DELETE FROM coverage_shares WHERE chain = $1 AND hour = $2
"""
_ADD_HOUR = """
INSERT INTO coverage_hours (chain, hour, source, reference, reason, detail, seen_usd, reference_usd,
    unknown_usd, unknown_fills, heard_minutes, measured_from, measured_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
"""
_ADD_SHARE = """
INSERT INTO coverage_shares
    (chain, hour, source, method, size_bucket, seen_usd, reference_usd, seen_fills, reference_fills)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""


async def find_due_hours(connection: Connection, now: datetime, limit: int) -> list[tuple[Chain, datetime]]:
    """The newest hours that are over and say more than they were measured from, at most so many.

    Of what was let go since, the figure stands as it was measured: whatever is left may be a part.
    """
    rows = await connection.fetch(_DUE, now - HOUR - SETTLE, limit)
    return [(Chain(row[0]), row[1]) for row in rows]


async def take_turn(connection: Connection, chain: Chain, hour: datetime) -> bool:
    """Whether the hour is ours until the transaction ends: False where somebody else measures it now."""
    return bool(await connection.fetchval(_TURN, f"{chain}/{rfc3339(hour)}"))


async def read_hour_facts(connection: Connection, chain: Chain, hour: datetime) -> HourFacts:
    """What is known of an hour. The version is read first: what changes meanwhile is measured once more."""
    version = await connection.fetchval(_VERSION, chain, hour)
    rows = await connection.fetch(_SOURCES, chain, hour)
    sources = tuple(map(_source_hour, rows))
    return HourFacts(chain=chain, hour=hour, version=version or 0, sources=sources)


async def compare(connection: Connection, facts: HourFacts, pairs: Sequence[Pair]) -> dict[Pair, Comparison]:
    """What the stored fills of the hour say of each pair."""
    rows = await connection.fetch(
        _COMPARE,
        facts.chain,
        facts.hour,
        facts.hour + HOUR,
        [pair.source for pair in pairs],
        [pair.reference for pair in pairs],
        SIZE_LIMITS,
    )
    return {
        pair: _comparison([row for row in rows if row["number"] == number])
        for number, pair in enumerate(pairs, start=1)
    }


async def store_coverage(
    connection: Connection, facts: HourFacts, found: Sequence[HourCoverage], at: datetime
) -> None:
    """Keep what was measured of an hour in place of what was before, and tell subscribers what is new."""
    told = {row[0]: tuple(row)[1:] for row in await connection.fetch(_BEFORE, facts.chain, facts.hour)}
    await connection.execute(_CLEAR, facts.chain, facts.hour)
    hours = [(facts.chain, facts.hour, *_hour_row(each), facts.version, at) for each in found]
    await connection.executemany(_ADD_HOUR, hours)
    shares = [
        (facts.chain, facts.hour, each.source, *msgspec.structs.astuple(share))
        for each in found
        if each.compared is not None
        for share in each.compared.shares
    ]
    await connection.executemany(_ADD_SHARE, shares)
    news = [each for each in found if told.get(each.source) != _substance(each)]
    await outbox.publish(connection, CHANNEL, [_message(facts, each, at) for each in news])


def _source_hour(row: asyncpg.Record) -> SourceHour:
    return SourceHour(
        source=SourceName(row["name"]),
        type=SourceType(row["type"]),
        label=CoverageLabel(row["label"]),
        heard_minutes=row["heard_minutes"],
        before=_blocks(row, "before"),
        blocks=_blocks(row, "blocks"),
        after=_blocks(row, "after"),
    )


def _blocks(row: asyncpg.Record, name: str) -> BlockHour | None:
    if row[name] is None:
        return None
    ranges = tuple((each.lower, each.upper) for each in row[name])
    return BlockHour(ranges, row[f"{name}_from"], row[f"{name}_to"])


def _comparison(rows: Sequence[asyncpg.Record]) -> Comparison:
    known = [row for row in rows if row["size"] is not None]
    unknown = [row for row in rows if row["size"] is None]
    shares = [
        Share(
            method=row["method"],
            size=SIZES[int(row["size"])],
            seen_usd=row["seen_usd"],
            reference_usd=row["usd"],
            seen_fills=row["seen_fills"],
            reference_fills=row["fills"],
        )
        for row in known
    ]
    return Comparison(
        shares=tuple(shares),
        unknown_usd=sum((row["usd"] for row in unknown), Decimal(0)),
        unknown_fills=sum(row["fills"] for row in unknown),
    )


_Substance = tuple[SourceName | None, NoFigure | None, Decimal | None, Decimal | None, Decimal | None]


def _substance(each: HourCoverage) -> _Substance:
    """Reference, reason, what was seen of what, and what only the source saw."""
    compared = each.compared
    if compared is None:
        return each.reference, each.reason, None, None, None
    if each.reason is not None:
        return each.reference, each.reason, None, None, compared.unknown_usd
    return each.reference, None, compared.seen_usd, compared.reference_usd, compared.unknown_usd


def _hour_row(each: HourCoverage) -> tuple[object, ...]:
    reference, reason, seen, of, unknown = _substance(each)
    fills = None if each.compared is None else each.compared.unknown_fills
    return each.source, reference, reason, each.detail, seen, of, unknown, fills, each.heard_minutes


def _message(facts: HourFacts, each: HourCoverage, at: datetime) -> bytes:
    reference, reason, seen, of, unknown = _substance(each)
    label = next(known.label for known in facts.sources if known.source == each.source)
    return to_json(
        {
            "hour": rfc3339(facts.hour),
            "chain": facts.chain,
            "source": each.source,
            "label": label,
            "reference": reference,
            "share_pct": _percent(seen, of),
            "seen_usd": _digits(seen),
            "reference_usd": _digits(of),
            "reason": reason,
            "detail": each.detail,
            "unknown_to_reference_usd": _digits(unknown),
            "heard_minutes": each.heard_minutes,
            "measured_at": rfc3339(at),
        }
    )


def _percent(seen: Decimal | None, reference: Decimal | None) -> str | None:
    return None if seen is None or reference is None else plain(percent(seen, reference))


def _digits(number: Decimal | None) -> str | None:
    return None if number is None else plain(number)
