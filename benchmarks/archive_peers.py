"""DuckDB and Polars at the same questions, one thread each, on the unpacked file: neither reads LZ4 frames.

Both are asked in the form that was fastest of those tried. A block's rows are lists of a text and an object,
which neither has a type for: DuckDB keeps them as JSON, Polars as text, and both decode a row when its fields
are asked for.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from polars import LazyFrame

_TEXTS = ("coin", "px", "sz", "side", "dir", "hash", "startPosition", "closedPnl", "fee")
_FIELDS = dict.fromkeys(_TEXTS, "VARCHAR") | {"time": "BIGINT", "tid": "BIGINT", "crossed": "BOOLEAN"}
_NAMED = ("liquidatedUser", "markPx", "method")
_MARKER = "liquidatedUser"
_COLUMNS = "{block_time: 'VARCHAR', block_number: 'BIGINT', events: 'JSON[]'}"
_READ_JSON = f"read_json(?, format = 'newline_delimited', columns = {_COLUMNS})"
_TYPED = ", ".join(
    [f"(row->>'$[1].{name}')::{kind}" for name, kind in _FIELDS.items()]
    + [f"row->>'$[1].liquidation.{name}'" for name in _NAMED]
)
_DUCKDB_HITS = f"""
SELECT row->>'$[0]', {_TYPED}, block_number
FROM (SELECT unnest(events) AS row, block_number FROM {_READ_JSON}) WHERE contains(row, '{_MARKER}')
"""  # noqa: S608  # of constants
# Not what people call reading JSON: lines are taken as they are, and of few more is asked.
_DUCKDB_LINES = f"""
SELECT row->>'$[0]', {_TYPED}, block_number FROM (
    SELECT unnest((json->'$.events')::JSON[]) AS row, (json->'$.block_number')::BIGINT AS block_number
    FROM read_ndjson_objects(?) WHERE contains(json, '{_MARKER}')
) WHERE contains(row, '{_MARKER}')
"""  # noqa: S608
_SHAPE = ", ".join(f'"{name}":"{kind}"' for name, kind in _FIELDS.items())
_SHAPE += ', "liquidation":{' + ", ".join(f'"{name}":"VARCHAR"' for name in _NAMED) + "}"
_SUMS = ", ".join(f'max(fill."{name}")' for name in _FIELDS)
_DUCKDB_ALL = f"""
SELECT count(*), max(owner), {_SUMS}, count(fill.liquidation."liquidatedUser") FROM (
    SELECT row->>'$[0]' AS owner, from_json(row->'$[1]', '{{{_SHAPE}}}') AS fill
    FROM (SELECT unnest(events) AS row FROM {_READ_JSON})
)
"""  # noqa: S608


class DuckDB:
    """One connection with one thread."""

    def __init__(self, file: Path) -> None:
        self._file = str(file)
        self._connection = duckdb.connect()
        self._connection.execute("SET threads = 1")
        self._connection.execute("SET enable_progress_bar = false")

    def liquidations(self) -> int:
        """The rows that tell of a liquidation, all their fields typed; how many."""
        return len(self._rows(_DUCKDB_HITS))

    def liquidations_in_lines(self) -> int:
        """The same, from lines that are searched as text first."""
        return len(self._rows(_DUCKDB_LINES))

    def all_fills(self) -> tuple[int, int]:
        """Every field of every row decoded, as an aggregate shows; how many rows, and liquidations."""
        [row] = self._rows(_DUCKDB_ALL)
        return row[0], row[-1]

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, [self._file]).fetchall()


class Polars:
    """The streaming engine with one thread."""

    def __init__(self, file: Path) -> None:
        os.environ["POLARS_MAX_THREADS"] = "1"  # read when it is loaded
        import polars as pl  # noqa: PLC0415

        self._polars = pl
        kinds = {"VARCHAR": pl.String, "BIGINT": pl.Int64, "BOOLEAN": pl.Boolean}
        named = pl.Struct(dict.fromkeys(_NAMED, pl.String))
        fill = pl.Struct({name: kinds[kind] for name, kind in _FIELDS.items()} | {"liquidation": named})
        rows = pl.List(pl.List(pl.String))
        schema: dict[str, Any] = {"block_time": pl.String, "block_number": pl.Int64, "events": rows}
        self._scan = pl.scan_ndjson(file, schema=schema).explode("events").drop_nulls("events")
        self._text = pl.col("events").list.get(1)
        self._owner, self._fill = pl.col("events").list.get(0), self._text.str.json_decode(fill)

    def liquidations(self) -> int:
        """The rows that tell of a liquidation, all their fields typed; how many."""
        hits = self._scan.filter(self._text.str.contains(_MARKER, literal=True))
        return int(self._decoded(hits).collect(engine="streaming").height)

    def all_fills(self) -> tuple[int, int]:
        """Every field of every row decoded, as an aggregate shows; how many rows, and liquidations."""
        column = self._polars.col
        named = column("liquidation").struct.field("liquidatedUser")
        newest = [column(name).max() for name in ("owner", *_FIELDS)]
        sums = self._decoded(self._scan).select(self._polars.len(), *newest, named.count())
        row = sums.collect(engine="streaming").row(0)
        return row[0], row[-1]

    def _decoded(self, rows: LazyFrame) -> LazyFrame:
        return rows.with_columns(owner=self._owner, fill=self._fill).drop("events").unnest("fill")
