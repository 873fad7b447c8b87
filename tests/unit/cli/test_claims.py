"""Rows of the tables of claims."""

import msgspec
import pytest

from kamiyo.cli.claims import ClaimedPositionRow, ClaimedTotalRow, ClaimRow, span

ORDER = {
    "timestamp": "2025-10-10T21:16:00.250Z",
    "exchange": "binance",
    "pair": "ETHUSDT",
    "side": None,
    "price": None,
    "amount_usd": "205534.2932",
    "source": "coinglass",
}
TOTAL = {
    "start": "2025-10-10T20:00:00.000Z",
    "window_seconds": 3600,
    "complete": False,
    "exchange": None,
    "asset": None,
    "long_usd": "5",
    "short_usd": None,
    "total_usd": "0",
    "source": "coinglass",
}
POSITION = {
    "timestamp": "2025-10-10T21:16:00.250Z",
    "action": "observed",
    "asset": "ETH",
    "side": None,
    "value_usd": None,
    "entry_price": "2249.7",
    "liquidation_price": None,
    "leverage": "25",
    "user": "0x" + "5" * 40,
    "source": "coinglass",
}


def test_what_is_not_told_is_unknown_and_no_zero() -> None:
    """Who claims it stands in every row."""
    assert msgspec.convert(ORDER, ClaimRow).cells() == [
        "2025-10-10T21:16:00.250Z", "binance", "ETHUSDT", "unknown", "unknown", "205,534.29", "coinglass",
    ]  # fmt: skip
    assert msgspec.convert(POSITION, ClaimedPositionRow).cells() == [
        "2025-10-10T21:16:00.250Z", "observed", "ETH", "unknown", "unknown", "2249.7", "unknown", "25",
        "0x" + "5" * 40, "coinglass",
    ]  # fmt: skip


def test_a_total_says_of_what_it_is_and_whether_it_is_over() -> None:
    """A zero that was told is one, and what was not told is unknown."""
    assert msgspec.convert(TOTAL, ClaimedTotalRow).cells()[1:] == [
        "1 h, not over", "all", "all", "5.00", "unknown", "0.00", "coinglass",
    ]  # fmt: skip
    told = TOTAL | {"complete": True, "exchange": "okx", "asset": "BTC", "window_seconds": 60}
    assert msgspec.convert(told, ClaimedTotalRow).cells()[1:4] == ["1 min", "okx", "BTC"]


@pytest.mark.parametrize(("seconds", "shown"), [(86_400, "24 h"), (1_800, "30 min"), (45, "45 s")])
def test_a_window_is_as_long_as_it_is(seconds: int, shown: str) -> None:
    """In whole units."""
    assert span(seconds) == shown
