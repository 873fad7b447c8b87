"""The modelled venue answers every question our client can ask, in a form our client can read."""

from collections.abc import Callable
from typing import Any, get_args

import msgspec
import pytest

from kamiyo.hyperliquid import accounts, info, market, statistics
from kamiyo.lab.answers import Answers, leaderboard, most_liquidated
from kamiyo.lab.model import Model
from kamiyo.lab.ports import Unanswerable
from kamiyo.lab.reading import blocks
from kamiyo.lab.tape_model import ModelTape
from tests.venues import ALICE, BOB, CAROL, START, a_block, a_tape, a_trade, millis

HLP = "0xdfc24b077bc1425ad1dea75bcb6f8158e10df303"
NOW = millis(START) + 5_000
LINES = [
    a_block(0, a_trade(coin="BTC", px="100.5", tid=1), a_trade(coin="xyz:TSLA", px="300.0", tid=2)),
    a_block(1, a_trade(coin="BTC", px="100.4", side="A", tid=3), a_trade(coin="@107", px="40.1", tid=4)),
    a_block(2, a_trade(coin="BTC", px="101.0", tid=5, twapId=77), a_trade(coin="PURR/USDC", px="0.2", tid=6)),
]
BY_THE_VENUE = {info.ExchangeStatus, info.UserRateLimit}  # these ask for no market and no account
UNANSWERED = {info.PerpDexLimits, info.PerpDexStatus}

READERS: dict[type, Callable[[bytes], object]] = {
    info.Meta: market.decode_meta,
    info.MetaAndAssetCtxs: market.decode_meta_and_contexts,
    info.AllPerpMetas: market.decode_all_perp_metas,
    info.PerpDexs: market.decode_perp_dexs,
    info.MarginTable: market.decode_margin_table,
    info.PerpsAtOpenInterestCap: market.decode_open_interest_caps,
    info.AllMids: market.decode_all_mids,
    info.L2Book: market.decode_l2_book,
    info.CandleSnapshot: market.decode_candles,
    info.FundingHistory: market.decode_funding_history,
    info.PredictedFundings: market.decode_predicted_fundings,
    info.SpotMeta: market.decode_spot_meta,
    info.SpotMetaAndAssetCtxs: market.decode_spot_meta_and_contexts,
    info.ClearinghouseState: accounts.decode_account,
    info.SpotClearinghouseState: accounts.decode_spot_account,
    info.UserFills: accounts.decode_user_fills,
    info.UserFillsByTime: accounts.decode_user_fills,
    info.UserRole: accounts.decode_role,
    info.UserVaultEquities: accounts.decode_vault_equities,
    info.UserNonFundingLedgerUpdates: accounts.decode_account_updates,
    info.Portfolio: accounts.decode_portfolio,
    info.VaultDetails: accounts.decode_vault,
}
_FIELDS: dict[str, Any] = {
    "asset": "BTC",
    "user": ALICE,
    "id": 10,
    "dex": "",
    "oid": 1,
    "start_time": 0,
    "vault_address": HLP,
    "req": info.CandleWindow(asset="BTC", interval="1m", start_time=0, end_time=NOW),
}


def played() -> Model:
    """The model after all blocks."""
    tape: ModelTape = a_tape(*LINES)
    model = Model(tape.beginning)
    for block in blocks(LINES):
        model.apply(block)
    return model


def asked(kind: Any, **changes: Any) -> Any:
    """A question with what it needs."""
    needed = {field.name for field in msgspec.structs.fields(kind) if field.required}
    return kind(**{name: _FIELDS[name] for name in needed} | changes)


def answer(kind: Any, **changes: Any) -> Any:
    return msgspec.json.decode(Answers(played()).answer(asked(kind, **changes), NOW))


@pytest.mark.parametrize(
    "kind", [each for each in get_args(info.Question) if each not in BY_THE_VENUE | UNANSWERED]
)
def test_every_question_has_an_answer_that_can_be_read(kind: Any) -> None:
    """Each type of question is answered with what our client's own reader of it understands."""
    question = asked(kind)
    content = info.interpret(question, 200, Answers(played()).answer(question, NOW))
    assert READERS.get(kind, msgspec.json.decode)(content) is not None
    assert info.rows_in(question, content) <= info.largest_rows(question)


@pytest.mark.parametrize("kind", UNANSWERED)
def test_what_nobody_recorded_is_refused_for_good(kind: Any) -> None:
    """A question that nothing can be made up for is answered as an impossible one."""
    with pytest.raises(Unanswerable) as refused:
        answer(kind)
    assert (refused.value.status, refused.value.body) == (500, b"null")


def test_recent_trades_are_newest_first() -> None:
    """The last trades of a market, the newest before the others."""
    assert [each["tid"] for each in answer(info.RecentTrades)] == [5, 3, 1]


def test_roles_are_told_of_who_is_on_the_tape() -> None:
    """Who traded is a user, HLP and its children are vaults, anybody else is missing."""
    roles = [answer(info.UserRole, user=user)["role"] for user in (ALICE, BOB, HLP, CAROL)]
    assert roles == ["user", "user", "vault", "missing"]


def test_slices_of_an_order_can_be_asked_for_by_time() -> None:
    """The fills of TWAP orders have bounds of their own, both included."""
    moment = millis(START) + 2_000
    found = answer(info.UserTwapSliceFillsByTime, start_time=moment, end_time=moment)
    assert [each["twapId"] for each in found] == [77]
    assert answer(info.UserTwapSliceFillsByTime, start_time=moment + 1) == []


def test_an_interval_nobody_knows_cannot_be_read() -> None:
    """Candles of an unknown length are a question the venue cannot read."""
    with pytest.raises(Unanswerable) as refused:
        answer(info.CandleSnapshot, req=info.CandleWindow(asset="BTC", interval="7m", start_time=0))
    assert refused.value.status == 422


def test_spot_markets_have_places_and_tokens() -> None:
    """The named spot market is number 0; each has a token, and its place in the list is its index."""
    meta = answer(info.SpotMeta)
    assert [(pair["name"], pair["index"]) for pair in meta["universe"]] == [("PURR/USDC", 0), ("@107", 107)]
    assert [token["index"] for token in meta["tokens"]] == [0, 1, 2]
    assert [meta["tokens"][pair["tokens"][0]]["name"] for pair in meta["universe"]] == ["PURR", "TOKEN107"]


def test_statistics_files_can_be_read_by_our_client() -> None:
    """The leaderboard and the list of who was liquidated are in the form our client reads."""
    model = played()
    ranked, read = statistics.largest_accounts(leaderboard(model), 10)
    assert {each.user for each in ranked} == {ALICE, BOB}
    assert (read.rows, read.unreadable) == (2, 0)
    assert statistics.largest_liquidated(most_liquidated(model), 10)[0] == []
