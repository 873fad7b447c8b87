"""The lab venue's socket: what the reference says of it, one test a trait."""

import base64
import zlib
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import websockets

from tests.venues import ALICE, BOB, CAROL, START, a_block, a_tape, a_trade, millis, open_by_hand

TAPE = a_tape(
    a_block(0, a_trade(coin="BTC", px="100.5", sz="0.25", tid=1)),
    a_block(15, a_trade(coin="BTC", px="100.6", tid=2), a_trade(coin="@107", px="40.1", tid=3)),
    a_block(30, a_trade(BOB, CAROL, coin="BTC", px="100.4", tid=4, side="A"), a_trade(coin="BTC", tid=5)),
    a_block(31, a_trade(coin="xyz:TSLA", px="300.0", tid=6), a_trade(coin="#120", px="0.4", tid=7)),
)
USER = "0x" + "A" * 40
GREETING = "Websocket connection established."


async def test_the_first_frame_is_plain_text() -> None:
    """The venue greets in plain text, which is no JSON."""
    async with open_by_hand(TAPE) as venue, venue.connect() as client:
        assert await client.hear() == GREETING


async def test_some_servers_do_not_greet() -> None:
    """Without a greeting the first frame is the first answer."""
    async with open_by_hand(TAPE, greeting=False) as venue, venue.connect() as client:
        await client.say({"method": "ping"})
        assert await client.hear() == {"channel": "pong"}


@pytest.mark.parametrize(
    ("wanted", "echoed"),
    [
        ({"type": "trades", "coin": "BTC"}, {"type": "trades", "coin": "BTC"}),
        (
            {"type": "l2Book", "coin": "BTC"},
            {"type": "l2Book", "coin": "BTC", "nSigFigs": None, "mantissa": None, "fast": False},
        ),
        ({"type": "userFills", "user": USER}, {"type": "userFills", "user": ALICE, "aggregateByTime": False}),
        ({"type": "allMids"}, {"type": "allMids", "dex": ""}),
        (
            {"type": "clearinghouseState", "user": USER},
            {"type": "clearinghouseState", "user": ALICE, "dex": ""},
        ),
    ],
)
async def test_acknowledgements_fill_in_defaults(wanted: dict[str, Any], echoed: dict[str, Any]) -> None:
    """The echo of a subscription has every default and the user in lower case."""
    async with open_by_hand(TAPE) as venue, venue.connect() as client:
        await client.say({"method": "subscribe", "subscription": wanted})
        assert await client.hear_of("subscriptionResponse") == {"method": "subscribe", "subscription": echoed}
        await client.say({"method": "unsubscribe", "subscription": wanted})
        assert await client.hear_of("subscriptionResponse") == {
            "method": "unsubscribe",
            "subscription": echoed,
        }


@pytest.mark.parametrize("coin", ["NOPE", "btc", "dead:BTC", ""])
async def test_an_unknown_coin_closes_the_socket_without_a_word(coin: str) -> None:
    """A coin unknown, in the wrong case or of a dead dex ends the connection with all it carries: 1006."""
    async with open_by_hand(TAPE) as venue, venue.connect() as client:
        await client.subscribe("trades", coin="BTC")
        await client.hear_of("subscriptionResponse")
        await client.subscribe("trades", coin=coin)
        assert await client.end() == 1006
        assert venue.venue.delivered[0].end == "1006"
        assert venue.venue.connections == 0


@pytest.mark.parametrize(
    "message",
    [
        '{"method": "subscribe", "subscription": {"type": "liquidations"}}',
        '{"method":"subscribe","subscription":{"type":"trades"}}',
        '{"method":"subscribe","subscription":{"coin":"BTC"}}',
        '{"method":"subscribe","subscription":{"type":"l2Book","coin":"BTC","nSigFigs":"5"}}',
        '{"method":"subscribe"}',
        '{"method":"dance"}',
        '{"method":"post","id":1}',
        "no JSON",
    ],
)
async def test_what_cannot_be_read_is_an_error_and_the_socket_stays(message: str) -> None:
    """An unknown type or broken JSON is told back in an error frame; the connection goes on."""
    async with open_by_hand(TAPE) as venue, venue.connect() as client:
        await client.say(message)
        said = await client.hear_of("error")
        await client.say({"method": "ping"})
        assert await client.hear() == {"channel": "pong"}
    assert said == f"Error parsing JSON into valid websocket request: {message}"


