"""The lab venue's ``/info`` over real sockets: what the reference says of it, one test a trait."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from kamiyo.core.errors import InvalidSettings
from tests.venues import ALICE, BOB, CAROL, START, OpenVenue, a_block, a_tape, a_trade, millis, open_by_hand

HLP = "0xdfc24b077bc1425ad1dea75bcb6f8158e10df303"
TAPE = a_tape(
    a_block(0, a_trade(coin="BTC", px="100.5", sz="0.25", tid=1), a_trade(coin="@107", px="40.1", tid=2)),
    a_block(1, a_trade(BOB, CAROL, coin="BTC", px="101.5", sz="1.0", startPosition="-0.25", tid=3)),
    a_block(2, a_trade(coin="xyz:TSLA", px="300.0", tid=4), a_trade(coin="#120", px="0.4", tid=5)),
    a_block(3, a_trade(coin="BTC", px="99.0", sz="0.5", side="A", startPosition="7.0", tid=6, twapId=9)),
)
NO_QUESTION = "Failed to deserialize the JSON body into the target type"


async def _posted(venue: OpenVenue, body: str, content_type: str = "application/json") -> httpx.Response:
    return await venue.session.post(
        venue.venue.url + "/info", content=body, headers={"content-type": content_type}
    )


@pytest.mark.parametrize(
    "body", ['{"type":"nope"}', '{"type":"fundingHistory","coin":"BTC"}', '{"coin":"BTC"}', "7"]
)
async def test_an_unknown_question_is_422_in_plain_text(body: str) -> None:
    """What is JSON but no question the venue knows is a 422 that says so in plain text."""
    async with open_by_hand(TAPE) as venue:
        response = await _posted(venue, body)
    assert (response.status_code, response.text) == (422, NO_QUESTION)
    assert response.headers["content-type"].startswith("text/plain")


async def test_what_is_no_json_is_400() -> None:
    """A body that is no JSON is a 400 that says so in plain text."""
    async with open_by_hand(TAPE) as venue:
        response = await _posted(venue, '{"type":')
    assert (response.status_code, response.text) == (400, "Failed to parse the request body as JSON")
    assert response.headers["content-type"].startswith("text/plain")


async def test_another_content_type_is_415() -> None:
    """A question that does not say it is JSON is a 415."""
    async with open_by_hand(TAPE) as venue:
        response = await _posted(venue, '{"type":"meta"}', "text/plain")
    assert response.status_code == 415
    assert response.text == "Expected request with `Content-Type: application/json`"


async def test_get_is_405_without_a_body() -> None:
    """Questions are posted: a GET is a 405 with nothing in it, not even a content type."""
    async with open_by_hand(TAPE) as venue:
        response = await venue.session.get(venue.venue.url + "/info")
    assert (response.status_code, response.content) == (405, b"")
    assert "content-type" not in response.headers


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("metaAndAssetCtxs", {"dex": "nope"}),
        ("meta", {"dex": "XYZ"}),
        ("fundingHistory", {"coin": "NOPE", "startTime": 1}),
        ("l2Book", {"coin": "BTC", "nSigFigs": 5, "mantissa": 1}),
    ],
)
async def test_an_unknown_dex_or_coin_is_500_null(kind: str, fields: dict[str, object]) -> None:
    """What asking again will not help is still a 500, with the body null."""
    async with open_by_hand(TAPE) as venue:
        response = await venue.ask(kind, **fields)
    assert (response.status_code, response.text) == (500, "null")
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("kind", "fields"), [("l2Book", {"coin": "NOPE"}), ("vaultDetails", {"vaultAddress": ALICE})]
)
async def test_a_book_or_vault_that_is_none_is_200_null(kind: str, fields: dict[str, object]) -> None:
    """An unknown coin's book and an ordinary address as a vault are a 200 whose body is null."""
    async with open_by_hand(TAPE) as venue:
        response = await venue.ask(kind, **fields)
    assert (response.status_code, response.text) == (200, "null")


