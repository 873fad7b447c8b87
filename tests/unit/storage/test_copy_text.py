"""Rows as COPY text: what is structure to the server is escaped."""

import pytest

from kamiyo.storage import copy_text


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ("BTC", "BTC"),
        ("a\tb", "a\\tb"),
        ("a\nb\r", "a\\nb\\r"),
        ("back\\slash", "back\\\\slash"),
        ("\\N", "\\\\N"),
        ("", ""),
    ],
)
def test_text_is_escaped(value: str, field: str) -> None:
    """What COPY reads as structure is escaped, and a text that looks like NULL is not NULL."""
    assert copy_text.escaped(value) == field
    assert copy_text.name(value) == field


def test_arrays_quote_their_texts() -> None:
    """Quotes and backslashes are escaped for the array first and for COPY then."""
    assert copy_text.array(()) == "{}"
    assert copy_text.names(("a", "b")) == '{"a","b"}'
    assert copy_text.array(("a", 'b"c', "d\\e")) == '{"a","b\\\\"c","d\\\\\\\\e"}'


def test_rows_end_in_newlines() -> None:
    """Every row, the last too, ends its line."""
    row = "a\t" + copy_text.NULL
    assert copy_text.lines([row, row]).getvalue().decode() == "a\t\\N\n" * 2
    assert copy_text.lines([]).getvalue() == b""