@pytest.mark.parametrize(
    "wanted",
    [
        {"type": "candle", "coin": "BTC", "interval": "7m"},
        {"type": "l2Book", "coin": "BTC", "nSigFigs": 9},
        {"type": "l2Book", "coin": "BTC", "nSigFigs": 4, "mantissa": 2},
        {"type": "userFills", "user": "0x1"},
    ],
)
async def test_an_argument_the_venue_does_not_take_is_an_invalid_subscription(wanted: dict[str, Any]) -> None:
    """A known type with a wrong argument is refused in an error frame."""
    async with open_by_hand(TAPE) as venue, venue.connect() as client:
        await client.say({"method": "subscribe", "subscription": wanted})
        assert (await client.hear_of("error")).startswith("Invalid subscription {")


async def test_the_same_subscription_twice_is_an_error() -> None:
    """A second subscription to the same feed is refused, whatever it leaves to the defaults."""
    async with open_by_hand(TAPE) as venue, venue.connect() as client:
        await client.subscribe("trades", coin="BTC")
        await client.subscribe("trades", coin="BTC")
        assert await client.hear_of("error") == 'Already subscribed: {"type":"trades","coin":"BTC"}'
        await client.subscribe("allMids")
        await client.subscribe("allMids", dex="")
        assert await client.hear_of("error") == 'Already subscribed: {"type":"allMids","dex":""}'


async def test_unsubscribing_from_nothing_is_an_error() -> None:
    """What was not subscribed to cannot be ended."""
    async with open_by_hand(TAPE) as venue, venue.connect() as client:
        await client.say({"method": "unsubscribe", "subscription": {"type": "bbo", "coin": "BTC"}})
        assert await client.hear_of("error") == 'Already unsubscribed: {"type":"bbo","coin":"BTC"}'


async def test_the_first_trades_frame_repeats_twenty_seconds() -> None:
    """A new subscriber is told the trades of the last 20 s, so that a short absence loses nothing."""
    async with open_by_hand(TAPE, at=16) as venue, venue.connect() as client:
        await client.subscribe("trades", coin="BTC")
        assert [trade["tid"] for trade in await client.hear_of("trades")] == [1, 2]
        venue.move_to(31)
        assert [trade["tid"] for trade in await client.hear_of("trades")] == [4, 5]
    async with open_by_hand(TAPE, at=20.5) as venue, venue.connect() as client:
        await client.subscribe("trades", coin="BTC")
        assert [trade["tid"] for trade in await client.hear_of("trades")] == [2]


async def test_both_rows_of_a_fill_are_one_public_trade() -> None:
    """A trade has eight keys, the buyer before the seller, and the side of who crossed the book."""
    async with open_by_hand(TAPE, at=30.5) as venue, venue.connect() as client:
        await client.subscribe("trades", coin="BTC")
        [_older, sold, _bought] = await client.hear_of("trades")
    assert sold == {
        "coin": "BTC",
        "side": "A",
        "px": "100.4",
        "sz": "0.25",
        "time": millis(START + timedelta(seconds=30)),
        "hash": "0x" + "1" * 64,
        "tid": 4,
        "users": [BOB, CAROL],
    }


async def test_a_connection_that_is_told_nothing_for_sixty_seconds_is_dropped() -> None:
    """After 60 s without a frame from the venue the connection ends without a close frame."""
    async with open_by_hand(TAPE) as venue, venue.connect() as client:
        await client.hear()
        venue.move_to(58.9)
        await client.say({"method": "ping"})
        await client.hear_of("pong")
        venue.move_to(118)
        await client.say({"method": "ping"})
        await client.hear_of("pong")
        venue.move_to(179)
        assert await client.end() == 1006


