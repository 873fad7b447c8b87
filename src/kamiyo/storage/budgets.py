"""What one address may ask of the venue in any minute: one account in the database for all who ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from kamiyo.core.time import Clock
from kamiyo.kit import metrics
from kamiyo.storage.outbox import WakeUps
from kamiyo.storage.pool import Pool, translated

WEIGHT_PER_MINUTE = 1_200
DEFAULT_ADDRESS = "default"

_MINUTE = timedelta(minutes=1)
_LONGEST_REQUEST = timedelta(minutes=2)  # whoever has not settled by then never will
_LOOK_AGAIN = timedelta(seconds=1)  # for what another process gave back
_SPEND = "SELECT taken, wait FROM spend_weight($1, $2, $3, $4, $5)"
# To lose this in a crash of the database is to count too much: nobody need wait for the disk.
_SETTLE = """
WITH known AS (
    UPDATE weight_spendings SET weight = $2, counts_until = clock_timestamp() + $3 WHERE id = $1
    RETURNING set_config('synchronous_commit', 'off', true)
)
INSERT INTO weight_spendings (address, task, weight, spent_at, counts_until)
SELECT $4, $5, $2, clock_timestamp(), clock_timestamp() + $3 WHERE NOT EXISTS (SELECT FROM known)
"""
_PAUSE = """
INSERT INTO weight_pauses (address, set_at, until) SELECT $1, now, now + $2 FROM clock_timestamp() AS now
ON CONFLICT (address) DO UPDATE
SET set_at = excluded.set_at, until = greatest(weight_pauses.until, excluded.until)
"""


class PostgresBudget:
    """Guards the common account of an address, whatever clocks and restarts its users have.

    A request reaches the venue somewhere between being granted and being settled. So it counts from
    the one to a minute after the other: then no minute of the venue's holds more than the limit,
    however long requests travel. All times are those of the database; ``speed`` says how many seconds
    of the venue pass in one of its.
    """

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        *,
        limit_per_minute: int = WEIGHT_PER_MINUTE,
        address: str = DEFAULT_ADDRESS,
        speed: int = 1,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._limit = limit_per_minute
        self._address = address
        self._speed = speed
        self._turn = asyncio.Lock()  # its waiters are served in the order they came
        self._returns = WakeUps()

    async def spend(self, task: str, weight: int) -> PostgresSpending:
        """Wait until the weight fits into the minute, and take it; ValueError if it never can."""
        if not 0 <= weight <= self._limit:
            raise ValueError(f"{task} asks for a weight of {weight}, of {self._limit}")
        asked_at = self._clock.now()
        async with self._turn:
            while (taken := await self._take(task, weight)) is None:
                pass
        metrics.WEIGHT_TAKEN.labels(task).inc(weight)
        metrics.WEIGHT_WAIT_SECONDS.labels(task).inc((self._clock.now() - asked_at).total_seconds())
        return PostgresSpending(self, taken, task, weight)

    async def pause(self, until: datetime) -> None:
        """Nobody of this address spends before ``until``."""
        lasting = (until - self._clock.now()) / self._speed
        async with translated(), self._pool.acquire() as connection:
            await connection.execute(_PAUSE, self._address, lasting)

    async def settle(self, taken: int, task: str, weight: int) -> None:
        """Put down what a request cost that ended just now."""
        async with translated(), self._pool.acquire() as connection:
            await connection.execute(_SETTLE, taken, weight, _MINUTE / self._speed, self._address, task)
        self._returns.wake()

    async def _take(self, task: str, weight: int) -> int | None:
        """Take the weight, or wait until it may be worth trying again."""
        unsettled = (_LONGEST_REQUEST + _MINUTE) / self._speed
        async with translated(), self._pool.acquire() as connection:
            rows = await connection.fetch(_SPEND, self._address, task, weight, self._limit, unsettled)
        taken: int | None = rows[0]["taken"]
        if taken is None:
            await self._returns.wait(min(rows[0]["wait"], _LOOK_AGAIN))
        return taken


def budgets_of(pool: Pool, clock: Clock, *, speed: int = 1) -> Callable[[str, int], PostgresBudget]:
    """What gives the budget of a service other than the venue: its name, and its limit in a minute."""

    def budget_of(name: str, limit_per_minute: int) -> PostgresBudget:
        return PostgresBudget(pool, clock, limit_per_minute=limit_per_minute, address=name, speed=speed)

    return budget_of


class PostgresSpending:
    """Weight taken for one request."""

    def __init__(self, budget: PostgresBudget, taken: int, task: str, weight: int) -> None:
        self._budget = budget
        self._taken = taken
        self._task = task
        self._weight = weight

    async def settle(self, weight: int) -> None:
        """Say what the request cost."""
        await self._budget.settle(self._taken, self._task, weight)
        if weight < self._weight:
            metrics.WEIGHT_RETURNED.labels(self._task).inc(self._weight - weight)
        else:
            metrics.WEIGHT_TAKEN.labels(self._task).inc(weight - self._weight)
