"""Rows of the tables of markets and positions."""

from decimal import Decimal
from io import StringIO

import msgspec
import pytest

from kamiyo.cli.client import Listing
from kamiyo.cli.query import show
from kamiyo.cli.states import MARKETS_TABLE, MarketRow, PositionRow, age, percent
from kamiyo.core.modes import Mode
from tests.unit.cli.test_output import a_meta

MARKET = {
    "asset": "BTC",
    "mark_price": "100000",
    "oracle_price": "99900.5",
    "oracle_deviation": "0.001",
    "open_interest_usd": None,
    "funding_rate": "0.0000125",
    "day_volume_usd": "1234567.891",
    "age_seconds": 7,
    "stale": False,
}
POSITION = {
    "asset": "BTC",
    "side": "long",
    "amount_usd": "6000",
    "size": "2",
    "mark_price": "3000",
    "liquidation_price": None,
    "distance": None,
    "leverage": "20",
    "margin_mode": "cross",
    "user": "0x" + "1" * 40,
    "age_seconds": 7300,
    "stale": True,
}


def test_a_market_s_unknown_numbers_are_unknown() -> None:
    """Prices keep their digits, amounts are grouped, and what nobody said is no 0."""
    assert msgspec.convert(MARKET, MarketRow).cells() == [
        "BTC", "100000", "99900.5", "0.1 %", "unknown", "0.00125 %", "1,234,567.89", "7 s",
    ]  # fmt: skip


def test_a_position_no_price_liquidates_has_no_distance() -> None:
    """Its price and distance are unknown; an old look says that it is old."""
    assert msgspec.convert(POSITION, PositionRow).cells() == [
        "unknown", "BTC", "long", "6,000.00", "2", "3000", "unknown", "20 cross", "0x" + "1" * 40,
        "2 h, STALE",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fraction", "shown"),
    [("0.05", "5 %"), ("-0.000333", "-0.03 %"), ("0", "0 %"), (None, "unknown"), ("x", "unknown")],
)
def test_a_fraction_is_shown_in_hundredths(fraction: str | None, shown: str) -> None:
    """Rounded for people, and unknown where it is no number."""
    assert percent(fraction) == shown


def test_a_small_fraction_keeps_more_digits() -> None:
    """A funding rate of an hour is not rounded away."""
    assert percent("0.0000125", step=Decimal("0.000001")) == "0.00125 %"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h")]
)
def test_an_age_is_shown_in_a_unit_that_says_enough(seconds: int, shown: str) -> None:
    """Seconds, minutes or hours; STALE beside it where the server says so."""
    assert age(seconds, stale=False) == shown
    assert age(seconds, stale=True) == f"{shown}, STALE"


@pytest.mark.parametrize("rows", [[], [msgspec.Raw(msgspec.json.encode(MARKET))]])
def test_a_list_that_is_not_live_says_so_first(
    rows: list[msgspec.Raw], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With rows or without, the first thing printed is the mode and the name of what is played."""
    out = StringIO()
    monkeypatch.setattr("sys.stdout", out)
    meta = a_meta(mode=Mode.SIMULATED, recording="ten made-up \x1b minutes")
    show(MARKETS_TABLE, Listing(rows, meta, {}), json=False)
    first = out.getvalue().splitlines()[0]
    assert first == "SIMULATED: ten made-up \ufffd minutes, which was made up; nothing shown ever happened"