async def test_each_asset_is_where_the_venue_keeps_it() -> None:
    """Perps of the first dex and of a builder's, spot markets and outcomes are each in their own tables."""
    async with open_by_hand(TAPE) as venue:
        first, builder = await venue.answer("meta"), await venue.answer("meta", dex="xyz")
        everything = await venue.answer("allPerpMetas")
        dexes, spot = await venue.answer("perpDexs"), await venue.answer("spotMeta")
        outcomes = await venue.answer("outcomeMeta")
    assert [each["name"] for each in first["universe"]] == ["BTC"]
    assert [each["name"] for each in builder["universe"]] == ["xyz:TSLA"]
    assert everything == [first, builder]
    assert [dex and dex["name"] for dex in dexes] == [None, "xyz"]
    assert [(pair["name"], pair["index"]) for pair in spot["universe"]] == [("@107", 107)]
    assert [each["outcome"] for each in outcomes["outcomes"]] == [12]


async def test_contexts_belong_to_the_universe_by_position() -> None:
    """There is one context for each market, none says its name, and their numbers are text or null."""
    async with open_by_hand(TAPE, at=1.5) as venue:
        meta, contexts = await venue.answer("metaAndAssetCtxs")
        _spot, spot_contexts = await venue.answer("spotMetaAndAssetCtxs")
    assert len(meta["universe"]) == len(contexts) == 1
    assert contexts[0]["markPx"] == contexts[0]["oraclePx"] == "101.5"
    assert contexts[0]["openInterest"] is None
    assert spot_contexts[0]["coin"] == "@107"


async def test_mids_of_spot_and_outcomes_come_only_without_a_dex() -> None:
    """Without a dex allMids tells of spot markets and outcomes too, with one of its own markets alone."""
    async with open_by_hand(TAPE, at=5) as venue:
        mids, builders = await venue.answer("allMids"), await venue.answer("allMids", dex="xyz")
    assert mids == {"BTC": "100.25", "@107": "40.1", "#120": "0.4"}
    assert builders == {"xyz:TSLA": "300.0"}


async def test_a_book_is_where_somebody_last_bought_and_sold() -> None:
    """The book of a tape of fills has one level a side: the last trades that crossed it."""
    async with open_by_hand(TAPE, at=5) as venue:
        book = await venue.answer("l2Book", coin="BTC")
        coarse = await venue.answer("l2Book", coin="BTC", nSigFigs=2)
    assert book["levels"] == [[{"px": "99", "sz": "0.5", "n": 1}], [{"px": "101.5", "sz": "1", "n": 1}]]
    assert book["time"] == millis(START + timedelta(seconds=5))
    assert [side[0]["px"] for side in coarse["levels"]] == ["99", "110"]
    assert coarse["spread"] == "2.5"


async def test_user_fills_are_newest_first_and_by_time_oldest_first() -> None:
    """The two lists of an account's fills run in opposite directions, and the second can be reversed."""
    async with open_by_hand(TAPE, at=5) as venue:
        newest = await venue.answer("userFills", user=BOB)
        oldest = await venue.answer("userFillsByTime", user=BOB.upper().replace("X", "x"), startTime=0)
        turned = await venue.answer("userFillsByTime", user=BOB, startTime=0, reversed=True)
    tids = [fill["tid"] for fill in newest]
    assert tids == [5, 4, 3, 2, 1]
    assert [fill["tid"] for fill in oldest] == sorted(tids)
    assert turned == newest


async def test_both_bounds_of_time_are_included() -> None:
    """A fill at the very millisecond of either bound is in the answer."""
    first, last = millis(START), millis(START + timedelta(seconds=1))
    async with open_by_hand(TAPE, at=5) as venue:
        fills = await venue.answer("userFillsByTime", user=BOB, startTime=first, endTime=last)
        later = await venue.answer("userFillsByTime", user=BOB, startTime=first + 1, endTime=last - 1)
    assert [fill["tid"] for fill in fills] == [1, 2, 3]
    assert later == []


