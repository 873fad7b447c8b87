"""How far each channel has been told: what the cursor says, what was told beyond it, where holes are."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from kamiyo.aggregators.base import Alive, Waiting
from kamiyo.core.errors import CursorExpired
from kamiyo.core.ids import Cursor
from kamiyo.core.time import EPOCH

_REMEMBERED: Final = 200  # messages of a channel
NOTHING: Final = 1  # an id before all: from here on goes a channel that was empty

NO_CONTENT: Final = (
    "the MESSAGE CONTENT intent is off, so that messages look empty: switch it on in Discord's developer "
    "portal under Bot, Privileged Gateway Intents"
)


class Channel:
    """One channel. Everything up to ``reached`` was told; while it has a hole, some of what is newer too."""

    def __init__(self, number: int, reached: int | None) -> None:
        self.number = number
        self.reached = reached
        self.holes = 1  # that opened so far
        self.hole = True
        self.try_at = EPOCH
        self.pause = timedelta()  # grows while the hole cannot be filled
        self.trouble: str | None = None
        self.guild: str | None = None  # the server it belongs to, once that is known
        self._told: dict[int, None] = {}  # recent ones, in the order in which they were told
        self._gone: dict[int, None] = {}

    @property
    def recent(self) -> Collection[int]:
        """The messages told last that still exist, as far as is known."""
        return self._told.keys()

    def is_new(self, message: int) -> bool:
        """Whether a message was not told yet, as far as is remembered."""
        return message not in self._told and message not in self._gone

    def tell(self, message: int, *, in_order: bool = False) -> None:
        """A message is told now. One that fills a hole is told ``in_order`` after all that are older."""
        self._told[message] = None
        if in_order or not self.hole:
            self.reached = max(message, self.reached or 0)
            self._forget()

    def forget(self, message: int) -> None:
        """A message exists no more, whatever an older page may show."""
        self._told.pop(message, None)
        self._gone[message] = None
        if len(self._gone) > _REMEMBERED:
            del self._gone[next(iter(self._gone))]

    def open_hole(self, at: datetime) -> None:
        """Something after ``reached`` may not have been heard."""
        self.holes += 1
        self.hole = True
        self.try_at = at

    def close_hole(self, number: int) -> None:
        """All that was not heard when there were so many holes has been asked for."""
        self.trouble = None
        self.pause = timedelta()
        if number != self.holes:
            return  # another opened meanwhile
        self.hole = False
        self.reached = max((*self._told, self.reached or NOTHING))
        self._forget()

    def _forget(self) -> None:
        """Only the newest stay remembered, but none that is beyond the cursor is forgotten."""
        surplus = len(self._told) - _REMEMBERED
        for message in list(self._told)[: max(surplus, 0)]:
            if message <= (self.reached or 0):
                del self._told[message]


class Progress:
    """All channels that are read."""

    def __init__(self, channels: Collection[int], cursor: Cursor | None) -> None:
        known = _parsed(cursor)
        self.channels: Mapping[int, Channel] = {each: Channel(each, known.get(each)) for each in channels}
        self.readable = False  # whether Discord showed us what others wrote
        self.bot: str | None = None  # the id of our own account, once it is known
        self.heard_until = EPOCH  # by this time everything that happened was told to us
        self.trouble: str | None = None  # of all channels
        self._opened = asyncio.Event()
        self._opened.set()

    def cursor(self) -> Cursor:
        """Where to go on."""
        reached = {str(each.number): str(each.reached) for each in self.channels.values() if each.reached}
        return Cursor(msgspec.json.encode(reached).decode())

    def open_holes(self, at: datetime) -> None:
        """Something may not have been heard, of any channel."""
        for channel in self.channels.values():
            channel.open_hole(at)
        self._opened.set()

    def open_hole(self, channel: Channel, at: datetime) -> None:
        """Something may not have been heard of one channel."""
        channel.open_hole(at)
        self._opened.set()

    async def holes(self) -> list[Channel]:
        """The channels with holes, once there are any."""
        while not (found := [each for each in self.channels.values() if each.hole]):
            self._opened.clear()
            await self._opened.wait()
        return found

    def standing(self, now: datetime) -> Alive | Waiting:
        """How it stands: whether the gateway or all channels are unheard, or which channels are."""
        troubles = [
            f"channel {each.number}: {each.trouble}" for each in self.channels.values() if each.trouble
        ]
        blind = any(each.trouble == NO_CONTENT for each in self.channels.values())
        if self.trouble or blind or len(troubles) == len(self.channels):
            return Waiting("; ".join([self.trouble, *troubles] if self.trouble else troubles))
        return Alive(now, self.cursor(), lacking="; ".join(troubles))


def _parsed(cursor: Cursor | None) -> Mapping[int, int]:
    try:
        return {} if cursor is None else msgspec.json.decode(cursor, type=dict[int, int], strict=False)
    except msgspec.DecodeError as error:
        raise CursorExpired(f"not a cursor of Discord's channels: {error}") from error
