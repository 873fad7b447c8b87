"""What Discord sends, as far as it is read here: frames of the gateway, messages, answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, TypeVar

import msgspec

from kamiyo.core.errors import MalformedPayload
from kamiyo.core.time import Utc, from_millis

_EPOCH_MILLIS: Final = 1_420_070_400_000  # of the ids, which hold their time
_TIME_BITS: Final = 22
_LARGEST_ID: Final = 1 << 64


class Frame(msgspec.Struct, frozen=True):
    """One text of the gateway."""

    op: int
    d: msgspec.Raw = msgspec.Raw(b"null")
    s: int | None = None
    t: str | None = None


class Hello(msgspec.Struct, frozen=True):
    """The first word of the gateway."""

    heartbeat_interval: int


class Author(msgspec.Struct, frozen=True):
    """Who wrote a message: a person, a bot or a webhook."""

    id: str
    username: str = ""
    global_name: str | None = None


class Ready(msgspec.Struct, frozen=True):
    """A session began."""

    session_id: str
    resume_gateway_url: str
    user: Author


class Identified(msgspec.Struct, frozen=True):
    """Anything that has an id."""

    id: str


class Reference(msgspec.Struct, frozen=True):
    """Which message another is an answer to, or a copy of."""

    message_id: str | None = None
    channel_id: str | None = None
    guild_id: str | None = None


class Field(msgspec.Struct, frozen=True):
    """A row of an embed."""

    name: str = ""
    value: str = ""


class Embed(msgspec.Struct, frozen=True):
    """A box below a message: ``rich`` ones are part of it, others show what a link leads to."""

    type: str = "rich"
    title: str | None = None
    description: str | None = None
    url: str | None = None
    fields: tuple[Field, ...] = ()


class Copied(msgspec.Struct, frozen=True):
    """The words of a message that was forwarded."""

    content: str = ""
    embeds: tuple[Embed, ...] = ()


class Snapshot(msgspec.Struct, frozen=True):
    """A message as it was when it was forwarded."""

    message: Copied = Copied()


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message. A change of one may hold no more than its ids: then its words are None."""

    id: str
    channel_id: str
    guild_id: str | None = None
    type: int = 0
    content: str | None = None
    edited_timestamp: Utc | None = None
    author: Author | None = None
    webhook_id: str | None = None
    flags: int = 0
    embeds: tuple[Embed, ...] = ()
    attachments: tuple[msgspec.Raw, ...] = ()
    components: tuple[msgspec.Raw, ...] = ()
    sticker_items: tuple[msgspec.Raw, ...] = ()
    mentions: tuple[Identified, ...] = ()
    poll: dict[str, object] | None = None
    message_reference: Reference | None = None
    message_snapshots: tuple[Snapshot, ...] = ()


class Deleted(msgspec.Struct, frozen=True):
    """Messages that are no more: one, or many at once."""

    channel_id: str
    id: str | None = None
    ids: tuple[str, ...] = ()


class Place(msgspec.Struct, frozen=True):
    """Where something happened."""

    channel_id: str


class Guild(msgspec.Struct, frozen=True):
    """A server, with the channels we may see."""

    channels: tuple[Identified, ...] = ()


class StartLimit(msgspec.Struct, frozen=True):
    """How many sessions may still begin, and in how many milliseconds more may."""

    remaining: int
    reset_after: int


class Gateway(msgspec.Struct, frozen=True):
    """Where the gateway is, and how often one may begin there."""

    url: str
    session_start_limit: StartLimit


class TooMuch(msgspec.Struct, frozen=True):
    """The body of an answer 429."""

    retry_after: float
    is_global: bool = msgspec.field(name="global", default=False)


class Channel(msgspec.Struct, frozen=True):
    """What a channel says of itself."""

    id: str
    guild_id: str | None = None
    last_message_id: str | None = None


T = TypeVar("T")


def decode(payload: bytes | msgspec.Raw, kind: type[T]) -> T:
    """The payload as that kind of thing; MalformedPayload if it is not one."""
    try:
        return msgspec.json.decode(payload, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedPayload(f"not a {kind.__name__} of Discord: {error}") from error


def parse_id(text: str) -> int:
    """An id as the number it is; MalformedPayload if it is none."""
    if not (text.isascii() and text.isdecimal() and int(text) < _LARGEST_ID):
        raise MalformedPayload(f"not an id of Discord: {text[:40]!r}", rule="not_an_id")
    return int(text)


def time_of(number: int) -> Utc:
    """When the thing with this id came to be."""
    return from_millis((number >> _TIME_BITS) + _EPOCH_MILLIS)


def seconds(number: float) -> timedelta:
    """So many seconds; MalformedPayload for what is no length of time."""
    try:
        return timedelta(seconds=max(number, 0))
    except (OverflowError, ValueError) as error:
        raise MalformedPayload("not a length of time") from error