async def test_user_fills_come_as_a_snapshot_and_then_live() -> None:
    """The first frame is marked as a snapshot, later ones lack the mark."""
    async with open_by_hand(TAPE, at=16) as venue, venue.connect() as client:
        await client.subscribe("userFills", user=USER)
        first = await client.hear_of("userFills")
        venue.move_to(30)
        second = await client.hear_of("userFills")
    assert (first["isSnapshot"], first["user"], [fill["tid"] for fill in first["fills"]]) == (
        True,
        ALICE,
        [3, 2, 1],
    )
    assert "isSnapshot" not in second
    assert [fill["tid"] for fill in second["fills"]] == [5]


async def test_user_events_do_not_say_whose_they_are() -> None:
    """The channel is called user, there is no snapshot, and the frame names nobody."""
    async with open_by_hand(TAPE, at=16) as venue, venue.connect() as client:
        await client.subscribe("userEvents", user=CAROL)
        await client.hear_of("subscriptionResponse")
        venue.move_to(30)
        frame = await client.hear()
    assert frame["channel"] == "user"
    assert frame["data"].keys() == {"fills"}


async def test_fast_contexts_are_packed_and_then_only_what_changed() -> None:
    """The first packed frame has every market, spot ones and outcomes too; later ones only the changes."""

    def unpacked(data: str) -> Any:
        return msgspec.json.decode(zlib.decompress(base64.b64decode(data), wbits=-15))

    async with open_by_hand(TAPE, at=16) as venue, venue.connect() as client:
        await client.subscribe("fastAssetCtxs")
        everything = unpacked(await client.hear_of("fastAssetCtxs"))
        venue.move_to(31)
        changes = unpacked(await client.hear_of("fastAssetCtxs"))
    assert everything.keys() == {"BTC", "@107", "xyz:TSLA", "#120"}
    assert everything["BTC"] == {"markPx": "100.6", "midPx": None}
    assert changes == {"BTC": {"markPx": "100.5", "midPx": "100.45"}}


async def test_contexts_of_all_dexs_carry_no_names() -> None:
    """All contexts come by dex and position, about every 13.6 s."""
    async with open_by_hand(TAPE, at=16) as venue, venue.connect() as client:
        await client.subscribe("allDexsAssetCtxs")
        first = await client.hear_of("allDexsAssetCtxs")
        venue.move_to(16 + 13.6)
        assert (await client.hear_of("allDexsAssetCtxs")).keys() == {"ctxs"}
    assert [(dex, len(contexts)) for dex, contexts in first["ctxs"]] == [("", 1), ("xyz", 1)]
    assert "coin" not in first["ctxs"][0][1][0]


async def test_books_come_slowly_and_fast_ones_say_so() -> None:
    """A book comes about every 5.4 s; a fast one ten times as often, marked as such."""
    async with open_by_hand(TAPE, at=16) as venue, venue.connect() as client:
        await client.subscribe("l2Book", coin="BTC")
        await client.subscribe("l2Book", coin="BTC", fast=True)
        await client.hear_of("subscriptionResponse")
        await client.hear_of("subscriptionResponse")
        venue.move_to(27)
        await client.say({"method": "ping"})
        heard: list[bool] = []
        while (frame := await client.hear())["channel"] != "pong":
            heard += ["fast" in frame["data"]] if frame["channel"] == "l2Book" else []
    assert (heard.count(False), heard.count(True)) == (3, 22)  # the first fast one came with the subscription


async def test_spot_contexts_have_a_channel_of_their_own() -> None:
    """The context of a spot market comes on activeSpotAssetCtx, though activeAssetCtx was asked for."""
    async with open_by_hand(TAPE, at=16) as venue, venue.connect() as client:
        await client.subscribe("activeAssetCtx", coin="@107")
        assert (await client.hear_of("activeSpotAssetCtx"))["ctx"]["coin"] == "@107"
        await client.subscribe("activeAssetCtx", coin="BTC")
        assert (await client.hear_of("activeAssetCtx"))["ctx"]["markPx"] == "100.6"


async def test_quotes_and_candles_come_on_change() -> None:
    """A block that trades tells the new best prices and the running candle, which is one object."""
    async with open_by_hand(TAPE, at=16) as venue, venue.connect() as client:
        await client.subscribe("bbo", coin="BTC")
        assert (await client.hear_of("bbo"))["bbo"] == [None, {"px": "100.6", "sz": "0.25", "n": 1}]
        await client.subscribe("candle", coin="BTC", interval="1m")
        await client.hear_of("candle")
        venue.move_to(30)
        quote, candle = await client.hear_of("bbo"), await client.hear_of("candle")
    assert [level and level["px"] for level in quote["bbo"]] == ["100.4", "100.5"]
    assert (candle["s"], candle["i"], candle["c"], candle["n"]) == ("BTC", "1m", "100.5", 4)


