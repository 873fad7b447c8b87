from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamiyo.core.errors import InvalidQuery
from kamiyo.core.margin import (
    Direction,
    MarginRate,
    MarginTier,
    liquidation_price,
    liquidation_price_at_rate,
    maintenance_margin,
    margin_rates,
    rate_at,
)

MILLION = Decimal(1_000_000)
BTC_TIERS = (MarginTier(Decimal(0), 40), MarginTier(150 * MILLION, 20))
BTC = margin_rates(BTC_TIERS)
ONE_TIER = margin_rates([MarginTier(Decimal(0), 50)])
THREE_TIERS = margin_rates(
    [MarginTier(Decimal(0), 50), MarginTier(Decimal(1_000), 20), MarginTier(Decimal(50_000), 5)]
)


def at_rate(direction, size, mark, account_value, *, maintenance, max_leverage) -> Decimal:
    available = Decimal(account_value) - Decimal(maintenance)
    return liquidation_price_at_rate(
        direction, Decimal(size), Decimal(mark), available, 1 / Decimal(2 * max_leverage)
    )


@pytest.mark.parametrize(("direction", "sign"), [(Direction.LONG, 1), (Direction.SHORT, -1)])
def test_a_direction_has_a_sign(direction, sign) -> None:
    """A long gains with the price and a short loses with it."""
    assert direction.sign == sign


def test_the_formula_agrees_with_the_venue_on_a_vault() -> None:
    """A vault's real short of 0.3708 ETH is liquidated where the venue says, to its last stable digit."""
    price = at_rate(
        Direction.SHORT, "0.3708", "1606.5", "2976574.9037540001", maintenance="32397.852092", max_leverage=50
    )
    assert round(price, 8) == Decimal("7863059.53080842")
    assert abs(price - Decimal("7863059.5308084209")) < Decimal("0.00000001")


def test_the_formula_agrees_with_the_venue_on_a_sub_account() -> None:
    """A sub-account's real short of 0.00705 BTC is liquidated where the venue says, to eight digits."""
    price = at_rate(
        Direction.SHORT, "0.00705", "61873", "50041.813241", maintenance="8.008514", max_leverage=40
    )
    assert round(price, 7) == Decimal("7071249.3736275")
    assert abs(price - Decimal("7071249.3736100169")) < Decimal("0.00002")


def test_the_formula_agrees_with_the_documentation_on_an_isolated_long() -> None:
    """The documented isolated long of 0.0335 ETH is liquidated where the documentation says."""
    maintenance = Decimal("0.0335") * Decimal("2985.9") / 100
    price = at_rate(Direction.LONG, "0.0335", "2985.9", "4.967826", maintenance=maintenance, max_leverage=50)
    assert round(price, 8) == Decimal("2866.26938037")
    assert abs(price - Decimal("2866.26936529")) < Decimal("0.00002")


def test_the_formula_must_not_be_used_for_a_unified_account() -> None:
    """For a unified account the formula gives 76380.15, and that is not what the venue says.

    Spot balances count there too, which a position and an account value do not show.
    """
    price = at_rate(Direction.LONG, "4.5", "83926", "38252.7", maintenance="4720.8375", max_leverage=40)
    said_by_the_venue = Decimal("74501.802790436")
    assert Decimal("76380.1") <= price < Decimal("76380.2")
    assert price - said_by_the_venue > 1_800
    with_spot = at_rate(
        Direction.LONG, "4.5", "83926", Decimal("38252.7") + 8_347, maintenance="4720.8375", max_leverage=40
    )
    assert abs(with_spot - said_by_the_venue) < 1


@pytest.mark.parametrize(
    ("notional", "rate", "deduction", "maintenance"),
    [
        ("0", "0.0125", "0", "0"),
        ("1", "0.0125", "0", "0.0125"),
        ("149999999.99", "0.0125", "0", "1874999.999875"),
        ("150000000", "0.025", "1875000", "1875000"),
        ("150000000.01", "0.025", "1875000", "1875000.00025"),
        ("200000000", "0.025", "1875000", "3125000"),
        ("300000000", "0.025", "1875000", "5625000"),
    ],
)
def test_maintenance_margin_of_bitcoin_by_tier(notional, rate, deduction, maintenance) -> None:
    """A tier applies from its bound on, and its deduction keeps the margin from jumping there."""
    tier = rate_at(Decimal(notional), BTC)
    assert (tier.rate, tier.deduction) == (Decimal(rate), Decimal(deduction))
    assert maintenance_margin(Decimal(notional), BTC) == Decimal(maintenance)


