"""What sources did not hear: the gaps that are open, and whether an archive's blocks fill one by now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from kamiyo.core.backfills import Stretch
from kamiyo.core.events import Gap
from kamiyo.core.ids import Chain, SourceName
from kamiyo.core.retention import Dataset
from kamiyo.core.time import Clock, hour_of
from kamiyo.storage.pool import Pool, translated
from kamiyo.storage.retained import read_limits

_MOST_GAPS = 10_000
_BORDER = timedelta(seconds=2)  # between a time somebody told and that of the nearest block
_OPEN = """
SELECT source, scale, scope, first, after_last, reason, started_at, ended_at, detected_at
FROM gaps WHERE closed_at IS NULL AND source = ANY($1::text[])
    AND coalesce(coalesce(started_at, ended_at) >=
        (SELECT stored_from FROM retained WHERE dataset = 'liquidations'), true)
ORDER BY detected_at DESC, source, scale, scope, first LIMIT $2
"""
_BLOCKS = """
WITH read AS (
    SELECT range_agg(ranges) AS blocks, min(first_at) AS first_at, max(last_at) AS last_at
    FROM block_hours WHERE source = $1 AND chain = $2 AND hour BETWEEN $3 AND $4
)
"""
_HOLDS_BLOCKS = f"{_BLOCKS} SELECT blocks @> int8range($5, $6) FROM read"  # noqa: S608
_HOLDS_TIME = f"""
{_BLOCKS} SELECT (SELECT count(*) FROM unnest(blocks)) = 1 AND first_at <= $5 AND last_at >= $6 FROM read
"""  # noqa: S608
_CLOSE = """
UPDATE gaps SET closed_at = $6
WHERE source = $1 AND scale = $2 AND scope = $3 AND first = $4 AND after_last = $5 AND closed_at IS NULL
"""


class PostgresGaps:
    """The gaps of all sources. Safe to share between tasks."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def open_gaps(self, sources: Sequence[SourceName]) -> list[Gap]:
        """The open gaps of these sources that are of a time liquidations are kept of, the newest first."""
        async with translated(), self._pool.acquire() as connection:
            return [Gap(**dict(row)) for row in await connection.fetch(_OPEN, sources, _MOST_GAPS)]

    async def stored_from(self) -> datetime | None:
        """From when on liquidations are stored; None where they are for ever."""
        async with translated(), self._pool.acquire() as connection:
            return (await read_limits(connection)).get(Dataset.LIQUIDATIONS)

    async def is_filled(self, gap: Gap, stretch: Stretch, archive: SourceName, chain: Chain) -> bool:
        """Whether an archive read the gap's blocks; of another scale, all of its time, without a hole."""
        start, end = stretch
        hours = (archive, chain, hour_of(start), hour_of(end))
        async with translated(), self._pool.acquire() as connection:
            if gap.scale == "block":
                filled = await connection.fetchval(_HOLDS_BLOCKS, *hours, gap.first, gap.after_last)
            else:
                filled = await connection.fetchval(_HOLDS_TIME, *hours, start + _BORDER, end - _BORDER)
        return bool(filled)

    async def close(self, gap: Gap) -> bool:
        """Say that what a source did not hear is known by now; False where that was said before."""
        key = (gap.source, gap.scale, gap.scope, gap.first, gap.after_last)
        async with translated(), self._pool.acquire() as connection:
            return await connection.execute(_CLOSE, *key, self._clock.now()) == "UPDATE 1"
