"""What each channel's frames say."""

import base64
import zlib
from pathlib import Path

import msgspec
import pytest

from kamiyo.core.errors import MalformedPayload
from kamiyo.core.events import Side
from kamiyo.hyperliquid import channels
from kamiyo.hyperliquid.channels import (
    GREETING,
    MOST_INFLATED,
    FastContext,
    WireTrade,
    decode_account,
    decode_active_context,
    decode_active_spot_context,
    decode_all_dexs_contexts,
    decode_all_mids,
    decode_bbo,
    decode_candle,
    decode_dex_account,
    decode_fast_contexts,
    decode_frame,
    decode_l2_book,
    decode_ledger_updates,
    decode_notification,
    decode_order_updates,
    decode_outcome_updates,
    decode_post,
    decode_rows,
    decode_trade,
    decode_trades,
    decode_trades_frame,
    decode_user_events,
    decode_user_fills_frame,
    decode_user_fundings,
    frames_in,
)
from kamiyo.hyperliquid.fills import FIRST_MILLIS, LAST_MILLIS
from kamiyo.hyperliquid.wire import decode_fill_row

MILLIS = 1_790_232_216_193
USERS = ("0x" + "1" * 40, "0x" + "2" * 40)
HASH = "0x" + "ab" * 32
TRADE = WireTrade(
    asset="BTC", side=Side.SELL, price="84143.0", size="0.00036", time=MILLIS, hash=HASH, tid=7, users=USERS
)
FUNDING = {
    "time": MILLIS,
    "coin": "BTC",
    "usdc": "-0.6",
    "szi": "0.55919",
    "fundingRate": "0.0000125",
    "nSamples": None,
}


def trade_json(**changes: object) -> dict[str, object]:
    return {
        "coin": "BTC",
        "side": "A",
        "px": "84143.0",
        "sz": "0.00036",
        "time": MILLIS,
        "hash": HASH,
        "tid": 7,
        "users": USERS,
    } | changes


def data(value: object) -> bytes:
    return msgspec.json.encode(value)


def frame(channel: str, value: object) -> bytes:
    return data({"channel": channel, "data": value})


def packed(content: bytes) -> bytes:
    """Content as the venue packs it: a raw DEFLATE stream in base64 in a JSON string."""
    deflating = zlib.compressobj(wbits=-15)
    return data(base64.b64encode(deflating.compress(content) + deflating.flush()).decode())


@pytest.fixture
def samples(shared_data: Path) -> Path:
    folder = shared_data.parent / "reference" / "samples"
    if not folder.is_dir():
        pytest.skip(f"needs the reference samples: {folder} does not exist")
    return folder


# --- frames -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", ["trades", "bbo", "aChannelOfTomorrow"])
def test_a_frame_is_its_channel_and_its_data(channel: str) -> None:
    """Whatever the order of the two, and whatever else there is."""
    for payload in (
        frame(channel, [1]),
        b'{ "data":[1], "new":{}, "channel":"' + channel.encode() + b'" }',
        b'{"channel":"' + channel.encode() + b'","data":[1],"new":[{}]}',
    ):
        read = decode_frame(payload)
        assert (read.channel, bytes(read.data), read.payload) == (channel, b"[1]", payload)


def test_a_frame_may_have_no_data() -> None:
    """A pong has none."""
    read = decode_frame(b'{"channel":"pong"}')
    assert (read.channel, bytes(read.data)) == ("pong", b"")


@pytest.mark.parametrize("payload", [GREETING, GREETING + b"\n"])
def test_the_plain_greeting_is_a_channel(payload: bytes) -> None:
    """It is no JSON, and the only such text there is."""
    assert decode_frame(payload).channel == "greeting"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"Websocket connection",
        b"\xff",
        b"[]",
        b"{}",
        b'{"channel":null}',
        b'{"channel":5}',
        b'{"channel":"\xff"}',
        b'{"channel":"bbo","data":[}',
        b'{"channel":"bbo","data":' + b"[" * 100_000,
        b'{"channel":"\\ud800"}',
    ],
)
def test_what_is_no_frame_is_refused(payload: bytes) -> None:
    """Broken bytes, broken nesting, broken text: one error for all."""
    with pytest.raises(MalformedPayload):
        decode_frame(payload)


def test_the_data_of_a_broken_frame_is_refused_when_it_is_read() -> None:
    """A frame of trades is known by its first bytes, and judged with the rest."""
    broken = decode_frame(b'{"channel":"trades","data":[}')
    assert broken.channel == "trades"
    with pytest.raises(MalformedPayload):
        _ = broken.data


