"""The weight budget in PostgreSQL: asked at once, with a database whose clock goes back, and without one."""

import asyncio
import time
from contextlib import suppress
from datetime import datetime, timedelta

import pytest
from prometheus_client import REGISTRY

from kamiyo.core.errors import StorageUnavailable
from kamiyo.kit.clock import LapseClock, SystemClock
from kamiyo.storage.budgets import PostgresBudget, budgets_of
from kamiyo.storage.pool import Pool
from tests.builders import NOW
from tests.fakes import ManualClock

SPEED = 600
MINUTE = 60 / SPEED
_SPENT = "SELECT sum(weight) FROM weight_spendings WHERE address = $1"
_SPENT_LATER = """
INSERT INTO weight_spendings (address, task, weight, spent_at, counts_until)
SELECT 'default', 'scan', 10, now, now + interval '3 minutes'
FROM (SELECT now() + interval '1 hour') AS t(now)
"""
_PAUSED_LATER = """
INSERT INTO weight_pauses (address, set_at, until)
SELECT 'default', now, now + interval '0.2 seconds' FROM (SELECT now() + interval '1 hour') AS t(now)
"""


def a_budget(pool: Pool, **changes: object) -> PostgresBudget:
    return PostgresBudget(pool, LapseClock(NOW, SPEED), **{"limit_per_minute": 10, "speed": SPEED} | changes)  # type: ignore[arg-type]


async def test_of_all_who_ask_at_once_as_many_are_served_as_fit(pool: Pool) -> None:
    """Whatever the moment, two processes never take the same last piece."""
    clock = SystemClock()

    async def ask(budget: PostgresBudget) -> None:
        while True:
            await budget.spend("scan", 1)

    for address in map(str, range(15)):
        budgets = [PostgresBudget(pool, clock, limit_per_minute=7, address=address) for _ in range(4)]
        async with asyncio.TaskGroup() as tasks:
            asking = [tasks.create_task(ask(each)) for each in budgets]
            while (await pool.fetchval(_SPENT, address) or 0) < 7:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            for each in asking:
                each.cancel()
        assert await pool.fetchval(_SPENT, address) == 7


async def test_addresses_do_not_share(pool: Pool) -> None:
    """What is spent from one address is not missing at another, nor is its pause kept there."""
    clock = SystemClock()
    one, other = (PostgresBudget(pool, clock, limit_per_minute=10, address=name) for name in ("one", "other"))
    await one.spend("scan", 10)
    await one.pause(clock.now() + timedelta(hours=1))
    async with asyncio.timeout(1):
        await other.spend("scan", 10)


async def test_a_clock_that_went_back_stops_nobody_for_long(pool: Pool) -> None:
    """What the database dated an hour ahead, and a pause of then, count no longer than they would have."""
    await pool.execute(_SPENT_LATER)
    await pool.execute(_PAUSED_LATER)
    began = time.monotonic()
    async with asyncio.timeout(10):
        await a_budget(pool).spend("scan", 1)
    assert time.monotonic() - began >= 3 * MINUTE


async def test_what_no_longer_counts_is_deleted(pool: Pool) -> None:
    """The account does not grow."""
    budget = a_budget(pool)
    for _ in range(3):
        await (await budget.spend("scan", 10)).settle(10)
    assert await pool.fetchval("SELECT count(*) FROM weight_spendings") == 1


async def test_without_the_database_nothing_is_granted(pool: Pool) -> None:
    """Who cannot be counted may not ask."""
    budget = a_budget(pool)
    spending = await budget.spend("scan", 1)
    pool.terminate()
    for attempt in (budget.spend("scan", 1), budget.pause(NOW), spending.settle(1)):
        with pytest.raises(StorageUnavailable):
            await attempt


async def test_what_is_spent_is_measured(pool: Pool) -> None:
    """Taken, returned and waited for, each by task."""

    class Stepping(ManualClock):
        """Half a minute later whenever it is looked at."""

        def now(self) -> datetime:
            self.moment += timedelta(seconds=30)
            return self.moment

    def measured(name: str) -> float:
        return REGISTRY.get_sample_value(f"kamiyo_weight_{name}_total", {"task": "measured"}) or 0

    budget = PostgresBudget(pool, Stepping(), limit_per_minute=10, speed=SPEED)
    first = await budget.spend("measured", 10)
    await first.settle(4)
    assert (measured("taken"), measured("returned")) == (10, 6)
    waited = measured("wait_seconds")
    await (await budget.spend("measured", 7)).settle(9)
    assert (measured("taken"), measured("returned")) == (19, 6)
    assert measured("wait_seconds") - waited == 30  # of the venue's seconds


async def test_what_one_service_is_asked_takes_nothing_from_another(pool: Pool) -> None:
    """Each has an account of its own, which all who ask it share whatever limit they know of."""
    budget_of = budgets_of(pool, SystemClock())
    await a_budget(pool).spend("scan", 10)
    await budget_of("elsewhere", 3).spend("orders", 3)
    await budget_of("third", 2).spend("orders", 2)
    with suppress(TimeoutError):
        async with asyncio.timeout(0.2):
            await budgets_of(pool, SystemClock())("elsewhere", 3).spend("orders", 1)
            pytest.fail("more than the limit was granted")
    await budget_of("elsewhere", 4).spend("orders", 1)