async def test_at_most_two_thousand_fills_come_at_once() -> None:
    """An answer holds 2,000 fills: the newest, or by time the oldest of the asked ones."""
    tape = a_tape(
        *(
            a_block(index / 10, *(a_trade(tid=10 * index + each) for each in range(10)))
            for index in range(210)
        )
    )
    async with open_by_hand(tape, at=60) as venue:
        newest = await venue.answer("userFills", user=ALICE)
        oldest = await venue.answer("userFillsByTime", user=ALICE, startTime=0)
    assert (len(newest), newest[0]["tid"]) == (2_000, 2_099)
    assert (len(oldest), oldest[0]["tid"], oldest[-1]["tid"]) == (2_000, 0, 1_999)


async def test_fills_are_served_byte_for_byte() -> None:
    """Whatever a recorded fill says, also in keys nobody knows, goes out as it was written."""
    odd: dict[str, Any] = {
        "px": "100.50",
        "builder": "0x1",
        "builderFee": "0.10",
        "deployerFee": "0.2",
        "unheardOf": [1.50],
    }
    line = a_block(0, a_trade(**odd))
    async with open_by_hand(a_tape(line), at=1) as venue:
        response = await venue.ask("userFills", user=ALICE)
    fill = line[line.index(b'{"coin"') : line.index(b'],["0xbbb')]
    assert response.content == b"[" + fill + b"]"


async def test_slices_of_twap_orders_are_missing_among_fills() -> None:
    """A TWAP order's fills are in a list of their own, with the order's number."""
    async with open_by_hand(TAPE, at=5) as venue:
        fills = await venue.answer("userFills", user=ALICE)
        slices = await venue.answer("userTwapSliceFills", user=ALICE)
    assert 6 not in {fill["tid"] for fill in fills}
    assert [(each["twapId"], each["fill"]["tid"]) for each in slices] == [(9, 6)]


async def test_nothing_is_told_before_it_was_known() -> None:
    """Before a block's moment neither fills nor prices nor positions know of it."""
    async with open_by_hand(TAPE, at=0.5) as venue:
        fills = await venue.answer("userFills", user=BOB)
        mark = (await venue.answer("metaAndAssetCtxs"))[1][0]["markPx"]
        venue.move_to(1)
        after = await venue.answer("userFills", user=BOB)
    assert [fill["tid"] for fill in fills] == [2, 1]
    assert mark == "100.5"
    assert after[0]["tid"] == 3


async def test_positions_follow_from_fills() -> None:
    """An account holds what its first fill says it held before, and what each fill since left it."""

    async def size(venue: OpenVenue, user: str) -> list[str]:
        state = await venue.answer("clearinghouseState", user=user)
        return [each["position"]["szi"] for each in state["assetPositions"]]

    async with open_by_hand(TAPE) as venue:
        assert await size(venue, CAROL) == ["-0.25"]
        venue.move_to(1)
        assert await size(venue, CAROL) == ["-1.25"]
        assert await size(venue, BOB) == ["0.75"]


async def test_who_will_be_liquidated_has_his_mark_as_liquidation_price() -> None:
    """A client can find the victim beforehand: his liquidation price is the mark at which it happens."""
    named = {"liquidatedUser": ALICE.upper().replace("X", "x"), "markPx": "98.7", "method": "market"}
    block = a_block(
        2, a_trade(ALICE, BOB, px="99.1", startPosition="-0.25", liquidation=named, dir="Close Short")
    )
    async with open_by_hand(a_tape(block)) as venue:
        before = await venue.answer("clearinghouseState", user=ALICE)
        maker = await venue.answer("clearinghouseState", user=BOB)
        venue.move_to(2)
        mark = (await venue.answer("metaAndAssetCtxs"))[1][0]["markPx"]
        after = await venue.answer("clearinghouseState", user=ALICE)
        ranked = await venue.session.get(venue.venue.url + "/largest_liquidated_notional_by_user")
    assert [each["position"]["liquidationPx"] for each in before["assetPositions"]] == ["98.7"]
    assert [each["position"]["liquidationPx"] for each in maker["assetPositions"]] == [None]
    assert mark == "98.7"
    assert after["assetPositions"] == []
    assert ranked.json() == {"table_data": [{"name": ALICE, "value": 25}]}


