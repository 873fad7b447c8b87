"""CSV cut into rows and pieces: no byte is lost, and no row is read under another's columns."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamiyo.aggregators._github_historical.tables import Table, chunks_of, records_of
from kamiyo.core.errors import MalformedPayload

CELLS = st.text(st.sampled_from('ab ,"\r\n\u00e9'), max_size=6)
ROWS = st.lists(st.tuples(CELLS, CELLS), max_size=12)


def written(rows: list[tuple[str, str]], line_end: str = "\n") -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator=line_end, quoting=csv.QUOTE_ALL).writerows([("one", "two"), *rows])
    return text.getvalue().encode()


@given(ROWS, st.sampled_from(["\n", "\r\n"]), st.integers(1, 60))
def test_every_row_comes_once_whatever_its_cells_hold(rows: list[tuple[str, str]], line_end: str, size: int):
    """Rows read in pieces of any size are those that were written, and the pieces follow on each other."""
    body = written(rows, line_end)
    chunks = list(chunks_of(body, size))
    assert [chunks[0].start, *(each.end for each in chunks)] == [*(each.start for each in chunks), len(body)]
    found: list[tuple[str, str]] = []
    for chunk in chunks:
        header, *records = records_of(chunk.payload)
        table = Table(header.content, ("one", "two"))
        found += [(cells["one"], cells["two"]) for cells in (table.cells(each.content) for each in records)]
    assert found == [(one.strip(), two.strip()) for one, two in rows]


@given(st.binary(max_size=200))
def test_any_bytes_are_cut_without_losing_one(body: bytes):
    """Whatever a file holds, its rows lie one after the other, and what is between them is blank."""
    at = 0
    for record in records_of(body):
        assert not body[at : record.start].strip(b"\xef\xbb\xbf \t\r\n\x0b\x0c")
        assert record.content in body[record.start : record.end]
        at = record.end
    assert not body[at:].strip(b"\xef\xbb\xbf \t\r\n\x0b\x0c")


def test_a_quote_that_is_never_closed_costs_its_own_row_alone():
    """The rows after a stray quote are rows of their own."""
    body = b'one,two\n1,2\n3,"4\n' + b"5,6\n" * 200
    rows = [each.content for each in records_of(body)]
    assert rows[:3] == [b"one,two", b"1,2", b'3,"4']
    assert rows[3:] == [b"5,6"] * 200
    with pytest.raises(MalformedPayload) as refusal:
        Table(b"one,two", ()).cells(rows[2])
    assert refusal.value.rule == "cells_do_not_fit"


def test_a_byte_order_mark_is_no_part_of_the_first_name():
    """A file that begins with the mark of UTF-8 has the same columns as one that does not."""
    (header,) = records_of(b"\xef\xbb\xbfone,two\r\n\r\n")
    assert Table(header.content, ("one",)).cells(b"1, 2 ") == {"one": "1", "two": "2"}


@pytest.mark.parametrize("row", [b"1", b"1,2,3", b'"1"2,3', b"", b'"'])
def test_a_row_with_other_cells_than_columns_is_refused(row: bytes):
    """Too few cells, too many, or no row of a table at all: which column a cell is of would be a guess."""
    with pytest.raises(MalformedPayload) as refusal:
        Table(b"one,two", ()).cells(row)
    assert refusal.value.rule == "cells_do_not_fit"


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (b"one,three", "it lacks the column two; it has one, three"),
        (b"one,two,one", "it has a column twice"),
        (b"\xff\xfeo\x00n\x00e", "it lacks the column one, two; it has"),
    ],
)
def test_a_header_that_lacks_a_column_is_refused(header: bytes, told: str):
    """Without a column, or with one twice, no row can be understood: the refusal says which."""
    with pytest.raises(MalformedPayload, match=told) as refusal:
        Table(header, ("one", "two"))
    assert refusal.value.rule == "columns_missing"


def test_a_file_of_a_header_alone_is_one_piece():
    """A table without rows is still said to have been read."""
    (chunk,) = chunks_of(b"one,two\n", 10)
    assert (chunk.payload, chunk.start, chunk.end) == (b"one,two", 0, 8)
