"""Rows as COPY text: what is structure to the server is escaped."""

from decimal import Decimal

import pytest

from kamiyo.storage import copy_text
from tests.builders import NOW


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


def test_unknown_is_null() -> None:
    """An absent number or name is NULL, not an empty text."""
    assert copy_text.number_or_null(None) == copy_text.name_or_null(None) == copy_text.NULL == "\\N"
    assert copy_text.number_or_null(Decimal("-0.10")) == "-0.10"
    assert copy_text.name_or_null("a\tb") == "a\\tb"


def test_arrays_quote_their_texts() -> None:
    """Quotes and backslashes are escaped for the array first and for COPY then."""
    assert copy_text.array(()) == "{}"
    assert copy_text.array(("a", 'b"c', "d\\e")) == '{"a","b\\\\"c","d\\\\\\\\e"}'


def test_rows_end_in_newlines() -> None:
    """Fields are joined by tabs and every row, the last too, ends its line."""
    row = copy_text.row("a", copy_text.NULL, copy_text.moment(NOW))
    assert copy_text.lines([row, row]).getvalue().decode() == f"a\t\\N\t{NOW.isoformat()}\n" * 2
    assert copy_text.lines([]).getvalue() == b""
