"""The venue's margin mathematics: maintenance margin by tiers and the liquidation price.

Formulae: the venue's documentation of margin tiers and of liquidations, restated in
EXTERNAL-APIS 2.6. All amounts in the dex's collateral token (USD on the first dex).
Only accounts in the ``disabled`` or ``default`` abstraction follow them; for unified and
portfolio-margin accounts the venue's own ``liquidationPx`` is the truth.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

import msgspec

from kamiyo.core.errors import InvalidQuery


class Direction(enum.StrEnum):
    """Which way a position points."""

    LONG = "long"
    SHORT = "short"

    @property
    def sign(self) -> int:
        """+1 for long, -1 for short."""
        return 1 if self is Direction.LONG else -1


class MarginTier(msgspec.Struct, frozen=True):
    """From ``lower_bound`` of notional (USD) on, at most ``max_leverage``."""

    lower_bound: Decimal
    max_leverage: int


class MarginRate(msgspec.Struct, frozen=True):
    """One tier's maintenance: ``notional * rate - deduction``, for notionals from ``lower_bound`` on."""

    lower_bound: Decimal
    rate: Decimal
    deduction: Decimal


def margin_rates(tiers: Sequence[MarginTier]) -> tuple[MarginRate, ...]:
    """The rate and deduction of each tier; InvalidQuery unless tiers begin at zero and ascend."""
    bounds = [tier.lower_bound for tier in tiers]
    if not bounds or bounds[0] != 0 or any(low >= high for low, high in pairwise(bounds)):
        raise InvalidQuery("margin tiers must begin at 0 and ascend")
    rates: list[MarginRate] = []
    for tier in tiers:
        rate = 1 / Decimal(2 * tier.max_leverage)
        before = rates[-1] if rates else MarginRate(Decimal(0), rate, Decimal(0))
        rates.append(
            MarginRate(tier.lower_bound, rate, before.deduction + tier.lower_bound * (rate - before.rate))
        )
    return tuple(rates)


def rate_at(notional: Decimal, rates: Sequence[MarginRate]) -> MarginRate:
    """The tier that applies to a position of this notional."""
    return next(rate for rate in reversed(rates) if notional >= rate.lower_bound)


def maintenance_margin(notional: Decimal, rates: Sequence[MarginRate]) -> Decimal:
    """What a position of this notional must keep, in USD."""
    tier = rate_at(notional, rates)
    return notional * tier.rate - tier.deduction


def liquidation_price_at_rate(
    direction: Direction, size: Decimal, mark_price: Decimal, margin_available: Decimal, rate: Decimal
) -> Decimal:
    """``price - side * margin_available / size / (1 - rate * side)``; size > 0 in base units."""
    return mark_price - direction.sign * margin_available / size / (1 - rate * direction.sign)


def liquidation_price(
    direction: Direction,
    size: Decimal,
    mark_price: Decimal,
    account_value: Decimal,
    rates: Sequence[MarginRate],
) -> Decimal | None:
    """Where the equity of an account that holds only this position meets its maintenance margin.

    The tier is the one that applies at the solution, so each tier is solved in turn and the first whose
    solution lies below its upper bound is the answer. It cannot lie below the lower bound, because the
    margin is continuous there; asking would lose a solution on a bound to the last digit's rounding.
    None if no positive price liquidates it.
    """
    uppers = [*(rate.lower_bound for rate in rates[1:]), Decimal("Infinity")]
    solutions = (_solution(direction, size, mark_price, account_value, rate) for rate in rates)
    price = next(price for price, upper in zip(solutions, uppers, strict=True) if size * price < upper)
    return price if price > 0 else None


def _solution(
    direction: Direction, size: Decimal, mark_price: Decimal, account_value: Decimal, tier: MarginRate
) -> Decimal:
    available = account_value - (size * mark_price * tier.rate - tier.deduction)
    return liquidation_price_at_rate(direction, size, mark_price, available, tier.rate)
