"""The public preview of a channel as a page: which posts stand there, and what each says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import msgspec
from selectolax.lexbor import LexborHTMLParser, LexborNode

from kamiyo.aggregators._telegram.updates import post_id
from kamiyo.aggregators.social import Post
from kamiyo.core.errors import MalformedPayload
from kamiyo.core.time import Utc

_MESSAGE: Final = "div.tgme_widget_message"
_SERVICE: Final = "service_message"
_HISTORY: Final = ".tgme_channel_history"
_REPLY: Final = ".tgme_widget_message_reply"
_TEXT: Final = ".tgme_widget_message_text"
_DATE: Final = ".tgme_widget_message_date time"
_FORWARDED: Final = ".tgme_widget_message_forwarded_from_name"
_LINKED: Final = ".link_preview_title"
_BLOCKS: Final = "p, div, pre, blockquote, li"
_DIGEST_BYTES: Final = 6
_LONGEST_NUMBER: Final = 18
_HOST: Final = "https://t.me/"


class Shown(msgspec.Struct, frozen=True):
    """A post as it stands in a page."""

    number: int
    digest: str  # of its words: what else stands there, such as how many saw it, changes all the time
    payload: bytes


def posts_in(page: bytes, channel: str) -> Sequence[Shown]:
    """The posts of a page, oldest first; MalformedPayload if it is no preview of this channel."""
    tree = LexborHTMLParser(page)
    if tree.css_first(_HISTORY) is None:
        raise MalformedPayload("the page is no preview of a channel", rule="not_a_preview")
    nodes = [each for each in tree.css(_MESSAGE) if _SERVICE not in (each.attributes.get("class") or "")]
    shown = {each.number: each for each in (_shown(node, channel) for node in nodes)}
    return [shown[number] for number in sorted(shown)]


def post_of(payload: bytes, *, edited_at: datetime | None) -> Post:
    """What a post's part of a page says; MalformedPayload if it is none."""
    node = LexborHTMLParser(payload).css_first(_MESSAGE)
    if node is None:
        raise MalformedPayload("not a post of a preview", rule="not_a_post")
    channel, number = _place(node)
    return Post(
        post_id=post_id(channel, number),
        author=channel,
        text=_words(node),
        url=f"{_HOST}{channel}/{number}",
        published_at=_published_at(node),
        edited_at=edited_at,
        repost_of=_origin(node),
        attachments=tuple(_attached(node)),
    )


def _shown(node: LexborNode, channel: str) -> Shown:
    name, number = _place(node)
    if name.casefold() != channel.casefold():
        raise MalformedPayload("the page is of another channel", rule="not_a_preview")
    payload = (node.html or "").encode()
    said = "\0".join((_words(node), *_attached(node)))
    digest = hashlib.blake2b(said.encode("utf-8", "replace"), digest_size=_DIGEST_BYTES).hexdigest()
    return Shown(number, digest, payload)


def _place(node: LexborNode) -> tuple[str, int]:
    channel, _, number = (node.attributes.get("data-post") or "").partition("/")
    if not channel or not (number.isascii() and number.isdecimal() and len(number) <= _LONGEST_NUMBER):
        raise MalformedPayload("a post without its number", rule="not_a_post")
    return channel, int(number)


def _published_at(node: LexborNode) -> Utc:
    found = node.css_first(_DATE)
    text = "" if found is None else found.attributes.get("datetime") or ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise MalformedPayload("a post without its time") from error
    if moment.tzinfo is None:
        raise MalformedPayload("a post's time without its zone")
    return moment


def _texts(node: LexborNode) -> list[LexborNode]:
    """The parts that are the post's own words, and not those of what it answers."""
    quoted = [inner.mem_id for reply in node.css(_REPLY) for inner in reply.css(_TEXT)]
    return [each for each in node.css(_TEXT) if each.mem_id not in quoted]


def _words(node: LexborNode) -> str:
    return "\n".join(filter(None, (_plain(each) for each in _texts(node))))


def _plain(node: LexborNode) -> str:
    """The words with the line breaks a reader sees."""
    copy = LexborHTMLParser(node.html or "").css_first(_TEXT)
    if copy is None:
        return ""
    for each in copy.css("br"):
        each.replace_with("\n")
    for each in copy.css(_BLOCKS):
        each.insert_before("\n")
        each.insert_after("\n")
    return copy.text().strip()


def _origin(node: LexborNode) -> str | None:
    """The name of the channel whose words these are; one without a link has none."""
    found = node.css_first(_FORWARDED)
    link = "" if found is None else found.attributes.get("href") or ""
    return link.removeprefix(_HOST).partition("/")[0] or None if link.startswith(_HOST) else None


def _attached(node: LexborNode) -> Iterator[str]:
    """Where its words lead without saying so, and what the page behind a link is called."""
    for text in _texts(node):
        said = text.text()
        for each in text.css("a"):
            link = each.attributes.get("href") or ""
            if link.startswith(("http://", "https://")) and link not in said:
                yield link
    for each in node.css(_LINKED):
        yield each.text().strip()
