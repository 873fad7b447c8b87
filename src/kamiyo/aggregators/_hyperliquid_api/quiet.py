"""Whether a silence is one: an open socket that says nothing may have lost what it should have said."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from kamiyo.core.errors import MalformedPayload
from kamiyo.core.time import from_millis
from kamiyo.hyperliquid.channels import decode_bbo, decode_frame, decode_trades_frame

SHORTEST: Final = timedelta(seconds=4)
LONGEST: Final = timedelta(seconds=45)  # the venue itself gives up after sixty
BUSY: Final = timedelta(seconds=3)  # of pauses below a second, after which one of four is none of them
HOLE: Final = timedelta(seconds=10)  # in what is told of a long wait: something was left out
_TIMES: Final = 6
_MEMORY: Final = timedelta(seconds=30)
_AT_FIRST: Final = timedelta(seconds=5)
_BREATH: Final = timedelta(seconds=1)


class Quiet:
    """How long pauses between frames usually are, each weighing as much as it lasts, and which is too long.

    Only the time spent waiting for frames counts: while we do not read, nothing can be heard. What is usual
    is remembered over connections: a new one may be silent from the first second on.
    """

    def __init__(self) -> None:
        self._waiting_since: datetime | None = None
        self._squares = _AT_FIRST.total_seconds() ** 2
        self._sum = _AT_FIRST.total_seconds()
        self._busy = timedelta(0)
        self._noticed = False

    @property
    def patience(self) -> timedelta:
        """From how long on a pause is too long."""
        if self._busy >= BUSY:
            return SHORTEST
        return min(max(timedelta(seconds=_TIMES * self._squares / self._sum), SHORTEST), LONGEST)

    def begin(self) -> None:
        """A connection opened, on which nobody waits yet."""
        self._waiting_since, self._noticed = None, False

    def wait(self, now: datetime) -> None:
        """From now on frames are waited for."""
        self._waiting_since = now

    def heard(self, now: datetime) -> timedelta | None:
        """Frames came: how long they were waited for, where that was too long."""
        waited = max(now - (self._waiting_since or now), timedelta(0))
        self._waiting_since, self._noticed = None, False
        if waited >= self.patience:
            return waited
        self._busy = min(self._busy + waited, BUSY) if waited < _BREATH else timedelta(0)
        seconds = waited.total_seconds()
        kept = max(0.0, 1 - seconds / _MEMORY.total_seconds())
        self._squares = self._squares * kept + seconds * seconds
        self._sum = self._sum * kept + seconds
        return None

    def too_long(self, now: datetime) -> timedelta | None:
        """How long frames have been waited for, where that is too long and was already when last asked.

        Once is not enough: what has come may only not have been looked at yet.
        """
        waited = now - (self._waiting_since or now)
        before, self._noticed = self._noticed, waited >= self.patience
        return waited if before and self._noticed else None


def were_held_up(frames: Iterable[bytes], waited: timedelta, now: datetime) -> bool:
    """Whether frames that were waited for tell of the time of waiting: late, but nothing was left out."""
    told = sorted(at for frame in frames if (at := _time_of(frame)) is not None)
    if not told or now - from_millis(told[0]) <= waited / 2:
        return False
    longest = max((after - before for before, after in pairwise(told)), default=0)
    return longest <= min(waited / 2, HOLE) / timedelta(milliseconds=1)


def _time_of(frame: bytes) -> int | None:
    try:
        told = decode_frame(frame)
        if told.channel == "trades":
            return min((trade.time for trade in decode_trades_frame(frame)), default=None)
        return decode_bbo(told.data).time if told.channel == "bbo" else None
    except MalformedPayload:
        return None