# --- trades -----------------------------------------------------------------------------------------------


def test_trades_are_read_in_our_words() -> None:
    """From the frame at one go, from its data, or row by row."""
    payload = frame("trades", [trade_json(new={"deep": [1]}), trade_json(side="B", tid=8)])
    trades = decode_trades_frame(payload)
    assert trades == decode_trades(decode_frame(payload).data)
    assert trades == [decode_trade(row) for row in decode_rows(decode_frame(payload).data)]
    assert (trades[0], trades[0].taker, trades[1].taker) == (TRADE, USERS[1], USERS[0])
    assert decode_trades_frame(frame("trades", [])) == []


def test_a_trade_may_have_json_numbers_and_stays_exact() -> None:
    """The documentation's form, to the last digit."""
    numbers = {"px": msgspec.Raw(b"84143.0"), "sz": msgspec.Raw(b"0.00036")}
    assert decode_trades_frame(frame("trades", [trade_json(**numbers)])) == [TRADE]


@pytest.mark.parametrize("name", [*trade_json()])
def test_a_trade_lacks_nothing(name: str) -> None:
    """No missing field is made up, and one bad trade can be told from the others."""
    lacking = {key: value for key, value in trade_json().items() if key != name}
    with pytest.raises(MalformedPayload, match="missing required field"):
        decode_trades_frame(frame("trades", [trade_json(), lacking]))
    good, bad = decode_rows(data([trade_json(), lacking]))
    assert decode_trade(good) == TRADE
    with pytest.raises(MalformedPayload):
        decode_trade(bad)


@pytest.mark.parametrize(
    "changes",
    [
        {"side": "X"},
        {"side": None},
        {"px": None},
        {"px": True},
        {"px": msgspec.Raw(b"1e400000")},
        {"px": msgspec.Raw(b"1e99999999999999999999")},
        {"px": msgspec.Raw(b"NaN")},
        {"time": FIRST_MILLIS - 1},
        {"time": LAST_MILLIS},
        {"time": 2**80},
        {"time": None},
        {"tid": -1},
        {"tid": 2**63},
        {"users": USERS[:1]},
        {"users": [*USERS, USERS[0]]},
        {"users": [None, None]},
        {"hash": None},
    ],
)
def test_a_trade_with_an_impossible_field_is_refused(changes: dict) -> None:
    """A time that no calendar holds, a number nobody can hold, a side that is none."""
    with pytest.raises(MalformedPayload):
        decode_trades_frame(frame("trades", [trade_json(**changes)]))


@pytest.mark.parametrize(
    "changes", [{"time": FIRST_MILLIS}, {"time": LAST_MILLIS - 1}, {"tid": 0}, {"tid": 2**63 - 1}]
)
def test_the_first_and_the_last_possible_are_possible(changes: dict) -> None:
    """What the calendar and the database hold is not refused."""
    assert decode_trades_frame(frame("trades", [trade_json(**changes)]))


@pytest.mark.parametrize("payload", [frame("bbo", []), b'{"data":[]}', b'{"channel":"trades"}', b"[]", b""])
def test_a_frame_of_another_channel_is_no_frame_of_trades(payload: bytes) -> None:
    """Even where its data might be read as one."""
    with pytest.raises(MalformedPayload):
        decode_trades_frame(payload)


# --- prices -----------------------------------------------------------------------------------------------


def test_a_quote_has_a_bid_and_an_ask() -> None:
    """Either of which may be missing, as a book may be empty on one side."""
    level = {"px": "84143.0", "sz": "10.25923", "n": 36}
    quote = decode_bbo(data({"coin": "BTC", "time": MILLIS, "bbo": [level, None]}))
    assert quote.bid is not None
    assert (quote.asset, quote.time, quote.bid.price, quote.ask) == ("BTC", MILLIS, "84143.0", None)
    quote = decode_bbo(data({"coin": "BTC", "time": MILLIS, "bbo": [None, level | {"px": 1.5}]}))
    assert quote.ask is not None
    assert (quote.bid, quote.ask.price, quote.ask.size, quote.ask.orders) == (None, "1.5", "10.25923", 36)


def test_a_book_is_read_fast_or_not() -> None:
    """Bids first, each side from its best price on."""
    levels = [[{"px": "2", "sz": "1", "n": 1}, {"px": "1", "sz": "1", "n": 1}], []]
    for more in ({}, {"fast": True}):
        book = decode_l2_book(data({"coin": "BTC", "time": MILLIS, "levels": levels} | more))
        assert [level.price for level in book.levels[0]] == ["2", "1"]
        assert book.levels[1] == []


