from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kamiyo.core.margin import Direction
from kamiyo.core.money import is_plain_decimal
from kamiyo.core.validation import (
    LIQUIDATED_FILL_RULES,
    MAX_CLOCK_SKEW,
    MAX_FILL_USD,
    POSITIVE_NUMBERS,
    ROW_RULES,
    VENUE_OPENED,
    broken_events,
    broken_row_rule,
    broken_rows,
    broken_rule,
    row_has_positive_numbers,
)
from tests.builders import (
    MILLIS,
    NOW,
    VICTIM,
    a_counterparty_fill,
    a_fill,
    a_ledger_movement,
    a_liquidated_fill,
    a_market_state,
    a_record,
    a_report,
    an_account_liquidation,
    an_honest_case,
)
from tests.fake_claims import CLAIMED_AT, a_claim, a_claimed_position, a_claimed_total

TICK = timedelta(microseconds=1)
DATED = [a_liquidated_fill, an_account_liquidation, a_ledger_movement]


@pytest.mark.parametrize(
    "event",
    [
        a_liquidated_fill(),
        a_counterparty_fill(),
        a_liquidated_fill(position_size_before=Decimal(0)),
        a_liquidated_fill(side=Direction.SHORT, position_size_before=Decimal(-2)),
        a_liquidated_fill(price=MAX_FILL_USD, size=Decimal(1), closed_pnl=Decimal(-1)),
        an_account_liquidation(),
        an_account_liquidation(amount_usd=Decimal(0), account_value=Decimal(-5)),
        a_ledger_movement(),
        a_record(),
        an_honest_case(),
        a_report(published_at=datetime(2010, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_fact_that_breaks_no_rule_is_believed(event) -> None:
    """Every kind of fact passes with the unusual values that do occur; a case may precede the venue."""
    assert broken_rule(event, NOW) is None


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"price": Decimal(0)}, "positive_numbers"),
        ({"price": Decimal(-1)}, "positive_numbers"),
        ({"size": Decimal(0)}, "positive_numbers"),
        ({"size": Decimal(-1)}, "positive_numbers"),
        ({"mark_price": Decimal(0)}, "positive_numbers"),
        ({"price": MAX_FILL_USD, "size": Decimal("1.0000001")}, "plausible_amount"),
        ({"position_size_before": Decimal(-2)}, "position_matches_side"),
        ({"side": Direction.SHORT}, "position_matches_side"),
        ({"direction_text": "Close\x00Long"}, "storable_text"),
        ({"direction_text": "\x1b[2J"}, "storable_text"),
        ({"price": Decimal(0), "direction_text": "\x00"}, "positive_numbers"),
    ],
)
def test_a_liquidated_fill_that_cannot_be_is_refused_by_its_first_rule(changes, rule) -> None:
    """What no venue can mean has a name, and of several names the first in the list is given."""
    assert broken_rule(a_liquidated_fill(**changes), NOW) == rule


def test_every_rule_of_a_liquidated_fill_is_named_once() -> None:
    """A reject's rule can be looked up in the list."""
    names = [rule.__name__ for rule in LIQUIDATED_FILL_RULES + ROW_RULES]
    assert len(names) == len(set(names)) == 8


@pytest.mark.parametrize("build", DATED)
@pytest.mark.parametrize(
    ("moment", "rule"),
    [
        (VENUE_OPENED - TICK, "not_before_the_venue"),
        (VENUE_OPENED, None),
        (NOW + MAX_CLOCK_SKEW, None),
        (NOW + MAX_CLOCK_SKEW + TICK, "not_from_the_future"),
    ],
)
def test_a_fact_happened_between_the_venues_opening_and_now(build, moment, rule) -> None:
    """Both ends belong to the time that is believed, with room for two clocks that disagree."""
    assert broken_rule(build(timestamp=moment), NOW) == rule


def test_an_account_cannot_have_held_less_than_nothing() -> None:
    """A negative notional is refused."""
    assert broken_rule(an_account_liquidation(amount_usd=Decimal(-1)), NOW) == "negative_amount"


@pytest.mark.parametrize(
    "delta", [b'{"a":"\xff"}', b'{"a":"\\ud800"}', b'{"a":1e99999999}', b'{"a":', b"[" * 9_999 + b"]" * 9_999]
)
def test_what_a_ledger_says_can_be_read_back(delta: bytes) -> None:
    """A delta is kept as it came; one that is no JSON, no text or no number is refused."""
    assert broken_rule(a_ledger_movement(delta=delta), NOW) == "unreadable_delta"


@pytest.mark.parametrize(
    ("user", "changes", "rule"),
    [
        (VICTIM, {}, None),
        (VICTIM, {"price": "0.000255", "size": "1"}, None),
        (VICTIM, {"asset": "a" * 65}, None),
        ("", {}, "row_has_a_user"),
        (VICTIM[2:] + "00", {}, "row_has_a_user"),
        (VICTIM + "0", {}, "row_has_a_user"),
        (VICTIM, {"asset": ""}, "row_has_an_asset"),
        (VICTIM, {"asset": "a" * 66}, "row_has_an_asset"),
        (VICTIM, {"price": "NaN"}, "row_has_plain_numbers"),
        (VICTIM, {"price": ""}, "row_has_plain_numbers"),
        (VICTIM, {"size": "1e9"}, "row_has_plain_numbers"),
        (VICTIM, {"size": ""}, "row_has_plain_numbers"),
        (VICTIM, {"price": "-1"}, "row_has_positive_numbers"),
        (VICTIM, {"price": "0.00"}, "row_has_positive_numbers"),
        (VICTIM, {"size": "-0.5"}, "row_has_positive_numbers"),
        (VICTIM, {"size": "0"}, "row_has_positive_numbers"),
        (VICTIM, {"time": 1_672_531_199_999}, "not_before_the_venue"),
        (VICTIM, {"time": 1_672_531_200_000}, None),
        (VICTIM, {"time": MILLIS + 10_000}, None),
        (VICTIM, {"time": MILLIS + 10_001}, "not_from_the_future"),
        (VICTIM, {"time": 10**30}, "not_from_the_future"),
        ("", {"asset": "", "price": ""}, "row_has_a_user"),
    ],
)
def test_an_ordinary_row_is_believed_or_refused_by_its_first_rule(user, changes, rule) -> None:
    """Who, what, how much and when are checked without reading a number."""
    assert broken_row_rule((user, a_fill(**changes)), MILLIS) == rule


