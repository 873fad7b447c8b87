"""Who did the most, and what is forgotten."""

from decimal import Decimal

from kamiyo.core.ids import Address
from kamiyo.core.money import Usd
from kamiyo.hyperliquid.ranking import Ranking, traded_usd
from tests.builders import a_trade

ONE, TWO, THREE = (Address(f"0x{number:040x}") for number in (1, 2, 3))


def usd(amount: int) -> Usd:
    return Usd(Decimal(amount))


def test_the_best_come_first() -> None:
    """Amounts of one account add up; equal ones are in the order of their addresses."""
    ranking = Ranking()
    for user, amount in ((THREE, 5), (ONE, 2), (TWO, 5), (ONE, 4)):
        ranking.credit(user, usd(amount))
    assert ranking.best(3) == [ONE, TWO, THREE]
    assert ranking.best(1, without={ONE}) == [TWO]


def test_what_is_long_ago_counts_less_and_is_forgotten() -> None:
    """Each fading halves; less than a dollar is nothing."""
    ranking = Ranking()
    ranking.credit(ONE, usd(100))
    ranking.credit(TWO, usd(1))
    ranking.fade()
    assert ranking.best(2) == [ONE]
    ranking.credit(THREE, usd(51))
    assert ranking.best(1) == [THREE]


def test_nobody_new_is_taken_once_there_are_too_many() -> None:
    """So that its memory is bounded; those it knows still count."""
    ranking = Ranking(capacity=1)
    ranking.credit(ONE, usd(1))
    ranking.credit(TWO, usd(9))
    ranking.credit(ONE, usd(1))
    assert len(ranking) == 1
    ranking.fade()
    assert ranking.best(9) == [ONE]


def test_what_was_traded_is_price_times_size() -> None:
    """What are no numbers came to nothing here; they are refused where the row is judged."""
    assert traded_usd(a_trade(price="3000.5", size="2")) == Decimal(6001)
    assert traded_usd(a_trade(price="NaN")) == traded_usd(a_trade(size="1e9")) == 0
