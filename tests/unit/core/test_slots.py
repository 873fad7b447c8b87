"""Who is worth a slot: by what they took, and what they hold."""

from datetime import date
from decimal import Decimal

import pytest

from kamiyo.core.ids import Address
from kamiyo.core.slots import LOYALTY, MakerYield, MeasuredDay, SlotReason, choose_makers
from tests.builders import CHAIN, MAKER, OTHER_VICTIM, VAULT


def a_yield(user: Address, amount: Decimal | int) -> MakerYield:
    return MakerYield(user=user, amount_usd=Decimal(amount), fills=1, assets=1)


def a_day(*makers: MakerYield) -> MeasuredDay:
    total = sum((each.amount_usd for each in makers), Decimal(0))
    return MeasuredDay(chain=CHAIN, day=date(2025, 10, 10), hours=24, total_usd=total, makers=makers)


def chosen(day: MeasuredDay, number: int, *holding: Address) -> list[Address]:
    return [each.user for each in choose_makers(day, holding, number)]


def test_who_took_the_most_is_chosen() -> None:
    """In the order of what they took, however they came, and no more than asked for."""
    day = a_day(a_yield(VAULT, 5), a_yield(MAKER, 9), a_yield(OTHER_VICTIM, 7))
    assert chosen(day, 2) == [MAKER, OTHER_VICTIM]
    assert chosen(day, 9) == [MAKER, OTHER_VICTIM, VAULT]
    assert chosen(a_day(), 9) == []


def test_equal_makers_are_chosen_by_address() -> None:
    """Every worker comes to the same choice."""
    day = a_day(a_yield(VAULT, 5), a_yield(MAKER, 5))
    assert chosen(day, 1) == chosen(a_day(*reversed(day.makers)), 1) == [MAKER]


@pytest.mark.parametrize(("more", "winner"), [("-0.01", VAULT), ("0.01", MAKER)])
def test_a_slot_is_not_taken_for_a_marginal_gain(more: str, winner: Address) -> None:
    """Only somebody who took so much more as a change is worth takes the place of who holds a slot."""
    day = a_day(a_yield(VAULT, 100), a_yield(MAKER, 100 * LOYALTY + Decimal(more)))
    assert chosen(day, 1) == [MAKER]
    assert chosen(day, 1, VAULT) == [winner]


def test_who_holds_a_slot_and_took_nothing_is_not_chosen() -> None:
    """Holding is worth nothing by itself."""
    assert chosen(a_day(a_yield(VAULT, 1)), 5, MAKER) == [VAULT]


def test_reasons_are_stored_by_these_names() -> None:
    """What was stored stays readable."""
    assert [*SlotReason] == ["liquidator", "pinned", "measured", "learned", "shipped"]
