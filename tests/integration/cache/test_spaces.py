"""Answers that processes share through Redis, and those they must not."""

from kamiyo.cache.responses import Headers, StoredResponse, open_cache
from tests.fakes import ManualClock

HEADERS: Headers = ()


async def test_answers_are_shared_within_one_space_only(redis_url: str) -> None:
    """What a replay answered is never shown by a process that shows the present, nor the other way round."""
    clock = ManualClock()
    made: list[str] = []

    async def ask(space: str) -> bytes:
        async def produce() -> StoredResponse:
            made.append(space)
            return StoredResponse(200, HEADERS, space.encode(), "/x", clock.now())

        async with open_cache(redis_url, clock=clock, space=space) as cache:
            return (await cache.get("key", produce)).body

    assert [await ask(space) for space in ("", "replay", "", "replay")] == [b"", b"replay", b"", b"replay"]
    assert made == ["", "replay"]
