"""Until when each scope was heard, and the gap to where it goes on."""

from datetime import timedelta

from kamiyo.aggregators._hyperliquid_api.coverage import Coverage, fills_of, trades_of
from kamiyo.core.ids import Cursor
from kamiyo.core.time import to_millis
from tests.builders import API, NOW

NOW_MILLIS = to_millis(NOW)


def later(seconds: float):
    return NOW + timedelta(seconds=seconds)


def resumed(coverage: Coverage, scope: str, seconds: float):
    return coverage.resume(scope, later(seconds), now=later(60), reason="not connected")


def test_a_scope_that_was_never_promised_begins_without_a_gap() -> None:
    """Nobody has said that anything was heard before."""
    coverage = Coverage(API, None)
    assert coverage.missing("trades", NOW) == timedelta(0)
    assert resumed(coverage, "trades", 0) is None
    assert coverage.is_whole("trades")
    assert coverage.cursor() == f'{{"trades":{NOW_MILLIS}}}'


def test_what_lies_between_is_the_gap() -> None:
    """From the last moment that was heard to the first that is heard again, both to the millisecond."""
    coverage = Coverage(API, None)
    resumed(coverage, "trades", 0)
    coverage.heard("trades", later(2.5))
    coverage.interrupt("trades")
    coverage.heard("trades", later(9))  # an interrupted scope is not heard
    assert coverage.missing("trades", later(10)) == timedelta(seconds=7.5)
    gap = resumed(coverage, "trades", 10)
    assert gap is not None
    assert (gap.source, gap.scale, gap.scope, gap.reason) == (API, "millisecond", "trades", "not connected")
    assert (gap.first, gap.after_last) == (NOW_MILLIS + 2_500, NOW_MILLIS + 10_000)
    assert (gap.started_at, gap.ended_at, gap.detected_at) == (later(2.5), later(10), later(60))
    assert coverage.cursor() == f'{{"trades":{NOW_MILLIS + 10_000}}}'


def test_what_reaches_back_to_what_was_heard_leaves_no_gap() -> None:
    """And what was heard does not go back for it."""
    coverage = Coverage(API, None)
    resumed(coverage, "trades", 0)
    coverage.heard("trades", later(5))
    coverage.heard("trades", later(4))
    coverage.interrupt("trades")
    assert resumed(coverage, "trades", 5) is None
    assert resumed(coverage, "trades", -5) is None
    assert coverage.cursor() == f'{{"trades":{NOW_MILLIS + 5_000}}}'


def test_a_restart_is_an_interruption() -> None:
    """The cursor carries every scope over it; one that is not ours, or damaged, says nothing."""
    before = Coverage(API, None)
    resumed(before, "trades", 0)
    resumed(before, fills_of("0x1"), 1)
    after = Coverage(API, before.cursor())
    assert not after.is_whole("trades")
    assert after.scopes("") == ["trades", "userFills/0x1"]
    gap = resumed(after, "trades", 3)
    assert gap is not None
    assert (gap.first, gap.after_last) == (NOW_MILLIS, NOW_MILLIS + 3_000)
    for damaged in ("hourly/20251010/21:7", "[1]", ""):
        assert Coverage(API, Cursor(damaged)).scopes("") == []


def test_a_part_that_is_not_heard_is_a_gap_without_an_end() -> None:
    """Told once; when it is heard again its gap has both ends, and it is part of the whole as before."""
    coverage = Coverage(API, None)
    resumed(coverage, "trades", 0)
    gap = coverage.split(trades_of("X"), "trades", now=NOW, reason="left out")
    assert gap is not None
    assert (gap.scope, gap.first, gap.after_last) == ("trades/X", NOW_MILLIS, NOW_MILLIS + 1)
    assert coverage.split(trades_of("X"), "trades", now=NOW, reason="left out") is None
    assert coverage.scopes(trades_of("")) == ["X"]
    whole = resumed(coverage, trades_of("X"), 30)
    assert whole is not None
    assert (whole.first, whole.after_last) == (NOW_MILLIS, NOW_MILLIS + 30_000)
    coverage.forget(trades_of("X"))
    coverage.forget(trades_of("X"))
    assert coverage.scopes("") == ["trades"]
    assert not coverage.is_whole(trades_of("X"))


def test_a_part_of_what_was_never_heard_is_missing_from_then_on() -> None:
    """There is nothing yet that it could be a hole in."""
    coverage = Coverage(API, None)
    assert coverage.split(trades_of("X"), "trades", now=NOW, reason="left out") is None
    assert coverage.missing(trades_of("X"), later(2)) == timedelta(seconds=2)


def test_a_scope_may_begin_before_it_is_heard() -> None:
    """What should have been heard since is missing; what began earlier keeps its beginning."""
    coverage = Coverage(API, None)
    coverage.begin("trades/NEW", later(-60))
    coverage.begin("trades/NEW", NOW)
    gap = resumed(coverage, "trades/NEW", 0)
    assert gap is not None
    assert gap.first == NOW_MILLIS - 60_000
