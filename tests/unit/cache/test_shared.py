"""A Redis that comes and goes, played by one that does what a test says."""

from datetime import UTC, datetime, timedelta

import pytest
import structlog
from redis.exceptions import ConnectionError as RedisGone
from redis.exceptions import ResponseError

from kamiyo.cache.shared import PAUSE, SharedStore
from kamiyo.kit import metrics


class Redis:
    """Remembers, or fails."""

    def __init__(self):
        self.content, self.asked, self.failure = {}, 0, None

    async def get(self, key):
        self.asked += 1
        if self.failure:
            raise self.failure
        return self.content.get(key)

    async def set(self, key, content, *, px):
        self.asked += 1
        assert px == timedelta(seconds=1)
        if self.failure:
            raise self.failure
        self.content[key] = content


class Clock:
    def __init__(self):
        self.moment = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self):
        return self.moment


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def redis():
    return Redis()


@pytest.fixture
def store(redis, clock):
    return SharedStore(redis, clock=clock, log=structlog.get_logger())


def counted(outcome):
    return metrics.CACHE_REQUESTS.labels("shared", outcome)._value.get()


async def test_what_was_written_is_read(store):
    """Bytes come back as they were, and what was never written does not."""
    await store.write("k", b"\x00\xff", timedelta(seconds=1))
    assert await store.read("k") == b"\x00\xff"
    assert await store.read("other") is None


@pytest.mark.parametrize("failure", [RedisGone("gone"), ResponseError("OOM"), TimeoutError(), OSError()])
async def test_after_an_error_it_is_left_alone(store, redis, clock, failure):
    """A failing Redis costs one attempt a second, and is asked again after it."""
    redis.failure = failure
    errors, skipped = counted("error"), counted("skipped")
    for _ in range(5):
        assert await store.read("k") is None
    await store.write("k", b"x", timedelta(seconds=1))
    assert redis.asked == 1
    assert (counted("error") - errors, counted("skipped") - skipped) == (1, 4)
    redis.failure = None
    redis.content["kamiyo:response:k"] = b"y"
    clock.moment += PAUSE
    assert await store.read("k") == b"y"


async def test_a_failed_write_pauses_too(store, redis):
    """A Redis that takes no writes is left alone for reading as well."""
    redis.failure = RedisGone()
    await store.write("k", b"x", timedelta(seconds=1))
    assert await store.read("k") is None
    assert redis.asked == 1


async def test_each_change_is_logged_once(store, redis, clock):
    """Going away and coming back are one line each, however long it lasts."""
    with structlog.testing.capture_logs() as lines:
        store._log = structlog.get_logger()
        redis.failure = RedisGone()
        for _ in range(3):
            await store.read("k")
            clock.moment += PAUSE
        redis.failure = None
        await store.read("k")
        await store.read("k")
    assert [line["event"] for line in lines] == ["shared_cache_went_away", "shared_cache_came_back"]
