"""What Telegram's Bot API sends, and what a channel's post in it says: pure functions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Final, TypeVar

import msgspec

from kamiyo.aggregators.social import Post
from kamiyo.core.errors import MalformedPayload
from kamiyo.core.time import EPOCH, Utc

_PRIVATE: Final = "-100"  # before the number of a channel, where a link wants it without

Seconds = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799)]


class Chat(msgspec.Struct, frozen=True):
    """A channel."""

    id: int
    username: str = ""
    title: str = ""


class Entity(msgspec.Struct, frozen=True):
    """A part of a text that means something; a ``text_link`` leads where its words do not say."""

    type: str
    url: str | None = None


class Origin(msgspec.Struct, frozen=True):
    """Where a forwarded post comes from: a channel's has a ``chat``."""

    chat: Chat | None = None


class ChannelPost(msgspec.Struct, frozen=True, kw_only=True):
    """A post; of a picture the words are its caption."""

    message_id: int
    chat: Chat
    date: Seconds
    edit_date: Seconds | None = None
    text: str = ""
    caption: str = ""
    entities: tuple[Entity, ...] = ()
    caption_entities: tuple[Entity, ...] = ()
    forward_origin: Origin | None = None
    forward_from_chat: Chat | None = None  # the same before version 7 of the API


class Update(msgspec.Struct, frozen=True):
    """Something that happened in a channel."""

    update_id: int
    channel_post: ChannelPost | None = None
    edited_channel_post: ChannelPost | None = None


class Numbered(msgspec.Struct, frozen=True):
    """An update, whatever it holds."""

    update_id: int


class Parameters(msgspec.Struct, frozen=True):
    """What an error answer adds."""

    retry_after: int | None = None


class Result(msgspec.Struct, frozen=True):
    """An answer: updates, or what is wrong."""

    ok: bool
    result: tuple[msgspec.Raw, ...] = ()
    error_code: int | None = None
    parameters: Parameters = Parameters()


T = TypeVar("T")


def decode(payload: bytes | msgspec.Raw, kind: type[T]) -> T:
    """The payload as that kind of thing; MalformedPayload if it is not one."""
    try:
        return msgspec.json.decode(payload, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedPayload(f"not a {kind.__name__} of Telegram: {error}") from error


def post_of(update: Update, listed: frozenset[str]) -> Post | None:
    """The post an update tells of; None if it tells of none. A channel is listed by its name or number."""
    post = update.channel_post or update.edited_channel_post
    if post is None:
        return None
    chat = post.chat
    name = _name(chat)
    return Post(
        post_id=post_id(name, post.message_id),
        author=str(chat.id) if str(chat.id) in listed else name,
        text=post.text or post.caption,
        url=_link(chat, post.message_id),
        published_at=_moment(post.date),
        edited_at=None if post.edit_date is None else _moment(post.edit_date),
        repost_of=_origin(post),
        attachments=tuple(_links(post)),
    )


def post_id(name: str, number: int) -> str:
    """What a post is known by, whichever way it is read: names of channels know no case."""
    return f"{name.casefold()}/{number}"


def _name(chat: Chat) -> str:
    return chat.username or str(chat.id)


def _link(chat: Chat, number: int) -> str:
    place = chat.username or f"c/{str(chat.id).removeprefix(_PRIVATE)}"
    return f"https://t.me/{place}/{number}"


def _origin(post: ChannelPost) -> str | None:
    chat = post.forward_origin.chat if post.forward_origin is not None else post.forward_from_chat
    return None if chat is None else _name(chat)


def _links(post: ChannelPost) -> Iterator[str]:
    for each in (*post.entities, *post.caption_entities):
        if each.type == "text_link" and each.url:
            yield each.url


def _moment(seconds: int) -> Utc:
    return EPOCH + timedelta(seconds=seconds)
