"""Tables of hours and days: a figure, or why there is none."""

from typing import Any

import msgspec
import pytest

from kamiyo.cli.coverage import day_parts, hour_parts
from kamiyo.core.errors import SourceUnavailable

HOUR: dict[str, Any] = {
    "hour": "2025-10-10T21:00:00.000Z",
    "source": "hyperliquid_api",
    "reference": "hyperliquid_node",
    "share_pct": "25",
    "seen_usd": "1000",
    "reference_usd": "4000",
    "unknown_to_reference_usd": "5",
    "explanation": "",
    "detail": "",
}
UNKNOWN = HOUR | {
    "reference": None,
    "share_pct": None,
    "seen_usd": None,
    "reference_usd": None,
    "unknown_to_reference_usd": None,
    "explanation": "blocks of the hour were not read",
    "detail": "hyperliquid_node lacks 1 of the blocks 1 to 9",
}
TOTAL: dict[str, Any] = {
    "source": "hyperliquid_api",
    "label": "sample 25 % (1 hour, 2025-10-10)",
    "share_pct": "25",
    "seen_usd": "1000",
    "reference_usd": "4000",
    "hours": 2,
    "hours_measured": 1,
    "by_method": {"market": {"share_pct": "100"}, "backstop": {"share_pct": "0"}},
    "by_size": {"under 1k": {"share_pct": None}},
}
DIFFERENCE: dict[str, Any] = {
    "methods": ["market", "backstop"],
    "our_usd": "3600",
    "difference_usd": "100",
    "difference_pct": "2.86",
}
DAY: dict[str, Any] = {
    "day": "2025-10-10",
    "reference": "hyperliquid_archive",
    "detail": "",
    "venue_usd": "3500",
    "our_usd": {"market": "600"},
    "differences": [DIFFERENCE],
    "by_asset": [],
}


def raw(**data: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(data))


def rows_of(parts: list[Any], at: int = 0) -> list[list[str]]:
    return list(parts[at][1])


def test_an_hour_has_a_share_or_the_reason_why_not() -> None:
    """What is not measured is called so, and never 0 or 100 %."""
    parts = hour_parts(raw(totals=[TOTAL, TOTAL | {"share_pct": None}], hourly=[HOUR, UNKNOWN]))
    assert rows_of(parts) == [
        [
            "2025-10-10T21:00", "hyperliquid_api", "25 %", "1,000.00", "4,000.00", "hyperliquid_node", "5.00",
            "",
        ],
        [
            "2025-10-10T21:00", "hyperliquid_api", "not measured", "", "", "", "",
            "blocks of the hour were not read: hyperliquid_node lacks 1 of the blocks 1 to 9",
        ],
    ]  # fmt: skip
    one, other = rows_of(parts, 1)
    assert one[5:] == ["1 of 2", "market 100 %, backstop 0 %", "under 1k not measured"]
    assert other[2] == "not measured"
    assert hour_parts(raw(totals=[], hourly=[])) == ["no source of liquidations is known"]


def test_a_day_shows_each_way_our_total_may_be_meant() -> None:
    """A day that is not measured says why; one the venue does not tell of shows ours alone."""
    gone = DAY | {
        "venue_usd": None,
        "our_usd": None,
        "differences": [],
        "detail": "no block",
        "reference": None,
    }
    alone = DAY | {"venue_usd": None, "differences": [], "detail": "not told"}
    parts = day_parts(raw(claimed_by="hyperliquid_stats", explanation="why", days=[DAY, gone, alone]))
    assert rows_of(parts) == [
        [
            "2025-10-10", "3,500.00", "market + backstop", "3,600.00", "100.00", "2.86 %",
            "hyperliquid_archive", "",
        ],
        ["2025-10-10", "unknown", "", "not measured", "not measured", "", "", "no block"],
        ["2025-10-10", "unknown", "market", "600.00", "not measured", "", "hyperliquid_archive", "not told"],
    ]  # fmt: skip
    assert parts[1] == "why"


def test_assets_have_a_table_of_their_own() -> None:
    """One the venue does not tell of is left out of it; a total of zero has no percent."""
    told = {"asset": "ETH", "venue_usd": "0", "differences": [DIFFERENCE | {"difference_pct": None}]}
    untold: dict[str, Any] = {"asset": "BTC", "venue_usd": None, "differences": []}
    parts = day_parts(raw(claimed_by="x", explanation="", days=[DAY | {"by_asset": [told, untold]}]))
    assert rows_of(parts, 1) == [["2025-10-10", "ETH", "0.00", "market + backstop", "3,600.00", "100.00", ""]]
    assert day_parts(raw(claimed_by="x", explanation="", days=[])) == ["no whole day is in this window"]


def test_a_stranger_is_not_understood() -> None:
    """What is no coverage is an error, not an empty table."""
    with pytest.raises(SourceUnavailable):
        hour_parts(raw(hourly=7))
