"""Questions, their prices, and what answers mean."""

from typing import get_args

import msgspec
import pytest

from kamiyo.core.errors import MalformedPayload, NoSuchThing, QuestionRefused, RateLimited, SourceUnavailable
from kamiyo.hyperliquid.info import (
    AllMids,
    CandleSnapshot,
    CandleWindow,
    ClearinghouseState,
    DelegatorHistory,
    DelegatorRewards,
    ExchangeStatus,
    FundingHistory,
    HistoricalOrders,
    L2Book,
    MarginTable,
    Meta,
    MetaAndAssetCtxs,
    OrderStatus,
    PerpDexs,
    PerpDexStatus,
    Question,
    RecentTrades,
    SpotClearinghouseState,
    TwapHistory,
    UserFills,
    UserFillsByTime,
    UserFunding,
    UserNonFundingLedgerUpdates,
    UserRole,
    UserTwapSliceFills,
    UserTwapSliceFillsByTime,
    VaultDetails,
    base_weight,
    body_of,
    interpret,
    largest_rows,
    largest_weight,
    parse_question,
    rows_in,
    type_of,
    weight_of,
)

USER = "0x" + "ab" * 20
SHOUTED = "0x" + "AB" * 20
CANDLES = CandleSnapshot(req=CandleWindow(asset="BTC", interval="1h", start_time=1, end_time=2))
FILLS = UserFills(user=USER)

WITH_ROWS = [
    RecentTrades(asset="BTC"),
    HistoricalOrders(user=USER),
    FILLS,
    UserFillsByTime(user=USER, start_time=1),
    FundingHistory(asset="BTC", start_time=1),
    UserFunding(user=USER, start_time=1),
    UserNonFundingLedgerUpdates(user=USER),
    TwapHistory(user=USER),
    UserTwapSliceFills(user=USER),
    UserTwapSliceFillsByTime(user=USER, start_time=1),
    DelegatorHistory(user=USER),
    DelegatorRewards(user=USER),
]
FOR_TWO = [
    L2Book(asset="BTC"),
    AllMids(),
    ClearinghouseState(user=USER),
    OrderStatus(user=USER, oid=1),
    SpotClearinghouseState(user=USER),
    ExchangeStatus(),
]


# --- bodies ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "body"),
    [
        (Meta(), b'{"type":"meta"}'),
        (Meta(dex="xyz"), b'{"type":"meta","dex":"xyz"}'),
        (PerpDexStatus(dex=""), b'{"type":"perpDexStatus","dex":""}'),
        (PerpDexs(), b'{"type":"perpDexs"}'),
        (MarginTable(id=56), b'{"type":"marginTable","id":56}'),
        (L2Book(asset="BTC", n_sig_figs=5), b'{"type":"l2Book","coin":"BTC","nSigFigs":5}'),
        (
            CANDLES,
            b'{"type":"candleSnapshot","req":{"coin":"BTC","interval":"1h","startTime":1,"endTime":2}}',
        ),
        (FundingHistory(asset="BTC", start_time=1), b'{"type":"fundingHistory","coin":"BTC","startTime":1}'),
        (
            UserFillsByTime(user=USER, start_time=1, aggregate_by_time=True),
            f'{{"type":"userFillsByTime","user":"{USER}","startTime":1,"aggregateByTime":true}}'.encode(),
        ),
        (VaultDetails(vault_address=USER), f'{{"type":"vaultDetails","vaultAddress":"{USER}"}}'.encode()),
        (OrderStatus(user=USER, oid="0x1"), f'{{"type":"orderStatus","user":"{USER}","oid":"0x1"}}'.encode()),
    ],
)
def test_a_question_is_written_without_its_defaults_and_read_back(question: Question, body: bytes) -> None:
    """In the venue's words, and the same question comes out of the body."""
    assert body_of(question) == body
    assert parse_question(body) == question


def test_every_question_is_named_as_the_venue_names_it() -> None:
    """The name of each class with a small letter, and no two alike."""
    names = [kind.__struct_config__.tag for kind in get_args(Question)]
    assert len(set(names)) == len(names)
    assert type_of(MetaAndAssetCtxs()) == "metaAndAssetCtxs"
    assert type_of(L2Book(asset="BTC")) == "l2Book"


