"""Answers kept for a moment: in this process, then in the Redis that processes share.

An answer is never shown longer than its lifetime after it was made, whichever level it comes from, nor by the
process that changed something after it was made.
Many equal requests at once make one answer. Without Redis everything works, a little slower.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import msgspec
import structlog

from kamiyo.cache.shared import SharedStore, open_shared
from kamiyo.core.time import Clock
from kamiyo.kit import metrics

LIFETIME = timedelta(seconds=1)
MAX_BYTES = 32 << 20
_MAX_ENTRIES = 4096
_OVERHEAD = 512  # bytes an entry needs beside its body, roughly

Headers = tuple[tuple[bytes, bytes], ...]


class StoredResponse(msgspec.Struct, frozen=True, gc=False):
    """A whole answer. ``route`` is the declared path it came from, ``made_at`` when its content was true."""

    status: int
    headers: Headers
    body: bytes
    route: str
    made_at: datetime

    @property
    def cacheable(self) -> bool:
        """Only what succeeded is kept."""
        return self.status == 200  # noqa: PLR2004  # HTTP's OK


Produce = Callable[[], Awaitable[StoredResponse]]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(StoredResponse).decode


class ResponseCache:
    """Guards the answers of this process and the requests that wait for one. One event loop only."""

    def __init__(
        self, *, clock: Clock, shared: SharedStore | None, lifetime: timedelta, max_bytes: int = MAX_BYTES
    ) -> None:
        self._clock = clock
        self._shared = shared
        self._lifetime = lifetime
        self._max_bytes = max_bytes
        self._changed_at: datetime | None = None
        self._bytes = 0
        self._kept: OrderedDict[str, StoredResponse] = OrderedDict()
        self._making: dict[str, asyncio.Event] = {}
        self._hits = metrics.CACHE_REQUESTS.labels("process", "hit")
        self._misses = metrics.CACHE_REQUESTS.labels("process", "miss")

    def kept(self, key: str) -> StoredResponse | None:
        """The answer this process has and may still show."""
        found = self._kept.get(key)
        if found is None or not self._fresh(found):
            self._misses.inc()
            return None
        self._hits.inc()
        return found

    async def get(self, key: str, produce: Produce) -> StoredResponse:
        """The answer for a key: kept, shared, or made now; of many who ask at once, one makes it."""
        found = self.kept(key)
        if found is not None:
            return found
        if (making := self._making.get(key)) is not None:
            await making.wait()
            found = self._kept.get(key)
            # Whoever made it failed, or it took longer than it may be shown: everybody for himself.
            return found if found is not None and self._fresh(found) else await produce()
        return await self._make(key, produce)

    def outdate(self) -> None:
        """Something was changed just now: what was made before is not shown any more."""
        self._changed_at = self._clock.now()

    async def _make(self, key: str, produce: Produce) -> StoredResponse:
        done = self._making[key] = asyncio.Event()
        try:
            return await self._find_or_produce(key, produce)
        finally:
            del self._making[key]
            done.set()

    async def _find_or_produce(self, key: str, produce: Produce) -> StoredResponse:
        found = await self._read_shared(key)
        if found is None:
            found = await produce()
            if not found.cacheable:
                return found
            if self._shared is not None:
                await self._shared.write(key, _encode(found), self._lifetime)
        self._keep(key, found)
        return found

    async def _read_shared(self, key: str) -> StoredResponse | None:
        content = None if self._shared is None else await self._shared.read(key)
        if content is None:
            return None
        try:
            found = _decode(content)
        except msgspec.DecodeError:  # another version of KAMIYO wrote it
            return None
        return found if self._fresh(found) else None

    def _fresh(self, response: StoredResponse) -> bool:
        if self._changed_at is not None and response.made_at <= self._changed_at:
            return False
        return timedelta(0) <= self._clock.now() - response.made_at < self._lifetime

    def _keep(self, key: str, response: StoredResponse) -> None:
        self._forget(key)
        self._kept[key] = response
        self._bytes += _weight(response)
        while self._kept and (self._bytes > self._max_bytes or len(self._kept) > _MAX_ENTRIES):
            self._bytes -= _weight(self._kept.popitem(last=False)[1])

    def _forget(self, key: str) -> None:
        old = self._kept.pop(key, None)
        if old is not None:
            self._bytes -= _weight(old)


def _weight(response: StoredResponse) -> int:
    return len(response.body) + _OVERHEAD


@asynccontextmanager
async def open_cache(
    redis_url: str | None, *, clock: Clock, lifetime: timedelta = LIFETIME, space: str = ""
) -> AsyncGenerator[ResponseCache]:
    """A cache of answers, in this process only if ``redis_url`` is None. Never fails for want of Redis.

    Processes share answers within one ``space``.
    """
    if redis_url is None:
        yield ResponseCache(clock=clock, shared=None, lifetime=lifetime)
        return
    async with open_shared(redis_url, clock=clock, log=structlog.get_logger(), space=space) as shared:
        yield ResponseCache(clock=clock, shared=shared, lifetime=lifetime)
