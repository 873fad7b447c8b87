"""What the terminal says of a recording that is played."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from kamiyo.cli.playing import Screen, list_recordings
from kamiyo.core.modes import Mode, Showing
from kamiyo.runtime.replaying import Play, Position, position_of

START = datetime(2025, 11, 12, 9, tzinfo=UTC)
HOUR = Play(
    showing=Showing(Mode.REPLAY, "mine"),
    title="Mine\x1b[31m",
    starts_at=START,
    ends_at=START + timedelta(hours=1),
    speed=60,
    url="http://127.0.0.1:8000",
)


@pytest.mark.parametrize(
    ("seconds", "share", "shown", "ended"),
    [
        (-5, 0, 0, False),
        (0, 0, 0, False),
        (1799, 49, 1799, False),
        (3599, 99, 3599, False),
        (3600, 100, 3600, True),
        (9999, 100, 3600, True),
    ],
)
def test_a_position_is_never_outside(seconds: int, share: int, shown: int, ended: bool) -> None:
    """Before its beginning it stands at it, and after its end at that."""
    position = position_of(HOUR, START + timedelta(seconds=seconds))
    assert position == Position(START + timedelta(seconds=shown), share, ended)


def test_a_recording_of_one_moment_is_over_at_once() -> None:
    """No length is no reason to fail."""
    moment = Play(showing=HOUR.showing, title="x", starts_at=START, ends_at=START, speed=1, url="")
    assert position_of(moment, START) == Position(START, 100, ended=True)


@pytest.mark.parametrize("stays", [True, False])
def test_each_tenth_is_told_once_and_the_end(stays: bool) -> None:
    """The beginning says what is played; what a title holds cannot steer the terminal."""
    file = io.StringIO()
    screen = Screen(Console(file=file, width=200), stays=stays)
    for minutes in (0, 1, 5, 6, 11, 13, 60):
        screen.tell(HOUR, position_of(HOUR, START + timedelta(minutes=minutes)))
    lines = file.getvalue().splitlines()
    assert (
        lines[:7]
        == [
            "-- REPLAY: Mine�[31m",
            "-- 2025-11-12 09:00 to 2025-11-12 10:00 UTC, 60 times as fast: http://127.0.0.1:8000",
            "-- REPLAY 2025-11-12 09:00:00 UTC, 0 %",
            "-- REPLAY 2025-11-12 09:06:00 UTC, 10 %",
            "-- REPLAY 2025-11-12 09:13:00 UTC, 21 %",
            "-- REPLAY 2025-11-12 10:00:00 UTC, 100 %",
            "-- the recording has ended: what is shown grows old from now on; Ctrl-C ends",
        ][: 7 if stays else 6]
    )


def test_the_list_names_what_ships(capsys: pytest.CaptureFixture[str]) -> None:
    """Name, mode and speed of each."""
    list_recordings()
    printed = capsys.readouterr().out
    assert "popcat-2025-11-12  REPLAY" in printed
    assert "simulated-cascade  SIMULATED" in printed
