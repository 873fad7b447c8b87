"""Damaged answers of the venue: each becomes a value or a refusal of ours, never anything else."""

from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, date, datetime
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
import pytest

from kamiyo.core.codec import to_json
from kamiyo.core.errors import MalformedPayload, QuestionRefused, SourceUnavailable
from kamiyo.core.ids import Chain, SourceName
from kamiyo.hyperliquid import accounts, market, statistics
from kamiyo.hyperliquid.contexts import decode_context, decode_contexts
from kamiyo.hyperliquid.info import UserFills, body_of, interpret, parse_question, rows_in, weight_of
from tests import answers
from tools.mutations import mutated

AT = datetime(2026, 9, 25, 18, 1, tzinfo=UTC)
TOLD: Any = {"source": SourceName("hyperliquid_api"), "chain": Chain("hyperliquid")}
EACH = 1_500
STATUSES = [200, 200, 200, 204, 301, 400, 403, 422, 429, 500, 503]


def market_states(content: bytes) -> list:
    meta, contexts = market.decode_meta_and_contexts(content)
    return market.market_states({"": meta.names}, [("", contexts)], at=AT, **TOLD)


def account_state(content: bytes) -> list:
    return [accounts.account_state(answers.USER, "", content, **TOLD)]


def vault_state(content: bytes) -> list:
    return [accounts.vault_state(content, at=AT, **TOLD)]


def largest_accounts(content: bytes) -> list:
    return statistics.largest_accounts(content, 5)[0]


def largest_liquidated(content: bytes) -> list:
    return statistics.largest_liquidated(content, 5)[0]


def daily_liquidations(content: bytes) -> list:
    return statistics.daily_liquidations(content, date(2023, 1, 1))[0]


# What gives values of ours, written out as the database and the stream would get them.
VALUES: list[tuple[Callable[[bytes], list], Any]] = [
    (market_states, answers.meta_and_contexts()),
    (account_state, answers.account(answers.position(), answers.position(coin="ETH"))),
    (vault_state, answers.vault()),
    (largest_accounts, answers.leaderboard()),
    (largest_liquidated, answers.largest_liquidated()),
    (daily_liquidations, answers.daily_liquidated()),
]
# What gives the venue's own words.
DECODERS: list[tuple[Callable[[bytes], object], Any]] = [
    (decode_context, answers.context()),
    (decode_contexts, [answers.context(), answers.delisted_context()]),
    (market.decode_meta, answers.meta()),
    (market.decode_all_perp_metas, [answers.meta(), answers.meta()]),
    (market.decode_meta_and_contexts, answers.meta_and_contexts()),
    (market.decode_perp_dexs, [None, {"name": "xyz", "fullName": "XYZ"}]),
    (market.decode_margin_table, answers.meta()["marginTables"][0][1]),
    (market.decode_open_interest_caps, ["CANTO", "FTM"]),
    (market.decode_all_mids, {"BTC": "1.5", "@1": "2"}),
    (market.decode_l2_book, answers.book()),
    (market.decode_candles, [answers.candle(), answers.candle()]),
    (market.decode_funding_history, [answers.funding(), answers.funding()]),
    (market.decode_predicted_fundings, answers.predicted_fundings()),
    (market.decode_exchange_status, {"specialStatuses": None, "time": answers.MILLIS}),
    (market.decode_spot_meta, answers.spot_meta()),
    (market.decode_spot_meta_and_contexts, [answers.spot_meta(), [answers.spot_context()]]),
    (accounts.decode_user_fills, [answers.fill(), answers.fill(tid=2)]),
    (accounts.vault_children, answers.vault()),
    (accounts.decode_portfolio, answers.portfolio()),
    (accounts.decode_spot_account, answers.spot_account()),
    (accounts.decode_account_updates, [answers.account_update()]),
    (accounts.decode_role, {"role": "agent", "data": {"user": answers.USER}}),
    (accounts.decode_vault_equities, [answers.vault_equity()]),
]
QUESTIONS = [
    {"type": "userFillsByTime", "user": answers.USER, "startTime": answers.MILLIS, "aggregateByTime": False},
    {"type": "candleSnapshot", "req": {"coin": "BTC", "interval": "1h", "startTime": 0, "endTime": 5}},
    {"type": "l2Book", "coin": "BTC", "nSigFigs": 5, "mantissa": None},
    {"type": "vaultDetails", "vaultAddress": answers.VAULT},
]


def named(case: object) -> str | None:
    return getattr(case, "__name__", None)


def mutations(valid: Any, seed: int = 1) -> list[bytes]:
    random = Random(seed)
    return [mutated(random, deepcopy(valid)) for _ in range(EACH)]


def numbers_in(value: object) -> list[Decimal]:
    if isinstance(value, Decimal):
        return [value]
    if isinstance(value, msgspec.Struct):
        return numbers_in(msgspec.structs.astuple(value))
    return [number for each in value for number in numbers_in(each)] if isinstance(value, tuple) else []


@pytest.mark.parametrize(("read", "valid"), VALUES, ids=named)
def test_a_damaged_answer_is_a_sound_value_or_a_refusal(read: Callable[[bytes], list], valid: Any) -> None:
    """Every number of it is finite, and it can be written down."""
    outcomes: set[type] = set()
    for content in mutations(valid):
        try:
            values = read(content)
        except (MalformedPayload, QuestionRefused) as error:
            outcomes.add(type(error))
            continue
        outcomes.add(list)
        for value in values:
            assert all(number.is_finite() for number in numbers_in(value)), content
            to_json(value)
    assert {list, MalformedPayload} <= outcomes


@pytest.mark.parametrize(("decode", "valid"), DECODERS, ids=named)
def test_a_damaged_answer_is_the_venues_words_or_a_refusal(
    decode: Callable[[bytes], object], valid: Any
) -> None:
    """Whatever else a decoder could raise, it does not."""
    readable = 0
    for content in mutations(valid):
        try:
            decode(content)
        except (MalformedPayload, QuestionRefused):
            continue
        readable += 1
    assert 0 < readable < EACH


@pytest.mark.parametrize("valid", QUESTIONS, ids=lambda question: question["type"])
def test_a_damaged_question_is_a_question_or_a_refusal(valid: Any) -> None:
    """And a question that was understood is understood again."""
    understood = 0
    for body in mutations(valid):
        try:
            question = parse_question(body)
        except MalformedPayload:
            continue
        assert parse_question(body_of(question)) == question
        understood += 1
    assert 0 < understood < EACH


def test_a_damaged_answer_is_interpreted_whatever_its_status() -> None:
    """As JSON that is what was sent, or as one of three errors; and its price is known."""
    random, question = Random(1), UserFills(user=answers.USER)
    usable = 0
    for content in mutations([answers.fill()]):
        try:
            answer = interpret(question, random.choice(STATUSES), content)
        except (QuestionRefused, SourceUnavailable):
            continue
        assert answer == content.strip()
        assert 20 <= weight_of(question, rows_in(question, answer)) <= 120
        usable += 1
    assert usable > 0
