"""Clocks that really run."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from kamiyo.kit.clock import LapseClock, SystemClock

START = datetime(2025, 11, 12, 9, tzinfo=UTC)


def test_the_system_clock_is_aware() -> None:
    """Its time is in UTC and the machine's."""
    assert abs(SystemClock().now() - datetime.now(UTC)) < timedelta(seconds=5)
    assert SystemClock().now().tzinfo is UTC


@pytest.mark.parametrize("speed", [1, 60, 0.5])
async def test_time_lapses_as_fast_as_asked_for(speed: float) -> None:
    """What passes is the machine's time times the speed, from the start on."""
    before = time.monotonic()
    clock = LapseClock(START, speed)
    began = time.monotonic()
    await SystemClock().sleep(timedelta(milliseconds=100))
    least = time.monotonic() - began
    passed = (clock.now() - START).total_seconds()
    most = time.monotonic() - before
    assert least * speed <= passed <= most * speed
    assert clock.now().tzinfo is UTC


async def test_sleeping_is_in_its_own_time() -> None:
    """A minute at six hundred times the speed takes a tenth of a second, and is a minute."""
    clock = LapseClock(START, 600)
    began = time.monotonic()
    await clock.sleep(timedelta(minutes=1))
    assert 0.09 <= time.monotonic() - began <= 5
    assert clock.now() - START >= timedelta(seconds=59)


def test_it_never_goes_back() -> None:
    """Each look is as late as the one before, or later."""
    clock = LapseClock(START, 60)
    looks = [clock.now() for _each in range(1000)]
    assert looks == sorted(looks)
    assert looks[0] >= START