def test_mids_name_their_dex() -> None:
    """Empty where the frame names none: the first dex, spot and outcomes."""
    mids = decode_all_mids(data({"mids": {"BTC": "85801.5", "#14880": 0.111485}}))
    assert (mids.mids, mids.dex) == ({"BTC": "85801.5", "#14880": "0.111485"}, "")
    assert decode_all_mids(data({"dex": "xyz", "mids": {}})).dex == "xyz"


def test_a_context_names_its_market() -> None:
    """A perpetual's and a spot market's are two channels."""
    active = decode_active_context(data({"coin": "BTC", "ctx": {"markPx": "84148.0", "midPx": None}}))
    assert (active.asset, active.context.mark_price, active.context.mid_price) == ("BTC", "84148.0", None)
    spot = decode_active_spot_context(data({"coin": "@107", "ctx": {"coin": "@107", "markPx": "92.949"}}))
    assert (spot.asset, spot.context.asset, spot.context.mark_price) == ("@107", "@107", "92.949")


def test_contexts_of_all_dexes_keep_their_places() -> None:
    """They have no names: the position in the dex's universe is the name."""
    told = {"ctxs": [["", [{"markPx": "1"}, {"markPx": "2"}]], ["xyz", []]]}
    [(first, of_first), (second, of_second)] = decode_all_dexs_contexts(data(told))
    assert (first, second, of_second) == ("", "xyz", [])
    assert [context.mark_price for context in of_first] == ["1", "2"]


def test_a_candle_comes_alone_as_on_the_wire_or_in_a_list_as_documented() -> None:
    """With its numbers as text."""
    candle = {
        "t": MILLIS,
        "T": MILLIS + 59_999,
        "s": "BTC",
        "i": "1m",
        "o": "1.0",
        "c": 2,
        "h": "3",
        "l": "0.5",
        "v": "14.2",
        "n": 114,
    }
    [alone] = decode_candle(data(candle))
    assert decode_candle(b" " + data([candle])) == [alone]
    assert (alone.asset, alone.close_price, alone.volume, alone.trades) == ("BTC", "2", "14.2", 114)


# --- packed prices ----------------------------------------------------------------------------------------


def test_packed_prices_tell_unchanged_from_none() -> None:
    """What is not mentioned stays as it was; a null mid price is none any more."""
    told = {"BTC": {"markPx": "84148.0"}, "ETH": {"midPx": None}, "SOL": {"markPx": 1.5, "midPx": "2"}}
    assert decode_fast_contexts(packed(data(told))) == {
        "BTC": FastContext(mark_price="84148.0"),
        "ETH": FastContext(mid_price=None),
        "SOL": FastContext(mark_price="1.5", mid_price="2"),
    }
    assert FastContext().mark_price is msgspec.UNSET


def test_packed_prices_cannot_fill_the_memory() -> None:
    """A few kilobytes that become more than sixteen megabytes are refused before they do."""
    space = b" " * (MOST_INFLATED - 2)
    assert decode_fast_contexts(packed(b"{" + space + b"}")) == {}
    with pytest.raises(MalformedPayload) as caught:
        decode_fast_contexts(packed(b"{" + space + b" }"))
    assert caught.value.rule == "inflates_too_large"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"{}",
        b'"\\ud800"',
        data("not base64!"),
        data("AAA"),
        data(base64.b64encode(b"no deflate stream").decode()),
        data(base64.b64encode(zlib.compress(b"{}")).decode()),  # with a header, unlike the venue's
        packed(b"{}")[:-5] + b'"',
        data(base64.b64encode(base64.b64decode(packed(b"{}").strip(b'"')) + b"more").decode()),
        packed(b""),
        packed(b"[]"),
        packed(b'{"BTC":{"markPx":null}}'),
        packed(b'{"BTC":null}'),
        packed(b'{"BTC":{"markPx":"1"}'),
    ],
)
def test_what_is_not_packed_as_documented_is_refused(payload: bytes) -> None:
    """Wrong letters, a wrong or a cut stream, something behind it, or the wrong content."""
    with pytest.raises(MalformedPayload):
        decode_fast_contexts(payload)


# --- accounts ---------------------------------------------------------------------------------------------


def test_an_accounts_fills_stay_undecoded() -> None:
    """One bad row then costs one row; later frames may not say that they are no snapshot."""
    told = decode_user_fills_frame(data({"user": USERS[0], "fills": [{"px": "1"}, 5]}))
    assert (told.user, told.is_snapshot) == (USERS[0], False)
    assert [bytes(row) for row in told.fills] == [b'{"px":"1"}', b"5"]
    assert decode_user_fills_frame(data({"user": "", "fills": [], "isSnapshot": True})).is_snapshot


