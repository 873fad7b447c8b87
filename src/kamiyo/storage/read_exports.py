"""Read exports back for people: each with how far it is and what is said of its file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from kamiyo.core.exports import ExportDataset, ExportFormat
from kamiyo.storage.pool import Connection
from kamiyo.storage.read_rows import Rank, as_moment, given, where

_COLUMNS = f"""
export_id, {as_moment("requested_at")}, dataset, format, filters, state, detail, rows, bytes,
(SELECT count(*) FROM export_parts p WHERE p.export_id = exports.export_id), sha256,
{as_moment("started_at")}, {as_moment("done_at")}, {as_moment("expires_at")}, metadata
"""  # noqa: S608
_LIST = f"""
SELECT {_COLUMNS} FROM exports WHERE {{condition}} ORDER BY export_id {{order}} LIMIT {{limit}}
"""  # noqa: S608
_FILE = "SELECT folder, dataset, format, bytes, sha256 FROM exports WHERE export_id = $1 AND state = 'done'"
_BY_STATE = "SELECT state, count(*), sum(bytes)::bigint FROM exports GROUP BY state"


class ExportText(msgspec.Struct, frozen=True):
    """An export, as text. ``rows`` and ``bytes`` are those on disk for good."""

    export_id: int
    requested_at: str
    dataset: str
    format: str
    filters: msgspec.Raw
    state: str
    detail: str
    rows: int
    bytes: int
    parts: int
    sha256: str | None
    started_at: str | None
    done_at: str | None
    expires_at: str | None
    metadata: msgspec.Raw


class StoredFile(msgspec.Struct, frozen=True):
    """Where the file of an export is, and what it must be."""

    folder: str
    dataset: ExportDataset
    format: ExportFormat
    bytes: int
    sha256: str

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{self.dataset}.{self.format}"


async def read_exports(
    connection: Connection, *, past: Rank | None, limit: int, descending: bool
) -> list[tuple[Rank, ExportText]]:
    """One page in the order in which they were asked for, each row with its place."""
    sign, order = ("<", "DESC") if descending else (">", "ASC")
    condition, values = where(given(f"export_id {sign} {{}}", past and int(past.number)))
    rows = await connection.fetch(_LIST.format(condition=condition, order=order, limit=limit), *values)
    return [(Rank(str(row[0]), ()), _text(tuple(row))) for row in rows]


async def read_export(connection: Connection, export_id: int) -> ExportText | None:
    """One export, or None."""
    row = await connection.fetchrow(_LIST.format(condition="export_id = $1", order="ASC", limit=1), export_id)
    return None if row is None else _text(tuple(row))


async def find_file(connection: Connection, export_id: int) -> StoredFile | None:
    """The file of an export; None where there is no whole one."""
    row = await connection.fetchrow(_FILE, export_id)
    if row is None:
        return None
    return StoredFile(row[0], ExportDataset(row[1]), ExportFormat(row[2]), row[3], row[4])


async def sum_exports(connection: Connection) -> list[tuple[str, int, int]]:
    """How many exports there are of each state, and their bytes."""
    return [(row[0], row[1], row[2]) for row in await connection.fetch(_BY_STATE)]


def _text(row: Sequence[Any]) -> ExportText:
    columns = list(row)
    for place in (4, 14):
        columns[place] = msgspec.Raw((columns[place] or "null").encode())
    return ExportText(*columns)
