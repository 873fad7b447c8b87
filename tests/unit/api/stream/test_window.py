"""The stretch of the stream in memory: nothing is skipped, bounds hold, frames are cut to size."""

from datetime import timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from kamiyo.api.stream.filters import build_selection
from kamiyo.api.stream.grammar import Liquidations
from kamiyo.api.stream.window import Arrivals, Bounds, Window
from kamiyo.storage.outbox import Packet
from tests.builders import NOW

ALL = build_selection(Liquidations())
ETHER = build_selection(Liquidations(asset="ETH"))


def _packet(first: int, count: int, channel: str = "liquidations") -> Packet:
    numbers = range(first, first + count)
    assets = ("ETH" if number % 3 == 0 else "BTC" for number in numbers)
    messages = (
        b'{"n":%d,"asset":"%s"}' % (n, asset.encode()) for n, asset in zip(numbers, assets, strict=True)
    )
    return Packet(first, channel, tuple(messages))


def _numbers(text: str) -> list[int]:
    return [each["n"] for each in msgspec.json.decode(f"[{text}]")]


@given(
    st.lists(st.integers(1, 5), max_size=20),
    st.integers(1, 100),
    st.integers(0, 10),
    st.sampled_from([ALL, ETHER]),
)
def test_frames_of_any_size_hold_each_wanted_message_once(
    sizes: list[int], most_bytes: int, base: int, selection: object
) -> None:
    """Going on from each frame's position yields every matching message, in order, and ends at the newest."""
    window, first = Window(base), base + 1
    for size in sizes:
        window.append([_packet(first, size)])
        first += size
    position, heard = base, list[int]()
    while position < window.newest:
        body = window.body_after(position, window.newest, selection, most_bytes)  # type: ignore[arg-type]
        assert body.position > position
        assert body.count == len(_numbers(body.text))
        heard.extend(_numbers(body.text))
        position = body.position
    assert heard == [n for n in range(base + 1, first) if selection is ALL or n % 3 == 0]


def test_a_body_ends_where_it_is_told_to() -> None:
    """Nothing behind ``until`` is taken, so that replayed and live messages never share a frame."""
    window = Window(0)
    window.append([_packet(1, 10)])
    body = window.body_after(2, 5, ALL, 10_000)
    assert (_numbers(body.text), body.position) == ([3, 4, 5], 5)


def test_what_is_known_already_is_not_added_again() -> None:
    """A packet read twice, or read from its middle on, leaves no double."""
    window = Window(0)
    window.append([_packet(1, 4)])
    window.append([_packet(1, 4), _packet(3, 4)])
    assert _numbers(window.body_after(0, 99, ALL, 10_000).text) == [1, 2, 3, 4, 5, 6]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=40), st.integers(1, 30), st.integers(20, 400))
def test_bounds_hold_and_the_newest_stays(sizes: list[int], messages: int, most_bytes: int) -> None:
    """Count and bytes stay within an eighth of their bounds; what is held is contiguous up to the newest."""
    window, first = Window(0, Bounds(messages=messages, bytes=most_bytes)), 1
    total = 0
    for size in sizes:
        packet = _packet(first, size)
        window.append([packet])
        first += size
        total += sum(map(len, packet.messages))
        assert window.newest == first - 1
        assert window.newest - window.base <= messages + messages // 8
        assert window.bytes_after(window.base) <= most_bytes + most_bytes // 8
        held = _numbers(window.body_after(window.base, window.newest, ALL, 10**9).text)
        assert held == list(range(window.base + 1, window.newest + 1))
        assert window.bytes_after(0) == window.bytes_after(window.base)
    assert window.bytes_after(window.newest) == 0


def test_what_just_came_is_not_yet_late() -> None:
    """What is looked at is the newest position of so long ago, however many came since, asked for or not."""
    second = timedelta(seconds=1)
    arrivals = Arrivals(7, 5 * second)
    assert arrivals.aged(NOW) == 7
    for number in range(20):
        arrivals.note(NOW + number * second, 100 + number)
    assert len(arrivals._younger) == 5
    assert arrivals.aged(NOW + 19 * second) == 114
    assert arrivals.aged(NOW + 23.999 * second) == 118
    assert arrivals.aged(NOW + 24 * second) == 119
