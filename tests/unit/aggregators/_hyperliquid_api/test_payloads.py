"""What each payload of the API says, and what of it is refused."""

import msgspec
import pytest

from kamiyo.aggregators._hyperliquid_api.payloads import (
    DecodedTrades,
    contexts_payload,
    exchange,
    joined,
    normalize,
)
from kamiyo.core.errors import MalformedPayload
from kamiyo.core.events import FillRole, LiquidatedFill
from kamiyo.core.ports import Counted, Normalized
from kamiyo.core.states import AccountState, MarketState, VaultState
from kamiyo.core.time import from_millis
from kamiyo.hyperliquid.channels import frames_in
from kamiyo.hyperliquid.confirmation import ConfirmedTrade, encode_confirmed
from kamiyo.hyperliquid.info import ClearinghouseState, UserFillsByTime, VaultDetails, body_of
from tests.builders import (
    API,
    CHAIN,
    MAKER,
    MILLIS,
    NOW,
    OTHER_HASH,
    VAULT,
    VICTIM,
    a_maker_row,
    a_raw,
    a_trade,
    a_trades_frame,
    a_wire_fill,
    fill_json,
)
from tests.fake_venue import fast_contexts_frame, user_fills_frame


def said(stream: str, payload: bytes, decoded: DecodedTrades | None = None) -> Normalized:
    raw = a_raw(source=API, stream=stream, payload=payload)
    return normalize(raw, CHAIN, DecodedTrades() if decoded is None else decoded)


def refused(stream: str, payload: bytes) -> str:
    with pytest.raises(MalformedPayload) as caught:
        said(stream, payload)
    return caught.value.rule


def frame(channel: str, data: object) -> bytes:
    return msgspec.json.encode({"channel": channel, "data": data})


# --- trades ---


def test_trades_are_told_and_counted() -> None:
    """One frame or several that arrived together; the newest tells how late they are."""
    frames = [
        a_trades_frame(a_trade(), a_trade(tid=2, time=MILLIS + 5)),
        a_trades_frame(a_trade(asset="BTC")),
    ]
    together = said("ws/trades", joined(frames))
    assert [(trade.asset, trade.tid) for trade in together.trades] == [("ETH", 101), ("ETH", 2), ("BTC", 101)]
    assert together.counts == {Counted.PAYLOADS: 1, Counted.TRADES: 3}
    assert together.last_event_at == from_millis(MILLIS + 5)
    assert said("ws/trades", joined(frames[1:])).trades == [a_trade(asset="BTC")]


def test_a_frame_without_trades_says_nothing() -> None:
    """It is heard, and counted as a payload."""
    nothing = said("ws/trades", a_trades_frame())
    assert (nothing.trades, nothing.last_event_at) == ([], None)


def test_a_frame_may_be_written_on_several_lines() -> None:
    """Only what is several frames is taken for several."""
    spaced = b'{\n"channel": "trades",\n"data": []}'
    assert frames_in(spaced) == [spaced]
    assert said("ws/trades", spaced).counts[Counted.PAYLOADS] == 1


def test_a_bad_row_is_refused_by_itself() -> None:
    """With its own bytes; a frame without rows is refused as a whole, the ones beside it are not."""
    good, bad = msgspec.json.encode(a_trade()), b'{"coin":"ETH"}'
    mixed = b'{"channel":"trades","data":[%b,%b]}' % (good, bad)
    nonsense = b'{"channel":"trades","data":7}'
    told = said("ws/trades", joined([mixed, nonsense, a_trades_frame(a_trade(tid=7, time=MILLIS + 9))]))
    assert [trade.tid for trade in told.trades] == [101, 7]
    assert [reject.payload for reject in told.rejects] == [bad, nonsense]
    assert told.counts == {
        Counted.PAYLOADS: 1,
        Counted.TRADES: 3,
        Counted.REFUSED_TRADES: 1,
        Counted.REJECTS: 2,
    }
    assert told.last_event_at == from_millis(MILLIS + 9)


