"""Discord: what is posted in channels of servers that a bot of one's own was let into."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

from kamiyo.aggregators._discord.api import Api
from kamiyo.aggregators._discord.gateway import Event
from kamiyo.aggregators._discord.history import DELETED, MESSAGE, History
from kamiyo.aggregators._discord.link import Link
from kamiyo.aggregators._discord.messages import is_blank, post_id, post_of, shows_content
from kamiyo.aggregators._discord.progress import NO_CONTENT, Channel, Progress
from kamiyo.aggregators._discord.wire import (
    Deleted,
    Guild,
    Identified,
    Message,
    Place,
    Ready,
    decode,
    parse_id,
)
from kamiyo.aggregators._merged import Outlet, merged
from kamiyo.aggregators.base import (
    AggregatorSettings,
    AggregatorSpec,
    NotConfigured,
    StreamItem,
    Toolbox,
)
from kamiyo.aggregators.social import SocialAggregator, read_grades
from kamiyo.core.errors import InvalidSettings, MalformedPayload
from kamiyo.core.ids import Cursor, SourceName
from kamiyo.core.ports import Normalized, Raw
from kamiyo.core.reports import Grade
from kamiyo.core.sources import ANY_AGE, CoverageLabel, SourceDescription, SourceType
from kamiyo.kit.secret import Secret

__all__ = ["AGGREGATOR", "DiscordAggregator", "DiscordSettings"]

NAME: Final = SourceName("discord")
_LOOK_AGAIN: Final = timedelta(minutes=5)
_UNREADABLE: Final = "unreadable"


class DiscordSettings(AggregatorSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[sources.discord]``. Without a token and a channel the source is not configured."""

    token: Secret | None = None
    channels: str | dict[str, Grade] = ""
    url: str = "https://discord.com"


class DiscordAggregator(SocialAggregator):
    """Hears the listed channels over Discord's gateway, and asks for what was not heard.

    Every hole, after a start or a session that could not be resumed, is filled from the channels' history:
    what was written, and what was edited or deleted among a channel's newest hundred messages. Whoever may
    write in a channel speaks for it.
    """

    def __init__(self, settings: DiscordSettings, tools: Toolbox) -> None:
        self.description = SourceDescription(
            name=NAME,
            type=SourceType.STREAM,
            url=settings.url,
            priority=60,
            label=CoverageLabel.NOT_MEASURED,
            silence_limit=timedelta(minutes=3),  # Discord answers a sign of life every 41 s
            lag_limit=ANY_AGE,
        )
        if "@" in settings.url:  # addresses are shown and logged, and this one takes no password
            raise InvalidSettings(f"sources.{NAME}.url holds a user or a password: leave it out")
        grades = read_grades(f"sources.{NAME}.channels", settings.channels)
        super().__init__(grades, tools)
        self._channels = _parsed(grades)
        self._token = settings.token
        self._url = settings.url
        self._tools = tools

    async def stream(self, cursor: Cursor | None, *, follow: bool = True) -> AsyncGenerator[StreamItem, None]:
        """All posts after ``cursor``, edits and deletions; without ``follow`` what is there now."""
        token = self._token
        if token is None or not token.reveal() or not self._channels:
            missing = "channels" if token is not None and token.reveal() else "token"
            yield NotConfigured(f"set sources.{NAME}.{missing}")
            while follow:
                await self.clock.sleep(_LOOK_AGAIN)
            return
        outlet, progress = Outlet(), Progress(self._channels, cursor)
        api = Api(self._url, token, session=self.session, clock=self.clock)
        history = History(self.name, api, progress, outlet, clock=self.clock)
        ear = Ear(self.name, progress, outlet)
        link = Link(
            api,
            token,
            connect=self._tools.connect,
            clock=self.clock,
            random=self._tools.random,
            listener=ear,
        )
        routines = (link.run, history.run) if follow else (history.once,)
        async for item in merged(outlet, *routines):
            yield item

    def normalize(self, raw: Raw) -> Normalized:
        """What a message or a deletion says."""
        kind, _, guild = raw.stream.partition("/")
        match kind:
            case "message":
                post = post_of(decode(raw.payload, Message), guild)
                return self.normalized([] if post is None else [post], received_at=raw.received_at)
            case "deleted":
                gone = decode(raw.payload, Deleted)
                numbers = gone.ids if gone.id is None else (gone.id,)
                deletions = [
                    self.deletion_of(post_id(gone.channel_id, each), raw.received_at) for each in numbers
                ]
                return self.normalized([], received_at=raw.received_at, deletions=deletions)
            case _:
                raise MalformedPayload("not a frame of Discord's gateway")


