"""The file of an export, part by part: each is on disk for good, and another process can go on after it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from kamiyo.core.exports import Export, ExportFormat, ExportPart, Metadata
from kamiyo.kit.delimited import encode_rows, truth
from kamiyo.kit.growing import GrowingFile, Piece
from kamiyo.kit.parquet import MAX_PRECISION, Column, Kind, Rows, digits_in, join_files, parquet_file
from kamiyo.processing.tabulating import Table, table_of

_AS_TEXT = (Kind.DECIMAL, Kind.MOMENT)
_OWN = 0o600
_lines = msgspec.json.Encoder()


class WholeFile(NamedTuple):
    """A file that is written to its end, and what is said of it."""

    size: int
    sha256: str
    metadata: Metadata


class PartFile(Protocol):
    """A file that is written part by part."""

    @property
    def size(self) -> int:
        """How many bytes it takes by now."""
        ...

    def restore(self, parts: Sequence[ExportPart]) -> bool:
        """Begin, or go on after these parts; False where they are not there any more, and it begins anew."""
        ...

    def add(self, rows: Sequence[msgspec.Struct]) -> None:
        """Add rows to the part that is being written. ValueError for what cannot be written exactly."""
        ...

    def keep(self) -> Piece:
        """End the part: its rows are on disk for good."""
        ...

    def finish(self, metadata: Metadata) -> WholeFile:
        """End the file, whose parts are all kept."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


def open_file(export: Export, folder: Path) -> PartFile:
    """The file of an export in its folder."""
    path, table = folder / export.file_name, table_of(export.dataset)
    if export.format is ExportFormat.PARQUET:
        return _Groups(path, table)
    return _Lines(path, table if export.format is ExportFormat.CSV else None)


class _Lines:
    """A file of lines: CSV with a header where there is a table, else the rows as the API shows them."""

    def __init__(self, path: Path, table: Table | None) -> None:
        self._file = GrowingFile(path)
        self._table = table
        self._lists = [] if table is None else table.places(Kind.TEXTS)
        self._truths = [] if table is None else table.places(Kind.TRUTH)
        self._texts = [] if table is None else table.places(Kind.TEXT)

    @property
    def size(self) -> int:
        return self._file.size

    def restore(self, parts: Sequence[ExportPart]) -> bool:
        restored = self._file.restore([Piece(part.size, part.sha256) for part in parts])
        if self._table is not None and not self._file.size:
            self._file.write(encode_rows([self._table.names], ()))
        return restored

    def add(self, rows: Sequence[msgspec.Struct]) -> None:
        if self._table is None:
            self._file.write(_lines.encode_lines(rows))
            return
        table = [self._table.cells(row) for row in rows]
        for cells in table:
            for place in self._lists:
                cells[place] = _lines.encode(cells[place]).decode()
            for place in self._truths:
                cells[place] = truth(cells[place])
        self._file.write(encode_rows(table, self._texts))

    def keep(self) -> Piece:
        return self._file.keep()

    def finish(self, metadata: Metadata) -> WholeFile:
        return WholeFile(self._file.size, self._file.sha256, metadata)

    def close(self) -> None:
        self._file.close()


class _Groups:
    """A Parquet file. Its end can only be written once, so each part is a file of its own until then.

    Numbers and moments are text in the parts: how many digits numbers need is known once all are there.
    """

    def __init__(self, path: Path, table: Table) -> None:
        self._path = path
        self._table = table
        self._in_parts = [
            Column(each.name, Kind.TEXT) if each.kind in _AS_TEXT else each for each in table.columns
        ]
        self._parts: list[Path] = []
        self._kept = 0
        self._open = ExitStack()
        self._add: Callable[[Rows], None] | None = None

    @property
    def size(self) -> int:
        partial = _partial(self._name(len(self._parts)))
        return self._kept + (partial.stat().st_size if partial.exists() else 0)

    def restore(self, parts: Sequence[ExportPart]) -> bool:
        found = [(self._name(part.number), part) for part in parts]
        whole = all(path.exists() and checksum_of(path) == part.sha256 for path, part in found)
        self._parts = [path for path, _part in found] if whole else []
        self._kept = sum(part.size for part in parts) if whole else 0
        return whole

    def add(self, rows: Sequence[msgspec.Struct]) -> None:
        self._begun()([self._table.cells(row) for row in rows])

    def keep(self) -> Piece:
        self._begun()
        self.close()
        path = self._name(len(self._parts))
        piece = Piece(path.stat().st_size, checksum_of(path))
        self._parts.append(path)
        self._kept += piece.size
        return piece

    def finish(self, metadata: Metadata) -> WholeFile:
        table = self._table.columns
        numbers = [each.name for each in table if each.kind is Kind.DECIMAL]
        digits = digits_in(self._parts, numbers)
        columns = [fitting(each, *digits[each.name]) if each.name in digits else each for each in table]
        as_text = [each.name for each in columns if each.name in digits and each.kind is Kind.TEXT]
        told = msgspec.structs.replace(metadata, numbers_as_text=as_text)
        join_files(self._parts, self._path, columns, key_values(told))
        self._path.chmod(_OWN)
        return WholeFile(self._path.stat().st_size, checksum_of(self._path), told)

    def close(self) -> None:
        self._open.close()
        self._add = None

    def _begun(self) -> Callable[[Rows], None]:
        if self._add is None:
            part = parquet_file(self._name(len(self._parts)), self._in_parts, {})
            self._add = self._open.enter_context(part)
        return self._add

    def _name(self, number: int) -> Path:
        return self._path.with_name(f"part-{number:05}.parquet")


def fitting(column: Column, before: int, after: int) -> Column:
    """The column of a number, wide enough for what it holds; text where no decimal is.

    The usual one wherever that is possible: files of other days then have the very same columns.
    """
    if max(before, MAX_PRECISION - column.scale) + max(after, column.scale) <= MAX_PRECISION:
        return column
    if before + after <= MAX_PRECISION:
        return Column(
            column.name, Kind.DECIMAL, MAX_PRECISION, max(after, min(column.scale, MAX_PRECISION - before))
        )
    return Column(column.name, Kind.TEXT)


def key_values(metadata: Metadata) -> dict[str, str]:
    """What is said of a file as keys and values: texts as they are, all else as JSON."""
    told = msgspec.structs.asdict(metadata) | {
        "coverage_label": metadata.coverage["label"],
        "measured_pct": metadata.coverage["measured_pct"],
    }
    return {f"kamiyo.{name}": _value(value) for name, value in told.items()}


def checksum_of(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _value(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _partial(path: Path) -> Path:
    return path.with_name(f"{path.name}.partial")
