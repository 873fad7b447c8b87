"""What a payload of X says: a post as it stands in a line of the stream or in a page of a search."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import unescape
from typing import Final

import msgspec

from kamiyo.aggregators._x.ids import moment_of, parse_id
from kamiyo.aggregators.social import Post
from kamiyo.core.errors import MalformedPayload
from kamiyo.core.ports import Raw
from kamiyo.core.time import Utc

_REPOSTED: Final = "retweeted"
_REPOST_PREFIX: Final = "RT @"


class _Link(msgspec.Struct, frozen=True):
    url: str = ""
    expanded_url: str = ""
    title: str = ""
    description: str = ""


class _Entities(msgspec.Struct, frozen=True):
    urls: tuple[_Link, ...] = ()


class _Note(msgspec.Struct, frozen=True):
    """The whole of a post that is longer than its ``text`` may be."""

    text: str
    entities: _Entities = _Entities()


class _Reference(msgspec.Struct, frozen=True):
    type: str
    id: str


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    text: str
    created_at: Utc
    edit_history_tweet_ids: tuple[str, ...] = ()
    entities: _Entities = _Entities()
    note_tweet: _Note | None = None
    referenced_tweets: tuple[_Reference, ...] = ()


class _Line(msgspec.Struct, frozen=True):
    data: _Told


_read_line = msgspec.json.Decoder(_Line).decode
_read_post = msgspec.json.Decoder(_Told).decode


def author_of(raw: Raw) -> str:
    """Who wrote it, which its stream says; empty for somebody we never asked for."""
    return raw.stream.partition("/")[2]


def parse_post(raw: Raw, handle: str) -> Post:
    """The post a payload holds; MalformedPayload if it is none."""
    try:
        from_stream = raw.stream.partition("/")[0] == "stream"
        told = _read_line(raw.payload).data if from_stream else _read_post(raw.payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedPayload(str(error), rule="not_a_post") from error
    return _post(told, handle)


def _post(told: _Told, handle: str) -> Post:
    written = (told.id, *told.edit_history_tweet_ids)
    ids = sorted({number for number in map(parse_id, written) if number is not None})
    own = parse_id(told.id)
    if own is None:
        raise MalformedPayload(f"no id of a post: {told.id[:32]!r}", rule="not_a_post")
    text, links = told.text, told.entities.urls
    if told.note_tweet is not None:
        text, links = told.note_tweet.text, told.note_tweet.entities.urls or links
    return Post(
        post_id=str(ids[0]),
        author=handle,
        text=_plain(text, links),
        url=f"https://x.com/{handle}/status/{own}",
        # An edit is a post of its own with an id of its own; only the first id tells when it was begun.
        published_at=told.created_at if ids[0] == own else moment_of(ids[0]),
        edited_at=None if ids[0] == own else _edited_at(told, own),
        repost_of=_reposted(told),
        attachments=tuple(title for link in links if (title := unescape(link.title).strip())),
    )


def _edited_at(told: _Told, own: int) -> datetime:
    return max(told.created_at, moment_of(own))


def _plain(text: str, links: Sequence[_Link]) -> str:
    """As its reader sees it: with the addresses that short links stand for, and no escapes."""
    for link in links:
        if link.url and link.expanded_url:
            text = text.replace(link.url, link.expanded_url)
    return unescape(text)


def _reposted(told: _Told) -> str | None:
    """Whose words these are, where they are only repeated."""
    if not any(each.type == _REPOSTED for each in told.referenced_tweets):
        return None
    handle, colon, _rest = told.text.removeprefix(_REPOST_PREFIX).partition(":")
    return handle if colon and told.text.startswith(_REPOST_PREFIX) else None
