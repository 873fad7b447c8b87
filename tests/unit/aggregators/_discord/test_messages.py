from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from kamiyo.aggregators._discord.messages import is_blank, post_of, shows_content
from kamiyo.aggregators._discord.wire import Message, decode, parse_id, time_of
from kamiyo.core.errors import MalformedPayload


def a_message(**fields: Any) -> Message:
    given = {
        "id": "1310000000000000000",
        "type": 0,
        "content": "HLP -4M in 10 min",
        "channel_id": "290926798999357250",
        "author": {"id": "53908099506183680", "username": "mason"},
        "edited_timestamp": None,
    }
    return decode(msgspec.json.encode(given | fields), Message)


def test_a_message_is_a_post_of_its_channel() -> None:
    """Its time is in its id, its link names server, channel and message."""
    post = post_of(a_message(), "7")
    assert post is not None
    assert (post.author, post.post_id) == (
        "290926798999357250",
        "290926798999357250/1310000000000000000",
    )
    assert post.url == "https://discord.com/channels/7/290926798999357250/1310000000000000000"
    assert post.published_at == time_of(1310000000000000000)
    assert (post.text, post.edited_at, post.repost_of) == ("HLP -4M in 10 min", None, None)


def test_time_is_read_out_of_an_id() -> None:
    """An id holds the milliseconds since the first second of 2015."""
    assert time_of(175928847299117063) == datetime(2016, 4, 30, 11, 18, 25, 796000, tzinfo=UTC)


def test_a_change_without_words_is_no_post() -> None:
    """It may tell of a box that appeared below a message: what that says is not said again."""
    assert post_of(decode(b'{"id":"1","channel_id":"2"}', Message), "7") is None


def test_boxes_of_the_message_are_its_words_and_those_of_links_are_not() -> None:
    """An announcement often is nothing but a box; a page somebody links says nothing for him."""
    rich = {
        "type": "rich",
        "title": "Incident",
        "description": "$4M",
        "fields": [{"name": "a", "value": "b"}],
    }
    post = post_of(a_message(content="", embeds=[rich, {"type": "article", "title": "old news"}]), "7")
    assert post is not None
    assert post.text == "Incident\n$4M\na: b"


@pytest.mark.parametrize(
    "copied",
    [{"flags": 2}, {"content": "", "message_snapshots": [{"message": {"content": "HLP -4M in 10 min"}}]}],
)
def test_what_was_followed_or_forwarded_is_its_origins_voice(copied: dict[str, Any]) -> None:
    """The words are given, and the channel they come from is named."""
    post = post_of(a_message(message_reference={"channel_id": "5", "guild_id": "6"}, **copied), "7")
    assert post is not None
    assert (post.text, post.repost_of) == ("HLP -4M in 10 min", "5")
    answered = post_of(a_message(message_reference={"channel_id": "5"}), "7")
    assert answered is not None
    assert answered.repost_of is None


@pytest.mark.parametrize(
    ("held", "blank"),
    [
        ({}, True),
        ({"type": 19}, True),
        ({"type": 6}, False),  # Discord says that something was pinned
        ({"content": "x"}, False),
        ({"attachments": [{"id": "1"}]}, False),
        ({"embeds": [{"type": "image"}]}, False),
        ({"sticker_items": [{"id": "1"}]}, False),
        ({"poll": {"question": {}}}, False),
        ({"message_snapshots": [{"message": {"content": ""}}]}, False),
    ],
)
def test_only_a_message_that_holds_nothing_is_blank(held: dict[str, Any], blank: bool) -> None:
    """A picture without words is no sign that words are withheld."""
    assert is_blank(a_message(**({"content": ""} | held))) is blank


def test_only_others_words_prove_that_words_are_shown() -> None:
    """The bot's own messages, and those that name it, are shown whatever it may see."""
    assert shows_content(a_message(), "900")
    assert not shows_content(a_message(content=""), "900")
    assert not shows_content(a_message(author={"id": "900"}), "900")
    assert not shows_content(a_message(mentions=[{"id": "900"}]), "900")
    assert not shows_content(a_message(type=7), "900")


@pytest.mark.parametrize("text", ["", "-1", "1.0", "x", "\uff11", str(1 << 64)])
def test_what_is_no_id_is_refused(text: str) -> None:
    """An id is a number of 64 bits."""
    with pytest.raises(MalformedPayload) as told:
        parse_id(text)
    assert told.value.rule == "not_an_id"