class Ear:
    """What the gateway tells, as far as it concerns the listed channels."""

    def __init__(self, source: SourceName, progress: Progress, outlet: Outlet) -> None:
        self._source = source
        self._progress = progress
        self._outlet = outlet
        self._hear = {
            "READY": self._ready,
            "MESSAGE_CREATE": self._created,
            "MESSAGE_UPDATE": self._updated,
            "MESSAGE_DELETE": self._deleted,
            "MESSAGE_DELETE_BULK": self._deleted,
            "GUILD_CREATE": self._guild_appeared,
            "GUILD_DELETE": self._guild_gone,
            "CHANNEL_UPDATE": self._channel_changed,
            "CHANNEL_DELETE": self._channel_changed,
        }

    async def room(self) -> None:
        """Wait until there is room for what will be heard next."""
        await self._outlet.room()

    def opened(self, now: datetime) -> None:
        """A session began: what happened before was not heard."""
        self._progress.open_holes(now)

    def heard(self, event: Event, now: datetime) -> None:
        """Something happened."""
        hear = self._hear.get(event.name)
        if hear is None:
            return
        try:
            hear(event.data, now)
        except MalformedPayload:
            self.unreadable(event.data, now)

    def unreadable(self, payload: bytes, now: datetime) -> None:
        """Something came that is nothing."""
        self._put(_UNREADABLE, payload, now)

    def alive(self, now: datetime) -> None:
        """Discord answered that it is there, and has told everything until now."""
        progress = self._progress
        progress.heard_until, progress.trouble = now, None
        self._outlet.put(progress.standing(now))

    def failed(self, trouble: str, now: datetime) -> None:
        """There is no connection, and why."""
        self._progress.trouble = trouble
        self._outlet.put(self._progress.standing(now))

    # --- events -------------------------------------------------------------------------------------------

    def _ready(self, data: bytes, now: datetime) -> None:
        del now
        self._progress.bot = decode(data, Ready).user.id
        self._progress.trouble = None

    def _created(self, data: bytes, now: datetime) -> None:
        channel = self._channel(decode(data, Place).channel_id)
        if channel is None:
            return
        message = decode(data, Message)
        progress = self._progress
        progress.readable = progress.readable or shows_content(message, progress.bot)
        if is_blank(message) and not progress.readable:
            channel.trouble = NO_CONTENT
            if not channel.hole:
                progress.open_hole(channel, now)
            self._outlet.put(progress.standing(now))
            return
        number = parse_id(message.id)
        if channel.is_new(number):
            channel.tell(number)
            self._put(_message(message), data, now)

    def _updated(self, data: bytes, now: datetime) -> None:
        channel = self._channel(decode(data, Place).channel_id)
        message = decode(data, Message)
        if channel is None or message.content is None or is_blank(message):
            return  # what it says now is not said
        number = parse_id(message.id)
        if number > (channel.reached or 0):
            channel.tell(number)
        self._put(_message(message), data, now)

    def _deleted(self, data: bytes, now: datetime) -> None:
        gone = decode(data, Deleted)
        channel = self._channel(gone.channel_id)
        if channel is None:
            return
        for each in gone.ids if gone.id is None else (gone.id,):
            channel.forget(parse_id(each))
        self._put(DELETED, data, now)

    def _guild_appeared(self, data: bytes, now: datetime) -> None:
        """A server was away, for Discord or for us: what happened there meanwhile was not told."""
        self._ask_again([each.id for each in decode(data, Guild).channels], now)

    def _guild_gone(self, data: bytes, now: datetime) -> None:
        """Whether it was a server of ours will be seen."""
        del data
        self._progress.open_holes(now)

    def _channel_changed(self, data: bytes, now: datetime) -> None:
        """It may be readable no more, or again."""
        self._ask_again([decode(data, Identified).id], now)

    def _ask_again(self, channels: Collection[str], now: datetime) -> None:
        for channel in filter(None, map(self._channel, channels)):
            self._progress.open_hole(channel, now)

    def _channel(self, number: str) -> Channel | None:
        return self._progress.channels.get(parse_id(number))

    def _put(self, stream: str, payload: bytes, now: datetime) -> None:
        self._outlet.put(
            Raw(
                source=self._source,
                stream=stream,
                payload=payload,
                received_at=now,
                cursor=self._progress.cursor(),
            )
        )


def _message(message: Message) -> str:
    return f"{MESSAGE}/{message.guild_id or '@me'}"


def _parsed(channels: Mapping[str, Grade]) -> Collection[int]:
    try:
        return [parse_id(each) for each in channels]
    except MalformedPayload as error:
        raise InvalidSettings(f"sources.{NAME}.channels: {error}; a channel has a number") from error


AGGREGATOR = AggregatorSpec(name=NAME, settings=DiscordSettings, build=DiscordAggregator)
