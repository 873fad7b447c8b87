"""What others recorded of the venue's API is read by our types, or is listed with the reason why not."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kamiyo.core.errors import MalformedPayload, NoSuchThing, QuestionRefused
from kamiyo.core.ids import Chain, SourceName
from kamiyo.core.state_rules import broken_state_rule
from kamiyo.core.states import AccountState
from kamiyo.hyperliquid import accounts, channels, market
from kamiyo.hyperliquid.info import (
    UserFills,
    body_of,
    interpret,
    largest_weight,
    parse_question,
    rows_in,
    weight_of,
)
from kamiyo.hyperliquid.statistics import daily_liquidations, largest_accounts, largest_liquidated
from kamiyo.hyperliquid.wire import WireFill
from tests.recorded import KINDS, Exchange, Message, exchanges, messages

AT = datetime(2026, 10, 1, tzinfo=UTC)
USER = "0x" + "1" * 40
TOLD: Any = {"source": SourceName("hyperliquid_api"), "chain": Chain("hyperliquid")}

encode, decode = msgspec.json.encode, msgspec.json.decode


# --- what reads what ------------------------------------------------------------------------------------


def all_fills(content: bytes) -> list[WireFill | bytes]:
    rows = accounts.decode_user_fills(content)
    assert not [row for row in rows if isinstance(row, bytes)]
    return rows


def all_updates(content: bytes) -> None:
    for update in accounts.decode_account_updates(content):
        assert decode(update.delta)["type"]


def sound_markets(content: bytes) -> None:
    meta, contexts = market.decode_meta_and_contexts(content)
    dex = meta.names[0].rpartition(":")[0]
    states = market.market_states({dex: meta.names}, [(dex, contexts)], at=AT, **TOLD)
    assert [state.asset for state in states] == meta.live_names[: len(states)]
    assert not [state for state in states if broken_state_rule(state)]


def sound_account(content: bytes) -> AccountState:
    state = accounts.account_state(USER, "", content, asked_at=AT, **TOLD)
    assert broken_state_rule(state) is None
    return state


def sound_vault(content: bytes) -> None:
    assert broken_state_rule(accounts.vault_state(content, at=AT, **TOLD)) is None


def whole_file(read: Callable[[bytes], tuple[list, Any]]) -> Callable[[bytes], None]:
    def check(content: bytes) -> None:
        rows, extent = read(content)
        assert len(rows) == extent.rows > extent.unreadable == 0

    return check


ANSWERS: dict[str, Callable[[bytes], object]] = {
    "meta": market.decode_meta,
    "metaAndAssetCtxs": sound_markets,
    "allPerpMetas": market.decode_all_perp_metas,
    "perpDexs": market.decode_perp_dexs,
    "perpsAtOpenInterestCap": market.decode_open_interest_caps,
    "marginTable": market.decode_margin_table,
    "allMids": market.decode_all_mids,
    "l2Book": market.decode_l2_book,
    "candleSnapshot": market.decode_candles,
    "fundingHistory": market.decode_funding_history,
    "predictedFundings": market.decode_predicted_fundings,
    "exchangeStatus": market.decode_exchange_status,
    "spotMeta": market.decode_spot_meta,
    "spotMetaAndAssetCtxs": market.decode_spot_meta_and_contexts,
    "clearinghouseState": sound_account,
    "spotClearinghouseState": accounts.decode_spot_account,
    "userFills": all_fills,
    "userFillsByTime": all_fills,
    "userNonFundingLedgerUpdates": all_updates,
    "portfolio": accounts.decode_portfolio,
    "userRole": accounts.decode_role,
    "userVaultEquities": accounts.decode_vault_equities,
    "vaultDetails": sound_vault,
    "leaderboard": whole_file(lambda content: largest_accounts(content, 10)),
    "largest_liquidated_notional_by_user": whole_file(lambda content: largest_liquidated(content, 10)),
    "daily_notional_liquidated_by_coin": whole_file(
        lambda content: daily_liquidations(content, date(2023, 1, 1))
    ),
}
CHANNELS: dict[str, Callable[[msgspec.Raw], object]] = {
    "trades": channels.decode_trades,
    "l2Book": channels.decode_l2_book,
    "bbo": channels.decode_bbo,
    "allMids": channels.decode_all_mids,
    "activeAssetCtx": channels.decode_active_context,
    "activeSpotAssetCtx": channels.decode_active_spot_context,
    "allDexsAssetCtxs": channels.decode_all_dexs_contexts,
    "fastAssetCtxs": channels.decode_fast_contexts,
    "candle": channels.decode_candle,
    "outcomeMetaUpdates": channels.decode_outcome_updates,
    "notification": channels.decode_notification,
    "userFills": channels.decode_user_fills_frame,
    "user": channels.decode_user_events,
    "userFundings": channels.decode_user_fundings,
    "userNonFundingLedgerUpdates": channels.decode_ledger_updates,
    "orderUpdates": channels.decode_order_updates,
    "post": channels.decode_post,
}
# They are about the connection: the session reads them.
CONTROL = {"greeting", "error", "subscriptionResponse", "pong"}

# --- what nothing reads, and why ------------------------------------------------------------------------

# Questions we can ask, price and serve, whose answers no part of the product looks at.
UNREAD = {
    "delegatorHistory",
    "extraAgents",
    "frontendOpenOrders",
    "historicalOrders",
    "liquidatable",
    "maxMarketOrderNtls",
    "openOrders",
    "outcomeMeta",
    "subAccounts",
    "userFunding",
    "userRateLimit",
    "userTwapSliceFills",
}
UNASKED = {
    "exchange": "answers to orders: KAMIYO never trades",
    "maxBuilderFee": "what an account lets others earn says nothing of its risk",
    "tokenDetails": "a token's supply says nothing of perpetuals",
    "vaults": "the list of all vaults: only the liquidity provider's are followed",
}
_TIDLESS = "fills of July 2023, before trades had ids: a fill without one cannot be told from another"
REJECTS = {
    "sdk:get_user_fills": _TIDLESS,
    "sdk:get_user_fills_by_time": _TIDLESS,
    "jkorf:Subscriptions/Concurrent#2": "a candle whose prices its author cut out",
    "jkorf:Subscriptions/Concurrent#3": "a candle whose prices its author cut out",
    "sample:hl_ws_explorerBlock": "from the explorer's own address, which nothing asks",
    "sample:hl_ws_explorerTxs": "from the explorer's own address, which nothing asks",
    "sample:hl_ws_webData3": "the page's own channel, which nothing subscribes to",
}


def read(message: Message) -> str:
    """Read it and tell as what; MalformedPayload or KeyError where nothing reads it."""
    if message.kind is not None:
        ANSWERS[message.kind](message.content)
        return message.kind
    frame = channels.decode_frame(message.content)
    if frame.channel not in CONTROL:
        CHANNELS[frame.channel](frame.data)
    return f"/{frame.channel}"


# --- the recordings -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def samples(shared_data: Path) -> Path:
    folder = shared_data.parent / "reference" / "samples"
    if not folder.is_dir():
        pytest.skip(f"needs the reference's samples beside the recordings: {folder} does not exist")
    return folder


@pytest.fixture(scope="module")
def recorded(shared_data: Path, samples: Path) -> list[Message]:
    return list(messages(shared_data / "hl-api-responses", samples))


@pytest.fixture(scope="module")
def asked(shared_data: Path, samples: Path) -> list[Exchange]:
    cassettes = shared_data / "hl-api-responses" / "python_sdk_cassettes"
    return [*exchanges("sdk", cassettes, "*.json"), *exchanges("sample", samples, "hl_rest_*.json")]


def by_name(recorded: list[Message], name: str) -> Message:
    return next(message for message in recorded if message.name == name)


def test_every_recorded_message_is_read_or_is_listed(recorded: list[Message]) -> None:
    """Nothing else fails, and what is listed as failing fails."""
    kinds: Counter[str] = Counter()
    for message in recorded:
        if message.kind in UNREAD or message.kind in UNASKED:
            assert interpret(UserFills(user=USER), 200, message.content)
        elif message.name in REJECTS:
            with pytest.raises((MalformedPayload, KeyError)):
                read(message)
        else:
            kinds[read(message)] += 1
    assert CONTROL | set(CHANNELS) == {kind[1:] for kind in kinds if kind.startswith("/")}
    assert (len(recorded), sum(kinds.values())) == (136, 106)


def test_the_lists_name_only_what_was_recorded(recorded: list[Message], asked: list[Exchange]) -> None:
    """A reason for something that is not there would be a reason for nothing."""
    names = {message.name for message in recorded}
    kinds = {message.kind for message in recorded} | {decode(one.asked)["type"] for one in asked}
    assert set(REJECTS) <= names | {one.name for one in asked}
    assert set(KINDS) <= names
    assert UNREAD | set(UNASKED) <= kinds
    assert kinds - {None} <= UNREAD | set(UNASKED) | set(ANSWERS)


def test_every_recorded_question_is_understood_priced_and_answered(asked: list[Exchange]) -> None:
    """It comes back as it was asked, defaults apart, and its answer is no longer than we thought possible."""
    read_answers = 0
    for one in asked:
        question, body = parse_question(one.asked), decode(one.asked)
        meant = {key: value for key, value in body.items() if value is not None and value is not False}
        assert decode(body_of(question).lower()) == decode(encode(meant).lower()), one.name
        content = interpret(question, one.status, one.answer)
        assert weight_of(question, rows_in(question, content)) <= largest_weight(question)
        if one.name in REJECTS:
            assert all(isinstance(row, bytes) for row in accounts.decode_user_fills(content))
        elif body["type"] not in UNREAD:
            ANSWERS[body["type"]](content)
            read_answers += 1
    assert (len(asked), read_answers) == (59, 43)


def test_recorded_refusals_are_told_apart(samples: Path) -> None:
    """Each as the table of errors says: none of them is worth asking again."""
    question, told = UserFills(user=USER), []
    for one in decode((samples / "hl_rest_errors.json").read_bytes()):
        with pytest.raises(QuestionRefused) as caught:
            interpret(question, one["status"], one["body"].encode())
        told.append((one["status"], type(caught.value) is NoSuchThing))
    assert [status for status, nothing in told if nothing] == [200]
    assert [status for status, nothing in told if not nothing] == [422, 422, 500, 500, 400, 415, 405]


# --- what the recordings say ----------------------------------------------------------------------------


def test_real_liquidation_prices_are_kept_to_the_last_digit(samples: Path) -> None:
    """A cross, a unified and a vault's account; the mark follows from the position's value."""
    found = {}
    for one in exchanges("sample", samples, "hl_rest_clearinghouseState_*.json"):
        state = sound_account(one.answer)
        found[one.name.rpartition("_")[2]] = [
            (each.mark_price, each.liquidation_price) for each in state.positions
        ]
    assert found["cross"] == [(Decimal(61873), Decimal("7071249.3736100169"))]
    assert found["unified"] == [(Decimal(83926), Decimal("74501.802790436"))]
    assert found["vault"] == [(Decimal(61980), None), (Decimal("1606.5"), Decimal("7863059.5308084209"))]
    assert len(found["2023"]) == 12


def test_a_whole_frame_of_contexts_is_named_by_position(recorded: list[Message]) -> None:
    """Nine dexes; what nobody quotes or holds has no state."""
    frame = channels.decode_frame(by_name(recorded, "nautilus:ws_all_dexs_asset_ctxs").content)
    contexts = channels.decode_all_dexs_contexts(frame.data)
    universes = {dex: [f"{dex}:A{n}".lstrip(":") for n in range(len(of))] for dex, of in contexts}
    states = market.market_states(universes, contexts, at=AT, **TOLD)
    assert (len(contexts), sum(map(len, universes.values())), len(states)) == (9, 412, 334)
    assert states[0].mark_price == Decimal("77562.0")
    assert not [state for state in states if broken_state_rule(state)]


def test_testnets_long_lists_are_read_whole(recorded: list[Message]) -> None:
    """Names of any kind among them."""
    dexes = market.decode_perp_dexs(by_name(recorded, "roq:23").content)
    assert (len(dexes), dexes[:2]) == (138, ["", "test"])
    assert len(market.decode_meta(by_name(recorded, "roq:43").content).names) == 201
    assert len(market.decode_spot_meta(by_name(recorded, "roq:44").content).universe) == 1193


def test_a_recorded_liquidation_is_found_in_its_makers_fill(recorded: list[Message]) -> None:
    """Testnet's, on the channel of user events."""
    frame = channels.decode_frame(by_name(recorded, "nautilus:ws_user_fill_liquidation").content)
    rows = channels.decode_user_events(frame.data).fills
    assert rows is not None
    (fill,) = accounts.decode_user_fills(encode(rows))
    assert isinstance(fill, WireFill)
    assert fill.liquidation is not None
    assert (fill.liquidation.method, fill.liquidation.mark_price) == ("market", "66607.0")
