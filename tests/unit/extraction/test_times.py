"""Moments named, and to which unit."""

from datetime import UTC, datetime

import pytest

from kamiyo.extraction.times import times_in

PUBLISHED = datetime(2025, 3, 28, 15, tzinfo=UTC)  # a Friday


@pytest.mark.parametrize(
    ("text", "moments"),
    [
        ("2025-03-26T12:53:37Z", [("2025-03-26T12:53:37", "second")]),
        ("2025-03-26 12:53 UTC", [("2025-03-26T12:53:00", "minute")]),
        ("26 March 2025, 20:53 UTC+8", [("2025-03-26T12:53:00", "minute")]),
        ("2025-03-26 12:53-05:30", [("2025-03-26T18:23:00", "minute")]),
        ("Mar-26-2025 12:53:37 PM +UTC", [("2025-03-26T12:53:37", "second")]),
        ("March 26th at 12:10 am UTC", [("2025-03-26T00:10:00", "minute")]),
        ("March 26th at 1:10 pm UTC", [("2025-03-26T13:10:00", "minute")]),
        ("at 14:10 UTC on March 20", [("2025-03-20T14:10:00", "minute")]),
        ("at 25:10 UTC on March 20", [("2025-03-20T00:00:00", "day")]),
        ("12:53 UTC", [("2025-03-28T12:53:00", "minute")]),
        ("23:30 UTC", [("2025-03-27T23:30:00", "minute")]),
        ("99:99 UTC", []),
        ("12:53", []),
        ("30 seconds ago", [("2025-03-28T14:59:30", "second")]),
        ("5 minutes ago", [("2025-03-28T14:55:00", "minute")]),
        ("3 hours ago", [("2025-03-28T12:00:00", "hour")]),
        ("two days ago", [("2025-03-26T00:00:00", "day")]),
        ("a month ago", [("2025-02-01T00:00:00", "month")]),
        ("2 years ago", [("2023-01-01T00:00:00", "year")]),
        ("several days ago", []),
        ("today", [("2025-03-28T00:00:00", "day")]),
        ("yesterday at 10:00 UTC", [("2025-03-27T10:00:00", "minute")]),
        ("on Monday", [("2025-03-24T00:00:00", "day")]),
        ("in March 2022", [("2022-03-01T00:00:00", "month")]),
        ("in December", [("2024-12-01T00:00:00", "month")]),
        ("in December 2025", []),
        ("in 2022", [("2022-01-01T00:00:00", "year")]),
        ("in 2029", []),
        ("June 30", [("2024-06-30T00:00:00", "day")]),
        ("reopens on April 20", []),
        ("2025-13-40", []),
        ("December 31, 2025", []),
        ("it may 5 be", []),
        ("February 30", []),
    ],
)
def test_moments_are_read(text: str, moments: list[tuple[str, str]]) -> None:
    """What a text leaves out counts back from when it was published."""
    assert [
        (moment.at.replace(tzinfo=None).isoformat(), moment.precision) for moment in times_in(text, PUBLISHED)
    ] == moments


def test_a_moment_says_whether_it_depends_on_the_publication() -> None:
    """Today is another day in every post, the 26th is not."""
    assert [moment.relative for moment in times_in("today, 2025-03-26, 2 days ago", PUBLISHED)] == [
        True,
        False,
        True,
    ]
