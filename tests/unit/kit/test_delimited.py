"""CSV is what RFC 4180 says, and no cell of it is a formula."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamiyo.kit.delimited import encode_rows, truth

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


def test_cells_are_quoted_where_they_must_be() -> None:
    """What is not known is empty, truth is a word, and numbers are as they are told."""
    rows = [["a,b", 'say "no"', "two\r\nlines", None, truth(True), truth(False), truth(None), 7, "-1.50"]]
    assert encode_rows(rows, [0, 1, 2]) == b'"a,b","say ""no""","two\r\nlines",,true,false,,7,-1.50\r\n'


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'quoted'"])
def test_a_text_is_never_a_formula(text) -> None:
    """An apostrophe before it says so; numbers, which nobody wrote by hand, are left alone."""
    [[cell, number]] = csv.reader(io.StringIO(encode_rows([[text, "-1"]], [0]).decode(), newline=""))
    assert (cell, number) == (f"'{text}", "-1")


@given(st.lists(TEXT, min_size=2, max_size=4))
def test_every_text_comes_back(texts) -> None:
    """Whoever takes one apostrophe away from the front of a text has what was written."""
    content = encode_rows([texts], range(len(texts))).decode()
    [cells] = csv.reader(io.StringIO(content, newline=""), strict=True)
    assert [cell.removeprefix("'") for cell in cells] == texts
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)
