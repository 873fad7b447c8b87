"""The real clocks: the one file in the system that may ask the time."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta


class SystemClock:
    """Wall-clock time and real waiting."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        return datetime.now(UTC)

    async def sleep(self, duration: timedelta) -> None:
        """Let other tasks run until ``duration`` has passed."""
        await asyncio.sleep(duration.total_seconds())


class LapseClock:
    """A clock that begins at ``start`` and runs ``speed`` times as fast as the machine's."""

    def __init__(self, start: datetime, speed: float) -> None:
        self.speed = speed
        self._start = start
        self._began = time.monotonic()

    def now(self) -> datetime:
        """The moment it has come to, aware, in UTC; it never goes back."""
        return self._start + timedelta(seconds=(time.monotonic() - self._began) * self.speed)

    async def sleep(self, duration: timedelta) -> None:
        """Let other tasks run until ``duration`` of its own time has passed."""
        await asyncio.sleep(duration.total_seconds() / self.speed)
