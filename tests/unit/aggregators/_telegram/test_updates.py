from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from kamiyo.aggregators._telegram.standing import parse_cursor
from kamiyo.aggregators._telegram.updates import Update, decode, post_of
from kamiyo.core.errors import CursorExpired, MalformedPayload
from kamiyo.core.ids import Cursor

CHAT = {"id": -1001234567890, "title": "Announcements", "username": "Hl_News", "type": "channel"}


def an_update(kind: str = "channel_post", **fields: Any) -> Update:
    post = {"message_id": 365, "chat": CHAT, "date": 1_790_232_237, "text": "words"} | fields
    return decode(msgspec.json.encode({"update_id": 1, kind: post}), Update)


def test_a_channel_post_is_a_post() -> None:
    """Its times are whole seconds, and its link names the channel."""
    post = post_of(an_update(), frozenset())
    assert post is not None
    assert (post.post_id, post.author, post.text) == ("hl_news/365", "Hl_News", "words")
    assert post.url == "https://t.me/Hl_News/365"
    assert post.published_at == datetime(2026, 9, 24, 6, 43, 57, tzinfo=UTC)
    edited = post_of(an_update("edited_channel_post", edit_date=1_790_232_240), frozenset())
    assert edited is not None
    assert (edited.post_id, edited.edited_at) == ("hl_news/365", datetime(2026, 9, 24, 6, 44, tzinfo=UTC))


def test_a_channel_without_a_name_has_its_number() -> None:
    """And so has one that is listed by it."""
    private = post_of(an_update(chat={"id": -1001234567890}), frozenset())
    assert private is not None
    assert (private.author, private.url) == ("-1001234567890", "https://t.me/c/1234567890/365")
    listed = post_of(an_update(), frozenset({"-1001234567890"}))
    assert listed is not None
    assert listed.author == "-1001234567890"


def test_a_caption_is_words_and_a_hidden_link_is_attached() -> None:
    """A transaction is often the aim of the word "here"."""
    links = [{"type": "text_link", "url": "https://etherscan.io/tx/0xab"}, {"type": "bold"}]
    post = post_of(an_update(text="", caption="see here", caption_entities=links), frozenset())
    assert post is not None
    assert (post.text, post.attachments) == ("see here", ("https://etherscan.io/tx/0xab",))


@pytest.mark.parametrize(
    ("forwarded", "origin"),
    [
        ({"forward_origin": {"type": "channel", "chat": {"id": -5, "username": "zachxbt"}}}, "zachxbt"),
        ({"forward_from_chat": {"id": -5}}, "-5"),
        ({"forward_origin": {"type": "hidden_user", "sender_user_name": "x"}}, None),
        ({}, None),
    ],
)
def test_a_forwarded_post_names_its_origin(forwarded: dict[str, Any], origin: str | None) -> None:
    """A channel's words are named after it, in the new form of the API and in the old one."""
    post = post_of(an_update(**forwarded), frozenset())
    assert post is not None
    assert post.repost_of == origin


def test_other_updates_are_no_posts() -> None:
    """What was not asked for says nothing."""
    assert post_of(decode(b'{"update_id":1,"message":{}}', Update), frozenset()) is None


@pytest.mark.parametrize("payload", [b"", b"{}", b'{"update_id":1,"channel_post":{}}', b'{"update_id":"x"}'])
def test_what_is_no_update_is_refused(payload: bytes) -> None:
    """It is not taken for one without a post."""
    with pytest.raises(MalformedPayload):
        decode(payload, Update)


def test_a_foreign_cursor_is_refused() -> None:
    """Nothing is skipped, or read again, because of a cursor nobody understands."""
    assert parse_cursor(None).update is None
    assert parse_cursor(Cursor('{"update":7,"previews":{"inv":{"newest":3,"posts":{"3":"ab"}}}}')).update == 7
    with pytest.raises(CursorExpired):
        parse_cursor(Cursor("42"))
