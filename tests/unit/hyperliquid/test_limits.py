"""What one address may use, and the count of it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamiyo.hyperliquid import limits
from kamiyo.hyperliquid.limits import MINUTE, SlidingWindow

NOW = datetime(2026, 9, 24, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)

seconds_and_amounts = st.lists(st.tuples(st.integers(-3, 40), st.integers(1, 4)), max_size=60)


def test_the_limits_are_those_of_the_venues_documentation() -> None:
    """Of August 2026, for one address; fourteen users were accepted and ten are promised."""
    assert (limits.REST_WEIGHT_PER_MINUTE, limits.MESSAGES_PER_MINUTE) == (1_200, 2_000)
    assert timedelta(seconds=60) == MINUTE
    assert (limits.CONNECTIONS, limits.NEW_CONNECTIONS_PER_MINUTE) == (10, 30)
    assert (limits.SUBSCRIPTIONS, limits.TRACKED_USERS, limits.POSTS_IN_FLIGHT) == (1_000, 10, 100)


def test_what_was_taken_comes_back_a_period_later() -> None:
    """To the microsecond, and each part when its own period is over."""
    window = SlidingWindow(10, MINUTE)
    window.take(NOW, 4)
    window.take(NOW + 20 * SECOND, 6)
    assert window.room(NOW + MINUTE - timedelta(microseconds=1)) == 0
    assert window.room(NOW + MINUTE) == 4
    assert window.room(NOW + MINUTE + 20 * SECOND) == 10


@pytest.mark.parametrize("amount", [0, -1, 3, 11])
def test_what_has_no_room_is_not_taken(amount: int) -> None:
    """The caller is stopped, and what is left stays as it was."""
    window = SlidingWindow(10, MINUTE)
    window.take(NOW, 8)
    with pytest.raises(ValueError, match=f"{amount} asked, 2 of 10 left"):
        window.take(NOW, amount)
    assert window.room(NOW) == 2


def test_when_there_will_be_room_is_known() -> None:
    """At once for what has room, else when just enough of what was taken has come back."""
    window = SlidingWindow(10, MINUTE)
    assert window.ready_at(NOW, 10) == NOW
    for second in range(10):
        window.take(NOW + second * SECOND)
    now = NOW + 30 * SECOND
    assert window.ready_at(now) == NOW + MINUTE
    assert window.ready_at(now, 3) == NOW + MINUTE + 2 * SECOND
    assert window.ready_at(now, 10) == NOW + MINUTE + 9 * SECOND
    assert window.ready_at(NOW + MINUTE + 5 * SECOND, 3) == NOW + MINUTE + 5 * SECOND


def test_what_never_has_room_is_never_ready() -> None:
    """More than the limit is a mistake of the caller's, and no moment far away."""
    with pytest.raises(ValueError, match="11 is more than the limit of 10"):
        SlidingWindow(10, MINUTE).ready_at(NOW, 11)


def test_a_clock_that_goes_back_gains_nothing() -> None:
    """What is taken at an earlier moment counts from the newest one on."""
    window = SlidingWindow(2, MINUTE)
    window.take(NOW)
    window.take(NOW - 30 * SECOND)
    assert window.room(NOW + 45 * SECOND) == 0
    assert window.room(NOW + MINUTE) == 2


@given(seconds_and_amounts)
def test_no_period_holds_more_than_the_limit(steps: Sequence[tuple[int, int]]) -> None:
    """Wherever it begins, whatever is asked, and nothing that would fit is refused."""
    window, told, now = SlidingWindow(10, MINUTE), NOW, NOW - MINUTE
    taken: list[tuple[datetime, int]] = []

    def within(at: datetime) -> int:
        return sum(amount for moment, amount in taken if at - MINUTE < moment <= at)

    for seconds, amount in steps:
        told += seconds * SECOND
        now = max(now, told)
        assert window.room(told) == 10 - within(now)
        ready = window.ready_at(told, amount)
        if within(now) + amount <= 10:
            assert ready == told
            window.take(told, amount)
            taken.append((now, amount))
        else:
            assert within(ready) + amount <= 10 < within(ready - timedelta(microseconds=1)) + amount
    assert all(within(moment) <= 10 for moment, _amount in taken)
