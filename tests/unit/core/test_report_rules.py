"""The rules of reports, each seen broken."""

from datetime import timedelta
from decimal import Decimal

import pytest

from kamiyo.core.report_rules import MAX_REPORTED_USD, broken_report_rule
from kamiyo.core.reports import LONGEST_TEXT, LONGEST_TITLE, AssetAmount, Citation, Grade, ReportDeleted
from kamiyo.core.validation import broken_rule
from tests.builders import NOW, a_record, a_report

TOMORROW = NOW + timedelta(days=1)
CITED = Citation(title="t", source_url="", grade=Grade.PRESS)


@pytest.mark.parametrize(
    "report",
    [
        a_report(),
        a_record(),
        a_report(published_at=TOMORROW),
        a_report(title="x" * LONGEST_TITLE, text="x" * LONGEST_TEXT, source_url=""),
        a_report(amount_usd=-MAX_REPORTED_USD, amounts=(AssetAmount("752", "ETH"),)),
        a_report(text="tabs\tand\nlines, 漢字 and \U0001f600"),
    ],
)
def test_a_report_that_can_be_kept_is_taken(report) -> None:
    """Long, strange and negative ones too: whether it is true is not asked here."""
    assert broken_report_rule(report, NOW) is None
    assert broken_rule(report, NOW) is None


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"published_at": TOMORROW + timedelta(seconds=1)}, "report_is_not_from_the_future"),
        ({"edited_at": TOMORROW + timedelta(seconds=1)}, "report_is_not_from_the_future"),
        ({"report_id": "other:1"}, "report_has_names"),
        ({"report_id": "feeds:" + "x" * 300}, "report_has_names"),
        ({"origin": ""}, "report_has_names"),
        ({"repost_of": "x" * 301}, "report_has_names"),
        ({"title": "x" * (LONGEST_TITLE + 1)}, "report_is_bounded"),
        ({"text": "x" * (LONGEST_TEXT + 1)}, "report_is_bounded"),
        ({"source_url": "x" * 2_001}, "report_is_bounded"),
        ({"addresses": ("x",) * 501}, "report_is_bounded"),
        ({"citations": (CITED,) * 501}, "report_is_bounded"),
        ({"title": "nul \0"}, "report_is_storable"),
        ({"text": "half a pair \ud800"}, "report_is_storable"),
        ({"amounts": (AssetAmount("1", "\0"),)}, "report_is_storable"),
        ({"citations": (Citation(title="\0", source_url="", grade=Grade.PRESS),)}, "report_is_storable"),
        ({"amount_usd": MAX_REPORTED_USD + 1}, "reported_amounts_are_sane"),
        ({"returned_usd": Decimal(-1) - MAX_REPORTED_USD}, "reported_amounts_are_sane"),
    ],
)
def test_a_report_that_cannot_be_kept_is_refused(changes, rule) -> None:
    """The first rule it breaks is named."""
    assert broken_report_rule(a_report(**changes), NOW) == rule
    assert broken_rule(a_report(**changes), NOW) == rule


def test_a_deletion_is_always_believed() -> None:
    """Whatever its date says: nobody gains by words that are gone."""
    gone = ReportDeleted(report_id=a_report().report_id, source=a_report().source, deleted_at=TOMORROW)
    assert broken_rule(gone, NOW) is None
