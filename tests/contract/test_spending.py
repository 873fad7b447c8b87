"""What every budget of money promises, asked of the one in memory and of the one in PostgreSQL."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from kamiyo.core.errors import StorageUnavailable
from kamiyo.core.ids import SourceName
from kamiyo.core.ports import UsdBudget
from kamiyo.storage.pool import Pool
from kamiyo.storage.spending import PostgresUsdBudget, read_spending, spending_day
from tests.fakes import ManualClock, MemoryUsdBudget

X, OTHER = SourceName("x"), SourceName("other")
LIMIT = Decimal("1.00")
LATE = datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC)


@dataclass
class Purse:
    """One day's money, and whoever spends it: each has a budget object of its own, as each process has."""

    clock: ManualClock
    make: Callable[[], UsdBudget]
    read: Callable[[date, SourceName], Awaitable[Decimal | None]]

    async def spent(self, source: SourceName = X) -> Decimal | None:
        """Give what was spent today."""
        return await self.read(spending_day(self.clock.now()), source)


@pytest.fixture(params=["memory", "postgres"])
def database(request: pytest.FixtureRequest) -> "Pool | None":
    """Start a database only for the budget that needs one."""
    return request.getfixturevalue("pool") if request.param == "postgres" else None


@pytest.fixture
def purse(database: "Pool | None") -> Purse:
    """Give a purse nobody has spent from, of each kind in turn."""
    clock = ManualClock(LATE)
    if database is None:
        spent: dict[tuple[date, SourceName], Decimal] = {}

        async def remembered(day: date, source: SourceName) -> Decimal | None:
            return spent.get((day, source))

        return Purse(clock, lambda: MemoryUsdBudget(clock, spent), remembered)
    pool = database

    async def stored(day: date, source: SourceName) -> Decimal | None:
        async with pool.acquire() as connection:
            rows = await read_spending(connection, day)
        return next((row.spent_usd for row in rows if row.source == source), None)

    return Purse(clock, lambda: PostgresUsdBudget(pool, clock), stored)


async def test_all_of_a_limit_can_be_set_aside_and_not_a_bit_more(purse: Purse) -> None:
    """The last cent is granted, the next is not, and a refusal spends nothing."""
    budget = purse.make()
    assert await budget.set_aside(X, Decimal("0.40"), daily_limit_usd=LIMIT) is not None
    assert await budget.set_aside(X, Decimal("0.605"), daily_limit_usd=LIMIT) is None
    assert await budget.set_aside(X, Decimal("0.60"), daily_limit_usd=LIMIT) is not None
    assert await budget.set_aside(X, Decimal("0.005"), daily_limit_usd=LIMIT) is None
    assert await purse.spent() == LIMIT


async def test_nothing_beyond_the_limit_is_set_aside_first_of_all(purse: Purse) -> None:
    """A day nobody spent anything in yet has the same limit."""
    assert await purse.make().set_aside(X, Decimal("1.01"), daily_limit_usd=LIMIT) is None
    assert await purse.spent() is None


async def test_what_it_did_not_cost_is_given_back(purse: Purse) -> None:
    """Only what was settled counts, and others can spend the rest."""
    spending = await purse.make().set_aside(X, LIMIT, daily_limit_usd=LIMIT)
    assert spending is not None
    await spending.settle(Decimal("0.125"))
    assert await purse.spent() == Decimal("0.125")
    assert await purse.make().set_aside(X, Decimal("0.875"), daily_limit_usd=LIMIT) is not None


async def test_what_it_cost_beyond_that_counts(purse: Purse) -> None:
    """The truth is put down even where it is more than was set aside, and nothing is left then."""
    spending = await purse.make().set_aside(X, Decimal("0.90"), daily_limit_usd=LIMIT)
    assert spending is not None
    await spending.settle(Decimal("1.10"))
    assert await purse.spent() == Decimal("1.10")
    assert await purse.make().set_aside(X, Decimal(0), daily_limit_usd=LIMIT) is None


