"""X: what listed accounts post, as it is posted or by search, within a budget of US dollars a day."""

from __future__ import annotations

import enum
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Final

import msgspec

from kamiyo.aggregators._x.client import Client
from kamiyo.aggregators._x.live import Live
from kamiyo.aggregators._x.place import Place, read_place
from kamiyo.aggregators._x.posts import author_of, parse_post
from kamiyo.aggregators._x.purse import CHUNK, IN_FLIGHT, Meter, Purse
from kamiyo.aggregators._x.search import PAGE, Searcher
from kamiyo.aggregators._x.troubles import Backoff, Kind, Trouble
from kamiyo.aggregators.base import (
    AggregatorSettings,
    AggregatorSpec,
    NotConfigured,
    StreamItem,
    Toolbox,
    Waiting,
)
from kamiyo.aggregators.social import SocialAggregator, read_grades
from kamiyo.core.errors import InvalidSettings, StorageUnavailable
from kamiyo.core.ids import Cursor, SourceName
from kamiyo.core.ports import Normalized, Raw
from kamiyo.core.reports import Grade
from kamiyo.core.sources import ANY_AGE, CoverageLabel, SourceDescription, SourceType
from kamiyo.core.time import rfc3339
from kamiyo.kit.secret import Secret

__all__ = ["AGGREGATOR", "Mode", "XAggregator", "XSettings"]

NAME: Final = SourceName("x")
AUTHORS: Final = (
    "HyperliquidX:primary PeckShieldAlert:onchain_derived CertiKAlert:onchain_derived "
    "CyversAlerts:onchain_derived Phalcon_xyz:onchain_derived BeosinAlert:onchain_derived "
    "SlowMist_Team:onchain_derived zachxbt:onchain_derived lookonchain:onchain_derived"
)
_LONGEST_QUERY: Final = 512
_HANDLE: Final = re.compile(r"[A-Za-z0-9_]{1,15}", re.ASCII)
_TELL_AGAIN: Final = timedelta(hours=1)
_SILENCE: Final = timedelta(minutes=2)  # longer than the pause while a day turns


class Mode(enum.StrEnum):
    """How posts are come by."""

    STREAM = "stream"  # as they are posted
    SEARCH = "search"  # asked for every so often


