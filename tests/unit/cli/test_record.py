"""What ``kamiyo record`` is told and tells."""

import io
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from kamiyo.cli.record import _Screen, parse_duration, parse_size
from kamiyo.core.errors import InvalidQuery
from kamiyo.runtime.recording import Ended, Recorded


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90s", timedelta(seconds=90)),
        ("10m", timedelta(minutes=10)),
        ("2h", timedelta(hours=2)),
        ("1d", timedelta(days=1)),
    ],
)
def test_durations(text: str, duration: timedelta) -> None:
    """A number and its unit."""
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "10", "m", "0m", "-1m", "1.5h", "10 m", "10M", "1000000s"])
def test_what_is_no_duration(text: str) -> None:
    """Anything else is refused with examples."""
    with pytest.raises(InvalidQuery, match="write 90s, 10m, 2h or 1d"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"), [("7", 7), ("500k", 500_000), ("500M", 500_000_000), ("2GB", 2_000_000_000), ("9B", 9)]
)
def test_sizes(text: str, size: int) -> None:
    """Bytes, in thousands as disks are sold."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "-1", "M", "1.5G", "2g", "2T"])
def test_what_is_no_size(text: str) -> None:
    """Anything else is refused with examples."""
    with pytest.raises(InvalidQuery, match="write 500k, 500M or 2G"):
        parse_size(text)


def test_a_file_is_told_now_and_then_and_why_nothing_comes() -> None:
    """Every fifth word, each new reason once, and the end."""
    file = io.StringIO()
    screen = _Screen(Console(file=file, width=200))
    for number in range(7):
        waiting = "no node\x1b" if number in {1, 2} else None
        screen.tell(Recorded(payloads=number, duration=timedelta(seconds=2 * number), waiting=waiting))
    screen.end(Recorded(payloads=1234, packed_bytes=5678, ended=Ended.TIME), Path("mine"))
    assert file.getvalue().splitlines() == [
        "recorded 0 payloads, 0 bytes, 0 gaps in 0 s",
        "-- nothing comes: no node�",
        "recorded 5 payloads, 0 bytes, 0 gaps in 10 s",
        "recorded 1,234 payloads, 5,678 bytes, 0 gaps in 0 s; ended: the time is over",
        "-- replay it: kamiyo run --replay mine",
    ]


def test_a_terminal_is_told_in_place() -> None:
    """One line that is written anew, and a line of its own for the end."""
    file = io.StringIO()
    screen = _Screen(Console(file=file, width=200, force_terminal=True, color_system=None))
    screen.tell(Recorded(payloads=1))
    screen.tell(Recorded(payloads=2))
    assert file.getvalue().count("\r") == 2
    assert "\n" not in file.getvalue()
    screen.end(Recorded(payloads=2, ended=Ended.STOPPED), Path("mine"))
    assert "\nrecorded 2 payloads, 0 bytes, 0 gaps in 0 s; ended: it was told to stop\n" in file.getvalue()
