"""What a message of Discord's says, and of whom: pure functions of what arrived."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kamiyo.aggregators._discord.wire import Embed, Message, parse_id, time_of
from kamiyo.aggregators.social import Post

_ORDINARY: Final = frozenset({0, 19})  # and answers; the rest is what Discord itself says
_IS_CROSSPOST: Final = 1 << 1


def is_blank(message: Message) -> bool:
    """Whether it says nothing at all: so look all messages of others without the MESSAGE CONTENT intent."""
    held = (message.content, message.embeds, message.attachments, message.components, message.poll)
    more = (message.sticker_items, message.message_snapshots)
    return message.type in _ORDINARY and not any(held) and not any(more)


def shows_content(message: Message, bot: str | None) -> bool:
    """Whether it proves that others' words are shown to us: our own, and those that name us, always are."""
    ours = message.author is not None and message.author.id == bot
    names_us = any(each.id == bot for each in message.mentions)
    return bool(message.content) and message.type in _ORDINARY and not ours and not names_us


def post_of(message: Message, guild: str) -> Post | None:
    """The message as a post; None for a change that does not say what it says now.

    The channel is who speaks: its owner decides who may write there. An announcement that came from a
    channel that is followed is that channel's.
    """
    if message.content is None:
        return None
    number = parse_id(message.id)
    words = [message.content, *_embedded(message.embeds)]
    for each in message.message_snapshots:
        words += [each.message.content, *_embedded(each.message.embeds)]
    return Post(
        post_id=post_id(message.channel_id, message.id),
        author=message.channel_id,
        text="\n".join(each for each in words if each),
        url=f"https://discord.com/channels/{message.guild_id or guild}/{message.channel_id}/{number}",
        published_at=time_of(number),
        edited_at=message.edited_timestamp,
        repost_of=_origin(message),
    )


def post_id(channel: str, message: str) -> str:
    """What a message is known by, whoever tells of it."""
    return f"{parse_id(channel)}/{parse_id(message)}"


def _origin(message: Message) -> str | None:
    copied = message.flags & _IS_CROSSPOST or message.message_snapshots
    reference = message.message_reference
    return reference.channel_id if copied and reference is not None else None


def _embedded(embeds: tuple[Embed, ...]) -> Iterator[str]:
    """The words of boxes that belong to the message; others are of the page behind a link."""
    for each in embeds:
        if each.type == "rich":
            yield from filter(None, (each.title, each.description, each.url))
            for field in each.fields:
                yield f"{field.name}: {field.value}"