def test_ledger_updates_stay_undecoded() -> None:
    """Like fills."""
    told = decode_ledger_updates(data({"user": USERS[0], "nonFundingLedgerUpdates": [1], "isSnapshot": True}))
    assert (told.user, told.is_snapshot) == (USERS[0], True)
    assert [bytes(row) for row in told.non_funding_ledger_updates] == [b"1"]


def test_fundings_are_read() -> None:
    """Signed: what was paid is below zero, as a short's size is."""
    told = decode_user_fundings(data({"user": USERS[0], "fundings": [FUNDING]}))
    [payment] = told.fundings
    assert (payment.asset, payment.usdc, payment.size, payment.rate) == (
        "BTC",
        "-0.6",
        "0.55919",
        "0.0000125",
    )
    assert (payment.time, payment.samples, told.is_snapshot) == (MILLIS, None, False)


def test_a_users_events_are_one_of_several() -> None:
    """And an unknown kind, or nothing at all, is none of them."""
    liquidation = {
        "lid": 1,
        "liquidator": USERS[0],
        "liquidated_user": USERS[1],
        "liquidated_ntl_pos": "356.8",
        "liquidated_account_value": "2.9",
    }
    event = decode_user_events(data({"fills": [{"px": "1"}]}))
    assert event.fills is not None
    assert [bytes(row) for row in event.fills] == [b'{"px":"1"}']
    event = decode_user_events(data({"funding": FUNDING}))
    assert event.funding is not None
    assert (event.funding.usdc, event.fills) == ("-0.6", None)
    event = decode_user_events(data({"liquidation": liquidation}))
    assert event.liquidation is not None
    assert (event.liquidation.liquidated_user, event.liquidation.liquidated_ntl_pos) == (USERS[1], "356.8")
    event = decode_user_events(data({"nonUserCancel": [{"coin": "PNUT", "oid": 5}]}))
    assert event.non_user_cancel is not None
    assert [(each.asset, each.oid) for each in event.non_user_cancel] == [("PNUT", 5)]
    for nothing in ({}, {"kindOfTomorrow": [1]}):
        event = decode_user_events(data(nothing))
        assert not any(getattr(event, name) for name in event.__struct_fields__)


def test_order_updates_are_read() -> None:
    """Status and order, with and without the client's own id."""
    order = {"coin": "@107", "side": "B", "limitPx": "93.2", "sz": "1", "oid": 5, "timestamp": MILLIS}
    told = {"order": order | {"origSz": "3.28"}, "status": "open", "statusTimestamp": MILLIS + 1}
    [update] = decode_order_updates(data([told]))
    assert (update.status, update.time, update.order.side) == ("open", MILLIS + 1, Side.BUY)
    assert (update.order.size, update.order.original_size, update.order.client_id) == ("1", "3.28", None)


def test_accounts_keep_their_states_for_whoever_reads_them() -> None:
    """On one dex, or on all."""
    one = decode_dex_account(data({"dex": "xyz", "user": USERS[0], "clearinghouseState": {"time": 1}}))
    assert (one.dex, one.user, bytes(one.state)) == ("xyz", USERS[0], b'{"time":1}')
    every = decode_account(data({"user": USERS[0], "clearinghouseStates": [["", {}], ["xyz", {"time": 1}]]}))
    assert [(dex, bytes(state)) for dex, state in every.states] == [("", b"{}"), ("xyz", b'{"time":1}')]


def test_a_notification_is_its_text() -> None:
    """Nothing else is in it."""
    assert decode_notification(data({"notification": "5"})) == "5"


# --- answers and outcomes ---------------------------------------------------------------------------------


def test_a_post_is_answered_or_refused_under_its_id() -> None:
    """The answer is left to whoever asked."""
    answered = decode_post(data({"id": 123, "response": {"type": "info", "payload": {"type": "l2Book"}}}))
    assert (answered.id, answered.response.type) == (123, "info")
    assert bytes(answered.response.payload) == b'{"type":"l2Book"}'
    refused = decode_post(data({"id": 3, "response": {"type": "error", "payload": "429 Too Many Requests"}}))
    assert (refused.response.type, bytes(refused.response.payload)) == ("error", b'"429 Too Many Requests"')
    with pytest.raises(MalformedPayload):
        decode_post(data({"id": 3, "response": {"type": "joke", "payload": 1}}))


