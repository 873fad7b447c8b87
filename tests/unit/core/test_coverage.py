"""Shares, labels, and when an hour's blocks are all there are."""

from datetime import timedelta
from decimal import Decimal

import pytest

from kamiyo.core.coverage import (
    EXPLANATIONS,
    SIZE_LIMITS,
    SIZES,
    BlockHour,
    Comparison,
    Measured,
    NoFigure,
    Share,
    SizeBucket,
    differences,
    label_text,
    missing_of,
    percent,
    sees_everything,
    was_running,
)
from kamiyo.core.events import LiquidationMethod
from kamiyo.core.sources import CoverageLabel
from tests.builders import API, NODE
from tests.coverages import ARCHIVE, HOUR, MINUTE, NEXT, SECOND, a_block_hour, a_source_hour

LATE, EARLY = HOUR + 20 * MINUTE, NEXT - 20 * MINUTE


@pytest.mark.parametrize(
    ("seen", "reference", "expected"),
    [
        ("0", "7", "0"),
        ("7", "7", "100"),
        ("1", "3", "33.33"),
        ("2", "3", "66.66"),
        ("999999999999", "1000000000000", "99.99"),
        ("1", "1000000000000", "0.01"),
    ],
)
def test_a_share_is_nothing_only_of_nothing_and_all_only_of_all(seen, reference, expected) -> None:
    """It is rounded down, and never to what would be another statement."""
    assert percent(Decimal(seen), Decimal(reference)) == Decimal(expected)


def measured(seen: str, *, hours: int = 160, span: timedelta = timedelta(days=7)) -> Measured:
    return Measured(
        seen_usd=Decimal(seen),
        reference_usd=Decimal(1000),
        hours=hours,
        first_hour=NEXT - span,
        last_hour=HOUR,
        measured_at=NEXT,
    )


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (measured("619"), "sample 61 % (7 days, 2025-10-10)"),
        (measured("0"), "sample 0 % (7 days, 2025-10-10)"),
        (measured("9"), "sample <1 % (7 days, 2025-10-10)"),
        (measured("999.9"), "sample 99 % (7 days, 2025-10-10)"),
        (measured("1000"), "sample 100 % (7 days, 2025-10-10)"),
        (measured("500", span=timedelta(hours=25)), "sample 50 % (2 days, 2025-10-10)"),
        (measured("500", span=timedelta(hours=24), hours=3), "sample 50 % (3 hours, 2025-10-10)"),
        (measured("500", span=timedelta(hours=1), hours=1), "sample 50 % (1 hour, 2025-10-10)"),
        (None, "sample"),
    ],
)
def test_a_sample_says_its_share_its_window_and_its_day(found: Measured | None, expected: str) -> None:
    """Where none was measured it says no more than that it is a sample."""
    assert label_text(CoverageLabel.SAMPLE, found) == expected


def test_other_labels_take_no_figure() -> None:
    """What is complete needs none, and what is not measured has none."""
    for label in set(CoverageLabel) - {CoverageLabel.SAMPLE}:
        assert label_text(label, measured("1000")) == label


def test_sums_leave_out_what_only_the_source_saw() -> None:
    """It is counted beside the shares."""
    shares = [
        Share(
            method=method,
            size=SizeBucket.FROM_1K,
            seen_usd=Decimal(seen),
            reference_usd=Decimal(of),
            seen_fills=1,
            reference_fills=2,
        )
        for method, seen, of in (("market", 3, 4), ("adl", 0, 5))
    ]
    compared = Comparison(shares=tuple(shares), unknown_usd=Decimal(100), unknown_fills=1)
    assert [compared.seen_usd, compared.reference_usd] == [Decimal(3), Decimal(9)]
    assert [Comparison().seen_usd, Comparison().reference_usd] == [Decimal(0), Decimal(0)]


WHOLE = a_block_hour((10, 90))


