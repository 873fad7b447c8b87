"""What every weight budget promises, asked of the one in memory and of the one in PostgreSQL."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from kamiyo.core.ports import WeightBudget
from kamiyo.kit.clock import LapseClock
from kamiyo.storage.budgets import PostgresBudget
from kamiyo.storage.pool import Pool
from tests.builders import NOW
from tests.fakes import MemoryAccount, MemoryBudget

SPEED = 300  # a minute of the venue's lasts a fifth of a second
MINUTE = timedelta(minutes=1) / SPEED
LIMIT = 100
AHEAD = timedelta(seconds=5)


@dataclass
class Address:
    """An address, and whoever asks from there: each has a budget object of its own, as each process has."""

    make: Callable[[LapseClock, int], WeightBudget]
    start: datetime = NOW
    began: float = field(default_factory=time.monotonic)

    def worker(self, *, ahead: timedelta = timedelta(0), limit: int = LIMIT) -> WeightBudget:
        """Give the budget of one more process, its clock as wrong as that."""
        return self.make(self.clock(ahead), limit)

    def clock(self, ahead: timedelta = timedelta(0)) -> LapseClock:
        """Give a process's clock."""
        passed = timedelta(seconds=(time.monotonic() - self.began) * SPEED)
        return LapseClock(self.start + passed + ahead, SPEED)


@pytest.fixture(params=["memory", "postgres"])
def database(request: pytest.FixtureRequest) -> "Pool | None":
    """Start a database only for the budget that needs one."""
    return request.getfixturevalue("pool") if request.param == "postgres" else None


@pytest.fixture
def address(database: "Pool | None") -> Address:
    """Give an address nobody has asked anything from, with each kind of budget in turn."""
    account = MemoryAccount(LapseClock(NOW, SPEED))
    if database is None:
        return Address(lambda clock, limit: MemoryBudget(clock, limit_per_minute=limit, account=account))
    return Address(lambda clock, limit: PostgresBudget(database, clock, limit_per_minute=limit, speed=SPEED))


def seconds(duration: timedelta) -> float:
    """Give a number of seconds."""
    return duration.total_seconds()


async def test_what_fits_is_granted_at_once_and_more_a_minute_later(address: Address) -> None:
    """All of the limit may be spent together; what comes then waits until a minute after the answers."""
    budget = address.worker()
    spendings = [await budget.spend("scan", 50), await budget.spend("scan", 50)]
    await asyncio.sleep(seconds(MINUTE) / 2)
    began = time.monotonic()
    for each in spendings:
        await each.settle(50)
    await budget.spend("scan", 1)
    assert seconds(MINUTE) <= time.monotonic() - began < seconds(MINUTE) * 10


async def test_what_an_answer_did_not_cost_is_given_back(address: Address) -> None:
    """Whoever waits goes on as soon as there is room, without waiting for the minute to pass."""
    budget = address.worker()
    spending = await budget.spend("confirmation", LIMIT)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(budget.spend("scan", LIMIT - 20))
        await asyncio.sleep(seconds(MINUTE))
        assert not waiting.done()
        began = time.monotonic()
        await spending.settle(20)
        await waiting
    assert time.monotonic() - began < seconds(MINUTE) * 0.9


async def test_what_an_answer_cost_beyond_what_was_taken_counts(address: Address) -> None:
    """The truth is put down even where it is more than was asked for."""
    budget = address.worker()
    spending = await budget.spend("scan", 10)
    began = time.monotonic()
    await spending.settle(LIMIT)
    await budget.spend("scan", 1)
    assert time.monotonic() - began >= seconds(MINUTE)


async def test_a_process_that_begins_again_knows_what_was_spent(address: Address) -> None:
    """What was spent before a restart counts after it, until its own minute has passed."""
    began = time.monotonic()
    spending = await address.worker().spend("scan", LIMIT)
    await spending.settle(LIMIT)
    await address.worker().spend("scan", 1)
    assert time.monotonic() - began >= seconds(MINUTE)


@pytest.mark.parametrize("ahead", [AHEAD, -AHEAD])
async def test_a_minute_is_a_minute_whoever_looks(address: Address, ahead: timedelta) -> None:
    """A process whose clock is wrong neither spends too early after another nor waits longer for it."""
    spending = await address.worker().spend("scan", LIMIT)
    await asyncio.sleep(seconds(MINUTE) / 10)
    began = time.monotonic()
    await spending.settle(LIMIT)
    await address.worker(ahead=ahead).spend("scan", LIMIT)
    assert seconds(MINUTE) <= time.monotonic() - began < seconds(MINUTE) * 10


async def test_what_was_never_answered_counts_longer(address: Address) -> None:
    """A process that died while it asked may have been heard until its request must have ended."""
    began = time.monotonic()
    await address.worker().spend("scan", LIMIT)
    await address.worker().spend("scan", 1)
    assert seconds(3 * MINUTE) <= time.monotonic() - began < seconds(20 * MINUTE)