async def test_mids_of_a_builders_dex_name_it() -> None:
    """The mids of a builder's dex come with its name, those of the first without."""
    async with open_by_hand(TAPE, at=32) as venue, venue.connect() as client:
        await client.subscribe("allMids", dex="xyz")
        assert await client.hear_of("allMids") == {"dex": "xyz", "mids": {"xyz:TSLA": "300.0"}}
        await client.subscribe("allMids")
        assert "dex" not in await client.hear_of("allMids")


async def test_an_account_is_told_on_all_dexes() -> None:
    """One subscription tells an account's state on every dex."""
    async with open_by_hand(TAPE, at=32) as venue, venue.connect() as client:
        await client.subscribe("allDexsClearinghouseState", user=USER)
        told = await client.hear_of("allDexsClearinghouseState")
    assert told["user"] == ALICE
    assert [(dex, len(state["assetPositions"])) for dex, state in told["clearinghouseStates"]] == [
        ("", 1),
        ("xyz", 1),
    ]


@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        ("userFundings", "fundings"),
        ("userNonFundingLedgerUpdates", "nonFundingLedgerUpdates"),
        ("userTwapSliceFills", "twapSliceFills"),
        ("userHistoricalOrders", "orderHistory"),
    ],
)
async def test_what_is_not_recorded_of_an_account_is_an_empty_snapshot(kind: str, rows: str) -> None:
    """Feeds of which a tape of fills knows nothing begin with an empty snapshot and stay quiet."""
    async with open_by_hand(TAPE) as venue, venue.connect() as client:
        await client.subscribe(kind, user=USER)
        assert await client.hear_of(kind) == {"isSnapshot": True, "user": ALICE, rows: []}


async def test_questions_are_answered_through_the_socket() -> None:
    """A posted question is answered with its number and charged like any other."""
    async with open_by_hand(TAPE, at=16) as venue, venue.connect() as client:
        question = {"type": "info", "payload": {"type": "l2Book", "coin": "BTC"}}
        await client.say({"method": "post", "id": 7, "request": question})
        told = await client.hear_of("post")
        spent = venue.venue.meter.spent
    assert (told["id"], told["response"]["type"]) == (7, "info")
    assert told["response"]["payload"]["data"]["coin"] == "BTC"
    assert spent == {"l2Book": 2}


@pytest.mark.parametrize(
    "request_",
    [
        {"type": "action", "payload": {}},
        {"type": "info", "payload": {"type": "nope"}},
        {"type": "info", "payload": {"type": "meta", "dex": "nope"}},
    ],
)
async def test_what_is_refused_through_the_socket_has_its_number(request_: dict[str, Any]) -> None:
    """The refusal of a posted request carries the number of the request, unlike an error frame."""
    async with open_by_hand(TAPE) as venue, venue.connect() as client:
        await client.say({"method": "post", "id": 8, "request": request_})
        told = await client.hear_of("post")
    assert (told["id"], told["response"]["type"]) == (8, "error")


async def test_the_socket_is_at_one_path_and_offers_no_compression() -> None:
    """Another path is not found, and compression is not agreed to even if asked for."""
    async with open_by_hand(TAPE) as venue:
        address = venue.venue.url.replace("http", "ws")
        with pytest.raises(websockets.InvalidStatus, match="404"):
            await websockets.connect(address + "/other")
        async with websockets.connect(address + "/ws", compression="deflate") as socket:
            assert socket.protocol.extensions == []


async def test_a_frame_goes_to_every_subscriber() -> None:
    """Two connections that want the same are told the same."""
    async with open_by_hand(TAPE, at=1) as venue, venue.connect() as one, venue.connect() as other:
        for client in (one, other):
            await client.subscribe("trades", coin="@107")
            await client.hear_of("subscriptionResponse")
        venue.move_to(15)
        assert await one.hear_of("trades") == await other.hear_of("trades")
