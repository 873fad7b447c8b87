"""What is set aside for posts."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from kamiyo.aggregators._x.purse import CHUNK, IN_FLIGHT, Meter, Purse
from kamiyo.aggregators._x.troubles import Kind, Trouble
from kamiyo.core.ids import SourceName
from tests.fakes import ManualClock, MemoryUsdBudget

X = SourceName("x")
PRICE = Decimal("0.005")
MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC)
NOON = MIDNIGHT - timedelta(hours=12)


class Till:
    """A purse and what was taken out of it."""

    def __init__(self, posts: int = 100, now: datetime = NOON) -> None:
        self.clock = ManualClock(now)
        self.money = MemoryUsdBudget(self.clock)
        self.purse = Purse(self.money, self.clock, X, daily_usd=posts * PRICE, post_usd=PRICE)
        self.meter = Meter(self.purse, self.clock)

    def spent(self) -> Decimal:
        """Give the posts that are spent today."""
        return self.money.spent.get((self.clock.now().date(), X), Decimal(0)) / PRICE


async def test_a_question_costs_what_came() -> None:
    """The rest of what was set aside is given back."""
    till = Till()
    held = await till.purse.take(10)
    assert till.spent() == 10
    await held.settle(3)
    assert till.spent() == 3


async def test_where_nothing_is_left_it_says_when_there_is() -> None:
    """A little after the next midnight in UTC."""
    till = Till(posts=15)
    await till.purse.take(10)
    with pytest.raises(Trouble, match=r"the budget of 0\.075 USD a day is spent") as trouble:
        await till.purse.take(10)
    assert (trouble.value.kind, trouble.value.until) == (Kind.PAUSE, MIDNIGHT + timedelta(seconds=30))


@pytest.mark.parametrize(
    ("seconds", "open_"), [(-61, True), (-60, False), (0, False), (29, False), (30, True)]
)
async def test_nothing_is_asked_for_while_a_day_turns(seconds: int, open_: bool) -> None:
    """Nobody could tell to which day it is charged."""
    till = Till(now=MIDNIGHT + timedelta(seconds=seconds))
    if open_:
        await till.purse.take(1)
        return
    with pytest.raises(Trouble) as trouble:
        await till.purse.take(1)
    assert (trouble.value.kind, trouble.value.until) == (Kind.TURN, MIDNIGHT + timedelta(seconds=30))


async def test_a_stream_always_has_more_set_aside_than_came() -> None:
    """A chunk ahead and what may be in flight; where no more can be had, that much is left when it ends."""
    till, came = Till(posts=100), 0
    with suppress(Trouble):
        while came <= 100:
            await till.meter.fill()
            assert till.spent() - came >= IN_FLIGHT + 1
            till.meter.count(1)
            came += 1
    assert till.spent() - came >= IN_FLIGHT
    assert came >= 100 - CHUNK - IN_FLIGHT


async def test_more_than_was_set_aside_is_made_up_for() -> None:
    """What came all the same counts, before anything else is set aside."""
    till = Till()
    await till.meter.fill()
    till.meter.count(CHUNK + IN_FLIGHT + 5)
    await till.meter.fill()
    assert till.spent() == 2 * (CHUNK + IN_FLIGHT) + 5


@pytest.mark.parametrize(("came", "spent"), [(0, IN_FLIGHT), (3, 3 + IN_FLIGHT), (25, CHUNK + IN_FLIGHT)])
async def test_a_stream_that_ends_gives_back_but_what_may_be_in_flight(came: int, spent: int) -> None:
    """Nobody knows how much was under way."""
    till = Till()
    await till.meter.fill()
    till.meter.count(came)
    await till.meter.close()
    await till.meter.close()
    assert till.spent() == spent


async def test_a_stream_that_was_lost_gives_nothing_back_until_all_is_counted() -> None:
    """Whoever ends meanwhile leaves everything spent."""
    for trusted, spent in ((False, CHUNK + IN_FLIGHT), (True, 5 + IN_FLIGHT)):
        till = Till()
        await till.meter.fill()
        till.meter.doubt()
        till.meter.count(5)
        if trusted:
            till.meter.trust()
        await till.meter.close()
        assert till.spent() == spent


async def test_what_was_left_of_a_day_is_not_used_on_the_next() -> None:
    """Each day's posts are paid for from its own budget."""
    till = Till()
    await till.meter.fill()
    await till.clock.sleep(timedelta(days=1))
    assert till.spent() == 0
    await till.meter.fill()
    assert till.spent() == CHUNK + IN_FLIGHT


async def test_half_of_a_day_is_kept_for_its_own_posts() -> None:
    """Earlier days may use the other half, and on each day anew."""
    till = Till(posts=40)
    assert till.purse.may_spend_on_the_past(20)
    till.purse.spend_on_the_past(5)
    till.purse.spend_on_the_past(6)
    assert till.purse.may_spend_on_the_past(9)
    assert not till.purse.may_spend_on_the_past(10)
    await till.clock.sleep(timedelta(days=1))
    assert till.purse.may_spend_on_the_past(20)
    till.purse.spend_on_the_past(1)
    assert till.purse.may_spend_on_the_past(19)
