"""What reports say was lost, and what they make together: the best figure and its bounds."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from kamiyo.core.case_voices import Rule, Statement
from kamiyo.core.money import Usd
from kamiyo.core.reports import Report

_TOLERANCE: Final = Decimal("0.05")  # rounding, and the price of the hour: not another figure

Told = tuple[Usd | None, Report | None, Rule]


class Amounts(msgspec.Struct, frozen=True):
    """What one report says was lost, at least, best, and at most."""

    low: Usd | None
    best: Usd | None
    high: Usd | None

    @classmethod
    def of(cls, amount: Usd) -> Amounts:
        """A single figure."""
        return cls(amount, amount, amount)

    def agrees_with(self, other: Amounts) -> bool:
        """Whether both name the same figure, or would with less rounding."""
        if self.best is None or other.best is None:
            return self == other
        return abs(self.best - other.best) <= _TOLERANCE * max(abs(self.best), abs(other.best))

    def holds(self, amount: Usd) -> bool:
        """Whether a figure lies within these bounds."""
        return self.low is not None and self.high is not None and self.low <= amount <= self.high


class FoldedAmounts(NamedTuple):
    """The three figures of a case, each with the report and the rule it comes from."""

    amount_usd: Told
    amount_usd_low: Told
    amount_usd_high: Told


def lost_usd(report: Report) -> Amounts | None:
    """What a report says was lost, if it says anything of it."""
    facts = report.facts
    stated = (facts.amount_usd_low, facts.amount_usd, facts.amount_usd_high)
    if all(each is None for each in stated):
        return None
    return Amounts(*stated)


def fold_amounts(
    decided: tuple[Statement[Amounts], Rule] | None, bounds: Sequence[Statement[Amounts]]
) -> FoldedAmounts:
    """The decided figure, between the lowest and the highest of what is believed.

    A curated report's three figures stand as they are: its author weighed the others already.
    """
    if decided is None:
        unknown: Told = (None, None, Rule.NOBODY)
        return FoldedAmounts(unknown, unknown, unknown)
    statement, rule = decided
    report, amounts = statement.report, statement.value
    if report.curated is not None:
        return FoldedAmounts(
            (amounts.best, report, rule), (amounts.low, report, rule), (amounts.high, report, rule)
        )
    counted = [*bounds, statement]
    return FoldedAmounts((amounts.best, report, rule), _lowest(counted), _highest(counted))


def _lowest(counted: Sequence[Statement[Amounts]]) -> Told:
    known = [
        (low, each.report) for each in counted if (low := _first(each.value.low, each.value.best)) is not None
    ]
    if not known:
        return None, None, Rule.NOBODY
    amount, report = min(known, key=lambda pair: (pair[0], pair[1].report_id))
    return amount, report, Rule.LOWEST


def _highest(counted: Sequence[Statement[Amounts]]) -> Told:
    known = [
        (high, each.report)
        for each in counted
        if (high := _first(each.value.high, each.value.best)) is not None
    ]
    if not known:
        return None, None, Rule.NOBODY
    amount, report = max(known, key=lambda pair: (pair[0], pair[1].report_id))
    return amount, report, Rule.HIGHEST


def _first(*amounts: Usd | None) -> Usd | None:
    return next((each for each in amounts if each is not None), None)
