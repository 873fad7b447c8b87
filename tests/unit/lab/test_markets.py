"""Books, prices and contexts of the modelled venue."""

from decimal import Decimal

import pytest

from kamiyo.lab.markets import Market, Markets
from kamiyo.lab.universe import build_universe


def prices(market: Market) -> list[list[object]]:
    return [[level["px"] for level in side] for side in market.book()]


def test_a_trade_leaves_the_level_it_met() -> None:
    """Who buys meets an ask, who sells a bid; the mid lies between them."""
    market = Market("BTC")
    market.trade("101.0", "2.0", bought=True)
    assert (prices(market), market.mid, market.mid_or_last) == ([[], ["101"]], None, "101.0")
    market.trade("100.0", "1.0", bought=False)
    assert (prices(market), market.mid) == ([["100"], ["101"]], "100.5")


@pytest.mark.parametrize(("bought", "left"), [(True, [[], ["99"]]), (False, [["102"], []])])
def test_where_two_trades_cross_the_later_is_believed(*, bought: bool, left: list[list[str]]) -> None:
    """A book never crosses: what the later trade contradicts is gone."""
    market = Market("BTC")
    market.trade("101", "1", bought=not bought)
    market.trade("99" if bought else "102", "1", bought=bought)
    assert prices(market) == left


def test_a_minute_states_prices_interest_and_depth() -> None:
    """The stated depth lies half on each side, on twenty levels within 0.2 % of the mark."""
    market = Market("POPCAT")
    market.stand("0.17", "0.171", "1700", "8000")
    bids, asks = market.sides
    worth = sum((price * size for price, size, _orders in (*bids, *asks)), Decimal(0))
    assert (market.mark, market.oracle, market.open_interest) == ("0.17", "0.171", "10000")
    assert (len(bids), len(asks), market.mid) == (20, 20, "0.17")
    assert bids[0][0] < Decimal("0.17") < asks[0][0]
    assert bids[-1][0] >= Decimal("0.17") * Decimal("0.998")
    assert abs(worth - 8000) < 1


def test_a_rounded_book_merges_levels_away_from_the_mid() -> None:
    """In fewer figures bids round down and asks up, and what meets is added."""
    market = Market("POPCAT")
    market.stand("1.0", "1.0", "1", "4000")
    [bid], [ask] = market.book(figures=2)
    assert (bid["px"], bid["n"], ask["px"], ask["n"]) == ("0.99", 20, "1.1", 20)
    fives = [level["px"] for level in market.book(figures=5, mantissa=5)[0]]
    assert all(Decimal(str(price)) * 100_000 % 5 == 0 for price in fives)


def test_what_no_recording_says_is_null() -> None:
    """Funding, premium and the day's volumes are null, not zero, and so is a price not yet known."""
    context = Market("BTC").context()
    assert set(context.values()) == {None}
    assert Market("@107").context()["coin"] == "@107"


def test_changes_are_told_once() -> None:
    """Each market that moved is in the next changes, and then no more until it moves again."""
    markets = Markets(build_universe({"BTC": 2, "ETH": 2}), {"BTC": "100"})
    assert markets.fast_contexts() == {"BTC": {"markPx": "100", "midPx": None}}
    markets.changed("ETH").trade("5", "1", bought=True)
    assert markets.take_changes() == {"ETH": {"markPx": "5", "midPx": None}}
    assert markets.take_changes() == {}
