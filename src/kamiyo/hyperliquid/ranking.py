"""Who did the most of something, in USD: makers by the liquidations they took, takers by what they traded."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Final

from kamiyo.core.events import Fill
from kamiyo.core.ids import Address
from kamiyo.core.money import ZERO_USD, Usd, is_plain_decimal
from kamiyo.core.trades import Trade

CAPACITY: Final = 10_000
_HALF: Final = Decimal("0.5")
_LEAST_USD: Final = Decimal(1)


class Ranking:
    """Amounts by account; what is long ago counts less with every fading."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._amounts: dict[Address, Decimal] = {}

    def __len__(self) -> int:
        return len(self._amounts)

    def credit(self, user: Address, amount: Usd) -> None:
        """Add to an account's amount; nobody new once there are too many."""
        known = self._amounts.get(user)
        if known is not None:
            self._amounts[user] = known + amount
        elif len(self._amounts) < self._capacity:
            self._amounts[user] = amount

    def best(self, number: int, *, without: Collection[Address] = ()) -> list[Address]:
        """Those with the most, the first first; by address where they have equally much."""
        ranked = sorted((-amount, user) for user, amount in self._amounts.items() if user not in without)
        return [user for _amount, user in ranked[:number]]

    def fade(self) -> None:
        """Halve every amount, and forget those that came to nothing."""
        halves = {user: amount * _HALF for user, amount in self._amounts.items()}
        self._amounts = {user: amount for user, amount in halves.items() if amount >= _LEAST_USD}


def traded_usd(traded: Fill | Trade) -> Usd:
    """Price times size; nothing where they are no numbers, which is told where the row is judged."""
    if not is_plain_decimal(traded.price) or not is_plain_decimal(traded.size):
        return ZERO_USD
    return Usd(Decimal(traded.price) * Decimal(traded.size))
