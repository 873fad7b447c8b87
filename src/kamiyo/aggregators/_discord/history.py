"""Fills every hole of a channel from Discord's REST API: what was written, edited and deleted unheard."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import msgspec

from kamiyo.aggregators._discord.api import PAGE, Api
from kamiyo.aggregators._discord.messages import is_blank, shows_content
from kamiyo.aggregators._discord.progress import NO_CONTENT, NOTHING, Channel, Progress
from kamiyo.aggregators._discord.wire import Deleted, Identified, Message, decode, parse_id, time_of
from kamiyo.aggregators._merged import Outlet
from kamiyo.core.errors import MalformedPayload, QuestionRefused, SourceUnavailable
from kamiyo.core.ids import SourceName
from kamiyo.core.ports import Raw
from kamiyo.core.time import Clock

MESSAGE: Final = "message"
DELETED: Final = "deleted"
_NO_HISTORY: Final = "shows no message although it has some: give the bot Read Message History there"
_FIRST_PAUSE: Final = timedelta(seconds=2)
_LONGEST_PAUSE: Final = timedelta(minutes=1)
_FIRST_REFUSED_PAUSE: Final = timedelta(minutes=5)
_LONGEST_REFUSED_PAUSE: Final = timedelta(hours=2)
_LOOK_AGAIN: Final = timedelta(seconds=1)
_CLOCKS_DIFFER: Final = timedelta(minutes=1)


class Item(msgspec.Struct, frozen=True):
    """A message of a page."""

    number: int
    message: Message | None  # None where all that can be read of it is its id
    payload: bytes


class History:
    """Asks for what was not heard, of one channel after the other."""

    def __init__(
        self, source: SourceName, api: Api, progress: Progress, outlet: Outlet, *, clock: Clock
    ) -> None:
        self._source = source
        self._api = api
        self._progress = progress
        self._outlet = outlet
        self._clock = clock

    async def run(self) -> None:
        """Fill holes as they open, until cancelled."""
        while True:
            for channel in await self._progress.holes():
                if channel.hole and channel.try_at <= self._clock.now():
                    await self._try(channel)
            if any(each.hole for each in self._progress.channels.values()):
                await self._clock.sleep(_LOOK_AGAIN)

    async def once(self) -> None:
        """Try to fill each channel's hole once."""
        for channel in await self._progress.holes():
            await self._try(channel)
        self._say_how_it_stands()

    async def _try(self, channel: Channel) -> None:
        number = channel.holes
        try:
            await self._fill(channel)
        except QuestionRefused as error:
            self._put_off(channel, str(error), _FIRST_REFUSED_PAUSE, _LONGEST_REFUSED_PAUSE)
        except (SourceUnavailable, MalformedPayload) as error:
            self._put_off(channel, str(error), _FIRST_PAUSE, _LONGEST_PAUSE)
        else:
            channel.close_hole(number)
            self._say_how_it_stands()

    def _put_off(self, channel: Channel, trouble: str, first: timedelta, longest: timedelta) -> None:
        channel.pause = min(max(2 * channel.pause, first), longest)
        channel.try_at = max(self._clock.now() + channel.pause, self._api.ready_at(channel.number))
        channel.trouble = trouble
        self._say_how_it_stands()

    def _say_how_it_stands(self) -> None:
        self._outlet.put(self._progress.standing(self._clock.now()))

    # --- one channel --------------------------------------------------------------------------------------

    async def _fill(self, channel: Channel) -> None:
        """All of it or an error; what was put until then is not asked for again."""
        if channel.guild is None:
            channel.guild = (await self._api.channel(channel.number)).guild_id or "@me"
        before = channel.reached
        newest = await self._page(channel)
        if not newest:
            await self._check_empty(channel)
        self._check_readable(newest)
        if before is not None and len(newest) >= PAGE and newest[0].number > before:
            await self._catch_up(channel)
        else:
            self._put_new(channel, newest)
            channel.reached = channel.reached or NOTHING
        if before is not None:
            self._put_edits(channel, newest, before)
            self._put_deletions(channel, newest, before)

    async def _catch_up(self, channel: Channel) -> None:
        """Page by page from where the cursor is."""
        while True:
            before = channel.reached or 0
            page = await self._page(channel, after=before)
            self._check_readable(page)
            if page and page[-1].number <= before:
                raise MalformedPayload("a page of Discord's that does not follow")
            self._put_new(channel, page)
            await self._outlet.room()
            if len(page) < PAGE:
                return

    async def _page(self, channel: Channel, after: int | None = None) -> Sequence[Item]:
        """Oldest first."""
        items = [_item(each) for each in await self._api.messages(channel.number, after=after)]
        return sorted(items, key=lambda each: each.number)

    async def _check_empty(self, channel: Channel) -> None:
        """Without the right to read its history a channel looks empty, and is not."""
        if (await self._api.channel(channel.number)).last_message_id is not None:
            raise QuestionRefused(_NO_HISTORY)

    def _check_readable(self, page: Sequence[Item]) -> None:
        progress = self._progress
        messages = [each.message for each in page if each.message is not None]
        progress.readable = progress.readable or any(shows_content(each, progress.bot) for each in messages)
        if not progress.readable and any(is_blank(each) for each in messages):
            raise QuestionRefused(NO_CONTENT)

    # --- what is said of it -------------------------------------------------------------------------------

    def _put_new(self, channel: Channel, page: Sequence[Item]) -> None:
        for each in page:
            if each.number <= (channel.reached or 0):
                continue
            new = channel.is_new(each.number)
            channel.tell(each.number, in_order=True)
            if new:
                self._put(f"{MESSAGE}/{channel.guild}", each.payload)

    def _put_edits(self, channel: Channel, page: Sequence[Item], before: int) -> None:
        """What was edited since Discord was last heard, or since the newest message that was told."""
        since = max(time_of(before), self._progress.heard_until) - _CLOCKS_DIFFER
        for each in page:
            edited_at = None if each.message is None else each.message.edited_timestamp
            if each.number <= before and edited_at is not None and edited_at >= since:
                self._put(f"{MESSAGE}/{channel.guild}", each.payload)

    def _put_deletions(self, channel: Channel, page: Sequence[Item], before: int) -> None:
        """What was told, should stand in the page, and does not."""
        if not page:
            return
        there = {each.number for each in page}
        oldest = page[0].number if len(page) >= PAGE else 0
        for number in [each for each in channel.recent if oldest <= each <= before and each not in there]:
            channel.forget(number)
            gone = Deleted(str(channel.number), str(number))
            self._put(DELETED, msgspec.json.encode(gone))

    def _put(self, stream: str, payload: bytes) -> None:
        self._outlet.put(
            Raw(
                source=self._source,
                stream=stream,
                payload=payload,
                received_at=self._clock.now(),
                cursor=self._progress.cursor(),
            )
        )


def _item(payload: msgspec.Raw) -> Item:
    number = parse_id(decode(payload, Identified).id)
    try:
        return Item(number, decode(payload, Message), bytes(payload))
    except MalformedPayload:  # told nevertheless: it is refused, and kept, where payloads are read
        return Item(number, None, bytes(payload))
