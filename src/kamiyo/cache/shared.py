"""Bytes shared through Redis for a moment, given up quickly whenever Redis does not answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from kamiyo.core.time import Clock
from kamiyo.kit import metrics

PAUSE = timedelta(seconds=1)  # after an error nobody asks Redis for this long
_PATIENCE_SECONDS = 0.05  # to connect, and for each answer
_PREFIX = "kamiyo:response:"
_FAILURES = (RedisError, OSError, TimeoutError)


class SharedStore:
    """Guards one Redis: whether it may be asked now, and whether its state was logged."""

    def __init__(
        self, redis: Redis, *, clock: Clock, log: structlog.stdlib.BoundLogger, space: str = ""
    ) -> None:
        self._redis = redis
        self._prefix = f"{_PREFIX}{space}:" if space else _PREFIX
        self._clock = clock
        self._log = log
        self._closed_until: datetime | None = None
        self._failed = False

    async def read(self, key: str) -> bytes | None:
        """The bytes under a key, or None if there are none or Redis is away."""
        if self._paused():
            metrics.CACHE_REQUESTS.labels("shared", "skipped").inc()
            return None
        try:
            found: object = await self._redis.get(self._prefix + key)
        except _FAILURES as error:
            self._give_up(error)
            return None
        self._succeeded()
        metrics.CACHE_REQUESTS.labels("shared", "miss" if found is None else "hit").inc()
        return found if isinstance(found, bytes) else None

    async def write(self, key: str, content: bytes, lifetime: timedelta) -> None:
        """Keep bytes for a while, or not at all if Redis is away."""
        if self._paused():
            return
        try:
            await self._redis.set(self._prefix + key, content, px=lifetime)
        except _FAILURES as error:
            self._give_up(error)

    def _paused(self) -> bool:
        return self._closed_until is not None and self._clock.now() < self._closed_until

    def _give_up(self, error: Exception) -> None:
        self._closed_until = self._clock.now() + PAUSE
        metrics.CACHE_REQUESTS.labels("shared", "error").inc()
        if not self._failed:
            self._failed = True
            self._log.warning("shared_cache_went_away", error=f"{type(error).__name__}: {error}")

    def _succeeded(self) -> None:
        self._closed_until = None
        if self._failed:
            self._failed = False
            self._log.info("shared_cache_came_back")


@asynccontextmanager
async def open_shared(
    redis_url: str, *, clock: Clock, log: structlog.stdlib.BoundLogger, space: str = ""
) -> AsyncGenerator[SharedStore]:
    """A store on the Redis at this address, which need not be there yet."""
    redis = Redis.from_url(  # pyright: ignore[reportUnknownMemberType]  # its keyword arguments are untyped
        redis_url,
        socket_timeout=_PATIENCE_SECONDS,
        socket_connect_timeout=_PATIENCE_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        yield SharedStore(redis, clock=clock, log=log, space=space)
    finally:
        await _close(redis, log)


async def _close(redis: Redis, log: structlog.stdlib.BoundLogger) -> None:
    """Close its connections, and only say so if that takes longer than its patience.

    The client gives each connection up before it raises, so nothing stays open. What matters is not to lose
    a process's good end, or the error that ends it, for a goodbye that came late.
    """
    try:
        await redis.aclose()
    except _FAILURES as error:
        log.info("redis_closed_late", error=f"{type(error).__name__}: {error}")