async def test_the_liquidity_provider_names_its_children() -> None:
    """HLP is a parent of seven vaults whose value nobody recorded: its histories are empty, not zero."""
    async with open_by_hand(TAPE) as venue:
        parent = await venue.answer("vaultDetails", vaultAddress=HLP)
        [first, *_others] = children = parent["relationship"]["data"]["childAddresses"]
        child = await venue.answer("vaultDetails", vaultAddress=first)
    assert len(children) == 7
    assert child["relationship"] == {"type": "child", "data": {"parentAddress": HLP}}
    assert dict(parent["portfolio"])["day"]["accountValueHistory"] == []


async def test_statistics_files_rank_the_accounts_of_the_tape() -> None:
    """The leaderboard lists who holds most first; a file of any other name is forbidden."""
    async with open_by_hand(TAPE, at=5) as venue:
        board = (await venue.session.get(venue.venue.url + "/Mainnet/leaderboard")).json()
        vaults = (await venue.session.get(venue.venue.url + "/Mainnet/vaults")).json()
        other = await venue.session.get(venue.venue.url + "/Mainnet/anything")
    rows: list[Any] = board["leaderboardRows"]
    assert {row["ethAddress"] for row in rows} == {ALICE, BOB, CAROL}
    values = [float(row["accountValue"]) for row in rows]
    assert values == sorted(values, reverse=True)
    assert vaults[0]["summary"]["vaultAddress"] == HLP
    assert other.status_code == 403


async def test_the_exchange_status_is_venue_time() -> None:
    """The venue's own time is the time of the tape."""
    async with open_by_hand(TAPE, at=12.345) as venue:
        assert await venue.answer("exchangeStatus") == {
            "specialStatuses": None,
            "time": millis(START + timedelta(seconds=12.345)),
        }


async def test_candles_are_made_of_trades() -> None:
    """A candle opens, peaks and closes with the trades of its interval."""
    async with open_by_hand(TAPE, at=5) as venue:
        request = {"coin": "BTC", "interval": "1h", "startTime": 0, "endTime": millis(START) + 1}
        [candle] = await venue.answer("candleSnapshot", req=request)
    assert [candle[each] for each in "ohlcvn"] == ["100.5", "101.5", "99", "99.0", "1.75", 3]
    assert candle["T"] - candle["t"] == 3_599_999


async def test_an_address_has_a_rate_limit_to_ask_for() -> None:
    """What an account may send is answered as of one that sent nothing."""
    async with open_by_hand(TAPE) as venue:
        assert (await venue.answer("userRateLimit", user=ALICE))["nRequestsUsed"] == 0


async def test_a_port_that_is_taken_is_said_so() -> None:
    """Two venues cannot have one port; the second says which it wanted."""
    async with open_by_hand(TAPE) as venue:
        port = int(venue.venue.url.rpartition(":")[2])
        with pytest.raises(InvalidSettings, match=f"cannot listen on 127.0.0.1:{port}"):
            async with open_by_hand(TAPE, port=port):
                pass


async def test_other_paths_are_not_found() -> None:
    """Only questions, the socket and statistics files are served."""
    async with open_by_hand(TAPE) as venue:
        response = await venue.session.post(venue.venue.url + "/exchange", json={})
    assert response.status_code == 404
