from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamiyo.core.time import EPOCH, from_millis, hour_of, rfc3339, to_millis

LAST_MILLIS = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z


@pytest.mark.parametrize(
    ("millis", "moment"),
    [
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (-1, datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)),
        (1, datetime(1970, 1, 1, 0, 0, 0, 1_000, tzinfo=UTC)),
        (1_760_130_964_831, datetime(2025, 10, 10, 21, 16, 4, 831_000, tzinfo=UTC)),
        (LAST_MILLIS, datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)),
    ],
)
def test_milliseconds_are_a_moment(millis, moment) -> None:
    """The venue's milliseconds and our moments are the same instants, both ways."""
    assert from_millis(millis) == moment
    assert from_millis(millis).tzinfo is UTC
    assert to_millis(moment) == millis


@given(st.integers(-62_135_596_800_000, LAST_MILLIS))
def test_no_millisecond_is_lost(millis) -> None:
    """Converting back and forth is exact for every moment a datetime can hold."""
    assert to_millis(from_millis(millis)) == millis


@pytest.mark.parametrize("millis", [LAST_MILLIS + 1, 10**18, -(10**18)])
def test_a_moment_beyond_the_calendar_is_an_error(millis) -> None:
    """There is no moment after year 9999 and none before year 1."""
    with pytest.raises(OverflowError):
        from_millis(millis)


@pytest.mark.parametrize(("micros", "millis"), [(999, 0), (1_000, 1), (1_999, 1), (-1, -1), (-1_000, -1)])
def test_a_part_of_a_millisecond_is_cut_off_downwards(micros, millis) -> None:
    """Microseconds never round a moment into the next millisecond."""
    assert to_millis(EPOCH + timedelta(microseconds=micros)) == millis


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2025, 10, 10, 21, 16, tzinfo=UTC), "2025-10-10T21:16:00.000Z"),
        (datetime(2025, 10, 10, 21, 16, 4, 831_999, tzinfo=UTC), "2025-10-10T21:16:04.831Z"),
        (
            datetime(2025, 10, 10, 23, 16, 4, 5_000, tzinfo=timezone(timedelta(hours=2))),
            "2025-10-10T21:16:04.005Z",
        ),
        (
            datetime(2025, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=-5, minutes=-30))),
            "2025-01-01T06:00:00.000Z",
        ),
    ],
)
def test_a_moment_is_shown_in_utc_with_milliseconds(moment, text) -> None:
    """Whatever zone a moment came in, it is shown in UTC, with three digits and Z."""
    assert rfc3339(moment) == text


def test_the_epoch_is_aware() -> None:
    """Nothing that is computed from the epoch can be without a zone."""
    assert EPOCH.utcoffset() == timedelta(0)


def test_an_hour_begins_with_the_clock_in_utc() -> None:
    """Whatever the zone a moment is given in, also one that is half an hour off."""
    moment = datetime(2025, 10, 10, 21, 59, 59, 999_999, tzinfo=UTC)
    begun = datetime(2025, 10, 10, 21, tzinfo=UTC)
    half = timezone(timedelta(hours=5, minutes=30))
    assert [hour_of(each) for each in (moment, begun, moment.astimezone(half))] == [begun] * 3
