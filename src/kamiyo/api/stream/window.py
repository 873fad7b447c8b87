"""A stretch of the numbered stream in memory, and the frames' bodies cut from it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from kamiyo.api.stream.filters import Facts, Selection, read_facts
from kamiyo.storage.outbox import Packet

_TRIM_BY = 8  # an eighth more than allowed is kept before the oldest are dropped together


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One message, read once. ``total`` is how many bytes the window has ever held up to here."""

    channel: str
    text: str
    facts: Facts
    total: int


class Body(msgspec.Struct, frozen=True, gc=False):
    """The joined messages of one frame, and the last position considered for it."""

    text: str
    count: int
    position: int


class Bounds(msgspec.Struct, frozen=True):
    """How much a window holds."""

    messages: int
    bytes: int


class Arrivals:
    """Which position was the newest some time ago."""

    def __init__(self, base: int, age: timedelta) -> None:
        self._age = age
        self._aged = base
        self._younger: deque[tuple[datetime, int]] = deque()

    def note(self, at: datetime, newest: int) -> None:
        """Everything up to this position was here at this moment."""
        self.aged(at)  # so that what is noted while nobody asks is not kept
        self._younger.append((at, newest))

    def aged(self, now: datetime) -> int:
        """The newest position that came as long ago as that."""
        while self._younger and now - self._younger[0][0] >= self._age:
            self._aged = self._younger.popleft()[1]
        return self._aged


class Window:
    """Consecutive messages after position ``base``; if it is bounded, the oldest go when it is full."""

    def __init__(self, base: int, bounds: Bounds | None = None) -> None:
        self._entries: list[Entry] = []
        self._bounds = bounds
        self._dropped_bytes = 0
        self.base = base

    @property
    def newest(self) -> int:
        """The last position held."""
        return self.base + len(self._entries)

    def append(self, packets: Iterable[Packet]) -> None:
        """Add what follows; packets before the newest position are known already."""
        for packet in packets:
            known = self.newest + 1 - packet.first_position
            for message in packet.messages[max(0, known) :]:
                total = self._total(self.newest) + len(message)
                self._entries.append(Entry(packet.channel, message.decode(), read_facts(message), total))
        if self._bounds is not None:
            self._trim(self._bounds)

    def holds_after(self, position: int) -> bool:
        """Whether everything after a position, as far as the window reaches, is here."""
        return self.base <= position <= self.newest

    def bytes_after(self, position: int) -> int:
        """How many bytes of messages a reader at this position has not considered."""
        return self._total(self.newest) - self._total(max(position, self.base))

    def body_after(self, position: int, until: int, selection: Selection, most_bytes: int) -> Body:
        """What a subscription takes of the messages after ``position`` up to ``until``, as far as it fits."""
        texts: list[str] = []
        size, last = 0, min(until, self.newest)
        for at in range(position - self.base, last - self.base):
            entry = self._entries[at]
            if selection.takes(entry.channel, entry.facts):
                texts.append(entry.text)
                size += len(entry.text)
                if size >= most_bytes:
                    last = self.base + at + 1
                    break
        return Body(",".join(texts), len(texts), last)

    def _total(self, position: int) -> int:
        return self._dropped_bytes if position == self.base else self._entries[position - self.base - 1].total

    def _trim(self, bounds: Bounds) -> None:
        held = self.bytes_after(self.base)
        if len(self._entries) <= _slack(bounds.messages) and held <= _slack(bounds.bytes):
            return
        excess = max(0, len(self._entries) - bounds.messages)
        while self._total(self.newest) - self._total(self.base + excess) > bounds.bytes:
            excess += 1
        self._dropped_bytes = self._total(self.base + excess)
        del self._entries[:excess]
        self.base += excess


def _slack(bound: int) -> int:
    return bound + bound // _TRIM_BY
