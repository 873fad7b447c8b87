"""What Discord's REST API may be asked, and when: its buckets, its global limit, its patience for errors."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from kamiyo.aggregators._discord.wire import TooMuch, decode, seconds
from kamiyo.core.errors import MalformedPayload
from kamiyo.core.time import EPOCH

OK: Final = 200
UNAUTHORIZED: Final = 401
FORBIDDEN: Final = 403
TOO_MANY: Final = 429
SPACING: Final = timedelta(milliseconds=25)  # forty a second, of fifty that are allowed
MOST_REFUSALS: Final = 1_000  # of ten thousand, after which the address is shut out
REFUSALS_COUNT_FOR: Final = timedelta(minutes=10)
UNTOLD: Final = timedelta(minutes=1)  # to wait, where it was too much and nobody says for how long
_LONGEST: Final = timedelta(days=1)
_NUMBER: Final = re.compile(r"[0-9]{1,10}(\.[0-9]{1,10})?", re.ASCII)


class Limits:
    """When each route may be asked next. A route is the path with the channel in it."""

    def __init__(self) -> None:
        self._ready: defaultdict[str, datetime] = defaultdict(lambda: EPOCH)  # by bucket
        self._buckets: dict[str, str] = {}  # by route: several may share one
        self._everything = EPOCH
        self._refusals: deque[datetime] = deque()

    def ready_at(self, route: str, now: datetime) -> datetime:
        """The first moment at which this route may be asked."""
        while self._refusals and now - self._refusals[0] >= REFUSALS_COUNT_FOR:
            self._refusals.popleft()
        ready = max(self._everything, self._ready[self._bucket_of(route)], now)
        if len(self._refusals) >= MOST_REFUSALS:
            ready = max(ready, self._refusals[-MOST_REFUSALS] + REFUSALS_COUNT_FOR)
        return ready

    def asked(self, now: datetime) -> None:
        """A question goes out."""
        self._everything = max(self._everything, now + SPACING)

    def answered(
        self, route: str, status: int, headers: Mapping[str, str], body: bytes, *, now: datetime
    ) -> None:
        """Learn from an answer how long to leave the route, or everything, alone."""
        told = headers.get("x-ratelimit-bucket")
        if told:
            self._buckets[route] = f"{told} {route.split('/')[2:3]}"  # a bucket is of one channel
        bucket = self._bucket_of(route)
        if headers.get("x-ratelimit-remaining") == "0":
            self._pause(bucket, now + (_duration(headers.get("x-ratelimit-reset-after")) or timedelta()))
        if status == TOO_MANY:
            self._refused(bucket, headers, body, now)
        if status in {UNAUTHORIZED, FORBIDDEN} or (
            status == TOO_MANY and headers.get("x-ratelimit-scope") != "shared"
        ):
            self._refusals.append(now)

    def _bucket_of(self, route: str) -> str:
        return self._buckets.get(route) or route

    def _refused(self, bucket: str, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
        try:
            told = decode(body, TooMuch)
            wait, everything = seconds(told.retry_after), told.is_global
        except MalformedPayload:  # somebody before Discord's API said it
            wait, everything = _duration(headers.get("retry-after")) or UNTOLD, True
        until = now + min(wait, _LONGEST)
        self._pause(bucket, until)
        if everything or "x-ratelimit-global" in headers:
            self._everything = max(self._everything, until)

    def _pause(self, bucket: str, until: datetime) -> None:
        self._ready[bucket] = max(self._ready[bucket], until)


def _duration(text: str | None) -> timedelta | None:
    """So many seconds, as a header tells them."""
    if text is None or _NUMBER.fullmatch(text.strip()) is None:
        return None
    return min(timedelta(seconds=float(text)), _LONGEST)