def test_what_was_decoded_once_is_not_decoded_again() -> None:
    """Known by being the same bytes object, for once; anything else is read."""
    decoded, payload = DecodedTrades(), a_trades_frame(a_trade())
    decoded.remember(payload, [a_trade(tid=999)])
    assert [trade.tid for trade in said("ws/trades", bytes(bytearray(payload)), decoded).trades] == [101]
    assert [trade.tid for trade in said("ws/trades", payload, decoded).trades] == [999]
    assert [trade.tid for trade in said("ws/trades", payload, decoded).trades] == [101]


def test_the_memory_of_what_was_decoded_is_bounded() -> None:
    """What is never taken is let go, and read again if it is."""
    decoded = DecodedTrades()
    payloads = [a_trades_frame(a_trade(tid=number)) for number in range(4_097)]
    for payload in payloads:
        decoded.remember(payload, [a_trade(tid=999)])
    assert said("ws/trades", payloads[0], decoded).trades[0].tid == 0
    assert said("ws/trades", payloads[-1], decoded).trades[0].tid == 999


# --- fills ---


def test_an_accounts_fills_are_judged_as_a_nodes() -> None:
    """A maker's row of a liquidation is a fact, an ordinary one is counted, a bad one refused."""
    maker = msgspec.json.decode(msgspec.json.encode(a_wire_fill(a_maker_row())))
    told = said(
        "ws/userFills",
        user_fills_frame(MAKER, maker, fill_json(liquidation=None, tid=5), {"coin": "ETH"}, snapshot=True),
    )
    [fact] = told.events
    assert isinstance(fact, LiquidatedFill)
    assert (fact.user, fact.role, fact.source) == (VICTIM, FillRole.COUNTERPARTY, API)
    assert [(user, fill.tid) for user, fill in told.fills] == [(MAKER, 5)]
    assert [reject.rule for reject in told.rejects] == ["incomplete_fill"]
    assert told.counts[Counted.FILLS] == 3


def test_an_answers_fills_are_those_of_whom_was_asked_about() -> None:
    """The answer itself does not say whose they are."""
    question = body_of(UserFillsByTime(user=VICTIM, start_time=1))
    told = said("info/userFillsByTime", exchange(question, msgspec.json.encode([fill_json()])))
    [fact] = told.events
    assert isinstance(fact, LiquidatedFill)
    assert (fact.user, fact.role) == (VICTIM, FillRole.VICTIM)
    assert told.last_event_at == from_millis(MILLIS)


def test_a_completed_trade_is_one_liquidated_fill() -> None:
    """Counted as a fill, though nobody's account showed it."""
    told = said(
        "confirmed",
        encode_confirmed(ConfirmedTrade((MAKER, a_wire_fill(a_maker_row())), a_trade(tid=102))),
    )
    [fact] = told.events
    assert isinstance(fact, LiquidatedFill)
    assert (fact.tid, fact.role) == (102, FillRole.PUBLIC)
    assert told.counts[Counted.FILLS] == told.counts[Counted.LIQUIDATED_FILLS] == 1
    assert told.last_event_at == fact.timestamp


# --- states and prices ---


def test_contexts_are_named_by_the_universes_beside_them() -> None:
    """At the moment they were heard, as they say none."""
    context = {
        "markPx": "100.0",
        "oraclePx": "99.0",
        "midPx": "100.1",
        "openInterest": "5.0",
        "funding": "0.00001",
    }
    told = said(
        "ws/allDexsAssetCtxs",
        contexts_payload(
            b'{"":["BTC"],"xyz":["xyz:A"]}', frame("allDexsAssetCtxs", {"ctxs": [["", [context]]]})
        ),
    )
    [state] = told.events
    assert isinstance(state, MarketState)
    assert (state.asset, state.source, state.timestamp) == ("BTC", API, NOW)
    assert told.counts == {Counted.PAYLOADS: 1, Counted.MARKET_STATES: 1}