async def test_what_is_never_settled_stays_spent(purse: Purse) -> None:
    """Whoever died may have spent it: a process that begins again does not get it back."""
    await purse.make().set_aside(X, Decimal("0.70"), daily_limit_usd=LIMIT)
    assert await purse.make().set_aside(X, Decimal("0.40"), daily_limit_usd=LIMIT) is None


async def test_nothing_is_settled_twice(purse: Purse) -> None:
    """A rest that were given back twice would be money that is not there."""
    spending = await purse.make().set_aside(X, LIMIT, daily_limit_usd=LIMIT)
    assert spending is not None
    await spending.settle(Decimal("0.5"))
    with pytest.raises(ValueError, match="settle"):
        await spending.settle(Decimal("0.5"))
    assert await purse.spent() == Decimal("0.5")


async def test_no_money_is_made(purse: Purse) -> None:
    """Nobody sets aside, or settles, less than nothing."""
    budget = purse.make()
    with pytest.raises(ValueError, match="set aside"):
        await budget.set_aside(X, Decimal("-0.01"), daily_limit_usd=LIMIT)
    spending = await budget.set_aside(X, Decimal("0.5"), daily_limit_usd=LIMIT)
    assert spending is not None
    with pytest.raises(ValueError, match="settle"):
        await spending.settle(Decimal("-0.01"))
    assert await purse.spent() == Decimal("0.5")


async def test_each_day_has_a_limit_of_its_own(purse: Purse) -> None:
    """At midnight in UTC a new one begins; what is settled later counts for the day it was set aside on."""
    budget = purse.make()
    spending = await budget.set_aside(X, LIMIT, daily_limit_usd=LIMIT)
    assert spending is not None
    await purse.clock.sleep(timedelta(seconds=1))
    assert await budget.set_aside(X, LIMIT, daily_limit_usd=LIMIT) is not None
    await spending.settle(Decimal("0.25"))
    assert await purse.spent() == LIMIT
    assert await purse.read(spending_day(LATE), X) == Decimal("0.25")


async def test_sources_do_not_share(purse: Purse) -> None:
    """What one spends is not missing at another, and each has its own limit."""
    budget = purse.make()
    assert await budget.set_aside(X, LIMIT, daily_limit_usd=LIMIT) is not None
    assert await budget.set_aside(OTHER, Decimal(2), daily_limit_usd=Decimal(2)) is not None
    assert (await purse.spent(X), await purse.spent(OTHER)) == (LIMIT, Decimal(2))


async def test_a_limit_that_is_lowered_counts_at_once(purse: Purse) -> None:
    """What was spent under a higher one counts against it."""
    budget = purse.make()
    assert await budget.set_aside(X, Decimal("0.50"), daily_limit_usd=LIMIT) is not None
    assert await budget.set_aside(X, Decimal("0.01"), daily_limit_usd=Decimal("0.50")) is None


@pytest.mark.parametrize("seed", range(4))
async def test_no_day_ever_holds_more_than_its_limit(purse: Purse, seed: int) -> None:
    """Many ask, settle and die at random: what they really spent never comes to more than the limit."""
    chance = random.Random(seed)
    real: list[Decimal] = []

    async def spend(budget: UsdBudget, chance: random.Random) -> None:
        for _ in range(6):
            amount = Decimal(chance.randrange(1, 200)) / 1000
            spending = await budget.set_aside(X, amount, daily_limit_usd=LIMIT)
            await asyncio.sleep(chance.choice([0, 0.001]))
            if spending is None:
                continue
            real.append(amount * chance.choice([0, 1, 1]))
            if chance.random() < 0.7:
                await spending.settle(real[-1])

    async with asyncio.TaskGroup() as tasks:
        for _ in range(6):
            tasks.create_task(spend(purse.make(), random.Random(chance.random())))
    assert Decimal("0.4") < sum(real) <= LIMIT
    assert sum(real) <= (await purse.spent() or 0) <= LIMIT


async def test_without_its_database_nothing_may_be_spent(pool: Pool) -> None:
    """Who cannot be counted does not spend."""
    await pool.close()
    with pytest.raises(StorageUnavailable):
        await PostgresUsdBudget(pool, ManualClock(LATE)).set_aside(X, LIMIT, daily_limit_usd=LIMIT)
