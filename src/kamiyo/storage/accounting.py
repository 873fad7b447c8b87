"""Store what was refused, what was missed and what was read: the books of the ingest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import asyncpg

from kamiyo.core.events import Gap
from kamiyo.core.ids import SourceName
from kamiyo.core.ports import Counted, Reject, Tally
from kamiyo.storage.pool import Connection

MAX_KEPT_BYTES = 1 << 20  # of a refused payload; its whole length is kept as a number
_MAX_DETAIL = 500

_WRITE_REJECT = """
INSERT INTO rejects (source, stream, rule, digest, detail, payload, payload_bytes, received_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING
"""
_WRITE_GAP = """
INSERT INTO gaps (source, scale, scope, first, after_last, reason, started_at, ended_at, detected_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING
"""
_COLUMNS = ", ".join(Counted)
_LOCK_SPANS = """
INSERT INTO spans (source, scope, ranges, {columns}) VALUES ($1, $2, '{{}}', {zeros}) ON CONFLICT DO NOTHING
""".format(columns=_COLUMNS, zeros=", ".join("0" for _ in Counted))
_READ_RANGES = "SELECT ranges FROM spans WHERE source = $1 AND scope = $2 FOR UPDATE"
_ADD_SPANS = """
UPDATE spans SET ranges = ranges + $3::int8multirange, updated_at = now(), {sums}
WHERE source = $1 AND scope = $2
""".format(sums=", ".join(f"{name} = {name} + ${at}" for at, name in enumerate(Counted, 4)))


async def store_rejects(connection: Connection, rejects: Sequence[Reject]) -> None:
    """Keep refused payloads with their reason; the same refusal is kept once."""
    rows = [
        (
            each.source,
            each.stream,
            each.rule,
            hashlib.blake2b(each.payload, digest_size=16).hexdigest(),
            each.detail.replace("\0", "\\0")[:_MAX_DETAIL],
            each.payload[:MAX_KEPT_BYTES],
            len(each.payload),
            each.received_at,
        )
        for each in rejects
    ]
    await connection.executemany(_WRITE_REJECT, rows)


async def store_gaps(connection: Connection, gaps: Sequence[Gap]) -> None:
    """Keep what was not heard."""
    rows = [
        (
            each.source,
            each.scale,
            each.scope,
            each.first,
            each.after_last,
            each.reason,
            each.started_at,
            each.ended_at,
            each.detected_at,
        )
        for each in gaps
    ]
    await connection.executemany(_WRITE_GAP, rows)


async def store_tallies(connection: Connection, source: SourceName, tallies: Sequence[Tally]) -> None:
    """Add up what payloads held, each stretch of bytes once however often it is read."""
    by_scope: dict[str, list[Tally]] = {}
    for tally in tallies:
        by_scope.setdefault(tally.span.scope, []).append(tally)
    for scope in sorted(by_scope):
        await _add(connection, source, scope, by_scope[scope])


async def _add(connection: Connection, source: SourceName, scope: str, tallies: Iterable[Tally]) -> None:
    await connection.execute(_LOCK_SPANS, source, scope)
    counted = await connection.fetchval(_READ_RANGES, source, scope)
    each_once = {tally.span: tally for tally in tallies}.values()
    new = [tally for tally in each_once if not _covered(counted, tally)]
    if new:
        sums = _sums(tally.counts for tally in new)
        ranges = [asyncpg.Range(tally.span.start, tally.span.end) for tally in new]
        await connection.execute(_ADD_SPANS, source, scope, ranges, *(sums[name] for name in Counted))


def _covered(ranges: Sequence[asyncpg.Range[int]], tally: Tally) -> bool:
    return any(
        (each.lower or 0) <= tally.span.start and tally.span.end <= (each.upper or 0) for each in ranges
    )


def _sums(counts: Iterable[Mapping[Counted, int]]) -> dict[Counted, int]:
    sums = dict.fromkeys(Counted, 0)
    for each in counts:
        for name, number in each.items():
            sums[name] += number
    return sums