class XSettings(AggregatorSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[sources.x]``.

    ``authors`` is a table of accounts with their grades, or a text such as ``HyperliquidX:primary, zachxbt``.
    What is not a post of theirs is never asked for.
    """

    token: Secret | None = None
    authors: str | dict[str, Grade] = AUTHORS
    filter: str = "-is:retweet"
    mode: Mode = Mode.STREAM
    daily_usd: Decimal = Decimal("1.00")
    post_usd: Decimal = Decimal("0.005")
    poll_seconds: Annotated[int, msgspec.Meta(ge=15, le=86_400)] = 120
    silence_seconds: Annotated[int, msgspec.Meta(ge=1, le=300)] = 25
    url: str = "https://api.x.com"


class XAggregator(SocialAggregator):
    """Nothing is read that was not paid for before: where a day's budget is spent, the next day goes on.

    What was missed is searched for afterwards, as far as seven days back. What cannot be had any more is a
    gap of that account. That an account deleted a post is not told by X, and so not known here.
    """

    def __init__(self, settings: XSettings, tools: Toolbox) -> None:
        polled = settings.mode is Mode.SEARCH
        self.description = SourceDescription(
            name=NAME,
            type=SourceType.STREAM,
            url=settings.url,
            priority=60,
            label=CoverageLabel.SAMPLE,
            silence_limit=_SILENCE
            + (3 * timedelta(seconds=settings.poll_seconds) if polled else timedelta(0)),
            lag_limit=ANY_AGE,
        )
        authors = read_grades(f"sources.{NAME}.authors", settings.authors)
        super().__init__(authors, tools)
        self._settings = settings
        self._handles = {name.casefold(): name for name in authors}
        self._queries = _queries(authors, settings.filter)
        _check(settings)
        self._purse = Purse(
            tools.money, tools.clock, NAME, daily_usd=settings.daily_usd, post_usd=settings.post_usd
        )
        # What a stream that begins again goes on from: a limit does not end because the reading did.
        self._client = Client(
            settings.url, settings.token or Secret(""), session=tools.session, clock=tools.clock
        )
        self._backoff = Backoff()

    def normalize(self, raw: Raw) -> Normalized:
        """The report a post is; MalformedPayload if the payload is none."""
        author = author_of(raw)
        post = parse_post(raw, self._handles.get(author) or author)
        return self.normalized([post], received_at=raw.received_at)

    async def stream(self, cursor: Cursor | None, *, follow: bool = True) -> AsyncGenerator[StreamItem, None]:
        """All posts since ``cursor``, with the gaps in between; without ``follow`` one round of searching."""
        while not (self._settings.token and self._settings.token.reveal()):
            yield NotConfigured(f"set sources.{NAME}.token to a bearer token of the X API")
            if not follow:
                return
            await self.clock.sleep(_TELL_AGAIN)
        place = read_place(cursor, self.clock.now())
        meter = Meter(self._purse, self.clock)
        try:
            async with aclosing(self._read(place, meter, follow=follow)) as items:
                async for item in items:
                    yield item
        finally:
            with suppress(StorageUnavailable):  # then it stays spent
                await meter.close()

    async def _read(self, place: Place, meter: Meter, *, follow: bool) -> AsyncGenerator[StreamItem, None]:
        searcher = Searcher(
            self.name, self._client, self._purse, place, clock=self.clock, queries=self._queries
        )
        live = self._live(searcher, meter, place)
        streamed = follow and self._settings.mode is Mode.STREAM
        lost = False
        while True:
            try:
                if lost and not streamed:
                    # Costs nothing: where nobody answers, nothing is spent on asking.
                    await self._client.reach()
                async with aclosing(live.connection() if streamed else searcher.round()) as items:
                    async for item in items:
                        yield item
            except Trouble as trouble:
                lost = trouble.kind is Kind.NETWORK
                meter.doubt()
                pause = self._backoff.wait_after(trouble, self.clock.now())
                if not self._is_usual(trouble):
                    yield self._waiting(trouble, pause)
            else:
                self._backoff.heard()
                lost, pause = False, timedelta(seconds=self._settings.poll_seconds)
            if not follow:
                return
            await self.clock.sleep(pause)

    def _live(self, searcher: Searcher, meter: Meter, place: Place) -> Live:
        return Live(
            self.name,
            self._client,
            searcher,
            meter,
            place,
            clock=self.clock,
            silence=timedelta(seconds=self._settings.silence_seconds),
            queries=self._queries,
            heard=self._backoff.heard,
        )

    def _is_usual(self, trouble: Trouble) -> bool:
        """What happens every day, or once and is over at once, is not worth a word."""
        lost = trouble.kind is Kind.NETWORK
        return trouble.kind is Kind.TURN or (lost and self._backoff.is_first(trouble))

    def _waiting(self, trouble: Trouble, pause: timedelta) -> Waiting:
        if trouble.kind in {Kind.NETWORK, Kind.PAUSE}:  # tried again at once, or it says itself until when
            return Waiting(str(trouble))
        return Waiting(f"{trouble}; tried again at {rfc3339(self.clock.now() + pause)}")


def _queries(authors: Mapping[str, Grade], narrowed: str) -> Mapping[str, str]:
    """What is asked for, by author in lower case."""
    if not authors:
        raise InvalidSettings(f"sources.{NAME}.authors lists nobody")
    queries: dict[str, str] = {}
    for name in authors:
        if _HANDLE.fullmatch(name) is None:
            raise InvalidSettings(f"sources.{NAME}.authors: {name!r} is no account of X")
        query = queries[name.casefold()] = f"from:{name} {narrowed}".strip()
        if len(query) > _LONGEST_QUERY:
            raise InvalidSettings(f"sources.{NAME}.filter is too long: X takes {_LONGEST_QUERY} letters")
    return queries


def _check(settings: XSettings) -> None:
    token = "" if settings.token is None else settings.token.reveal()
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise InvalidSettings(f"sources.{NAME}.token holds what no token does")
    if "@" in settings.url:  # it is shown and logged
        raise InvalidSettings(f"sources.{NAME}.url holds a user or a password: leave it out")
    needed = (CHUNK + IN_FLIGHT if settings.mode is Mode.STREAM else 0) + PAGE
    if settings.post_usd < 0 or settings.daily_usd < needed * settings.post_usd:
        raise InvalidSettings(
            f"sources.{NAME}.daily_usd must pay for {needed} posts of {settings.post_usd} USD at least"
        )


AGGREGATOR = AggregatorSpec(name=NAME, settings=XSettings, build=XAggregator)