async def test_an_answer_that_comes_too_late_counts_too(address: Address) -> None:
    """What was already forgotten is put down again when its answer comes after all."""
    budget = address.worker()
    spending = await budget.spend("scan", LIMIT)
    await (await budget.spend("scan", LIMIT)).settle(0)
    began = time.monotonic()
    await spending.settle(LIMIT)
    await budget.spend("scan", 1)
    assert time.monotonic() - began >= seconds(MINUTE)


async def test_who_came_first_is_served_first(address: Address) -> None:
    """A small request does not slip past a large one that waits for room."""
    budget = address.worker()
    first = await budget.spend("scan", LIMIT - 10)
    order: list[str] = []

    async def ask(name: str, weight: int) -> None:
        spending = await budget.spend("scan", weight)
        order.append(name)
        await spending.settle(0)

    async with asyncio.TaskGroup() as tasks:
        for name, weight in (("large", LIMIT), ("small", 1), ("smaller", 0)):
            tasks.create_task(ask(name, weight))
            await asyncio.sleep(0.01)
        assert order == []
        await first.settle(0)
    assert order == ["large", "small", "smaller"]


async def test_who_gives_up_waiting_holds_up_nobody(address: Address) -> None:
    """A wait may be cancelled; those behind it are served."""
    budget = address.worker()
    first = await budget.spend("scan", LIMIT - 10)
    async with asyncio.TaskGroup() as tasks:
        large = tasks.create_task(budget.spend("scan", LIMIT))
        await asyncio.sleep(0.01)
        small = tasks.create_task(budget.spend("scan", 5))
        await asyncio.sleep(0.01)
        large.cancel()
        await asyncio.wait_for(small, seconds(MINUTE) * 0.9)
        assert large.cancelled()
    await first.settle(0)


@pytest.mark.parametrize("ahead", [timedelta(0), AHEAD, -AHEAD])
async def test_nobody_spends_while_one_was_told_to_pause(address: Address, ahead: timedelta) -> None:
    """A pause is kept by every process, and lasts as long as its setter's clock says; the longest counts."""
    clock = address.clock(ahead)
    one, other = address.worker(ahead=ahead), address.worker()
    began = time.monotonic()
    await one.pause(clock.now() + timedelta(minutes=2))
    await one.pause(clock.now() + timedelta(minutes=1))
    await other.spend("scan", 1)
    assert seconds(1.9 * MINUTE) <= time.monotonic() - began < seconds(10 * MINUTE)


async def test_a_pause_that_has_passed_is_none(address: Address) -> None:
    """A moment of the past stops nobody."""
    budget = address.worker()
    await budget.pause(NOW - timedelta(hours=1))
    began = time.monotonic()
    await budget.spend("scan", 1)
    assert time.monotonic() - began < seconds(MINUTE)


@pytest.mark.parametrize("weight", [LIMIT + 1, -1])
async def test_what_can_never_fit_is_a_mistake(address: Address, weight: int) -> None:
    """Nobody waits for ever for what no minute has room for."""
    with pytest.raises(ValueError, match="scan"):
        await address.worker().spend("scan", weight)


# --- any minute ---------------------------------------------------------------------------------------------


@dataclass
class Venue:
    """Remembers when it heard what, and what that weighed."""

    heard: list[tuple[float, int]] = field(default_factory=list)

    def heaviest_minute(self) -> int:
        """Give the most of any minute, wherever it begins."""
        heard = sorted(self.heard)
        return max(
            sum(weight for at, weight in heard[first:] if at - begins <= seconds(MINUTE))
            for first, (begins, _weight) in enumerate(heard)
        )


async def ask_often(budget: WeightBudget, venue: Venue, chance: random.Random, count: int) -> None:
    """Ask this often; requests travel, answers cost what they cost, and some are never waited for."""
    for _ in range(count):
        taken = chance.choice([1, 2, 20, 40, LIMIT])
        spending = await budget.spend("scan", taken)
        await asyncio.sleep(chance.choice([0, 0, seconds(MINUTE) * chance.random()]))
        cost = chance.randint(0, taken)
        died = chance.random() < 0.1
        venue.heard.append((time.monotonic(), taken if died else cost))
        await asyncio.sleep(chance.choice([0, 0, seconds(MINUTE) * chance.random()]))
        if not died:
            await spending.settle(cost)
        await asyncio.sleep(chance.choice([0, 0, 0, seconds(MINUTE) * chance.random()]))


@pytest.mark.parametrize("seed", range(6))
async def test_no_minute_ever_holds_more_than_the_limit(address: Address, seed: int) -> None:
    """Two processes with clocks five seconds apart, one of which begins again, ask at random as they can."""
    chance, venue = random.Random(seed), Venue()
    async with asyncio.TaskGroup() as tasks:
        for ahead in (timedelta(0), AHEAD, -AHEAD):
            budget = address.worker(ahead=ahead)
            for _ in range(3):
                tasks.create_task(ask_often(budget, venue, random.Random(chance.random()), 5))
    assert len(venue.heard) == 45
    assert 0 < venue.heaviest_minute() <= LIMIT
