"""What a claim of another party must satisfy before it is kept as one, which makes it no fact."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from kamiyo.core.claims import Claim, ClaimedPosition, ClaimedTotal, Claims

EARLIEST_CLAIM = datetime(2015, 1, 1, tzinfo=UTC)
LONGEST_WINDOW = timedelta(days=7)
# Ten times what all exchanges together ever told of in one day.
MAX_CLAIMED_USD = Decimal(1_000_000_000_000)
_LONGEST_NAME = 64


def claim_has_names(claim: Claim) -> bool:
    """Exchange, pair and asset have names of a sane length that a database can keep."""
    return all(map(_is_name, (claim.exchange, claim.pair, claim.asset)))


def claim_numbers_are_positive(claim: Claim) -> bool:
    """Price and amount, where they are known, above zero and not beyond all reason."""
    numbers = (claim.price, claim.amount_usd)
    return all(number is None or 0 < number <= MAX_CLAIMED_USD for number in numbers)


def total_has_names(total: ClaimedTotal) -> bool:
    """Exchange and asset, where it is of one, have names of a sane length that a database can keep."""
    return all(name is None or _is_name(name) for name in (total.exchange, total.asset))


def total_has_a_window(total: ClaimedTotal) -> bool:
    """Its window is longer than nothing and not longer than a week."""
    return 0 < total.window_seconds <= LONGEST_WINDOW.total_seconds()


def totals_are_not_negative(total: ClaimedTotal) -> bool:
    """Each amount, where it is known, zero or more and not beyond all reason."""
    amounts = (total.long_usd, total.short_usd, total.total_usd)
    return all(amount is None or 0 <= amount <= MAX_CLAIMED_USD for amount in amounts)


def claimed_position_has_a_name(position: ClaimedPosition) -> bool:
    """Its asset has a name of a sane length that a database can keep."""
    return _is_name(position.asset)


def claimed_position_is_plausible(position: ClaimedPosition) -> bool:
    """Prices and leverage, where they are known, above zero; the value zero or more; the size not zero."""
    above_zero = (
        position.entry_price,
        position.mark_price,
        position.liquidation_price,
        position.leverage,
    )
    return (
        all(number is None or number > 0 for number in above_zero)
        and (position.value_usd is None or position.value_usd >= 0)
        and position.size != 0
    )


CLAIM_RULES: tuple[Callable[[Claim], bool], ...] = (claim_has_names, claim_numbers_are_positive)
TOTAL_RULES: tuple[Callable[[ClaimedTotal], bool], ...] = (
    total_has_names,
    total_has_a_window,
    totals_are_not_negative,
)
CLAIMED_POSITION_RULES: tuple[Callable[[ClaimedPosition], bool], ...] = (
    claimed_position_has_a_name,
    claimed_position_is_plausible,
)


def not_before_exchanges(moment: datetime) -> bool:
    """Not from before anything was liquidated anywhere that is told of."""
    return moment >= EARLIEST_CLAIM


def moment_of(claim: Claims) -> datetime:
    """When it is said to have happened; of a window, when it began."""
    return claim.start if isinstance(claim, ClaimedTotal) else claim.timestamp


def broken_claim_rule(claim: Claims) -> str | None:
    """The name of the first rule a claim breaks, the future apart, if any."""
    if not not_before_exchanges(moment_of(claim)):
        return not_before_exchanges.__name__
    match claim:
        case Claim():
            return next((rule.__name__ for rule in CLAIM_RULES if not rule(claim)), None)
        case ClaimedTotal():
            return next((rule.__name__ for rule in TOTAL_RULES if not rule(claim)), None)
        case _:
            return next((rule.__name__ for rule in CLAIMED_POSITION_RULES if not rule(claim)), None)


def _is_name(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_NAME and text.isprintable()
