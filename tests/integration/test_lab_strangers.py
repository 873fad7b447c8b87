"""Other people's clients against the lab venue, unchanged: it speaks the protocol they were written for."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import ccxt  # type: ignore[import-untyped]
import ccxt.pro  # type: ignore[import-untyped]
import pytest
from hyperliquid.info import Info  # type: ignore[import-untyped]

from kamiyo.lab.tape import open_tape
from tests.venues import BLOCKS, OpenVenue, open_venue

MAKER = "0x622450a3048ae44a5c54e2b54c91b082313e1d23"
VICTIM = "0xa59f55114ccb120487c4fb5766cb89b123c13563"
LIQUIDATION = "0xce46e3a07a2baa4ecfc0042e503ea8018200fb86152ec920720f8ef3392f8439"
_PATIENCE = 20


@pytest.fixture
async def playing(shared_data: Path) -> AsyncGenerator[OpenVenue]:
    """Serve the recorded blocks, ten times as fast as they came."""
    async with open_venue(open_tape(shared_data / BLOCKS), speed=10) as venue:
        yield venue


@pytest.fixture
async def played(shared_data: Path) -> AsyncGenerator[OpenVenue]:
    """Serve what stands after the recorded blocks."""
    tape = open_tape(shared_data / BLOCKS)
    async with open_venue(tape, since=tape.ends_at + timedelta(seconds=1)) as venue:
        yield venue


async def _in_thread(call: Callable[[], Any]) -> Any:
    async with asyncio.timeout(_PATIENCE):
        return await asyncio.to_thread(call)


async def test_the_sdk_reads_markets_books_and_fills(played: OpenVenue) -> None:
    """The venue's own Python SDK builds its tables from our universe and reads prices, books and fills."""
    info = await _in_thread(lambda: Info(played.venue.url, skip_ws=True, perp_dexs=["", "xyz"]))
    assert info.name_to_coin["BTC"] == "BTC"
    assert info.coin_to_asset["xyz:XYZ100"] == 110_000
    assert info.coin_to_asset["@107"] == 10_107
    mids = await _in_thread(info.all_mids)
    book = await _in_thread(lambda: info.l2_snapshot("BTC"))
    _meta, contexts = await _in_thread(info.meta_and_asset_ctxs)
    state = await _in_thread(lambda: info.user_state(MAKER))
    fills = await _in_thread(lambda: info.user_fills_by_time(MAKER, 0))
    assert float(book["levels"][0][0]["px"]) <= float(mids["BTC"]) <= float(book["levels"][1][0]["px"])
    assert all(context["markPx"] for context in contexts)
    assert {each["position"]["coin"] for each in state["assetPositions"]} >= {"WLFI"}
    assert [fill["liquidation"]["liquidatedUser"] for fill in fills if "liquidation" in fill] == [VICTIM]


async def test_the_sdk_hears_trades_quotes_and_fills(playing: OpenVenue) -> None:
    """The SDK's socket delivers to its callbacks what we publish, the confirmed liquidation among it."""
    heard: dict[str, list[Any]] = {"trades": [], "bbo": [], "userFills": [], "l2Book": []}
    info = await _in_thread(lambda: Info(playing.venue.url))
    wishes: list[Any] = [
        {"type": "trades", "coin": "WLFI"},
        {"type": "bbo", "coin": "BTC"},
        {"type": "userFills", "user": MAKER},
        {"type": "l2Book", "coin": "BTC"},
    ]
    try:
        for wish in wishes:
            info.subscribe(wish, lambda message: heard[message["channel"]].append(message["data"]))
        async with asyncio.timeout(_PATIENCE):
            while not (all(heard.values()) and any(_liquidations(heard["userFills"]))):
                await asyncio.sleep(0.05)
    finally:
        await _in_thread(info.disconnect_websocket)
    trades = [trade for message in heard["trades"] for trade in message]
    assert [trade["users"] for trade in trades if trade["hash"] == LIQUIDATION] == [[VICTIM, MAKER]]


def _liquidations(messages: list[Any]) -> list[Any]:
    return [fill for message in messages for fill in message["fills"] if "liquidation" in fill]


def _pointed_at(exchange: Any, url: str) -> Any:
    exchange.urls["api"] = {
        "public": url,
        "private": url,
        "ws": {"public": url.replace("http", "ws") + "/ws"},
    }
    return exchange


async def test_ccxt_reads_markets_books_and_trades(played: OpenVenue) -> None:
    """ccxt loads its markets from ours, HIP-3 and spot ones too, and reads contexts, books and fills."""
    exchange = _pointed_at(ccxt.hyperliquid({"walletAddress": MAKER}), played.venue.url)
    markets = await _in_thread(exchange.load_markets)
    assert {"BTC/USDC:USDC", "XYZ-XYZ100/USDC:USDC", "TOKEN107/USDC"} <= markets.keys()
    ticker = await _in_thread(lambda: exchange.fetch_ticker("BTC/USDC:USDC"))
    book = await _in_thread(lambda: exchange.fetch_order_book("BTC/USDC:USDC"))
    fills = await _in_thread(lambda: exchange.fetch_my_trades("WLFI/USDC:USDC"))
    candles = await _in_thread(lambda: exchange.fetch_ohlcv("BTC/USDC:USDC", "1m", 1_761_580_000_000))
    assert book["bids"][0][0] < book["asks"][0][0]
    assert ticker["info"]["markPx"]
    assert candles[-1][4] == float(ticker["info"]["markPx"])
    assert any("liquidation" in fill["info"] for fill in fills)


async def test_ccxt_pro_watches_trades_and_books(playing: OpenVenue) -> None:
    """ccxt pro is told of trades, books, tickers and fills through its socket."""
    exchange = _pointed_at(ccxt.pro.hyperliquid({"walletAddress": MAKER}), playing.venue.url)
    try:
        async with asyncio.timeout(_PATIENCE):
            await exchange.load_markets()
            trades = await exchange.watch_trades("BTC/USDC:USDC")
            book = await exchange.watch_order_book("BTC/USDC:USDC")
            ticker = await exchange.watch_ticker("BTC/USDC:USDC")
            mine = await exchange.watch_my_trades("WLFI/USDC:USDC")
    finally:
        await exchange.close()
    assert trades[0]["symbol"] == "BTC/USDC:USDC"
    # ccxt goes on writing into what it gave, and a trade at the price of the other side empties that side.
    assert book["bids"] or book["asks"]
    assert ticker["info"]["markPx"]
    assert mine[0]["info"]["coin"] == "WLFI"
