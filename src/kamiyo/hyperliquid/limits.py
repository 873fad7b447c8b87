"""What the venue allows one address, and a count of what was used that holds in every period."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Final

MINUTE: Final = timedelta(minutes=1)

REST_WEIGHT_PER_MINUTE: Final = 1_200
CONNECTIONS: Final = 10
NEW_CONNECTIONS_PER_MINUTE: Final = 30
SUBSCRIPTIONS: Final = 1_000
TRACKED_USERS: Final = 10  # fourteen were accepted once; ten are promised
MESSAGES_PER_MINUTE: Final = 2_000
POSTS_IN_FLIGHT: Final = 100

_BEFORE_EVERYTHING: Final = datetime.min.replace(tzinfo=UTC)


class SlidingWindow:
    """At most ``limit`` in any ``period``, wherever the period begins.

    What was taken counts for exactly one period. A clock that goes back is taken to stand still.
    """

    def __init__(self, limit: int, period: timedelta) -> None:
        self.limit = limit
        self.period = period
        self._taken: deque[tuple[datetime, int]] = deque()
        self._sum = 0
        self._now = _BEFORE_EVERYTHING

    def room(self, now: datetime) -> int:
        """How much may be taken at once."""
        self._forget(now)
        return self.limit - self._sum

    def take(self, now: datetime, amount: int = 1) -> None:
        """Use that much; ValueError where there is no room for it, as no caller may go on then."""
        if not 0 < amount <= self.room(now):
            raise ValueError(f"{amount} asked, {self.limit - self._sum} of {self.limit} left")
        self._sum += amount
        if self._taken and self._taken[-1][0] == self._now:
            amount += self._taken.pop()[1]
        self._taken.append((self._now, amount))

    def ready_at(self, now: datetime, amount: int = 1) -> datetime:
        """When that much will have room, if nothing else is taken: ``now`` where it has already."""
        if amount > self.limit:
            raise ValueError(f"{amount} is more than the limit of {self.limit}")
        missing, ready = amount - self.room(now), now
        for at, taken in self._taken:
            if missing <= 0:
                break
            missing -= taken
            ready = at + self.period
        return ready

    def _forget(self, now: datetime) -> None:
        self._now = max(self._now, now)
        while self._taken and self._now - self._taken[0][0] >= self.period:
            self._sum -= self._taken.popleft()[1]
