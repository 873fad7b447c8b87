"""Parquet files: exact numbers, constant memory, and in their place only once they are whole and on disk."""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias, cast

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

# It ships no types.
_pyarrow = cast("Any", pa)
_parquet = cast("Any", pq)
_compute = cast("Any", pc)
_Schema: TypeAlias = Any
_Batch: TypeAlias = Any
_Type: TypeAlias = Any

MAX_PRECISION = 38  # digits of the widest decimal every reader of Parquet knows
_ROWS_IN_A_GROUP = 50_000

Rows = Sequence[Sequence[object]]


class Kind(enum.Enum):
    """What a column holds; any of it may be unknown."""

    TEXT = "text"
    INTEGER = "integer"
    TRUTH = "truth"
    MOMENT = "moment"  # in UTC, to the microsecond
    TEXTS = "texts"
    DECIMAL = "decimal"


class Column(msgspec.Struct, frozen=True):
    """A column. Of decimals it is said how many digits there are, and how many of them after the point."""

    name: str
    kind: Kind
    precision: int = MAX_PRECISION
    scale: int = 18


@contextmanager
def parquet_file(
    path: Path, columns: Sequence[Column], metadata: Mapping[str, str]
) -> Generator[Callable[[Rows], None]]:
    """Give what adds rows to a new file, which is under its name, and on disk, once the block has ended well.

    ValueError for what a column cannot hold exactly. An older file of that name is replaced.
    """
    schema = _schema(columns, metadata)
    waiting: list[_Batch] = []

    def write_waiting() -> None:
        writer.write_table(_pyarrow.Table.from_batches(waiting, schema=schema))
        waiting.clear()

    def add(rows: Rows) -> None:
        if rows:
            waiting.append(_batch(rows, schema))
        if sum(batch.num_rows for batch in waiting) >= _ROWS_IN_A_GROUP:
            write_waiting()

    with _placed(path) as partial, _parquet.ParquetWriter(partial, schema, compression="zstd") as writer:
        yield add
        if waiting:
            write_waiting()


def join_files(
    files: Sequence[Path], path: Path, columns: Sequence[Column], metadata: Mapping[str, str]
) -> None:
    """Write the rows of files into one, in order; what is text in them becomes what its column holds.

    ValueError for text that says nothing of the sort, or more than the column holds exactly.
    """
    schema = _schema(columns, metadata)
    with _placed(path) as partial, _parquet.ParquetWriter(partial, schema, compression="zstd") as writer:
        for group in _groups(files, [each.name for each in columns]):
            writer.write_table(group.cast(schema))


def digits_in(files: Sequence[Path], names: Sequence[str]) -> dict[str, tuple[int, int]]:
    """How many digits before and after the point the longest numbers have in these columns of text."""
    longest: dict[str, tuple[int, int]] = dict.fromkeys(names, (0, 0))
    for group in _groups(files, names):
        for name in names:
            found, known = _digits(group[name]), longest[name]
            longest[name] = max(found[0], known[0]), max(found[1], known[1])
    return longest


def rows_in(path: Path) -> int:
    """How many rows a whole file says it has."""
    return int(_parquet.read_metadata(path).num_rows)


def metadata_of(path: Path) -> dict[str, str]:
    """What was written about a file into it."""
    said: Mapping[bytes, bytes] = _parquet.read_schema(path).metadata or {}
    return {key.decode(): value.decode() for key, value in said.items()}


def _groups(files: Sequence[Path], names: Sequence[str]) -> Generator[_Batch]:
    if not names:
        return
    for file in files:
        with _parquet.ParquetFile(file) as source:
            for number in range(source.num_row_groups):
                yield source.read_row_group(number, columns=names, use_threads=False)


def _digits(numbers: _Batch) -> tuple[int, int]:
    digits = _compute.utf8_ltrim(numbers, "-")
    lengths, point = _compute.utf8_length(digits), _compute.find_substring(digits, ".")
    whole = _compute.less(point, 0)
    before = _compute.if_else(whole, lengths, point)
    after = _compute.if_else(whole, 0, _compute.subtract(_compute.subtract(lengths, point), 1))
    return _compute.max(before).as_py() or 0, _compute.max(after).as_py() or 0


def _batch(rows: Rows, schema: _Schema) -> _Batch:
    columns = zip(*rows, strict=True)
    arrays = [_pyarrow.array(values, type=field.type) for values, field in zip(columns, schema, strict=True)]
    return _pyarrow.record_batch(arrays, schema=schema)


def _schema(columns: Sequence[Column], metadata: Mapping[str, str]) -> _Schema:
    return _pyarrow.schema([(each.name, _type(each)) for each in columns], metadata=dict(metadata))


def _type(column: Column) -> _Type:
    if column.kind is Kind.DECIMAL:
        return _pyarrow.decimal128(column.precision, column.scale)
    return _TYPES[column.kind]()


_TYPES: dict[Kind, Callable[[], _Type]] = {
    Kind.TEXT: _pyarrow.string,
    Kind.INTEGER: _pyarrow.int64,
    Kind.TRUTH: _pyarrow.bool_,
    Kind.MOMENT: lambda: _pyarrow.timestamp("us", tz="UTC"),
    Kind.TEXTS: lambda: _pyarrow.list_(_pyarrow.string()),
}


@contextmanager
def _placed(path: Path) -> Generator[Path]:
    """Where to write a file that is under its name, and on disk, once the block has ended well."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        yield partial
        _put_in_place(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _put_in_place(partial: Path, path: Path) -> None:
    for written in (partial, path.parent):  # the file, and that it is in its folder
        descriptor = os.open(written, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if written is partial:
            partial.replace(path)