def test_deductions_add_up_over_the_tiers() -> None:
    """Each tier's deduction is the one before and its bound times the step of the rate."""
    assert (
        MarginRate(Decimal(0), Decimal("0.01"), Decimal(0)),
        MarginRate(Decimal(1_000), Decimal("0.025"), Decimal(15)),
        MarginRate(Decimal(50_000), Decimal("0.1"), Decimal(3_765)),
    ) == THREE_TIERS


@pytest.mark.parametrize("bound", [1_000, 50_000])
def test_maintenance_margin_is_continuous_at_a_bound(bound) -> None:
    """Both tiers give one margin at the bound between them."""
    below, above = rate_at(Decimal(bound) - 1, THREE_TIERS), rate_at(Decimal(bound), THREE_TIERS)
    assert below != above
    assert bound * below.rate - below.deduction == bound * above.rate - above.deduction


@pytest.mark.parametrize(
    "tiers",
    [
        [],
        [MarginTier(Decimal(1), 40)],
        [MarginTier(Decimal(-1), 40)],
        [MarginTier(Decimal(0), 40), MarginTier(Decimal(0), 20)],
        [MarginTier(Decimal(0), 40), MarginTier(Decimal(9), 20), MarginTier(Decimal(8), 10)],
    ],
)
def test_tiers_that_are_none_are_refused(tiers) -> None:
    """Tiers begin at zero and ascend, or there is no answer."""
    with pytest.raises(InvalidQuery, match="begin at 0 and ascend"):
        margin_rates(tiers)


@pytest.mark.parametrize(
    ("direction", "size", "account_value", "tier", "expected"),
    [
        (Direction.LONG, 3_000, 30_000_000, 1, "75256.41025641"),
        (Direction.SHORT, 1_500, 10_000_000, 0, "89547.32510288"),
    ],
)
def test_the_tier_at_the_solution_decides(direction, size, account_value, tier, expected) -> None:
    """The tier that applies is the one at the liquidation price, whatever the mark is."""
    price = liquidation_price(direction, Decimal(size), Decimal(84_000), Decimal(account_value), BTC)
    assert price is not None
    assert round(price, 8) == Decimal(expected)
    assert rate_at(size * price, BTC) == BTC[tier]


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("bound", [1_000, 50_000])
def test_a_solution_exactly_at_a_bound_is_found(direction, bound) -> None:
    """An account that meets its margin where two tiers meet has that price, whatever the last digit does."""
    mark = Decimal("33.7")
    for size in (*map(Decimal, range(1, 40)), Decimal("0.07")):
        value = maintenance_margin(Decimal(bound), THREE_TIERS) + direction.sign * (size * mark - bound)
        found = liquidation_price(direction, size, mark, value, THREE_TIERS)
        assert found is not None, size
        assert abs(found - bound / size) < Decimal("1e-40")


def test_no_tier_answers_for_a_position_that_survives_at_zero() -> None:
    """Where the first tier says that no price liquidates a long, a higher one's price is not taken."""
    tiers = margin_rates([MarginTier(Decimal(0), 1), MarginTier(Decimal(1_000), 50)])
    assert liquidation_price(Direction.LONG, Decimal(100), Decimal(40), Decimal(4_100), tiers) is None
    assert liquidation_price(Direction.LONG, Decimal(100), Decimal(40), Decimal(3_900), tiers) == 2


@pytest.mark.parametrize(
    ("direction", "account_value"),
    [(Direction.LONG, 100), (Direction.LONG, 1_000_000), (Direction.SHORT, -100_000)],
)
def test_a_position_no_price_liquidates_has_no_liquidation_price(direction, account_value) -> None:
    """A long worth less than its account holds survives at zero; a price below zero is no price."""
    found = liquidation_price(direction, Decimal(1), Decimal(100), Decimal(account_value), ONE_TIER)
    assert found is None


positive = st.decimals("0.01", 1_000_000, places=2)


@given(st.sampled_from(Direction), positive, positive, st.decimals(-1_000_000, 1_000_000, places=2))
def test_equity_meets_maintenance_margin_at_the_liquidation_price(
    direction, size, mark, account_value
) -> None:
    """At the price that is found, what the account is worth is what it must keep."""
    price = liquidation_price(direction, size, mark, account_value, THREE_TIERS)
    if price is None:
        # A long that still has equity at zero is never liquidated, a short without any there always was.
        at_zero = account_value - direction.sign * size * mark
        assert at_zero * direction.sign >= 0
        return
    equity = account_value + direction.sign * size * (price - mark)
    assert price > 0
    assert abs(equity - maintenance_margin(size * price, THREE_TIERS)) < Decimal("1e-30")