@pytest.mark.parametrize(
    ("blocks", "before", "after", "missing"),
    [
        (None, None, None, "hyperliquid_node read no block of it"),
        (WHOLE, None, None, ""),
        (a_block_hour((10, 50), (53, 90)), None, None, "hyperliquid_node lacks 3 of the blocks 10 to 89"),
        (a_block_hour((10, 90), first_at=HOUR + 2 * SECOND), None, None, ""),
        (
            a_block_hour((10, 90), first_at=LATE),
            None,
            None,
            "hyperliquid_node begins with block 10 at 2025-10-10T21:20:00.000Z",
        ),
        (a_block_hour((10, 90), first_at=LATE), a_block_hour((5, 10)), None, ""),
        (a_block_hour((10, 90), first_at=LATE), a_block_hour((5, 7), (8, 12)), None, ""),
        (
            WHOLE,
            a_block_hour((5, 9)),
            None,
            "hyperliquid_node begins with block 10 at 2025-10-10T21:00:00.000Z",
        ),
        (a_block_hour((10, 90), first_at=HOUR - SECOND), a_block_hour((5, 9)), None, ""),
        (a_block_hour((10, 90), last_at=NEXT - 2 * SECOND), None, None, ""),
        (
            a_block_hour((10, 90), last_at=EARLY),
            None,
            None,
            "hyperliquid_node ends with block 89 at 2025-10-10T21:40:00.000Z",
        ),
        (a_block_hour((10, 90), last_at=EARLY), None, a_block_hour((90, 99)), ""),
        (a_block_hour((10, 90), last_at=EARLY), None, a_block_hour((88, 99)), ""),
        (
            WHOLE,
            None,
            a_block_hour((91, 99)),
            "hyperliquid_node ends with block 89 at 2025-10-10T21:59:59.000Z",
        ),
        (a_block_hour((10, 90), last_at=NEXT), None, a_block_hour((91, 99)), ""),
    ],
)
def test_an_hour_is_whole_where_nothing_can_be_missing(
    blocks: BlockHour | None, before: BlockHour | None, after: BlockHour | None, missing: str
) -> None:
    """One range, which goes on from the hour before and into the next, or begins and ends with the hour."""
    assert missing_of(a_source_hour(NODE, blocks=blocks, before=before, after=after), HOUR) == missing


def test_who_claims_to_see_all_can_be_compared_with() -> None:
    """A sample cannot, whatever it saw."""
    assert [sees_everything(a_source_hour(each)) for each in (NODE, ARCHIVE, API)] == [True, True, False]


@pytest.mark.parametrize(
    ("source", "minutes", "blocks", "running"),
    [
        (API, 0, None, False),
        (API, 1, None, True),
        (NODE, 1, None, True),
        (NODE, 0, None, False),
        (NODE, 0, WHOLE, True),
        (ARCHIVE, 60, None, False),
        (ARCHIVE, 0, WHOLE, True),
    ],
)
def test_who_was_not_heard_did_not_miss_anything(source, minutes, blocks, running) -> None:
    """What reads the past is heard while it does so: only its blocks say which hours it looked at."""
    assert was_running(a_source_hour(source, heard_minutes=minutes, blocks=blocks)) is running


def test_every_reason_is_explained_and_every_size_has_its_limits() -> None:
    """There is a sentence for each reason, and one limit between two sizes."""
    assert set(EXPLANATIONS) == set(NoFigure)
    assert len(SIZES) == len(SIZE_LIMITS) + 1
    assert list(SIZE_LIMITS) == sorted(SIZE_LIMITS)


def test_a_claimed_total_is_held_against_each_way_ours_may_be_meant() -> None:
    """Market alone, with the backstop, and with deleveraging: ours minus theirs, in percent of theirs."""
    ours = {"market": Decimal(600), "backstop": Decimal(300), "adl": Decimal(100)}
    found = differences(ours, Decimal(800))
    assert [each.methods for each in found] == [
        (LiquidationMethod.MARKET,),
        (LiquidationMethod.MARKET, LiquidationMethod.BACKSTOP),
        (LiquidationMethod.MARKET, LiquidationMethod.BACKSTOP, LiquidationMethod.ADL),
    ]
    assert [each.our_usd for each in found] == [Decimal(600), Decimal(900), Decimal(1000)]
    assert [each.difference_usd for each in found] == [Decimal(-200), Decimal(100), Decimal(200)]
    assert [each.percent for each in found] == [Decimal(-25), Decimal("12.5"), Decimal(25)]
    assert {each.percent for each in differences(ours, Decimal(0))} == {None}
    assert {each.our_usd for each in differences({}, Decimal(1))} == {Decimal(0)}
