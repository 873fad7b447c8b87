"""The source of the public API as others see it: what it is, where it asks, how it begins and ends."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from decimal import Decimal

import msgspec
import pytest

from kamiyo.aggregators.base import Toolbox, Waiting
from kamiyo.aggregators.hyperliquid_api import AGGREGATOR, HyperliquidAPIAggregator, HyperliquidAPISettings
from kamiyo.core.errors import InvalidSettings, SourceUnavailable
from kamiyo.core.ports import Raw
from kamiyo.core.sources import CoverageLabel
from tests.builders import MAKER
from tests.fake_venue import Live, ScriptedVenue, SteppedClock, a_venue, living, metas
from tests.fakes import MemoryBudget, tools


def asking(venue: ScriptedVenue) -> HyperliquidAPIAggregator:
    clock = SteppedClock()
    return HyperliquidAPIAggregator(
        HyperliquidAPISettings(url="http://lab"),
        Toolbox(clock, venue, connect=venue.connect, budget=MemoryBudget(clock), random=random.Random(1)),
    )


@asynccontextmanager
async def again(live: Live, *, seconds: float) -> AsyncIterator[None]:
    """Let a source that was stopped run once more."""

    async def read() -> None:
        async with aclosing(live.source.stream(None)) as items:
            async for item in items:
                live.items.append(item)

    reading = asyncio.ensure_future(read())
    await live.clock.advance(seconds)
    try:
        yield
    finally:
        reading.cancel()
        await asyncio.wait({reading})


def test_it_says_that_it_is_a_sample_of_the_mainnet() -> None:
    """Unless it is told otherwise."""
    said = AGGREGATOR.build(HyperliquidAPISettings(), tools()).description
    assert (said.name, said.label, said.priority) == ("hyperliquid_api", CoverageLabel.SAMPLE, 10)
    assert said.url == HyperliquidAPIAggregator.MAINNET_URL


@pytest.mark.parametrize(
    ("settings", "addresses"),
    [
        (
            {},
            (
                "https://api.hyperliquid.xyz/info",
                "wss://api.hyperliquid.xyz/ws",
                "https://stats-data.hyperliquid.xyz/Mainnet/leaderboard",
                "https://d2v1fiwobg9w6.cloudfront.net/largest_liquidated_notional_by_user",
            ),
        ),
        (
            {"network": "testnet"},
            (
                "https://api.hyperliquid-testnet.xyz/info",
                "wss://api.hyperliquid-testnet.xyz/ws",
                "https://stats-data.hyperliquid.xyz/Testnet/leaderboard",
                "",
            ),
        ),
        (
            {"url": "http://127.0.0.1:9/"},
            ("http://127.0.0.1:9/info", "ws://127.0.0.1:9/ws", "http://127.0.0.1:9/Mainnet/leaderboard", ""),
        ),
        (
            {
                "url": "http://127.0.0.1:9",
                "websocket_url": "ws://b/ws",
                "statistics_url": "http://c/",
                "liquidated_users_url": "http://d/e",
            },
            ("http://127.0.0.1:9/info", "ws://b/ws", "http://c/leaderboard", "http://d/e"),
        ),
    ],
)
def test_addresses_follow_from_the_network_or_from_an_address_of_ones_own(settings, addresses) -> None:
    """Each can be set; a lab venue needs only one."""
    built = HyperliquidAPIAggregator(msgspec.convert(settings, HyperliquidAPISettings), tools())
    assert msgspec.structs.astuple(built._addresses) == addresses


@pytest.mark.parametrize("name", ["url", "websocket_url", "statistics_url", "liquidated_users_url"])
def test_an_address_with_a_password_is_refused_without_repeating_it(name) -> None:
    """Addresses stand in answers and in the log, so none may hold a secret."""
    settings = msgspec.convert({name: "https://me:canary@example.org"}, HyperliquidAPISettings)
    with pytest.raises(InvalidSettings, match=rf"sources\.hyperliquid_api\.{name}") as refused:
        AGGREGATOR.build(settings, tools())
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("makers", ["0x12", "nobody"])
def test_makers_that_are_no_accounts_are_refused(makers) -> None:
    """When the settings are read, not when nothing is heard of them."""
    with pytest.raises(InvalidSettings, match=r"sources\.hyperliquid_api\.makers"):
        AGGREGATOR.build(HyperliquidAPISettings(makers=makers), tools())


async def test_markets_and_mids_are_values() -> None:
    """Of the first dex or of another."""
    venue = a_venue()
    venue.answers |= {
        "meta": lambda question: msgspec.json.encode(
            {"universe": msgspec.json.decode(metas([question.dex + "A"]))[0]["universe"]}
        ),
        "allMids": b'{"BTC":"100000.5","@107":"40.1"}',
    }
    source = asking(venue)
    assert (await source.get_meta("xyz:")).live_names == ["xyz:A"]
    assert await source.get_all_mids() == {"BTC": Decimal("100000.5"), "@107": Decimal("40.1")}


async def test_without_following_a_few_answers_are_given() -> None:
    """The venue's time, its liquidity provider and its markets; then it ends."""
    venue = a_venue()
    venue.answers |= {
        "exchangeStatus": b'{"time":5}',
        "vaultDetails": msgspec.json.encode({"name": "HLP", "vaultAddress": "0x" + "1" * 40}),
    }
    async with aclosing(asking(venue).stream(None, follow=False)) as items:
        streams = [item.stream async for item in items if isinstance(item, Raw)]
    assert streams == ["info/exchangeStatus", "info/vaultDetails", "info/perpDexs", "info/allPerpMetas"]
    assert venue.sockets == []


