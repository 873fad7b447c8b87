"""A cache is closed in a process that is busy with other things."""

import asyncio
import time
from datetime import timedelta

import structlog

from kamiyo.cache.shared import open_shared
from kamiyo.kit.clock import SystemClock

LONGER_THAN_ITS_PATIENCE = 0.06


def _stand_still(loop: asyncio.AbstractEventLoop, times: int) -> None:
    time.sleep(LONGER_THAN_ITS_PATIENCE)
    if times > 1:  # a timer comes after whatever is ready: it holds up what was just begun
        loop.call_later(0, _stand_still, loop, times - 1)


async def test_a_goodbye_that_comes_late_is_no_failure(redis_url: str) -> None:
    """A process that stands still while it closes its connections ends well, and says that it was late."""
    with structlog.testing.capture_logs() as logs:
        async with open_shared(redis_url, clock=SystemClock(), log=structlog.get_logger()) as store:
            await store.write("key", b"content", timedelta(minutes=1))
            assert await store.read("key") == b"content"
            loop = asyncio.get_running_loop()
            loop.call_later(0, _stand_still, loop, 10)
    assert [line["event"] for line in logs] == ["redis_closed_late"]
