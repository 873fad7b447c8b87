"""The rules of claims, each seen broken."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from kamiyo.core.claim_rules import MAX_CLAIMED_USD, broken_claim_rule, moment_of
from kamiyo.core.claims import ClaimedAction, Claims
from kamiyo.core.validation import broken_rule
from tests.fake_claims import CLAIMED_AT, a_claim, a_claimed_position, a_claimed_total

UNKNOWN_TOTAL = dict.fromkeys(("long_usd", "short_usd", "total_usd"))
UNKNOWN_POSITION = dict.fromkeys(("size", "entry_price", "value_usd"))
LATE = CLAIMED_AT + timedelta(minutes=1)
EARLY = datetime(2014, 12, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    "claim",
    [
        a_claim(),
        a_claim(side=None, price=None, amount_usd=None),
        a_claim(amount_usd=MAX_CLAIMED_USD, timestamp=datetime(2022, 7, 28, tzinfo=UTC)),
        a_claimed_total(),
        a_claimed_total(exchange=None, asset=None, window_seconds=604_800, **UNKNOWN_TOTAL),
        a_claimed_position(),
        a_claimed_position(**UNKNOWN_POSITION),
        a_claimed_position(action=ClaimedAction.CLOSED, value_usd=Decimal(0), unrealized_pnl_usd=Decimal(-1)),
    ],
)
def test_what_may_be(claim: Claims) -> None:
    """What is not told breaks no rule, nor does what happened before the venue was there."""
    assert broken_rule(claim, CLAIMED_AT) is None


@pytest.mark.parametrize(
    ("claim", "rule"),
    [
        (a_claim(exchange=""), "claim_has_names"),
        (a_claim(pair="E\0"), "claim_has_names"),
        (a_claim(asset="E" * 65), "claim_has_names"),
        (a_claim(price=Decimal(0)), "claim_numbers_are_positive"),
        (a_claim(amount_usd=Decimal(-1)), "claim_numbers_are_positive"),
        (a_claim(amount_usd=MAX_CLAIMED_USD + 1), "claim_numbers_are_positive"),
        (a_claim(timestamp=EARLY), "not_before_exchanges"),
        (a_claim(timestamp=LATE), "not_from_the_future"),
        (a_claimed_total(exchange=""), "total_has_names"),
        (a_claimed_total(asset="\n"), "total_has_names"),
        (a_claimed_total(window_seconds=0), "total_has_a_window"),
        (a_claimed_total(window_seconds=604_801), "total_has_a_window"),
        (a_claimed_total(short_usd=Decimal(-1)), "totals_are_not_negative"),
        (a_claimed_total(total_usd=MAX_CLAIMED_USD + 1), "totals_are_not_negative"),
        (a_claimed_total(start=LATE), "not_from_the_future"),
        (a_claimed_position(asset=""), "claimed_position_has_a_name"),
        (a_claimed_position(size=Decimal(0)), "claimed_position_is_plausible"),
        (a_claimed_position(leverage=Decimal(0)), "claimed_position_is_plausible"),
        (a_claimed_position(liquidation_price=Decimal(-1)), "claimed_position_is_plausible"),
        (a_claimed_position(value_usd=Decimal(-1)), "claimed_position_is_plausible"),
        (a_claimed_position(timestamp=EARLY), "not_before_exchanges"),
        (a_claimed_position(timestamp=LATE), "not_from_the_future"),
    ],
)
def test_what_breaks_a_rule_names_it(claim: Any, rule: str) -> None:
    """The first one that is broken."""
    assert broken_rule(claim, CLAIMED_AT) == rule
    assert broken_claim_rule(claim) in {rule, None}


def test_a_total_is_of_the_moment_its_window_began() -> None:
    """An order and a position are of their own."""
    assert moment_of(a_claimed_total()) == CLAIMED_AT.replace(hour=20, minute=0, second=0, microsecond=0)
    assert moment_of(a_claim()) == moment_of(a_claimed_position()) == CLAIMED_AT
