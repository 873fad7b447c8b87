"""What makes two claims the same, and what does not."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from kamiyo.core.claims import ClaimedAction
from kamiyo.core.events import MarginMode
from kamiyo.core.ids import Address, SourceName
from kamiyo.core.margin import Direction
from kamiyo.core.money import Price, Size, Usd
from tests.fake_claims import CLAIMED_AT, a_claim, a_claimed_position, a_claimed_total

MILLISECOND = timedelta(milliseconds=1)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    "changes",
    [
        {"source": SourceName("other")},
        {"exchange": "okx"},
        {"pair": "ETHUSD"},
        {"asset": "BTC"},
        {"side": Direction.SHORT},
        {"side": None},
        {"price": Price(Decimal(3001))},
        {"price": None},
        {"amount_usd": None},
        {"timestamp": CLAIMED_AT + MILLISECOND},
        {"ordinal": 1},
    ],
)
def test_whatever_a_claim_says_makes_it_another(changes) -> None:
    """An id stands for all it says, and nothing else."""
    assert a_claim(**changes).claim_id != a_claim().claim_id
    assert a_claim(**changes).claim_id == a_claim(**changes).claim_id


def test_a_claim_s_id_is_the_same_for_ever() -> None:
    """It is stored: a number's zeros do not matter, and it begins with the milliseconds."""
    assert a_claim().claim_id == "1760130960250-128268b50207992d45efb4f3"
    assert a_claim(price=Price(Decimal("3000.50"))).claim_id == a_claim().claim_id


def test_a_window_that_lies_fast_is_one_row_however_often_it_is_told_of() -> None:
    """Its amounts and the moment of the word do not matter; its place and length do."""
    total = a_claimed_total()
    assert a_claimed_total(observed_at=CLAIMED_AT + HOUR, long_usd=None).total_id == total.total_id
    others: list[dict[str, Any]] = [
        {"exchange": None},
        {"asset": None},
        {"start": total.start + HOUR},
        {"window_seconds": 60},
        {"rolling": True},
        {"source": SourceName("other")},
    ]
    assert len({a_claimed_total(**each).total_id for each in others} | {total.total_id}) == 7


def test_rolling_windows_are_one_row_for_each_hour_they_are_told_in() -> None:
    """However they begin."""
    first = a_claimed_total(rolling=True)
    same = a_claimed_total(rolling=True, observed_at=CLAIMED_AT + HOUR / 2, start=first.start + HOUR / 2)
    later = a_claimed_total(rolling=True, observed_at=CLAIMED_AT + HOUR)
    assert first.total_id == same.total_id != later.total_id


def test_a_total_is_complete_once_its_window_has_ended() -> None:
    """What was told of before will grow."""
    total = a_claimed_total()
    assert total.complete
    assert not a_claimed_total(observed_at=total.start + HOUR - MILLISECOND).complete
    assert a_claimed_total(observed_at=total.start + HOUR).complete


@pytest.mark.parametrize(
    ("size", "side"),
    [(Decimal("-1.5"), Direction.SHORT), (Decimal(2), Direction.LONG), (None, None), (Decimal(0), None)],
)
def test_a_position_s_side_is_the_sign_of_its_size(size, side) -> None:
    """Without a size nobody knows."""
    assert a_claimed_position(size=size).side is side


def test_an_observed_position_is_one_row_and_each_change_another() -> None:
    """The newest word on an observed one counts; two openings of one moment may differ in numbers alone."""
    observed = a_claimed_position()
    newer = {"timestamp": CLAIMED_AT + HOUR, "size": Size(Decimal(5)), "margin_mode": MarginMode.CROSS}
    assert a_claimed_position(**newer).position_id == observed.position_id
    assert a_claimed_position(user=Address("0x" + "6" * 40)).position_id != observed.position_id
    opened: list[dict[str, Any]] = [
        {},
        {"timestamp": CLAIMED_AT + HOUR},
        {"size": Size(Decimal(5))},
        {"value_usd": Usd(Decimal(5))},
        {"liquidation_price": Price(Decimal(5))},
    ]
    ids = {a_claimed_position(action=ClaimedAction.OPENED, **each).position_id for each in opened}
    closed = a_claimed_position(action=ClaimedAction.CLOSED).position_id
    assert len(ids | {closed, observed.position_id}) == 7
