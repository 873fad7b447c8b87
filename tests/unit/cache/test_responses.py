"""The cache of answers without Redis: how long they live, who makes them, what is forgotten first."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from kamiyo.cache.responses import ResponseCache, StoredResponse, open_cache

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Clock:
    """A clock that a test moves."""

    def __init__(self):
        self.moment = NOON

    def now(self):
        return self.moment

    async def sleep(self, duration):
        self.moment += duration


class Shared(dict):
    """The other processes' store, in memory."""

    async def read(self, key):
        return self.get(key)

    async def write(self, key, content, lifetime):
        assert lifetime == timedelta(seconds=1)
        self[key] = content


@pytest.fixture
def clock():
    return Clock()


def response(clock, body=b"{}", status=200):
    return StoredResponse(status=status, headers=(), body=body, route="/r", made_at=clock.now())


def cache_of(clock, shared=None, max_bytes=1 << 20):
    return ResponseCache(clock=clock, shared=shared, lifetime=timedelta(seconds=1), max_bytes=max_bytes)


def maker(clock, made, status=200):
    async def make():
        made.append(1)
        body = b"%d" % len(made)
        await asyncio.sleep(0)
        return response(clock, body, status)

    return make


async def test_answer_lives_for_its_lifetime(clock):
    """An answer is shown until it is as old as its lifetime, and made anew then."""
    made, cache = list[int](), cache_of(clock)
    assert (await cache.get("k", maker(clock, made))).body == b"1"
    clock.moment += timedelta(milliseconds=999)
    assert (await cache.get("k", maker(clock, made))).body == b"1"
    clock.moment += timedelta(milliseconds=1)
    assert (await cache.get("k", maker(clock, made))).body == b"2"


async def test_a_change_outdates_what_was_made_before(clock):
    """Neither what is kept, nor what others share, nor what is being made while it is changed."""
    made, shared = list[int](), Shared()
    cache, other = cache_of(clock, shared), cache_of(clock, shared)
    await other.get("k", maker(clock, made))
    assert (await cache.get("k", maker(clock, made))).body == b"1"
    clock.moment += timedelta(milliseconds=10)
    cache.outdate()
    assert cache.kept("k") is None
    begun = response(clock, b"begun before")
    clock.moment += timedelta(milliseconds=10)

    async def finish():
        cache.outdate()
        return begun

    assert (await cache.get("k", finish)).body == b"begun before"  # whoever asked before
    clock.moment += timedelta(milliseconds=10)
    assert (await cache.get("k", maker(clock, made))).body == b"2"
    assert cache.kept("k") is not None


async def test_one_makes_it_for_all(clock):
    """Of many who ask at once one makes the answer."""
    made, cache = list[int](), cache_of(clock)
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(cache.get("k", maker(clock, made))) for _ in range(10)]
    assert {each.result().body for each in asked} == {b"1"}
    assert len(made) == 1


async def test_keys_do_not_wait_for_each_other(clock):
    """While one answer is made another can be."""
    cache, gate = cache_of(clock), asyncio.Event()

    async def slow():
        await gate.wait()
        return response(clock)

    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(cache.get("slow", slow))
        assert (await cache.get("quick", maker(clock, []))).body == b"1"
        gate.set()
    assert waiting.result().body == b"{}"


async def test_failures_are_not_kept(clock):
    """An answer that is no success is given to who asked, and everybody else asks for himself."""
    made, cache = list[int](), cache_of(clock)
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(cache.get("k", maker(clock, made, status=503))) for _ in range(3)]
    assert sorted(each.result().body for each in asked) == [b"1", b"2", b"3"]
    assert cache.kept("k") is None


async def test_an_exception_does_not_block_the_key(clock):
    """After a failure to make an answer the next one can."""
    cache = cache_of(clock)

    async def broken():
        raise ValueError

    with pytest.raises(ValueError):
        await cache.get("k", broken)
    assert (await cache.get("k", maker(clock, []))).body == b"1"


async def test_memory_is_bounded(clock):
    """The oldest answers are forgotten when there are too many bytes, and replacing one does not add up."""
    cache = cache_of(clock, max_bytes=10_000)
    for number in range(50):
        await cache.get(f"k{number % 25}", maker(clock, []))
        clock.moment += timedelta(milliseconds=1)
    big = response(clock, b"x" * 9_000)

    async def make_big():
        return big

    await cache.get("big", make_big)
    assert cache.kept("big") is big
    assert cache._bytes <= 10_000
    assert cache._bytes == sum(len(each.body) + 512 for each in cache._kept.values())


async def test_shared_answer_keeps_its_age(clock):
    """An answer another process made is shown no longer than if it had been made here."""
    shared, made = Shared(), list[int]()
    await cache_of(clock, shared).get("k", maker(clock, made))
    clock.moment += timedelta(milliseconds=900)
    other = cache_of(clock, shared)
    assert (await other.get("k", maker(clock, made))).body == b"1"
    clock.moment += timedelta(milliseconds=100)
    assert (await other.get("k", maker(clock, made))).body == b"2"


async def test_answer_from_the_future_is_not_believed(clock):
    """An answer whose maker's clock is ahead is made anew instead of living too long."""
    shared, made = Shared(), list[int]()
    clock.moment += timedelta(hours=1)
    await cache_of(clock, shared).get("k", maker(clock, made))
    clock.moment -= timedelta(hours=1)
    assert (await cache_of(clock, shared).get("k", maker(clock, made))).body == b"2"


@pytest.mark.parametrize("content", [b"", b"\xc1", b"{}", b"\x93\x01\x02\x03"])
async def test_unreadable_shared_answer_is_made_anew(clock, content):
    """What another version of KAMIYO left is ignored."""
    shared = Shared({"k": content})
    assert (await cache_of(clock, shared).get("k", maker(clock, []))).body == b"1"


async def test_cache_without_redis(clock):
    """Without an address the cache is this process's alone."""
    async with open_cache(None, clock=clock) as cache:
        assert (await cache.get("k", maker(clock, []))).body == b"1"
        assert cache.kept("k") is not None
