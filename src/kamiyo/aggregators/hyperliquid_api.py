"""The venue's public API: as much of Hyperliquid as anybody may see without a node and without a key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta
from typing import Annotated, Final

import msgspec

from kamiyo.aggregators._hyperliquid_api.completion import Completion
from kamiyo.aggregators._hyperliquid_api.coverage import Coverage, fills_of
from kamiyo.aggregators._hyperliquid_api.feed import Address as SocketAddress
from kamiyo.aggregators._hyperliquid_api.feed import Feed, Listener
from kamiyo.aggregators._hyperliquid_api.markets import Markets, read_markets
from kamiyo.aggregators._hyperliquid_api.outlet import Numbered, Outlet
from kamiyo.aggregators._hyperliquid_api.payloads import DecodedTrades, normalize
from kamiyo.aggregators._hyperliquid_api.public import PublicListener
from kamiyo.aggregators._hyperliquid_api.questions import Inquirer
from kamiyo.aggregators._hyperliquid_api.scan import Scan
from kamiyo.aggregators._hyperliquid_api.shared import Routine, Shared
from kamiyo.aggregators._hyperliquid_api.slots import Choosing, Slots
from kamiyo.aggregators._hyperliquid_api.universe import LastRead, Universe
from kamiyo.aggregators._hyperliquid_api.users import UsersListener
from kamiyo.aggregators._hyperliquid_api.vaults import Pulse, Vaults
from kamiyo.aggregators._hyperliquid_api.weights import MARKETS, ON_DEMAND
from kamiyo.aggregators.base import (
    AggregatorSettings,
    AggregatorSpec,
    BaseAggregator,
    StreamItem,
    Toolbox,
    Waiting,
)
from kamiyo.core.errors import InvalidSettings, KamiyoError, MalformedPayload, SourceUnavailable
from kamiyo.core.ids import Address, Asset, Chain, Cursor, SourceName, parse_address, parse_asset
from kamiyo.core.money import Price, parse_decimal
from kamiyo.core.ports import Normalized, Raw
from kamiyo.core.sources import CoverageLabel, SourceDescription, SourceType, Subject
from kamiyo.core.time import to_millis
from kamiyo.hyperliquid.addresses import Network
from kamiyo.hyperliquid.info import AllMids, Meta
from kamiyo.hyperliquid.market import WireMeta, decode_all_mids, decode_meta
from kamiyo.hyperliquid.session import Reconnecting

__all__ = ["AGGREGATOR", "HyperliquidAPIAggregator", "HyperliquidAPISettings"]

NAME: Final = SourceName("hyperliquid_api")
MAJORS: Final = (
    "BTC ETH SOL HYPE XRP DOGE BNB SUI ADA AVAX LINK LTC BCH AAVE UNI ENA WLD TRUMP PUMP FARTCOIN "
    "kPEPE kBONK NEAR APT ARB DOT TON TRX ZEC WLFI"
)
# Makers of whom liquidations were seen before: followed until better ones are learned (EXTERNAL-APIS 2.9).
_SEEDS: Final = (
    Address("0x644f7170fae9d4d173d9217f03b7a77e22ed98f1"),
    Address("0xa775d1bd91ee2cc4cae6113e5fd9c0c17b355277"),
)
_LIQUIDATED: Final = "https://d2v1fiwobg9w6.cloudfront.net/largest_liquidated_notional_by_user"
_KNOWN_FOR: Final = timedelta(minutes=5)
_LONGEST_RETRY: Final = timedelta(seconds=30)
_CHAINS: Final = {Network.MAINNET: Chain("hyperliquid"), Network.TESTNET: Chain("hyperliquid_testnet")}


class HyperliquidAPISettings(AggregatorSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[sources.hyperliquid_api]``.

    Lists are texts with spaces or commas between the names. With a ``url`` of one's own, the other addresses
    follow from it unless they are set too.
    """

    network: Network = Network.MAINNET
    url: str = ""
    websocket_url: str = ""
    statistics_url: str = ""
    liquidated_users_url: str = ""
    makers: str = ""
    majors: str = MAJORS
    scan_accounts: Annotated[int, msgspec.Meta(ge=0, le=20_000)] = 2_000
    scan_per_minute: Annotated[int, msgspec.Meta(ge=1, le=300)] = 300


