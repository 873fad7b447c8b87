"""Time is an aware UTC datetime inside, integer milliseconds at the venue's edge."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Protocol

import msgspec

Utc = Annotated[datetime, msgspec.Meta(tz=True)]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
_MILLISECOND = timedelta(milliseconds=1)


class Clock(Protocol):
    """The only way anything below the runtime learns what time it is."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...

    async def sleep(self, duration: timedelta) -> None:
        """Let other tasks run until ``duration`` has passed."""
        ...


def from_millis(millis: int) -> datetime:
    """The moment ``millis`` after the epoch, exactly; OverflowError beyond year 9999."""
    return EPOCH + millis * _MILLISECOND


@lru_cache(maxsize=1024)  # a block's events share their moment
def to_millis(moment: datetime) -> int:
    """Whole milliseconds since the epoch, rounded down."""
    return (moment - EPOCH) // _MILLISECOND


def hour_of(moment: datetime) -> datetime:
    """The beginning of the hour in UTC that holds the moment."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


@lru_cache(maxsize=1024)
def rfc3339(moment: datetime) -> str:
    """The moment in UTC with milliseconds and ``Z``, as every answer of ours shows time."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
