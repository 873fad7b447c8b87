"""What a state of a market, a vault or an account must satisfy before anyone may believe it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from kamiyo.core.markets import protocol_of
from kamiyo.core.states import AccountState, MarketState, Position, VaultState

# The venue caps the rate at four hundredths an hour: what is above one is no rate.
MAX_FUNDING_RATE = Decimal(1)
_LONGEST_NAME = 200


def market_prices_are_positive(state: MarketState) -> bool:
    """Mark and oracle price above zero, and the mid price where it is known."""
    return state.mark_price > 0 and state.oracle_price > 0 and _above_zero(state.mid_price)


def market_sizes_are_not_negative(state: MarketState) -> bool:
    """Open interest and volume zero or more, where they are known."""
    return not _below_zero(state.open_interest) and not _below_zero(state.day_volume_usd)


def funding_is_a_rate(state: MarketState) -> bool:
    """The funding rate, where it is known, at most the whole position in an hour."""
    return state.funding_rate is None or abs(state.funding_rate) <= MAX_FUNDING_RATE


def vault_has_a_name(state: VaultState) -> bool:
    """A name of a sane length that a database can keep."""
    return len(state.name) <= _LONGEST_NAME and state.name.isprintable()


def vault_is_not_its_own_relative(state: VaultState) -> bool:
    """Neither its own parent nor its own child."""
    return state.vault != state.parent and state.vault not in state.children


def margin_is_not_negative(state: AccountState) -> bool:
    """The maintenance margin, where it is known, zero or more."""
    return not _below_zero(state.maintenance_margin)


def positions_are_of_one_dex(state: AccountState) -> bool:
    """Every position on the dex whose account it is, and one position in an asset at most."""
    assets = {each.asset for each in state.positions}
    return len(assets) == len(state.positions) and all(protocol_of(each) == state.protocol for each in assets)


def positions_have_positive_numbers(state: AccountState) -> bool:
    """Size and mark price above zero; entry and liquidation price and leverage too, where they are known."""
    return all(map(_is_sound, state.positions))


MARKET_RULES: tuple[Callable[[MarketState], bool], ...] = (
    market_prices_are_positive,
    market_sizes_are_not_negative,
    funding_is_a_rate,
)
VAULT_RULES: tuple[Callable[[VaultState], bool], ...] = (vault_has_a_name, vault_is_not_its_own_relative)
ACCOUNT_RULES: tuple[Callable[[AccountState], bool], ...] = (
    margin_is_not_negative,
    positions_are_of_one_dex,
    positions_have_positive_numbers,
)


def broken_state_rule(state: MarketState | VaultState | AccountState) -> str | None:
    """The name of the first rule a state breaks, its time apart, if any."""
    match state:
        case MarketState():
            return next((rule.__name__ for rule in MARKET_RULES if not rule(state)), None)
        case VaultState():
            return next((rule.__name__ for rule in VAULT_RULES if not rule(state)), None)
        case _:
            return next((rule.__name__ for rule in ACCOUNT_RULES if not rule(state)), None)


def _is_sound(position: Position) -> bool:
    optional = (position.entry_price, position.liquidation_price, position.leverage)
    return (
        position.size > 0
        and position.mark_price > 0
        and position.amount_usd >= 0
        and all(map(_above_zero, optional))
    )


def _above_zero(number: Decimal | None) -> bool:
    return number is None or number > 0


def _below_zero(number: Decimal | None) -> bool:
    return number is not None and number < 0