async def test_without_following_an_unreachable_venue_is_told() -> None:
    """And it ends all the same."""
    venue = ScriptedVenue({"exchangeStatus": SourceUnavailable("lab: refused")})
    async with aclosing(asking(venue).stream(None, follow=False)) as items:
        assert [item async for item in items] == [Waiting("lab: refused")]


async def test_who_stops_reading_stops_everything() -> None:
    """No socket stays open, and nothing is raised that the reader did not cause."""
    venue = a_venue()
    async with living(venue, seconds=5) as live:
        assert all(socket.open for socket in venue.sockets)
        assert live.items
    assert not any(socket.open for socket in venue.sockets)
    source = asking(venue)
    stream = source.stream(None)
    await anext(stream)
    await stream.aclose()


async def test_a_mistake_of_ours_ends_the_stream() -> None:
    """The supervisor begins it again from stored state; nothing goes on half alive."""
    venue = a_venue()
    venue.answers["exchangeStatus"] = ZeroDivisionError("a mistake")
    with pytest.raises(ExceptionGroup) as caught:
        async with living(venue, seconds=5):
            pass
    assert caught.group_contains(ZeroDivisionError)
    assert not any(socket.open for socket in venue.sockets)
    await asyncio.sleep(0)


async def test_a_stream_that_begins_again_goes_on_from_what_is_known() -> None:
    """It follows the same markets and accounts at once, without asking for what it asked a moment ago."""
    venue = a_venue()
    ranked = {"ethAddress": MAKER, "accountValue": "9", "windowPerformances": []}
    venue.files["leaderboard"] = msgspec.json.encode({"leaderboardRows": [ranked]})
    async with living(venue, scan_accounts=5) as live:
        pass
    asked = [*venue.asked]
    async with again(live, seconds=2):
        assert [socket.open for socket in venue.sockets] == [False, False, True, True]
        assert venue.public.sent
        kinds = {type(each).__name__ for each in venue.asked[len(asked) :]}
        assert kinds.isdisjoint({"PerpDexs", "AllPerpMetas"})
        assert "ClearinghouseState" in kinds
        assert venue.read == ["http://lab/Mainnet/leaderboard"]


async def test_what_is_known_of_markets_grows_old() -> None:
    """A wrong name closes the socket."""
    venue = a_venue()
    async with living(venue) as live:
        pass
    await live.clock.advance(300)
    venue.answers["allPerpMetas"] = metas(["BTC"])
    async with again(live, seconds=3):
        assert not any("ETH" in text for text in venue.public.sent)


async def test_streams_that_begin_again_open_no_more_connections_than_allowed() -> None:
    """The address's minute does not begin anew with each of them."""
    venue = a_venue()
    async with living(venue, seconds=1) as live:
        pass
    for _ in range(30):
        async with again(live, seconds=1):
            pass
    assert len(venue.sockets) <= 30


async def test_a_reader_that_does_not_read_holds_the_sockets_up() -> None:
    """What waits is bounded; when it reads again, it gets all of it."""
    venue = a_venue()
    source = asking(venue)
    clock = source.clock
    assert isinstance(clock, SteppedClock)
    stream = source.stream(None)
    reading = asyncio.ensure_future(anext(stream))
    await clock.advance(3)
    await reading
    for number in range(1_200):
        venue.public.say(b'{"channel":"bbo","data":%d}' % number)
    await clock.advance(30)
    told = 0
    while told < 1_200:
        item = await anext(stream)
        told += isinstance(item, Raw) and item.stream == "ws/bbo"
    await stream.aclose()
