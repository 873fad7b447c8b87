"""What was lost: one figure, and between which bounds it lies."""

from decimal import Decimal

import pytest

from kamiyo.core.case_amounts import Amounts, FoldedAmounts, fold_amounts, lost_usd
from kamiyo.core.case_voices import Rule, Statement
from kamiyo.core.money import Usd
from kamiyo.core.reports import Report, ReportId
from tests.builders import a_record, a_report, an_exploit


def usd(number: int) -> Usd:
    return Usd(Decimal(number))


def claim(number: int, *figures: int | None) -> Statement[Amounts]:
    report = a_report(report_id=ReportId(f"r:{number}"))
    return Statement(
        report, f"o{number}", Amounts(*(None if each is None else usd(each) for each in figures)), 10
    )


def plainly(folded: FoldedAmounts) -> list[tuple[object, str | None, Rule]]:
    return [(amount, None if report is None else report.report_id, rule) for amount, report, rule in folded]


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        ((None, 100, None), (90, 105, 110), True),
        ((None, 100, None), (None, 106, None), False),
        ((None, 0, None), (None, 0, None), True),
        ((None, -100, None), (None, 100, None), False),
        ((None, None, 5), (None, None, 5), True),
        ((None, None, 5), (None, 5, None), False),
    ],
)
def test_figures_agree_up_to_rounding(one, other, agree) -> None:
    """Five in a hundred is the hour's price; an unknown figure agrees with itself only."""
    assert claim(1, *one).value.agrees_with(claim(2, *other).value) is agree
    assert claim(2, *other).value.agrees_with(claim(1, *one).value) is agree


def test_bounds_hold_what_lies_between() -> None:
    """Without two bounds nothing is known to lie between them."""
    assert claim(1, 1, 2, 3).value.holds(usd(3))
    assert not claim(1, 1, 2, 3).value.holds(usd(4))
    assert not claim(1, None, 2, 3).value.holds(usd(2))
    assert not claim(1, 1, 2, None).value.holds(usd(2))


def test_a_single_figure_is_all_three() -> None:
    """What is decided is compared with what others say as one figure."""
    assert Amounts.of(usd(5)) == claim(1, 5, 5, 5).value


def test_a_report_that_names_no_figure_says_nothing() -> None:
    """Unknown is not zero; one figure of the three is something."""
    assert lost_usd(a_report(amount_usd=None)) is None
    assert lost_usd(a_report(amount_usd=None, amount_usd_high=usd(7))) == Amounts(None, None, usd(7))
    assert lost_usd(a_report(amount_usd=usd(0))) == Amounts(None, usd(0), None)


def test_nobody_s_figure_is_unknown() -> None:
    """All three are None, and nobody said them."""
    assert plainly(fold_amounts(None, [])) == [(None, None, Rule.NOBODY)] * 3


def test_the_figure_lies_between_the_lowest_and_the_highest() -> None:
    """Each of the three names the report it comes from."""
    best = claim(2, None, 50, None)
    folded = fold_amounts((best, Rule.STANDING), [claim(1, 20, 40, None), best, claim(3, None, 45, 90)])
    assert plainly(folded) == [
        (50, "r:2", Rule.STANDING),
        (20, "r:1", Rule.LOWEST),
        (90, "r:3", Rule.HIGHEST),
    ]


@pytest.mark.parametrize(
    ("figures", "expected"), [((None, None, 9), (None, None, 9)), ((3, None, None), (None, 3, None))]
)
def test_one_bound_alone_bounds_one_side(figures, expected) -> None:
    """At most so much says nothing of the least."""
    statement = claim(1, *figures)
    assert [amount for amount, _report, _rule in fold_amounts((statement, Rule.ONLY), [statement])] == list(
        expected
    )


def test_a_curator_s_figures_stand_as_they_are() -> None:
    """An unknown bound of a curated report is not replaced by what others claim."""
    record: Report = a_record(an_exploit(amount_usd_low=None))
    figures = lost_usd(record)
    assert figures is not None
    folded = fold_amounts((Statement(record, "catalogue", figures, 10), Rule.STANDING), [claim(1, 1, 2, 3)])
    assert [amount for amount, _report, _rule in folded] == [usd(1_000_000), None, usd(1_100_000)]
    assert {rule for _amount, _report, rule in folded} == {Rule.STANDING}
