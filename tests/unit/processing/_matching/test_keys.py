"""A report is found by exact keys."""

from datetime import timedelta
from decimal import Decimal

from kamiyo.core.money import Usd
from kamiyo.core.reports import Precision, Report
from kamiyo.processing._matching.keys import keys_of
from kamiyo.processing._matching.views import view_of
from tests.claims import DAY, a_claim, a_curated_claim

HASH = "0x" + "ab" * 32


def keys(report: Report) -> set[str]:
    return set(keys_of(view_of(report)))


def test_a_silent_report_has_no_keys() -> None:
    """A report that says nothing is found by nothing."""
    assert keys(a_claim()) == set()


def test_hard_facts_are_keys() -> None:
    """Transactions, documents and pages on record are keys as they are."""
    report = a_claim(transactions=(HASH,), source_url="https://x.com/a/status/1234")
    assert keys(report) == {f"tx:{HASH}", "document:x:1234", "page:x.com/a/status/1234"}
    assert "page:a.io/b" in keys(a_curated_claim("case", "https://a.io/b"))


def test_days_and_weeks_next_to_each_other_share_a_key() -> None:
    """What lies a day, a week or a month apart shares the key of that unit, what lies further does not."""
    said = {
        "addresses": ("0xa",),
        "assets": ("JELLY", "ETH"),
        "name": "Jellyjelly",
        "amount_usd": Usd(Decimal(9_000)),
    }
    first = keys(a_claim(occurred_at=DAY, **said))
    for days, kinds in (
        (1, {"address-day", "amount-day", "asset-week", "name-month", "start-week"}),
        (6, {"asset-week", "name-month", "start-week"}),
        (27, {"name-month"}),
        (90, set[str]()),
    ):
        other = keys(a_claim(occurred_at=DAY + timedelta(days=days), **said))
        assert {key.split(":")[0] for key in first & other} == kinds


def test_a_venue_is_a_key_for_a_day_only() -> None:
    """What happens on a venue where much happens is found by the day."""
    assert {key.split(":")[0] for key in keys(a_claim(protocol="hyperliquid"))} == {"venue-day"}


def test_a_year_is_found_by_name_only() -> None:
    """What is known to the year is found by its name in each part of it, and by no day."""
    found = keys(
        a_claim(occurred_at=DAY, precision=Precision.YEAR, name="Super Sushi Samurai", addresses=("0xa",))
    )
    assert {key.split(":")[0] for key in found} == {"name-month"}
    assert len({key for key in found if key.startswith("name-month:sss:")}) == 15


def test_texts_have_keys() -> None:
    """A post of some length is found by its figures and words."""
    found = keys(
        a_claim(text="About 196500 dollars of somebody were taken on Friday evening by somebody else.")
    )
    assert "figure:196500" in found
    assert sum(key.startswith("text:") for key in found) == 12