class Addresses(msgspec.Struct, frozen=True):
    """Where everything is asked."""

    info: str
    websocket: str
    leaderboard: str
    liquidated: str


class HyperliquidAPIAggregator(BaseAggregator):
    """What one address may see: a sample of the liquidations, and every public trade.

    No more than ten accounts can be followed, and a public trade does not say that somebody was liquidated.
    So a liquidation is known here only where a follower's fill, a question about a suspect, or a trade under
    the same hash shows it.
    """

    MAINNET_URL = "https://api.hyperliquid.xyz"
    TESTNET_URL = "https://api.hyperliquid-testnet.xyz"

    def __init__(self, settings: HyperliquidAPISettings, tools: Toolbox) -> None:
        self.description = SourceDescription(
            name=NAME,
            type=SourceType.STREAM,
            url=settings.url or _venue_url(settings.network),
            priority=10,
            label=CoverageLabel.SAMPLE,
            silence_limit=timedelta(seconds=10),
            lag_limit=timedelta(seconds=60),
            subject=Subject.VENUE,
        )
        super().__init__(tools)
        self._settings = settings
        self._tools = tools
        self._makers = _parsed_makers(settings.makers)
        self._addresses = _addresses(settings)
        self.chain = _CHAINS[settings.network]
        self._decoded = DecodedTrades()
        self._inquirer = Inquirer(
            self._addresses.info,
            session=tools.session,
            budget=tools.budget,
            clock=tools.clock,
            random=tools.random,
        )
        # What a stream that begins again after a failure goes on from: limits know nothing of failures.
        self._sockets = SocketAddress(Reconnecting(tools.random))
        self._last_read = LastRead()
        self._markets: Markets | None = None

    async def get_meta(self, dex: str = "") -> WireMeta:
        """The markets of a dex, the first one's by default."""
        return decode_meta(await self._inquirer.ask(ON_DEMAND, Meta(dex=dex)))

    async def get_all_mids(self, dex: str = "") -> Mapping[Asset, Price]:
        """The mid prices of a dex's markets in USD; without a dex also those of spot and outcomes."""
        mids = decode_all_mids(await self._inquirer.ask(ON_DEMAND, AllMids(dex=dex)))
        return {parse_asset(asset): Price(parse_decimal(text)) for asset, text in mids.items()}

    def normalize(self, raw: Raw) -> Normalized:
        """What a frame or an answer says; MalformedPayload if nothing of it can be understood."""
        return normalize(raw, self.chain, self._decoded)

    async def stream(self, cursor: Cursor | None, *, follow: bool = True) -> AsyncGenerator[StreamItem, None]:
        """All that is heard from now on, with the gap since ``cursor``; without ``follow`` a few answers."""
        shared = self._shared(cursor)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self._run(shared) if follow else self._ask_once(shared))
            try:
                while items := await shared.outlet.take():
                    for item in items:
                        yield item
            except GeneratorExit:
                return  # the group would wrap it, and who closed the stream would not know it again
            finally:
                running.cancel()

    def _shared(self, cursor: Cursor | None) -> Shared:
        started = to_millis(self.clock.now())
        return Shared(
            source=self.name,
            chain=self.chain,
            clock=self.clock,
            outlet=Outlet(self.name),
            coverage=Coverage(self.name, cursor),
            inquirer=self._inquirer,
            log=self.logger,
            answers=Numbered(f"info/{started}"),
        )

    async def _run(self, shared: Shared) -> None:
        completion = Completion(shared.outlet, Numbered(f"confirmed/{to_millis(self.clock.now())}"))
        addresses, settings = self._addresses, self._settings
        universe = Universe(
            shared,
            self.make_request,
            self._last_read,
            leaderboard_url=addresses.leaderboard,
            liquidated_url=addresses.liquidated,
        )
        scan = Scan(shared, universe, completion, accounts=settings.scan_accounts)
        slots = self._slots(shared)
        vaults = Vaults(shared, settings.network, slots)
        choosing = Choosing(shared, slots, self._tools.user_slots)
        await choosing.begin()
        markets = self._markets = await self._first_markets(shared)
        majors = [asset for asset in _words(settings.majors) if asset in markets.live]
        public = PublicListener(
            shared, markets, majors=majors, decoded=self._decoded, completion=completion, scan=scan
        )
        users = UsersListener(shared, slots, completion, pulse=majors[0] if majors else None)

        async def read_markets_again() -> None:
            self._markets = await read_markets(shared)
            public.take_markets(self._markets)

        routines = [
            Routine("markets", MARKETS.every, read_markets_again),
            Pulse(shared).routine,
            *vaults.routines,
            choosing.routine,
            *scan.routines(settings.scan_per_minute),
        ]
        async with asyncio.TaskGroup() as tasks:
            for feed in self._feeds(public, users):
                tasks.create_task(feed.run())
            for routine in routines:
                tasks.create_task(shared.repeat(routine), name=routine.name)

    def _slots(self, shared: Shared) -> Slots:
        earlier = [Address(user) for user in shared.coverage.scopes(fills_of(""))]
        shipped = _SEEDS if self._settings.network is Network.MAINNET else ()
        return Slots(makers=self._makers, earlier=earlier, shipped=shipped)

    def _feeds(self, *listeners: Listener) -> list[Feed]:
        return [
            Feed(
                self._addresses.websocket,
                connect=self._tools.connect,
                clock=self.clock,
                address=self._sockets,
                listener=listener,
            )
            for listener in listeners
        ]

    async def _first_markets(self, shared: Shared) -> Markets:
        """Without markets nothing can be followed: asked for until they are there, unless just known."""
        known = self._markets
        if known is not None and self.clock.now() - known.at < _KNOWN_FOR:
            return known
        pause, told = timedelta(seconds=1), False
        while True:
            try:
                return await read_markets(shared)
            except KamiyoError as error:
                if not told:
                    shared.outlet.put(Waiting(f"the venue's markets: {error}"))
                told = True
            await self.clock.sleep(pause)
            pause = min(2 * pause, _LONGEST_RETRY)

    async def _ask_once(self, shared: Shared) -> None:
        """What is known without listening: the venue's time, its liquidity provider, its markets."""
        shared.up.set()
        try:
            await Pulse(shared).feel()
            await Vaults(shared, self._settings.network, Slots()).value()
            await read_markets(shared)
        except (SourceUnavailable, MalformedPayload) as error:
            shared.outlet.put(Waiting(str(error)))
        shared.outlet.end()


