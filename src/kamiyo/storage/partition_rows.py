"""The rows of one partition as they are written to a file: all of them, exactly, a few thousand at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

import msgspec

from kamiyo.kit.parquet import MAX_PRECISION, Column, Kind
from kamiyo.storage.pool import Connection, translated

_CHUNK = 5_000
_KINDS = {
    "text": Kind.TEXT,
    "json": Kind.TEXT,
    "jsonb": Kind.TEXT,
    "text[]": Kind.TEXTS,
    "integer": Kind.INTEGER,
    "bigint": Kind.INTEGER,
    "boolean": Kind.TRUTH,
    "timestamp with time zone": Kind.MOMENT,
    "numeric": Kind.DECIMAL,
}
_COLUMNS = """
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
_PATIENCE = "SET LOCAL idle_in_transaction_session_timeout = '60s'"  # it holds nothing others wait for


class PartitionRows(msgspec.Struct, frozen=True):
    """How the rows of a partition are written: its columns, and how each is asked for.

    A number with more digits than a decimal of a file has is written as text, digit by digit.
    """

    name: str
    columns: tuple[Column, ...]
    asked: tuple[str, ...]

    @property
    def numbers_as_text(self) -> tuple[str, ...]:
        """The columns of numbers that are written as text."""
        return tuple(
            column.name
            for column, asked in zip(self.columns, self.asked, strict=True)
            if "trim_scale" in asked
        )


async def describe_rows(connection: Connection, name: str) -> PartitionRows:
    """How the partition's rows are written; it is read once, for the digits its numbers have."""
    async with translated():
        kinds = [(row[0], _KINDS[row[1]]) for row in await connection.fetch(_COLUMNS, name)]
        numbers = [column for column, kind in kinds if kind is Kind.DECIMAL]
        digits = await _digits(connection, name, numbers) if numbers else {}
    written = [_written(column, kind, *digits.get(column, (0, 0))) for column, kind in kinds]
    return PartitionRows(name, tuple(each[0] for each in written), tuple(each[1] for each in written))


async def read_rows(
    connection: Connection, rows: PartitionRows
) -> AsyncGenerator[Sequence[Sequence[object]]]:
    """Every row of the partition as it stood at one moment, in no order, a few thousand at a time."""
    statement = f"SELECT {', '.join(rows.asked)} FROM {rows.name}"  # noqa: S608 -- names of our own tables
    async with translated(), connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute(_PATIENCE)
        cursor = await connection.cursor(statement)
        while found := await cursor.fetch(_CHUNK):
            yield [tuple(row) for row in found]


async def count_rows(connection: Connection, name: str) -> int:
    """How many rows a partition has."""
    async with translated():
        return int(await connection.fetchval(f"SELECT count(*) FROM {name}"))  # noqa: S608 -- as above


async def _digits(connection: Connection, name: str, columns: Sequence[str]) -> dict[str, tuple[int, int]]:
    """How many digits before and after the point the longest numbers of each column have."""
    asked = ", ".join(
        f'max(length(trunc(abs("{each}"))::text)), max(scale(trim_scale("{each}")))' for each in columns
    )
    row = await connection.fetchrow(f"SELECT {asked} FROM {name}")  # noqa: S608 -- as above
    found = [number or 0 for number in row or ()]
    return dict(zip(columns, zip(found[::2], found[1::2], strict=True), strict=True))


def _written(column: str, kind: Kind, before: int, after: int) -> tuple[Column, str]:
    if kind is not Kind.DECIMAL:
        return Column(column, kind), f'"{column}"'
    if before + after > MAX_PRECISION:
        return Column(column, Kind.TEXT), f'trim_scale("{column}")::text'
    return Column(column, kind, MAX_PRECISION, after), f'"{column}"'
