"""How long is waited after what."""

from datetime import timedelta

import pytest

from kamiyo.aggregators._x.troubles import Backoff, Kind, Trouble
from tests.builders import NOW


def waits(kind: Kind, count: int) -> list[float]:
    backoff = Backoff()
    return [backoff.wait_after(Trouble("", kind), NOW).total_seconds() for _ in range(count)]


@pytest.mark.parametrize(
    ("kind", "first", "longest"),
    [
        (Kind.NETWORK, [0.25, 0.5, 0.75, 1.0], 16),
        (Kind.HTTP, [5, 10, 20, 40, 80, 160, 320], 320),
        (Kind.LIMITED, [60, 120, 240, 480, 960], 960),
        (Kind.STANDING, [900, 900], 900),
        (Kind.PAUSE, [0.25, 0.25], 0.25),
    ],
)
def test_waits_grow_as_documented(kind: Kind, first: list[float], longest: float) -> None:
    """By a quarter of a second, or doubled, up to a bound that holds for ever."""
    made = waits(kind, 200)
    assert made[: len(first)] == first
    assert made[-1] == max(made) == longest


def test_waits_begin_anew_once_something_was_heard() -> None:
    """What was wrong before then is over."""
    backoff, trouble = Backoff(), Trouble("", Kind.HTTP)
    first = backoff.wait_after(trouble, NOW)
    assert backoff.is_first(trouble)
    assert backoff.wait_after(trouble, NOW) == 2 * first
    assert not backoff.is_first(trouble)
    backoff.heard()
    assert backoff.wait_after(trouble, NOW) == first


def test_kinds_of_trouble_do_not_add_up() -> None:
    """A lost connection after an error is waited after like the first."""
    backoff = Backoff()
    backoff.wait_after(Trouble("", Kind.HTTP), NOW)
    assert backoff.wait_after(Trouble("", Kind.NETWORK), NOW) == timedelta(milliseconds=250)


@pytest.mark.parametrize(("told", "waited"), [(10, 60), (600, 600), (-5, 60)])
def test_what_was_said_counts_where_it_is_longer(told: int, waited: int) -> None:
    """A limit that ends soon is no reason to come sooner than the documentation asks."""
    trouble = Trouble("", Kind.LIMITED, until=NOW + timedelta(seconds=told))
    assert Backoff().wait_after(trouble, NOW) == timedelta(seconds=waited)
