from datetime import UTC, datetime
from typing import Any

import pytest

from kamiyo.aggregators._telegram.preview import post_of, posts_in
from kamiyo.core.errors import MalformedPayload
from tests.builders import NOW
from tests.services.telegram import Message, preview_page, preview_post


def a_post(text: str = "words", number: int = 12, **more: Any) -> str:
    return preview_post("Inv", number, Message(text, "2026-10-08T10:01:00+00:00", **more))


def page(*posts: str) -> bytes:
    return preview_page("".join(posts))


def read(post: str) -> Any:
    (shown,) = posts_in(page(post), "inv")
    return post_of(shown.payload, edited_at=None)


def test_a_post_says_who_when_and_what() -> None:
    """Channel and number are its identity, whatever the case of the name."""
    post = read(a_post("Hello & <you>\nline two"))
    assert (post.post_id, post.author, post.url) == ("inv/12", "Inv", "https://t.me/Inv/12")
    assert post.published_at == datetime(2026, 10, 8, 10, 1, tzinfo=UTC)
    assert post.text == "Hello & <you>\nline two"


def test_what_a_post_answers_is_not_its_words() -> None:
    """The quoted post's words stand in the same box."""
    quoted = '<a class="tgme_widget_message_reply"><div class="tgme_widget_message_text">old words</div></a>'
    marked = a_post().replace(
        '<div class="tgme_widget_message_text', f'{quoted}<div class="tgme_widget_message_text', 1
    )
    assert read(marked).text == "words"


def test_links_that_are_not_spelled_out_are_attached() -> None:
    """A transaction is often the aim of the word "here"; the title of a linked page is attached as well."""
    said = 'see <a href="https://etherscan.io/tx/0xab">here</a><a href="https://x.com/">https://x.com/</a>'
    title = '<div class="link_preview_title" dir="auto">A page</div>'
    marked = (
        a_post("WORDS")
        .replace("WORDS", said)
        .replace('<div class="tgme_widget_message_footer', f'{title}<div class="tgme_widget_message_footer')
    )
    assert read(marked).attachments == ("https://etherscan.io/tx/0xab", "A page")


def test_blocks_are_lines() -> None:
    """Code and quotations do not run into the words around them."""
    marked = a_post("WORDS").replace("WORDS", "before<pre>code</pre>after<blockquote>quoted</blockquote>")
    assert read(marked).text.split() == ["before", "code", "after", "quoted"]


def test_a_forwarded_post_names_its_origin() -> None:
    """With a link to the channel it comes from; without one nobody is named."""
    assert read(a_post(forwarded_from="zachxbt")).repost_of == "zachxbt"
    assert read(a_post()).repost_of is None


def test_only_changed_words_are_a_change() -> None:
    """How many have seen a post, and that it was edited, change nothing."""
    (one,), (other,) = (posts_in(page(each), "inv") for each in (a_post(), a_post(edited=True)))
    assert one.digest == other.digest
    assert one.digest != posts_in(page(a_post("other words")), "inv")[0].digest


def test_posts_come_in_order_and_services_notes_not_at_all() -> None:
    """That a picture was changed is no post."""
    note = a_post("pinned", 13).replace('js-widget_message"', 'service_message js-widget_message"', 1)
    found = posts_in(page(a_post(number=14), note, a_post(number=11)), "inv")
    assert [each.number for each in found] == [11, 14]
    assert posts_in(page(), "inv") == []


@pytest.mark.parametrize(
    ("html", "rule"),
    [
        (b"", "not_a_preview"),
        (b"<html><body>Contact @Inv</body></html>", "not_a_preview"),
        (page(a_post().replace("Inv/12", "Other/12")), "not_a_preview"),
        (page(a_post().replace('data-post="Inv/12"', "")), "not_a_post"),
        (page(a_post().replace('data-post="Inv/12"', 'data-post="Inv/x"')), "not_a_post"),
    ],
)
def test_another_page_is_refused(html: bytes, rule: str) -> None:
    """What is no preview of this channel, or has another form, is not read as an empty one."""
    with pytest.raises(MalformedPayload) as told:
        posts_in(html, "inv")
    assert told.value.rule == rule


@pytest.mark.parametrize("at", ["", "yesterday", "2026-10-08T10:01:00"])
def test_a_post_without_its_time_is_refused(at: str) -> None:
    """When it was posted is never guessed."""
    (shown,) = posts_in(page(preview_post("Inv", 12, Message("words", at))), "inv")
    with pytest.raises(MalformedPayload):
        post_of(shown.payload, edited_at=NOW)
    with pytest.raises(MalformedPayload):
        post_of(b"<div>words</div>", edited_at=None)
