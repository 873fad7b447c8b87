import asyncio
from datetime import timedelta

import pytest

from kamiyo.kit.supervision import supervise, wait_before_restart
from tests.fakes import ManualClock


class Runs:
    """A task that fails as often as it is told to, each time after a while."""

    def __init__(self, clock: ManualClock, *lasting: int) -> None:
        self.clock = clock
        self.lasting = list(lasting)
        self.failures: list[str] = []

    async def run(self) -> None:
        if self.lasting:
            self.clock.moment += timedelta(seconds=self.lasting.pop(0))
            raise RuntimeError(f"{len(self.lasting)} left")

    async def failed(self, error: Exception) -> None:
        self.failures.append(str(error))


async def test_a_task_that_returns_is_done() -> None:
    """Nothing is restarted that ended by itself."""
    clock = ManualClock()
    runs = Runs(clock)
    await supervise(runs.run, runs.failed, clock)
    assert (runs.failures, clock.slept) == ([], [])


async def test_each_failure_is_told_and_followed_by_a_longer_wait() -> None:
    """The waits double with some jitter up to half a minute, so that a broken source is no load."""
    clock = ManualClock()
    runs = Runs(clock, *[0] * 12)
    await supervise(runs.run, runs.failed, clock)
    assert len(runs.failures) == 12
    for failures, slept in enumerate(clock.slept):
        longest = min(30, 0.5 * 2**failures)
        assert longest / 2 <= slept.total_seconds() <= longest


async def test_a_run_of_a_minute_starts_the_waits_over() -> None:
    """What was healthy for a while is restarted soon, however often it failed long ago."""
    clock = ManualClock()
    runs = Runs(clock, 0, 0, 0, 0, 0, 60)
    await supervise(runs.run, runs.failed, clock)
    assert clock.slept[-2].total_seconds() >= 4
    assert clock.slept[-1].total_seconds() <= 0.5


async def test_cancellation_passes_through() -> None:
    """Being stopped is no failure."""
    clock = ManualClock()
    runs = Runs(clock)
    task = asyncio.ensure_future(supervise(asyncio.Event().wait, runs.failed, clock))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert runs.failures == []


async def test_cancellation_is_not_lost_in_a_failure_of_the_same_moment() -> None:
    """A task group that fails while it is cancelled raises the failure alone; it is stopped all the same."""
    clock = ManualClock()
    runs = Runs(clock)
    begun = asyncio.Event()

    async def fail_when_stopped() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            raise RuntimeError("while stopping")

    async def group() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail_when_stopped())

    task = asyncio.ensure_future(supervise(group, runs.failed, clock))
    await begun.wait()
    task.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await task
    assert runs.failures == []


def test_the_wait_is_bounded_for_any_number_of_failures() -> None:
    """The exponent does not grow without end."""
    assert wait_before_restart(10_000) <= timedelta(seconds=30)