def test_outcome_updates_are_one_of_several() -> None:
    """And an unknown kind is none of them."""
    created, settled, updated, closed, unknown = decode_outcome_updates(
        data(
            [
                {"outcomeCreated": {"outcome": 9115, "name": "n", "description": "d", "sideSpecs": []}},
                {"outcomeSettled": 9112},
                {"questionUpdated": {"question": 400, "name": "q", "namedOutcomes": [9069]}},
                {"questionSettled": 400},
                {"kindOfTomorrow": 1},
            ]
        )
    )
    assert created.outcome_created is not None
    assert (created.outcome_created.outcome, created.outcome_settled) == (9115, None)
    assert settled.outcome_settled == 9112
    assert updated.question_updated is not None
    assert (updated.question_updated.named_outcomes, updated.question_updated.fallback_outcome) == (
        [9069],
        None,
    )
    assert closed.question_settled == 400
    assert not any(getattr(unknown, name) for name in unknown.__struct_fields__)


# --- whatever comes ---------------------------------------------------------------------------------------

DECODERS = [name for name in dir(channels) if name.startswith("decode_")]


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize(
    "payload",
    [b"", b"\xff", b"{", b"nul", b"[" * 100_000, b'{"a":' * 100_000, b'"\\ud800"', b'{"user":"\\ud800"}'],
)
def test_what_cannot_be_read_is_refused_by_every_channel(name: str, payload: bytes) -> None:
    """Never with another error than the one that makes a reject of it."""
    with pytest.raises(MalformedPayload):
        getattr(channels, name)(payload)


@pytest.mark.parametrize(
    ("sample", "channel", "decoder"),
    [
        ("activeAssetCtx", "activeAssetCtx", decode_active_context),
        ("activeSpotAssetCtx", "activeSpotAssetCtx", decode_active_spot_context),
        ("allDexsAssetCtxs", "allDexsAssetCtxs", decode_all_dexs_contexts),
        ("allMids", "allMids", decode_all_mids),
        ("allMids_dex", "allMids", decode_all_mids),
        ("bbo", "bbo", decode_bbo),
        ("candle", "candle", decode_candle),
        ("fastAssetCtxs_snapshot", "fastAssetCtxs", decode_fast_contexts),
        ("l2Book", "l2Book", decode_l2_book),
        ("orderUpdates", "orderUpdates", decode_order_updates),
        ("outcomeMetaUpdates", "outcomeMetaUpdates", decode_outcome_updates),
        ("trades", "trades", decode_trades),
        ("trades_zero_hash", "trades", decode_trades),
        ("userEvents_fills", "user", decode_user_events),
        ("userEvents_funding", "user", decode_user_events),
        ("userEvents_liquidation", "user", decode_user_events),
        ("userEvents_nonUserCancel", "user", decode_user_events),
        ("userFills_snapshot", "userFills", decode_user_fills_frame),
        ("userFundings", "userFundings", decode_user_fundings),
        ("userNonFundingLedgerUpdates", "userNonFundingLedgerUpdates", decode_ledger_updates),
    ],
)
def test_recorded_frames_are_read(samples: Path, sample: str, channel: str, decoder) -> None:
    """Frames that the venue sent."""
    read = decode_frame((samples / f"hl_ws_{sample}.json").read_bytes())
    assert read.channel == channel
    assert decoder(read.data)


def test_the_documentations_packed_prices_are_read(samples: Path) -> None:
    """The example and what the documentation says it holds."""
    vector = msgspec.json.decode((samples / "hl_ws_fastAssetCtxs_docs_vector.json").read_bytes())
    read = decode_fast_contexts(data(vector["payload"]))
    assert {asset: {"markPx": each.mark_price} for asset, each in read.items()} == vector["decoded"]


def test_recorded_rows_of_accounts_are_rows_like_the_nodes(samples: Path) -> None:
    """A frame's fills are the fills we know."""
    read = decode_frame((samples / "hl_ws_userFills_snapshot.json").read_bytes())
    told = decode_user_fills_frame(read.data)
    rows = [decode_fill_row(b'["' + told.user.encode() + b'",' + bytes(row) + b"]") for row in told.fills]
    assert told.is_snapshot
    assert [fill.asset for _user, fill in rows] == ["IOTA", "PENDLE", "xyz:CRWV"]
    assert rows[2][1].liquidation is not None


def test_frames_that_stand_in_one_payload_are_told_apart_by_their_beginnings() -> None:
    """Only what is several frames is taken for several: one may be written on several lines."""
    one, other = b'{"channel":"trades","data":[]}', b'{"channel":"trades","data":[1]}'
    assert frames_in(one + b"\n" + other) == [one, other]
    assert frames_in(one) == [one]
    spaced = b'{\n"channel": "trades",\n"data": []}'
    assert frames_in(spaced) == [spaced]
