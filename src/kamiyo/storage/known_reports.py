"""Which reports are stored already."""

from __future__ import annotations

from collections.abc import Collection

from kamiyo.core.reports import ReportId
from kamiyo.storage.pool import Pool, translated

_KNOWN = "SELECT report_id FROM reports WHERE report_id = ANY($1::text[])"


async def known_reports(pool: Pool, report_ids: Collection[ReportId]) -> frozenset[ReportId]:
    """Those of these reports that are stored, as they were told or otherwise."""
    async with translated(), pool.acquire() as connection:
        rows = await connection.fetch(_KNOWN, list(report_ids))
    return frozenset(ReportId(row["report_id"]) for row in rows)