def test_accounts_are_asked_for_in_lower_case() -> None:
    """The venue answers in lower case, and two ways to write an account are one question."""
    assert ClearinghouseState(user=SHOUTED) == ClearinghouseState(user=USER)
    vault = VaultDetails(vault_address=SHOUTED, user=SHOUTED)
    assert (vault.vault_address, vault.user) == (USER, USER)
    assert parse_question(f'{{"type":"userRole","user":"{SHOUTED}"}}'.encode()) == UserRole(user=USER)


def test_what_a_strangers_client_sends_is_understood() -> None:
    """Defaults written out, nulls for what is not asked, and fields nobody knows."""
    body = f'{{"type":"userFillsByTime","user":"{USER}","startTime":1,"endTime":null,"later":[]}}'
    assert parse_question(body.encode()) == UserFillsByTime(user=USER, start_time=1)
    assert (
        parse_question(b'{"type":"meta","dex":null}') == parse_question(b'{"type":"meta","dex":""}') == Meta()
    )


@pytest.mark.parametrize("body", [b"", b'{"type":', b'{"type":"\xff"}', b"[" * 100_000, b'{"type":"meta"} x'])
def test_what_is_no_json_is_malformed(body: bytes) -> None:
    """The venue answers it with another code than JSON that is no question."""
    with pytest.raises(MalformedPayload) as caught:
        parse_question(body)
    assert caught.value.rule == "malformed"


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'"meta"',
        b"null",
        b"{}",
        b'{"type":"nope"}',
        b'{"type":5}',
        b'{"type":null}',
        b'{"type":"fundingHistory","coin":"BTC"}',
        b'{"type":"userFills","user":7}',
        b'{"type":"meta","dex":{}}',
    ],
)
def test_json_that_is_no_question_says_so(body: bytes) -> None:
    """An unknown type, a missing or a mistyped field."""
    with pytest.raises(MalformedPayload) as caught:
        parse_question(body)
    assert caught.value.rule == "unknown_question"


# --- prices ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("question", FOR_TWO)
def test_the_cheap_questions_cost_two(question: Question) -> None:
    """They have no rows that are charged."""
    assert base_weight(question) == weight_of(question, 10_000) == largest_weight(question) == 2
    assert largest_rows(question) == rows_in(question, b"[1,2,3]") == 0


def test_a_role_costs_sixty() -> None:
    """The dearest question."""
    assert base_weight(UserRole(user=USER)) == largest_weight(UserRole(user=USER)) == 60


@pytest.mark.parametrize(
    "question", [Meta(), MetaAndAssetCtxs(), PerpDexs(), VaultDetails(vault_address=USER)]
)
def test_every_other_question_costs_twenty(question: Question) -> None:
    """However long its answer is."""
    assert base_weight(question) == weight_of(question, 10_000) == largest_weight(question) == 20


@pytest.mark.parametrize("question", WITH_ROWS)
@pytest.mark.parametrize(
    ("rows", "weight"), [(0, 20), (1, 21), (19, 21), (20, 21), (21, 22), (40, 22), (500, 45), (2_000, 120)]
)
def test_twenty_rows_or_a_part_of_them_cost_one_more(question: Question, rows: int, weight: int) -> None:
    """Rounded up: what we think we spent is never less than what the venue counts."""
    assert weight_of(question, rows) == weight


@pytest.mark.parametrize(("rows", "weight"), [(0, 20), (1, 21), (60, 21), (61, 22), (5_000, 104)])
def test_sixty_candles_cost_one_more(rows: int, weight: int) -> None:
    """They are cheaper than other rows."""
    assert weight_of(CANDLES, rows) == weight
    assert largest_weight(CANDLES) == 104


@pytest.mark.parametrize("question", WITH_ROWS)
def test_the_largest_weight_is_that_of_the_longest_answer(question: Question) -> None:
    """Which is what has to be free before asking."""
    assert largest_weight(question) == weight_of(question, largest_rows(question)) > base_weight(question)


