"""What each address used of the venue's limits, counted by the venue and not by who must keep them."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

MINUTE = timedelta(minutes=1)


class Peak(msgspec.Struct, frozen=True):
    """The most that was used in any sixty seconds, when these ended, and by what."""

    amount: int = 0
    at: datetime | None = None
    by: Mapping[str, int] = {}


class Minute:
    """What was used in the last sixty seconds: an amount leaves exactly sixty seconds after it came."""

    def __init__(self) -> None:
        self.used = 0
        self.by: Counter[str] = Counter()
        self.peak = Peak()
        self._entries: deque[tuple[datetime, str, int]] = deque()

    def used_at(self, now: datetime) -> int:
        """What is still counted at ``now``."""
        while self._entries and now - self._entries[0][0] >= MINUTE:
            _at, what, amount = self._entries.popleft()
            self.used -= amount
            self.by[what] -= amount
        return self.used

    def add(self, now: datetime, what: str, amount: int = 1) -> None:
        """Count so much more."""
        self.used_at(now)
        self._entries.append((now, what, amount))
        self.used += amount
        self.by[what] += amount
        if self.used > self.peak.amount:
            self.peak = Peak(self.used, now, {name: count for name, count in self.by.items() if count})


class Breach(msgspec.Struct, frozen=True):
    """A limit that somebody would have exceeded had the venue let him."""

    at: datetime
    address: str
    limit: str


class Usage:
    """What one address uses now and the most it ever used."""

    def __init__(self) -> None:
        self.weight = Minute()
        self.opened = Minute()
        self.messages = Minute()
        self.spent: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.connections = 0
        self.subscriptions = 0
        self.posts = 0
        self.users: Counter[str] = Counter()
        self.most: dict[str, int] = {"connections": 0, "subscriptions": 0, "users": 0, "posts": 0}

    def note(self) -> None:
        """Remember the highest of what is held, not spent."""
        held = {
            "connections": self.connections,
            "subscriptions": self.subscriptions,
            "users": len(self.users),
            "posts": self.posts,
        }
        self.most = {name: max(known, held[name]) for name, known in self.most.items()}


class Meter:
    """The usage of each address, and every breach of a limit."""

    def __init__(self) -> None:
        self.addresses: defaultdict[str, Usage] = defaultdict(Usage)
        self.breaches: list[Breach] = []

    @property
    def highest(self) -> Peak:
        """The highest REST weight of any sixty seconds and one address, by type of question."""
        return max((usage.weight.peak for usage in self.addresses.values()), key=_amount, default=Peak())

    @property
    def spent(self) -> Counter[str]:
        """All REST weight ever charged, by type of question."""
        return sum((usage.spent for usage in self.addresses.values()), Counter[str]())

    @property
    def asked(self) -> Counter[str]:
        """How often each type of question was answered or refused for good."""
        return sum((usage.asked for usage in self.addresses.values()), Counter[str]())

    def peak(self, of: str) -> Peak:
        """The most ``messages``, ``opened`` connections or ``weight`` in any sixty seconds of one address."""
        minutes = {
            "messages": [usage.messages for usage in self.addresses.values()],
            "opened": [usage.opened for usage in self.addresses.values()],
            "weight": [usage.weight for usage in self.addresses.values()],
        }[of]
        return max((minute.peak for minute in minutes), key=_amount, default=Peak())

    def most(self, of: str) -> int:
        """The most ``connections``, ``subscriptions``, ``users`` or ``posts`` one address held at once."""
        return max((usage.most[of] for usage in self.addresses.values()), default=0)

    def charge(self, address: str, now: datetime, kind: str, weight: int) -> None:
        """Count REST weight."""
        usage = self.addresses[address]
        usage.weight.add(now, kind, weight)
        usage.spent[kind] += weight

    def breach(self, address: str, now: datetime, limit: str) -> None:
        """Write down that ``limit`` would have been exceeded."""
        self.breaches.append(Breach(now, address, limit))


def _amount(peak: Peak) -> int:
    return peak.amount
