"""A table's cell that says what was lost: dollars, units of assets, or both."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

import msgspec

from kamiyo.core.money import Usd, plain
from kamiyo.core.reports import AssetAmount
from kamiyo.extraction.amounts import USD, Amounts, Figure, read_amounts

# Tokens backed by dollars: at par but for days, which is why they are never sure.
_DOLLAR_TOKENS: Final = frozenset({"USDT", "USDC", "USDC.e", "DAI", "BUSD", "TUSD", "USDP", "PYUSD", "xDAI"})
_ASIDE: Final = re.compile(r"[(\[][^()\[\]]*[)\]]")


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """What a cell says. None where it does not say it; ``sure`` of the dollars."""

    usd: Usd | None = None
    low: Usd | None = None
    high: Usd | None = None
    amounts: tuple[AssetAmount, ...] = ()
    sure: bool = True


def read_loss(cell: str) -> Loss:
    """The loss a cell tells of.

    What stands in brackets says the same in other words, if something stands outside of them. Dollars beside
    units of an asset are only part of a loss, and so a lower bound. Tokens meant to be a dollar count as
    one, and a large number without a unit is dollars in such a cell; neither surely.
    """
    outside = read_amounts(_ASIDE.sub(" ", cell))
    whole = read_amounts(cell)
    amounts = tuple(
        AssetAmount(amount=plain(each.low), asset=each.unit) for each in whole.assets if each.low == each.high
    )
    others = [each for each in outside.assets if each.unit not in _DOLLAR_TOKENS]
    if others and _dollars(outside):
        return Loss(low=_sum(_dollars(outside)), amounts=amounts)
    told = _dollars(outside) or (() if others else _scaled(outside.unknown)) or _dollars(whole)
    if not told:
        return Loss(amounts=amounts)
    return _loss(told[0], amounts, sure=told[0].unit == USD and len(told) == 1)


def _dollars(amounts: Amounts) -> tuple[Figure, ...]:
    """Dollars, or else tokens meant to be one."""
    return amounts.usd or tuple(each for each in amounts.assets if each.unit in _DOLLAR_TOKENS)


def _scaled(figures: tuple[Figure, ...]) -> tuple[Figure, ...]:
    return tuple(each for each in figures if each.scaled)


def _sum(figures: tuple[Figure, ...]) -> Usd | None:
    total = sum((each.low for each in figures if not each.at_most), Decimal(0))
    return Usd(total) if total > 0 else None


def _loss(told: Figure, amounts: tuple[AssetAmount, ...], *, sure: bool) -> Loss:
    bound = told.at_least or told.at_most
    exact = told.low == told.high and not bound
    return Loss(
        usd=_positive(told.low) if exact else None,
        low=None if exact or told.at_most else _positive(told.low),
        high=None if exact or told.at_least else _positive(told.high),
        amounts=amounts,
        sure=sure,
    )


def _positive(number: Decimal) -> Usd | None:
    """What is told as 0 is told by nobody: unknown."""
    return Usd(number) if number > 0 else None