def test_no_other_question_is_charged_by_rows() -> None:
    """The list of those that are is the documentation's."""
    charged = {kind for kind in get_args(Question) if kind.rows_per_weight}
    assert charged == {type(question) for question in [*WITH_ROWS, CANDLES]}
    assert {kind for kind in get_args(Question) if kind.weight == 2} == {type(one) for one in FOR_TWO}


def test_rows_are_counted_in_the_answer() -> None:
    """An answer that is no list is charged as the longest one."""
    assert rows_in(FILLS, b"[]") == 0
    assert rows_in(FILLS, b'[{"a":[1,2]},{},null]') == 3
    assert rows_in(FILLS, b"{}") == rows_in(FILLS, b"[1,") == rows_in(FILLS, b"[" * 100_000) == 2_000


# --- answers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"[]", b"{}", b'{"role":"missing"}', b'{"type":"parent"}', b"0", b'[{"a":1}]']
)
def test_json_with_a_200_is_an_answer(content: bytes) -> None:
    """It is handed on as it came, without the white space around it."""
    assert interpret(FILLS, 200, b" " + content + b"\n") == content


def test_a_null_means_that_nothing_is_known() -> None:
    """Such as the book of a market that does not exist: nothing must parse it."""
    with pytest.raises(NoSuchThing, match="l2Book"):
        interpret(L2Book(asset="NOPE"), 200, b" null\n")


def test_a_500_that_says_null_is_a_refusal_for_ever() -> None:
    """Such as the funding of a market that does not exist: asking again costs and does not help."""
    with pytest.raises(QuestionRefused, match="fundingHistory: HTTP 500"):
        interpret(FundingHistory(asset="NOPE", start_time=1), 500, b"null")


@pytest.mark.parametrize("status", [400, 405, 415, 422])
def test_what_the_venue_refuses_it_would_refuse_again(status: int) -> None:
    """A body it cannot read, a wrong method or content type, a question it does not know."""
    with pytest.raises(QuestionRefused) as caught:
        interpret(FILLS, status, b"Failed to deserialize the JSON body into the target type")
    assert not isinstance(caught.value, NoSuchThing)


@pytest.mark.parametrize("message", [b'"Invalid user"', b'""'])
def test_an_error_object_is_a_refusal(message: bytes) -> None:
    """Some methods answer their errors with a 200."""
    with pytest.raises(QuestionRefused, match="userFills"):
        interpret(FILLS, 200, b'{"type":"error","message":' + message + b"}")
    with pytest.raises(QuestionRefused):
        interpret(FILLS, 200, b'{"type":"error"}')


@pytest.mark.parametrize("content", [b"", b"null", b"<html>"])
def test_too_much_is_said_to_be_too_much(content: bytes) -> None:
    """Whatever a 429 says; no other status is one."""
    with pytest.raises(RateLimited, match="HTTP 429"):
        interpret(FILLS, 429, content)


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (500, b""),
        (500, b"Internal Server Error"),
        (502, b"null"),
        (503, b"null"),
        (504, b"<html>"),
        (403, b"<html>blocked</html>"),
        (404, b""),
        (408, b""),
        (301, b""),
        (204, b""),
        (200, b""),
        (200, b"<html></html>"),
        (200, b'{"type":"error"'),
        (200, b"[1,2"),
        (200, b"[" * 100_000),
    ],
)
def test_anything_else_may_be_better_later(status: int, content: bytes) -> None:
    """What fell over, what stands between us and the venue, and answers cut short."""
    with pytest.raises(SourceUnavailable) as caught:
        interpret(FILLS, status, content)
    assert not isinstance(caught.value, RateLimited)
    assert len(str(caught.value)) < 200


def test_a_question_can_be_a_key() -> None:
    """Equal questions are one."""
    assert len({Meta(), Meta(dex=""), Meta(dex="xyz"), FILLS, UserFills(user=SHOUTED)}) == 3
    assert msgspec.json.decode(body_of(FILLS)) == {"type": "userFills", "user": USER}
