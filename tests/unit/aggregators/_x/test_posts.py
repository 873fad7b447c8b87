"""What payloads of X say."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from kamiyo.aggregators._x.posts import author_of, parse_post
from kamiyo.core.errors import MalformedPayload
from kamiyo.core.ports import Raw
from tests.builders import a_raw

FIRST, EDITED = "1541815603606036480", "1541815611997093888"
MADE = datetime(2022, 6, 28, 16, 7, 40, 105000, tzinfo=UTC)


def a_post(**changes: Any) -> Raw:
    told = {"id": FIRST, "text": "Hacked", "created_at": "2022-06-28T16:07:40.000Z"} | changes
    return a_raw(source="x", stream="search/peckshieldalert", payload=msgspec.json.encode(told))


def test_a_line_of_the_stream_and_a_row_of_a_page_are_the_same_post() -> None:
    """One stands in an envelope; who wrote it stands in the name of the stream."""
    searched = a_post()
    line = b'{"data":' + searched.payload + b',"matching_rules":[{"id":"1","tag":"kamiyo:peckshieldalert"}]}'
    streamed = a_raw(source="x", stream="stream/peckshieldalert", payload=line)
    assert parse_post(searched, "PeckShieldAlert") == parse_post(streamed, "PeckShieldAlert")
    assert author_of(searched) == author_of(streamed) == "peckshieldalert"
    assert author_of(a_raw(source="x", stream="stream")) == ""


def test_a_post_says_when_it_was_published_and_where_it_is() -> None:
    """And nothing of edits there were none of."""
    post = parse_post(a_post(edit_history_tweet_ids=[FIRST]), "PeckShieldAlert")
    assert (post.post_id, post.url) == (FIRST, f"https://x.com/PeckShieldAlert/status/{FIRST}")
    assert (post.published_at, post.edited_at) == (datetime(2022, 6, 28, 16, 7, 40, tzinfo=UTC), None)


def test_an_edit_is_known_by_the_first_id() -> None:
    """Its own id is where it is found; when it was begun stands in the first."""
    raw = a_post(id=EDITED, created_at="2022-06-28T16:07:42.000Z", edit_history_tweet_ids=[EDITED, FIRST])
    post = parse_post(raw, "PeckShieldAlert")
    assert (post.post_id, post.published_at) == (FIRST, MADE)
    assert post.url.endswith(EDITED)
    assert post.edited_at is not None
    assert post.edited_at > MADE


def test_short_links_and_escapes_are_shown_as_their_reader_sees_them() -> None:
    """A transaction's hash stands only in the address a short link is for; a title is an attachment."""
    link = {
        "url": "https://t.co/a",
        "expanded_url": "https://etherscan.io/tx/0x12",
        "title": "Swap &amp; run",
        "description": "",
    }
    post = parse_post(a_post(text="A &gt; B https://t.co/a", entities={"urls": [link]}), "x")
    assert (post.text, post.attachments) == ("A > B https://etherscan.io/tx/0x12", ("Swap & run",))


def test_a_long_post_is_read_whole() -> None:
    """Its first part stands where other posts stand."""
    links = {"urls": [{"url": "https://t.co/b", "expanded_url": "https://b.test"}]}
    post = parse_post(a_post(note_tweet={"text": "Hacked, all of it https://t.co/b", "entities": links}), "x")
    assert post.text == "Hacked, all of it https://b.test"


@pytest.mark.parametrize(
    ("text", "references", "whose"),
    [
        ("RT @zachxbt: Hacked", [{"type": "retweeted", "id": "5"}], "zachxbt"),
        ("Look at this", [{"type": "quoted", "id": "5"}], None),
        ("RT @zachxbt: Hacked", [], None),
        ("Hacked", [{"type": "retweeted", "id": "5"}], None),
    ],
)
def test_a_repost_names_whose_words_it_repeats(text: str, references: list[Any], whose: str | None) -> None:
    """Where X itself says that it is one."""
    assert parse_post(a_post(text=text, referenced_tweets=references), "x").repost_of == whose


@pytest.mark.parametrize(
    "payload",
    [b"", b"<html>", b"[]", b"{}", b'"\xff"', b'{"id":"1"}', a_post(id="x").payload, a_post(id=5).payload,
     a_post(created_at="yesterday").payload, a_post(created_at="2022-06-28T16:07:40").payload],
)  # fmt: skip
def test_what_is_no_post_is_refused(payload: bytes) -> None:
    """By one name, whatever is wrong with it."""
    with pytest.raises(MalformedPayload) as refused:
        parse_post(a_raw(source="x", stream="search/x", payload=payload), "x")
    assert refused.value.rule == "not_a_post"
