"""Rows of the table of sources."""

import msgspec
import pytest

from kamiyo.cli.sources import SourceTableRow, _length

SOURCE = {
    "name": "defillama",
    "type": "polled",
    "priority": 40,
    "active": True,
    "health": "live",
    "detail": "",
    "age_seconds": 7,
    "lag_seconds": None,
    "last_error": None,
    "last_error_at": None,
    "poll_every_seconds": 21600,
    "next_poll_at": "2025-10-10T21:16:05.000Z",
    "spending": None,
}


def cells(**changes: object) -> list[str]:
    return msgspec.convert(SOURCE | changes, SourceTableRow).cells()


def test_a_row_of_a_source_that_is_asked() -> None:
    """It says how often it is asked and when next; what it has no lag or costs of is empty."""
    assert cells() == [
        "40", "defillama", "live", "every 6 h", "7 s ago", "", "2025-10-10T21:16:05.000Z", "", "",
    ]  # fmt: skip
    assert cells(next_poll_at=None)[6] == "at once"


def test_a_row_of_a_stream() -> None:
    """It is not asked but heard; what it never said is unknown, never nothing."""
    stream: dict[str, object] = {"type": "stream", "poll_every_seconds": None, "next_poll_at": None}
    assert cells(**stream, lag_seconds=130)[3:7] == ["stream", "7 s ago", "2 min", ""]
    assert cells(**stream, age_seconds=None)[3:6] == ["stream", "never", "unknown"]


def test_what_is_switched_off_is_asked_no_more() -> None:
    """Whatever it was before."""
    row = cells(active=False, health="inactive")
    assert (row[2], row[6]) == ("off", "")


def test_trouble_is_told_while_it_lasts_and_after() -> None:
    """What is said of a source now comes before what was the matter with it."""
    over = {"last_error": "SourceUnavailable: silent", "last_error_at": "2025-10-10T00:00:00.000Z"}
    assert cells(**over)[8] == "since 2025-10-10T00:00:00.000Z: SourceUnavailable: silent"
    assert cells(**over, detail="set sources.x.key")[8] == "set sources.x.key"


def test_what_was_spent_is_of_what_may_be() -> None:
    """Both in dollars."""
    assert cells(spending={"spent_usd": "1.5", "limit_usd": "5"})[7] == "1.5 of 5"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (7200, "2 h")],
)
def test_times_are_told_in_the_largest_unit_there_are_two_of(seconds: int, shown: str) -> None:
    """As a person would."""
    assert _length(seconds) == shown
