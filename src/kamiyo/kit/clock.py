"""The real clock: the one file in the system that may ask the time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta


class SystemClock:
    """Wall-clock time and real waiting."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        return datetime.now(UTC)

    async def sleep(self, duration: timedelta) -> None:
        """Let other tasks run until ``duration`` has passed."""
        await asyncio.sleep(duration.total_seconds())
