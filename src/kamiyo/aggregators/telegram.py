"""Telegram: channels that a bot of one's own is in, and the public previews of others."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta
from typing import Final

from kamiyo.aggregators._merged import Outlet, Routine, merged
from kamiyo.aggregators._telegram.bot import Bot
from kamiyo.aggregators._telegram.pages import EDITED, Gone, Preview, Previews
from kamiyo.aggregators._telegram.preview import post_of as shown_post_of
from kamiyo.aggregators._telegram.standing import Standing
from kamiyo.aggregators._telegram.updates import Update, decode, post_id, post_of
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

__all__ = ["AGGREGATOR", "TelegramAggregator", "TelegramSettings"]

NAME: Final = SourceName("telegram")
_LOOK_AGAIN: Final = timedelta(minutes=5)
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{3,31}", re.ASCII)
_NUMBER: Final = re.compile(r"-[0-9]{6,20}", re.ASCII)


class TelegramSettings(AggregatorSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[sources.telegram]``. Without a channel to read the source is not configured."""

    token: Secret | None = None
    channels: str | dict[str, Grade] = ""
    preview_channels: str | dict[str, Grade] = ""
    url: str = "https://api.telegram.org"
    preview_url: str = "https://t.me"


class TelegramAggregator(SocialAggregator):
    """Asks the Bot API for the posts of channels a bot is an administrator of, and reads previews of others.

    A bot hears of edits, not of deletions. A preview shows a channel's newest posts: an edit is a post whose
    words have changed since it was read before, a deletion one that is missing twice among its neighbours.
    """

    def __init__(self, settings: TelegramSettings, tools: Toolbox) -> None:
        self.description = SourceDescription(
            name=NAME,
            type=SourceType.STREAM,
            url=settings.preview_url,
            priority=61,
            label=CoverageLabel.NOT_MEASURED,
            silence_limit=timedelta(minutes=3),
            lag_limit=ANY_AGE,
        )
        if "@" in settings.url or "@" in settings.preview_url:  # addresses are shown and logged
            raise InvalidSettings(f"an address of sources.{NAME} holds a user or a password: leave it out")
        self._channels = _checked("channels", settings.channels, named_by_number=True)
        self._preview_channels = _checked("preview_channels", settings.preview_channels)
        super().__init__({**self._preview_channels, **self._channels}, tools)
        self._listed = frozenset(self._channels)
        self._settings = settings
        self._random = tools.random
        self._bot: Bot | None = None

    async def stream(self, cursor: Cursor | None, *, follow: bool = True) -> AsyncGenerator[StreamItem, None]:
        """All posts after ``cursor``, edits and deletions; without ``follow`` what is there now."""
        outlet = Outlet()
        standing = Standing(self.name, outlet, cursor)
        routines = self._routines(standing, follow=follow)
        if routines:
            async for item in merged(outlet, *routines):
                yield item
            return
        yield NotConfigured(standing.lacking or f"set sources.{NAME}.preview_channels, or token and channels")
        while follow:
            await self.clock.sleep(_LOOK_AGAIN)

    def stored(self, cursor: Cursor) -> None:
        """What was given up to this cursor is kept: Telegram may forget it."""
        if self._bot is not None:
            self._bot.stored(cursor)

    def normalize(self, raw: Raw) -> Normalized:
        """What an update or a post in a preview says."""
        match raw.stream:
            case "update":
                post = post_of(decode(raw.payload, Update), self._listed)
                posts = [] if post is None else [post]
                return self.normalized(posts, received_at=raw.received_at)
            case "preview" | "preview/edited":
                edited_at = raw.received_at if raw.stream == EDITED else None
                shown = shown_post_of(raw.payload, edited_at=edited_at)
                return self.normalized([shown], received_at=raw.received_at)
            case "preview/gone":
                gone = decode(raw.payload, Gone)
                deletion = self.deletion_of(post_id(gone.channel, gone.number), raw.received_at)
                return self.normalized([], received_at=raw.received_at, deletions=[deletion])
            case "preview/page":
                raise MalformedPayload("the page is no preview of a channel", rule="not_a_preview")
            case _:
                raise MalformedPayload("not an update of Telegram's")

    def _routines(self, standing: Standing, *, follow: bool) -> list[Routine]:
        settings, token = self._settings, self._settings.token
        routines: list[Routine] = []
        if self._channels and token is not None and token.reveal():
            self._bot = Bot(settings.url, token, standing, session=self.session, clock=self.clock)
            routines.append(self._bot.run if follow else self._bot.once)
        elif self._channels:
            standing.lacking = f"set sources.{NAME}.token to read sources.{NAME}.channels"
        ways = len(routines)
        pages = [
            Preview(settings.preview_url, each, standing, session=self.session, clock=self.clock)
            for each in self._preview_channels
        ]
        if pages:
            previews = Previews(pages, clock=self.clock, random=self._random)
            routines.append(previews.run if follow else previews.once)
        standing.ways = ways + len(pages)
        return routines


def _checked(
    setting: str, value: str | Mapping[str, Grade], *, named_by_number: bool = False
) -> Mapping[str, Grade]:
    name = f"sources.{NAME}.{setting}"
    grades = read_grades(name, value)
    for each in grades:
        if not _NAME.fullmatch(each) and not (named_by_number and _NUMBER.fullmatch(each)):
            raise InvalidSettings(f"{name}: {each[:64]!r} is no name of a channel")
    return grades


AGGREGATOR = AggregatorSpec(name=NAME, settings=TelegramSettings, build=TelegramAggregator)
