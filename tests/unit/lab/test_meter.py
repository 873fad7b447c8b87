"""The venue's own count of what was used of its limits."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from kamiyo.lab.meter import Meter, Minute
from tests.builders import NOW


@given(st.lists(st.tuples(st.integers(0, 40_000), st.integers(1, 60)), max_size=60))
def test_the_peak_is_the_most_in_any_sixty_seconds(steps: list[tuple[int, int]]) -> None:
    """The peak is what the fullest window of sixty seconds holds, wherever it begins."""
    minute, at, entries = Minute(), NOW, []
    for wait, amount in steps:
        at += timedelta(milliseconds=wait)
        minute.add(at, "any", amount)
        entries.append((at, amount))
    windows = [
        sum(amount for at, amount in entries if end - timedelta(seconds=60) < at <= end) for end, _ in entries
    ]
    assert minute.peak.amount == max(windows, default=0)


def test_an_amount_leaves_exactly_sixty_seconds_later() -> None:
    """A microsecond before the minute is over the amount still counts, at the minute it does not."""
    minute = Minute()
    minute.add(NOW, "meta", 20)
    assert minute.used_at(NOW + timedelta(seconds=60) - timedelta(microseconds=1)) == 20
    assert minute.used_at(NOW + timedelta(seconds=60)) == 0


def test_the_peak_names_what_it_was_made_of() -> None:
    """The fullest minute tells its types, without those that had left by then."""
    minute = Minute()
    minute.add(NOW, "meta", 20)
    minute.add(NOW + timedelta(seconds=61), "allMids", 2)
    minute.add(NOW + timedelta(seconds=62), "userRole", 60)
    assert minute.peak.by == {"allMids": 2, "userRole": 60}
    assert minute.peak.at == NOW + timedelta(seconds=62)


def test_each_address_has_limits_of_its_own() -> None:
    """The highest minute is that of one address, never of two together."""
    meter = Meter()
    meter.charge("127.0.0.1", NOW, "meta", 20)
    meter.charge("127.0.0.2", NOW, "userRole", 60)
    assert meter.highest.amount == meter.peak("weight").amount == 60
    assert meter.spent == {"meta": 20, "userRole": 60}


def test_an_unused_meter_tells_nothing() -> None:
    """Before anything is used every count is zero and no moment is named."""
    meter = Meter()
    assert (meter.highest.amount, meter.highest.at, meter.most("users")) == (0, None, 0)
