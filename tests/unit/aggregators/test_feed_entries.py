"""Documents of feeds as plain text, whatever stands in them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamiyo.aggregators._feed_entries import MOST_ENTRIES, read_entries, text_of
from kamiyo.core.errors import MalformedPayload
from tests.services.feeds import Item, atom, rss


@given(st.binary(max_size=400) | st.binary(max_size=400).map(lambda noise: rss([Item()])[:-40] + noise))
def test_any_bytes_are_read_or_refused(document: bytes):
    """Noise is refused by name or read as far as it goes, and nothing else happens."""
    entries, refused = [], ""
    try:
        entries = read_entries(document)
    except MalformedPayload as refusal:
        refused = refusal.rule
    assert refused in {"", "not_a_feed", "feed_with_entities"}
    assert len(entries) <= MOST_ENTRIES


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be"])
def test_declared_entities_are_refused_in_any_encoding(encoding: str):
    """A document that declares entities is refused before any of them is looked at."""
    text = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE r [<!ENTITY a "b">]><rss version="2.0"/>'
    with pytest.raises(MalformedPayload) as refusal:
        read_entries(text.encode(encoding))
    assert refusal.value.rule == "feed_with_entities"


def test_rss_and_atom_say_the_same():
    """One entry in both forms is one entry."""
    item = Item(date="2025-03-26T14:00:00Z")
    assert read_entries(rss([item])) == read_entries(atom([item]))


def test_a_document_without_entries_is_a_feed():
    """A feed may be empty; a page of HTML is none."""
    assert read_entries(rss([])) == []
    with pytest.raises(MalformedPayload):
        read_entries(b"<html><body><p>Hello</p></body></html>")


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("plain  text", "plain text"),
        ("<p>One</p><p>Two<br>three</p>", "One\nTwo\nthree"),
        ("a &amp; b &lt; c", "a & b < c"),
        ("<b>4.9</b> million<script>x</script><style>y</style>", "4.9 million"),
        ("<div><p>un<b>closed", "unclosed"),
        ("", ""),
    ],
)
def test_html_is_shown_as_text(html: str, text: str):
    """Blocks are lines, marks and scripts are gone, and what was escaped is shown."""
    assert text_of(html) == text


def test_bytes_that_name_a_file_are_not_opened(tmp_path: Path):
    """What looks like the name of a file that is a feed is no feed."""
    (tmp_path / "feed.xml").write_bytes(rss([Item()]))
    with pytest.raises(MalformedPayload):
        read_entries(str(tmp_path / "feed.xml").encode())