_numbers = st.text("01. -", max_size=4) | st.just("1")


@pytest.mark.parametrize(
    "text", ["1 2", "1 2 3", "0 1", " 1", "1 ", "1\n", "1.", ".5", "1" * 25, "٣", "1 0.0"]
)
def test_a_block_is_not_sound_for_numbers_in_disguise(text) -> None:
    """What is checked for a whole block at once refuses exactly the rows that are refused one by one."""
    rows = [(VICTIM, a_fill()), (VICTIM, a_fill(price=text)), (VICTIM, a_fill(size=text))]
    assert broken_rows(rows, MILLIS) == [
        (rows[1], "row_has_plain_numbers"),
        (rows[2], "row_has_plain_numbers"),
    ]


def test_a_block_is_not_sound_because_two_bad_rows_hold_as_many_numbers_as_two_good_ones() -> None:
    """A row of nobody's is left out of what is looked at together, and another's surplus must not fill in."""
    rows = [("", a_fill()), (VICTIM, a_fill(price="1 2", size="3 4"))]
    assert broken_rows(rows, MILLIS) == [
        (rows[0], "row_has_a_user"),
        (rows[1], "row_has_plain_numbers"),
    ]


@given(st.text("019.-", min_size=1, max_size=5))
@example("1" * 25)
@example("1." + "1" * 25)
@example("0." + "0" * 24 + "1")
@example("0." + "0" * 30)
def test_what_is_seen_at_once_to_be_a_positive_number_is_one(text) -> None:
    """The pattern for many may miss some, which are then looked at one by one; it never takes a wrong one."""
    if POSITIVE_NUMBERS.fullmatch(f"{text} "):
        assert is_plain_decimal(text)
        assert Decimal(text) > 0


@given(st.lists(st.tuples(st.sampled_from([VICTIM, "", "0x"]), _numbers, _numbers), max_size=4))
def test_a_block_is_judged_as_its_rows_are(drawn) -> None:
    """The short cut over a whole block says what the rules say of each of its rows."""
    rows = [(user, a_fill(price=price, size=size)) for user, price, size in drawn]
    broken = [(row, rule) for row in rows if (rule := broken_row_rule(row, MILLIS)) is not None]
    assert broken_rows(rows, MILLIS) == broken


def test_of_many_facts_exactly_the_broken_ones_are_named() -> None:
    """Each with the first rule it breaks; an honest one beside them is not touched."""
    unpriced, late = (
        a_liquidated_fill(price=Decimal(0)),
        a_liquidated_fill(timestamp=NOW + MAX_CLOCK_SKEW + TICK),
    )
    assert broken_events([a_liquidated_fill(), unpriced, a_ledger_movement(), late], NOW) == [
        (unpriced, "positive_numbers"),
        (late, "not_from_the_future"),
    ]


def test_a_state_is_judged_by_its_time_and_by_its_own_rules() -> None:
    """States have rules of their own, and a time like every fact."""
    assert broken_rule(a_market_state(), NOW) is None
    assert broken_rule(a_market_state(timestamp=NOW + MAX_CLOCK_SKEW + TICK), NOW) == "not_from_the_future"
    assert broken_rule(a_market_state(mark_price=Decimal(0)), NOW) is not None


digits = st.text("0123456789", min_size=1, max_size=6)
plain_texts = st.builds(
    lambda sign, whole, fraction: sign + whole + fraction,
    st.sampled_from(["", "-"]),
    digits,
    st.just("") | digits.map(lambda text: "." + text),
)


@given(plain_texts, plain_texts)
def test_reading_the_sign_off_the_text_is_as_good_as_arithmetic(price, size) -> None:
    """For plain numbers the short cut says what comparing the numbers with zero says."""
    assert is_plain_decimal(price)
    fill = a_fill(price=price, size=size)
    assert row_has_positive_numbers(VICTIM, fill) == (Decimal(price) > 0 and Decimal(size) > 0)


@pytest.mark.parametrize("make", [a_claim, a_claimed_total, a_claimed_position])
def test_a_claim_may_be_older_than_the_venue_and_not_from_the_future(make) -> None:
    """Other exchanges were there before; its own rules come first."""
    moment = "start" if make is a_claimed_total else "timestamp"
    assert broken_rule(make(), CLAIMED_AT) is None
    assert broken_rule(make(**{moment: datetime(2016, 1, 1, tzinfo=UTC)}), CLAIMED_AT) is None
    late = make(**{moment: CLAIMED_AT + MAX_CLOCK_SKEW + TICK})
    assert broken_rule(late, CLAIMED_AT) == "not_from_the_future"
    assert broken_rule(make(asset=""), CLAIMED_AT) in {
        "claim_has_names",
        "total_has_names",
        "claimed_position_has_a_name",
    }
