"""What CoinGlass says was liquidated on other exchanges and who is large on the venue: claims, no facts."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Final

import msgspec

from kamiyo.aggregators._coinglass.asking import Asking
from kamiyo.aggregators._coinglass.client import Client
from kamiyo.aggregators._coinglass.listening import Listener
from kamiyo.aggregators._coinglass.marks import Marks
from kamiyo.aggregators._coinglass.payloads import normalize
from kamiyo.aggregators._coinglass.plans import INTERVALS, TERMS, Plan
from kamiyo.aggregators._coinglass.polling import Polling
from kamiyo.aggregators._coinglass.questions import Question, Wanted, questions_of
from kamiyo.aggregators._merged import Outlet, merged
from kamiyo.aggregators.base import (
    AggregatorSettings,
    AggregatorSpec,
    BaseAggregator,
    NotConfigured,
    StreamItem,
    Toolbox,
)
from kamiyo.core.errors import InvalidSettings
from kamiyo.core.ids import Cursor, SourceName
from kamiyo.core.ports import Normalized, Raw
from kamiyo.core.sources import ANY_AGE, CoverageLabel, SourceDescription, SourceType, Subject
from kamiyo.kit.secret import Secret

NAME: Final = SourceName("coinglass")
_URL: Final = "https://open-api-v4.coinglass.com"
_WEBSOCKET_URL: Final = "wss://open-ws.coinglass.com/ws-api"
_LOOK_AGAIN: Final = timedelta(hours=1)
# What needs no escapes where it stands in an address.
_PLAIN: Final = re.compile(r"[A-Za-z0-9._~-]{1,256}", re.ASCII)


class CoinGlassSettings(AggregatorSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[sources.coinglass]``.

    Lists are texts with spaces or commas between the names, as CoinGlass writes them. With a ``url`` of one's
    own the socket is asked for at ``/ws-api`` of it, unless its address is set too.
    """

    key: Secret | None = None
    plan: Plan = Plan.STARTUP
    exchanges: str = "Hyperliquid Binance Bybit OKX"
    assets: str = "BTC ETH SOL HYPE"
    min_usd: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)] = 10_000
    interval: str = ""
    history_hours: Annotated[int, msgspec.Meta(ge=0, le=167)] = 24
    live: bool = True
    url: str = ""
    websocket_url: str = ""


class CoinGlassAggregator(BaseAggregator):
    """Asks what the plan includes as often as it allows, and hears live orders where it lets anybody.

    What it says cannot be checked here: orders have no user and no hash, and how many of all liquidations it
    hears of is not known. It is a stream because it listens while it asks: one worker does both, its state is
    seen at once, and what the socket missed is known. Without its key nothing is asked.
    """

    def __init__(self, settings: CoinGlassSettings, tools: Toolbox) -> None:
        self.description = SourceDescription(
            name=NAME,
            type=SourceType.STREAM,
            url=settings.url or _URL,
            priority=60,
            label=CoverageLabel.NOT_MEASURED,
            silence_limit=timedelta(minutes=5),
            lag_limit=ANY_AGE,
            subject=Subject.CLAIMS,
        )
        super().__init__(tools)
        self._settings = settings
        self._tools = tools
        self._least_usd = Decimal(settings.min_usd)
        self._questions = _questions(settings)
        _check_key(settings.key)

    async def stream(self, cursor: Cursor | None, *, follow: bool = True) -> AsyncGenerator[StreamItem, None]:
        """Everything from ``cursor`` on; without ``follow`` each question is asked once."""
        key = self._settings.key
        while key is None:
            yield NotConfigured(f"set sources.{NAME}.key")
            if not follow:
                return
            await self.clock.sleep(_LOOK_AGAIN)
        outlet, marks = Outlet(), Marks(cursor)
        listener = self._listener(key, outlet, marks) if self._settings.live and follow else None
        polling = self._polling(key, outlet, marks, listener)
        routines = [polling.run if follow else polling.once]
        routines += [] if listener is None else [listener.run]
        async with aclosing(merged(outlet, *routines)) as items:
            async for item in items:
                yield item

    def normalize(self, raw: Raw) -> Normalized:
        """What an answer or a frame says; MalformedPayload if nothing of it can be understood."""
        return normalize(raw, self._least_usd)

    def _polling(self, key: Secret, outlet: Outlet, marks: Marks, listener: Listener | None) -> Polling:
        client = Client(
            self.description.url,
            key,
            session=self.session,
            clock=self.clock,
            budget_of=self._tools.budget_of,
            per_minute=TERMS[self._settings.plan].requests_per_minute,
        )
        history = timedelta(hours=self._settings.history_hours)
        asking = Asking(NAME, client, outlet, marks, clock=self.clock, history=history)
        return Polling(
            asking,
            self._questions,
            outlet=outlet,
            cursor=marks.cursor,
            clock=self.clock,
            listener=listener,
        )

    def _listener(self, key: Secret, outlet: Outlet, marks: Marks) -> Listener:
        return Listener(
            NAME,
            _websocket_url(self._settings),
            key,
            connect=self._tools.connect,
            outlet=outlet,
            marks=marks,
            clock=self.clock,
        )


def _questions(settings: CoinGlassSettings) -> Sequence[Question]:
    for name in ("url", "websocket_url"):
        if "@" in getattr(settings, name):  # addresses are shown and logged; none of them takes a password
            raise InvalidSettings(f"sources.{NAME}.{name} holds a user or a password: leave it out")
    shortest = TERMS[settings.plan].shortest_interval
    interval = settings.interval or shortest
    if interval not in INTERVALS or INTERVALS[interval] < INTERVALS[shortest]:
        raise InvalidSettings(f"sources.{NAME}.interval: the plan {settings.plan} has {shortest} and longer")
    return questions_of(
        Wanted(
            plan=settings.plan,
            interval=interval,
            exchanges=_names("exchanges", settings.exchanges),
            assets=_names("assets", settings.assets),
            min_usd=str(settings.min_usd),
        )
    )


def _names(setting: str, text: str) -> list[str]:
    names = list(dict.fromkeys(text.replace(",", " ").split()))
    for name in names:
        if _PLAIN.fullmatch(name) is None:
            raise InvalidSettings(f"sources.{NAME}.{setting}: no name: {name[:64]!r}")
    return names


def _check_key(key: Secret | None) -> None:
    if key is not None and _PLAIN.fullmatch(key.reveal()) is None:
        raise InvalidSettings(f"sources.{NAME}.key is no key: it holds what no key holds")


def _websocket_url(settings: CoinGlassSettings) -> str:
    if settings.websocket_url or not settings.url:
        return settings.websocket_url or _WEBSOCKET_URL
    return f"ws{settings.url.rstrip('/').removeprefix('http')}/ws-api"


AGGREGATOR = AggregatorSpec(name=NAME, settings=CoinGlassSettings, build=CoinGlassAggregator)
