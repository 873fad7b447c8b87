"""CSV as it is found: cut into rows without changing a byte, and columns looked up by their names."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from kamiyo.core.errors import MalformedPayload

_MARK: Final = b"\xef\xbb\xbf"  # some programs begin UTF-8 so
_LONGEST_NAMES: Final = 200
_MOST_LINES: Final = 100  # of one row


class Record(msgspec.Struct, frozen=True, gc=False):
    """One row as it stands in its file, and from where to where; without the end of its line."""

    content: bytes
    start: int
    end: int


class Chunk(msgspec.Struct, frozen=True, gc=False):
    """Whole rows of a file under its header, and from where to where they stand there."""

    payload: bytes
    start: int
    end: int


def records_of(body: bytes) -> Iterator[Record]:
    """Every row that is not blank, the header first; a quoted cell may hold ends of lines.

    Where a quote is never closed its line is a row of its own, which cannot be read, and swallows no other.
    """
    lines, at, start = body.splitlines(keepends=True), 0, 0
    while at < len(lines):
        count = _lines_of_row(lines, at)
        row = b"".join(lines[at : at + count])
        at, end = at + count, start + len(row)
        content = (row if start else row.removeprefix(_MARK)).rstrip(b"\r\n")
        if content.strip():
            yield Record(content, start, end)
        start = end


def _lines_of_row(lines: Sequence[bytes], at: int) -> int:
    """How many lines the row that begins here has."""
    quotes = 0
    for count, line in enumerate(lines[at : at + _MOST_LINES], 1):
        quotes += line.count(b'"')
        if quotes % 2 == 0:
            return count
    return 1


def chunks_of(body: bytes, size: int) -> Iterator[Chunk]:
    """The rows in pieces of about this size, each under the header; one piece where there are no rows."""
    header, *rows = records_of(body)
    start, held, length = 0, list[bytes](), 0
    for row in rows:
        held.append(row.content)
        length += len(row.content)
        if length >= size:
            yield Chunk(b"\n".join([header.content, *held]), start, row.end)
            start, held, length = row.end, [], 0
    if held or start == 0:
        yield Chunk(b"\n".join([header.content, *held]), start, len(body))


class Table:
    """The columns of a header, and the cells of the rows under it."""

    def __init__(self, header: bytes, needed: Sequence[str]) -> None:
        """MalformedPayload where a column that is needed is not there, or any is there twice."""
        self._names = [name.strip() for name in _cells(header)]
        missing = [name for name in needed if name not in self._names]
        if missing:
            told = ", ".join(self._names)[:_LONGEST_NAMES]
            raise MalformedPayload(
                f"it lacks the column {', '.join(missing)}; it has {told}", rule="columns_missing"
            )
        if len(set(self._names)) != len(self._names):
            raise MalformedPayload("it has a column twice", rule="columns_missing")

    def cells(self, row: bytes) -> Mapping[str, str]:
        """A row by the names of its columns; MalformedPayload where its cells are more or fewer."""
        cells = _cells(row)
        if len(cells) != len(self._names):
            detail = f"{len(cells)} cells under {len(self._names)} columns"
            raise MalformedPayload(detail, rule="cells_do_not_fit")
        return {name: cell.strip() for name, cell in zip(self._names, cells, strict=True)}


def _cells(row: bytes) -> list[str]:
    # What is no UTF-8 becomes a letter that no cell may hold.
    text = row.decode("utf-8", "replace")
    try:
        return next(csv.reader([text], strict=True))
    except (csv.Error, StopIteration) as error:
        raise MalformedPayload(f"no row of a table: {error}", rule="cells_do_not_fit") from error