def _venue_url(network: Network) -> str:
    mainnet = network is Network.MAINNET
    return HyperliquidAPIAggregator.MAINNET_URL if mainnet else HyperliquidAPIAggregator.TESTNET_URL


def _addresses(settings: HyperliquidAPISettings) -> Addresses:
    for name in ("url", "websocket_url", "statistics_url", "liquidated_users_url"):
        if "@" in getattr(settings, name):  # addresses are shown and logged; none of them takes a password
            raise InvalidSettings(f"sources.{NAME}.{name} holds a user or a password: leave it out")
    base = (settings.url or _venue_url(settings.network)).rstrip("/")
    folder = settings.network.value.capitalize()
    statistics = settings.statistics_url or (
        f"{base}/{folder}" if settings.url else f"https://stats-data.hyperliquid.xyz/{folder}"
    )
    ours = settings.network is Network.MAINNET and not settings.url
    return Addresses(
        info=f"{base}/info",
        websocket=settings.websocket_url or f"ws{base.removeprefix('http')}/ws",
        leaderboard=f"{statistics.rstrip('/')}/leaderboard",
        liquidated=settings.liquidated_users_url or (_LIQUIDATED if ours else ""),
    )


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _parsed_makers(text: str) -> tuple[Address, ...]:
    try:
        return tuple(dict.fromkeys(parse_address(word) for word in _words(text)))
    except MalformedPayload as error:
        raise InvalidSettings(f"sources.{NAME}.makers: {error}") from error


AGGREGATOR = AggregatorSpec(name=NAME, settings=HyperliquidAPISettings, build=HyperliquidAPIAggregator)
