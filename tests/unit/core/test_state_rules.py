"""The rules of states, each seen broken."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from kamiyo.core.ids import Asset, Protocol
from kamiyo.core.state_rules import broken_state_rule
from kamiyo.core.states import AccountState, MarketState, VaultState
from kamiyo.core.validation import broken_rule
from tests.builders import (
    MAKER,
    NOW,
    VAULT,
    a_market_state,
    a_position,
    a_vault_state,
    an_account_state,
)

UNKNOWN_MARKET = dict.fromkeys(("mid_price", "open_interest", "funding_rate", "premium", "day_volume_usd"))
UNKNOWN_POSITION = dict.fromkeys(("entry_price", "liquidation_price", "leverage"))


@pytest.mark.parametrize(
    "state",
    [
        a_market_state(),
        a_market_state(**UNKNOWN_MARKET),
        a_market_state(open_interest=Decimal(0), day_volume_usd=Decimal(0), funding_rate=Decimal(-1)),
        a_vault_state(),
        a_vault_state(account_value=None, total_pnl=None, children=(), parent=MAKER),
        an_account_state(),
        an_account_state(a_position(**UNKNOWN_POSITION), account_value=None, maintenance_margin=None),
        an_account_state(account_value=Decimal(-5)),
        an_account_state(positions=()),
        an_account_state(a_position(asset=Asset("xyz:TSLA")), protocol=Protocol("xyz")),
    ],
)
def test_what_may_be(state: MarketState | VaultState | AccountState) -> None:
    """Unknown numbers, an empty account and a balance below zero break no rule."""
    assert broken_rule(state, NOW) is None


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"mark_price": Decimal(0)}, "market_prices_are_positive"),
        ({"oracle_price": Decimal(-1)}, "market_prices_are_positive"),
        ({"mid_price": Decimal(0)}, "market_prices_are_positive"),
        ({"open_interest": Decimal(-1)}, "market_sizes_are_not_negative"),
        ({"day_volume_usd": Decimal("-0.1")}, "market_sizes_are_not_negative"),
        ({"funding_rate": Decimal("-1.01")}, "funding_is_a_rate"),
    ],
)
def test_what_no_market_can_be(changes: dict[str, Any], rule: str) -> None:
    """The first broken rule is named."""
    assert broken_state_rule(a_market_state(**changes)) == rule


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"name": "a\0b"}, "vault_has_a_name"),
        ({"name": "x" * 201}, "vault_has_a_name"),
        ({"parent": VAULT}, "vault_is_not_its_own_relative"),
        ({"children": (MAKER, VAULT)}, "vault_is_not_its_own_relative"),
    ],
)
def test_what_no_vault_can_be(changes: dict[str, Any], rule: str) -> None:
    """A name no database keeps, and a family that goes in a circle."""
    assert broken_state_rule(a_vault_state(**changes)) == rule


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"maintenance_margin": Decimal(-1)}, "margin_is_not_negative"),
        ({"positions": (a_position(), a_position())}, "positions_are_of_one_dex"),
        ({"positions": (a_position(asset=Asset("xyz:TSLA")),)}, "positions_are_of_one_dex"),
        ({"positions": (a_position(size=Decimal(0)),)}, "positions_have_positive_numbers"),
        ({"positions": (a_position(mark_price=Decimal(0)),)}, "positions_have_positive_numbers"),
        ({"positions": (a_position(amount_usd=Decimal(-1)),)}, "positions_have_positive_numbers"),
        ({"positions": (a_position(entry_price=Decimal(0)),)}, "positions_have_positive_numbers"),
        ({"positions": (a_position(liquidation_price=Decimal(-1)),)}, "positions_have_positive_numbers"),
        ({"positions": (a_position(leverage=Decimal(0)),)}, "positions_have_positive_numbers"),
    ],
)
def test_what_no_account_can_be(changes: dict[str, Any], rule: str) -> None:
    """One impossible position refuses the whole look, for a part would look like the whole."""
    assert broken_state_rule(an_account_state(**changes)) == rule


@pytest.mark.parametrize("make", [a_market_state, a_vault_state, an_account_state])
def test_no_state_is_from_the_future(make: Any) -> None:
    """A state that would outrank every true one until its time has come is refused."""
    assert broken_rule(make(timestamp=NOW + timedelta(seconds=11)), NOW) == "not_from_the_future"
    assert broken_rule(make(timestamp=NOW + timedelta(seconds=10)), NOW) is None
    assert broken_rule(make(timestamp=NOW.replace(year=2022)), NOW) == "not_before_the_venue"