def test_prices_are_counted() -> None:
    """They are shown to detectors, not stored; what does not unpack is refused."""
    assert said("ws/bbo", frame("bbo", {"coin": "ETH", "time": MILLIS, "bbo": [None, None]})).counts == {
        Counted.PAYLOADS: 1,
        Counted.PRICES: 1,
    }
    marks = fast_contexts_frame(ETH="3000.0", BTC="100000.0")
    assert said("ws/fastAssetCtxs", marks).counts == {Counted.PAYLOADS: 1, Counted.PRICES: 2}
    assert refused("ws/fastAssetCtxs", frame("fastAssetCtxs", "qlYqS8")) == "malformed"


def test_an_account_is_a_state_of_whom_was_asked_about() -> None:
    """With the answer's own time."""
    answer = {
        "marginSummary": {"accountValue": "100.0"},
        "crossMaintenanceMarginUsed": "1.0",
        "assetPositions": [],
        "time": MILLIS,
    }
    payload = exchange(body_of(ClearinghouseState(user=VICTIM)), msgspec.json.encode(answer))
    told = said("info/clearinghouseState", payload)
    [state] = told.events
    assert isinstance(state, AccountState)
    assert (state.user, state.timestamp) == (VICTIM, from_millis(MILLIS))
    assert told.counts == {Counted.PAYLOADS: 1, Counted.ACCOUNT_STATES: 1}


def test_a_vault_is_a_state() -> None:
    """At the moment it was asked about."""
    answer = {"name": "HLP", "vaultAddress": VAULT}
    payload = exchange(body_of(VaultDetails(vault_address=VAULT)), msgspec.json.encode(answer))
    [state] = said("info/vaultDetails", payload).events
    assert isinstance(state, VaultState)
    assert (state.vault, state.timestamp) == (VAULT, NOW)


@pytest.mark.parametrize("kind", ["perpDexs", "allPerpMetas"])
def test_names_of_markets_are_counted(kind) -> None:
    """They are needed to read the rest."""
    assert said(f"info/{kind}", exchange(b"{}", b"[]")).counts == {Counted.PAYLOADS: 1}


def test_the_venues_time_is_counted() -> None:
    """And refused where it is none."""
    assert said("info/exchangeStatus", exchange(b"{}", b'{"time":5}')).counts == {Counted.PAYLOADS: 1}
    assert refused("info/exchangeStatus", exchange(b"{}", b'{"time":"x"}')) == "malformed"


# --- what is none of these ---


@pytest.mark.parametrize(
    ("stream", "payload", "rule"),
    [
        ("node_fills", b"[]", "unknown_stream"),
        ("ws/other", b'{"channel":"l2Book","data":{}}', "unknown_channel"),
        ("ws/other", b'{"channel":', "malformed"),
        ("ws/userFills", b'{"channel":"userFills","data":7}', "malformed"),
        ("info/clearinghouseState", exchange(b'{"type":"meta"}', b"{}"), "another_question"),
        ("info/userFillsByTime", exchange(b'{"type":"nonsense"}', b"[]"), "unknown_question"),
        ("info/vaultDetails", b"{", "malformed"),
        (
            "confirmed",
            encode_confirmed(ConfirmedTrade((MAKER, a_wire_fill(a_maker_row())), a_trade(hash=OTHER_HASH))),
            "not_confirmed",
        ),
        (
            "ws/allDexsAssetCtxs",
            contexts_payload(b'{"":["BTC"]}', frame("allDexsAssetCtxs", {"ctxs": [["", []]]})),
            "contexts_do_not_fit",
        ),
    ],
)
def test_what_cannot_be_understood_is_refused_by_its_rule(stream, payload, rule) -> None:
    """As a whole, so that it can be looked at."""
    assert refused(stream, payload) == rule
