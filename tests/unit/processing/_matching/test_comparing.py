"""Each feature of two reports is one of a few levels, the same from both sides."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from kamiyo.core.money import Usd
from kamiyo.core.reports import AssetAmount, Precision, Report
from kamiyo.processing._matching.comparing import FEATURES, compare
from kamiyo.processing._matching.views import view_of
from kamiyo.processing._matching.weights import WEIGHTS
from tests.claims import DAY, a_claim, a_curated_claim, a_row

HASH = "0x" + "ab" * 32
ADDRESS = "0x" + "cd" * 20
TEXT = "Euler on Ethereum seems to be exploited through a flawed check, and about $196.5M are gone so far."
POST = "https://x.com/a/status/123456"


def levels(left: Report, right: Report) -> dict[str, str]:
    one, other = view_of(left), view_of(right)
    found = compare(one, other)
    assert found == compare(other, one)
    for feature, level in found:
        assert level in WEIGHTS[feature]
        assert FEATURES[feature].detail(one, other) == FEATURES[feature].detail(other, one) != ""
    return dict(found)


def dated(day: int, **changes: Any) -> Report:
    return a_claim(occurred_at=DAY + timedelta(days=day), precision=Precision.DAY, **changes)


def worth(amount: int) -> Report:
    return dated(0, amount_usd=Usd(Decimal(amount)))


@pytest.mark.parametrize(
    ("days", "level"),
    [
        (0, "same_day"),
        (1, "next_day"),
        (3, "days"),
        (7, "week"),
        (14, "fortnight"),
        (40, "month"),
        (60, "far"),
    ],
)
def test_time_is_by_the_gap(days: int, level: str) -> None:
    """Days between two dated reports give the level; equal names keep far ones comparable."""
    assert levels(dated(0, name="Euler"), dated(days, name="Euler"))["time"] == level


def test_time_allows_for_what_is_known_roughly() -> None:
    """A moment known to the month or year is near to all of it, and no more."""
    within = DAY + timedelta(days=3)
    for precision, level in ((Precision.MONTH, "wide"), (Precision.YEAR, "wider")):
        assert (
            levels(a_claim(occurred_at=DAY, precision=precision), a_claim(occurred_at=within))["time"]
            == level
        )


def test_time_allows_for_a_swapped_date() -> None:
    """The seventh of November and the eleventh of July are one day in another order; the 20th has none."""
    eleventh = a_claim(name="Euler", occurred_at=DAY.replace(month=7, day=11))
    seventh, twentieth = (
        a_claim(name="Euler", occurred_at=DAY.replace(month=11, day=day)) for day in (7, 20)
    )
    assert levels(eleventh, seventh)["time"] == "swapped"
    assert levels(eleventh, twentieth)["time"] == "far"


@pytest.mark.parametrize(
    ("days", "level"), [(-2, "told_before"), (2, "told_soon"), (30, "told_later"), (100, "told_late")]
)
def test_an_undated_report_is_told_after(days: int, level: str) -> None:
    """What says no day is judged by when it was told: hardly before it happened, best soon after."""
    told = a_claim(published_at=DAY + timedelta(days=days), name="Euler")
    assert levels(dated(0, name="Euler"), told)["time"] == level


@pytest.mark.parametrize(
    ("amount", "level"),
    [
        (1_000_000, "equal"),
        (1_050_000, "near"),
        (1_300_000, "about"),
        (2_000_000, "twofold"),
        (10_000_000, "tenfold"),
        (100_000_000, "beyond"),
        (1_000_000_000, "thousandfold"),
        (100_000_000_000, "misread"),
    ],
)
def test_amounts_are_by_their_ratio(amount: int, level: str) -> None:
    """How many times one amount is the other gives the level."""
    assert levels(worth(1_000_000), worth(amount))["amount"] == level


def test_units_of_one_asset_are_compared_before_dollars() -> None:
    """The same count of one asset is equal whatever it was valued at."""
    left = dated(0, amounts=(AssetAmount("752", "ETH"),), amount_usd=Usd(Decimal(1)))
    right = dated(0, amounts=(AssetAmount("752", "ETH"),), amount_usd=Usd(Decimal(9)))
    other = dated(0, amounts=(AssetAmount("10", "BNB"),))
    assert levels(left, right)["amount"] == "equal"
    assert "amount" not in levels(left, other)


@pytest.mark.parametrize(
    ("left", "right", "feature", "level"),
    [
        ({"transactions": (HASH,)}, {"transactions": (HASH,)}, "transaction", "shared"),
        ({"addresses": (ADDRESS,)}, {"addresses": (ADDRESS,)}, "address", "shared"),
        ({"text": TEXT}, {"text": f"RT @a: {TEXT}"}, "text", "repost"),
        ({"text": POST}, {"text": POST}, "document", "shared"),
        ({"text": POST, "name": "Euler"}, {"text": POST, "name": "Euler"}, "document", "also"),
        ({"name": "Euler"}, {"title": "Euler robbed"}, "name", "told"),
        ({"name": "Euler"}, {"name": "Cream", "title": "Euler robbed"}, "name", "told"),
        ({"name": "Euler"}, {"name": "Cream"}, "name", "different"),
        ({"name": "Hyperliquid"}, {"protocol": "hyperliquid_hlp"}, "name", "broad"),
        ({"name": "x", "protocol": "euler"}, {"name": "Euler"}, "name", "equal"),
        ({"chains": ("bnb_chain",)}, {"chains": ("bsc",)}, "chain", "shared"),
        ({"chains": ("solana",)}, {"chains": ("bsc",)}, "chain", "other"),
        ({"assets": ("JELLY",)}, {"assets": ("JELLY",)}, "asset", "shared"),
        ({"assets": ("JELLY",)}, {"title": "the jelly case"}, "asset", "told"),
        ({"assets": ("ETH",)}, {"assets": ("ETH", "JELLY")}, "asset", "common"),
        ({"assets": ("ETH",)}, {"assets": ("JELLY",)}, "asset", "other"),
        ({"category": "oracle_failure"}, {"text": "a price oracle"}, "way", "shared"),
        ({"category": "reentrancy"}, {"text": "a price oracle"}, "way", "other"),
    ],
)
def test_what_is_said_of_both_gives_a_level(
    left: dict[str, Any], right: dict[str, Any], feature: str, level: str
) -> None:
    """Facts, words and addresses that both have are compared."""
    assert levels(dated(0, **left), dated(0, **right))[feature] == level


def test_a_cited_page_is_on_record() -> None:
    """A report that is the page a curator cites shares it."""
    record = a_curated_claim("case", "https://example.com/one")
    assert levels(record, a_claim(source_url="https://www.example.com/one/"))["document"] == "cited"


def test_one_list_tells_its_rows_apart() -> None:
    """Two rows of one list are listed apart, a row and a post are not."""
    assert levels(a_row(), a_row())["list"] == "apart"
    assert "list" not in levels(a_row(), a_claim())


def test_what_only_one_says_speaks_for_nothing() -> None:
    """A feature that one of two reports says nothing of is not found."""
    full = dated(
        0, name="Euler", chains=("bsc",), assets=("JELLY",), amount_usd=Usd(Decimal(1)), category="mint"
    )
    assert levels(full, dated(0)) == {"time": "same_day"}


def test_what_is_far_and_of_another_name_is_not_looked_at() -> None:
    """Two reports of other names and years differ in name and time, and that is enough."""
    left, right = dated(0, name="Euler", chains=("bsc",)), dated(400, name="Cream", chains=("bsc",))
    assert levels(left, right) == {"name": "different", "time": "far"}
