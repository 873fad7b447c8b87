"""Which silence is too long, and which only looks like one."""

from datetime import timedelta

import msgspec
import pytest

from kamiyo.aggregators._hyperliquid_api.quiet import LONGEST, SHORTEST, Quiet, were_held_up
from kamiyo.core.time import to_millis
from tests.builders import NOW, a_trade, a_trades_frame


class Line:
    """A quiet, and the time it is asked at."""

    def __init__(self) -> None:
        self.quiet = Quiet()
        self.now = NOW

    def hears_every(self, seconds: float, times: int) -> None:
        for _ in range(times):
            assert self.hears_after(seconds) is None

    def hears_after(self, seconds: float) -> timedelta | None:
        self.quiet.wait(self.now)
        self.now += timedelta(seconds=seconds)
        return self.quiet.heard(self.now)


def test_the_busier_the_socket_the_shorter_the_patience() -> None:
    """Never below four seconds, and never as long as the venue's own minute."""
    line = Line()
    line.hears_every(0.1, 2_000)
    assert line.quiet.patience == SHORTEST
    assert line.hears_after(3.9) is None
    assert line.hears_after(4.1) == timedelta(seconds=4.1)
    slow = Line()
    slow.hears_every(20, 10)
    assert slow.quiet.patience == LONGEST
    assert slow.hears_after(45) == LONGEST


def test_a_few_busy_seconds_are_enough_to_lose_patience() -> None:
    """Whatever came before; a breath of a second ends them, a new connection does not."""
    line = Line()
    line.hears_every(14, 5)
    assert line.quiet.patience == LONGEST
    line.hears_every(0.5, 5)
    assert line.quiet.patience > timedelta(seconds=20)
    line.hears_every(0.5, 1)
    line.quiet.begin()
    assert line.quiet.patience == SHORTEST
    line.hears_every(1, 1)
    assert line.quiet.patience > timedelta(seconds=20)


def test_bursts_do_not_hide_that_a_socket_is_usually_quiet() -> None:
    """A pause weighs as much as it lasts: a thousand frames in a second are one second."""
    line = Line()
    for _ in range(20):
        line.hears_every(0.001, 1_000)
        assert line.hears_after(6) is None
    assert line.quiet.patience > timedelta(seconds=20)


def test_only_waiting_counts() -> None:
    """While nobody reads, nothing can be heard: that is no silence of the venue."""
    line = Line()
    line.hears_every(0.1, 2_000)
    line.now += timedelta(minutes=5)
    assert line.quiet.too_long(line.now) is None
    assert line.quiet.heard(line.now) is None


def test_a_silence_is_told_when_it_was_seen_twice() -> None:
    """What came in between, and was only not looked at, ends it."""
    line = Line()
    line.hears_every(0.1, 2_000)
    line.quiet.wait(line.now)
    at = [line.now + timedelta(seconds=seconds) for seconds in (3, 5, 6, 7)]
    assert [line.quiet.too_long(now) for now in at] == [None, None, *(now - line.now for now in at[2:])]
    line.now = at[-1]
    line.quiet.heard(at[-1])
    assert line.quiet.too_long(at[-1]) is None


def quote(at) -> bytes:
    return msgspec.json.encode(
        {"channel": "bbo", "data": {"coin": "ETH", "time": to_millis(at), "bbo": [None, None]}}
    )


WAITED = timedelta(seconds=10)


@pytest.mark.parametrize("ago", [9, 6])
def test_frames_that_tell_of_the_time_of_waiting_were_held_up(ago) -> None:
    """They are late, but they are all there."""
    at = NOW - timedelta(seconds=ago)
    assert were_held_up([b"x", quote(at), quote(at + (NOW - at) / 2), quote(NOW)], WAITED, NOW)
    assert were_held_up(
        [a_trades_frame(a_trade(time=to_millis(NOW)), a_trade(time=to_millis(at)))], WAITED, NOW
    )


@pytest.mark.parametrize(("waited", "hole"), [(10, 6), (60, 11)])
def test_late_frames_with_a_hole_among_them_do_not_hide_a_silence(waited, hole) -> None:
    """We stood still, and in that time the venue said nothing for a while."""
    moments = [NOW - timedelta(seconds=second) for second in range(waited)]
    late = [quote(at) for at in moments if not timedelta(0) < NOW - at < timedelta(seconds=hole)]
    assert were_held_up(map(quote, moments), timedelta(seconds=waited), NOW)
    assert not were_held_up(late, timedelta(seconds=waited), NOW)


@pytest.mark.parametrize(
    "frames",
    [
        [quote(NOW - timedelta(seconds=1))],
        [b'{"channel":"pong"}', b"Websocket connection established."],
        [a_trades_frame(), b'{"channel":"bbo","data":7}', b"{"],
    ],
)
def test_news_after_a_silence_is_not_what_was_missed(frames) -> None:
    """Nor is what has no time."""
    assert not were_held_up(frames, WAITED, NOW)
