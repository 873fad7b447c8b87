"""Makers chosen in a real database from days that were measured by hand."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from structlog.testing import capture_logs

from kamiyo.core.events import LiquidatedFill, LiquidationMethod
from kamiyo.core.ids import Address, Chain, SourceName
from kamiyo.core.slots import CHOICE_KEPT_DAYS, LOYALTY, HeldSlot, SlotReason
from kamiyo.core.time import HOUR
from kamiyo.jobs.choosing import CHOSEN, choose_users, keep_choosing
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.pool import Pool
from kamiyo.storage.user_slots import (
    ChosenText,
    PostgresUserSlots,
    SlotText,
    read_choice,
    read_slots,
    take_turn,
)
from tests.builders import (
    API,
    CHAIN,
    MAKER,
    NODE,
    OTHER_VICTIM,
    VAULT,
    VICTIM,
    a_batch,
    a_counterparty_fill,
    a_liquidated_fill,
    a_source_description,
)
from tests.fakes import ManualClock, StoppedError

DAY = datetime(2025, 10, 10, tzinfo=UTC)
AFTER = DAY + timedelta(days=1, minutes=20)
MEASURE = """
INSERT INTO coverage_hours (chain, hour, source, reference, reason, heard_minutes, measured_from, measured_at)
VALUES ($1, $2, $3, $4, $5, 60, 1, $2)
"""
WAITING = """
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def taken(maker: Address | None, usd: str, hour: int, tid: int, **changes: object) -> LiquidatedFill:
    """A fill of so many USD in an hour of the day; without a maker the victim's row alone."""
    known: dict[str, object] = {
        "tid": tid,
        "price": Decimal(usd),
        "size": Decimal(1),
        "timestamp": DAY + hour * HOUR + timedelta(minutes=30),
    }
    if maker is None:
        return a_liquidated_fill(**known | changes)
    return a_counterparty_fill(**known | {"counterparty": maker} | changes)


async def measured(pool: Pool, *hours: int, day: datetime = DAY, chain: Chain = CHAIN) -> None:
    """A reference read every block of these hours."""
    for hour in hours:
        await pool.execute(MEASURE, chain, day + hour * HOUR, NODE, None, "is_reference")


async def stored(pool: Pool, fills: Iterable[LiquidatedFill]) -> None:
    journal = PostgresJournal(pool, ManualClock(AFTER))
    await journal.register(a_source_description())
    await journal.write(a_batch(events=tuple(fills)))


async def choice(pool: Pool) -> list[ChosenText]:
    async with pool.acquire() as connection:
        return await read_choice(connection)


async def chosen(pool: Pool) -> list[str]:
    return [each.user for each in await choice(pool)]


async def hold(pool: Pool, *users: Address, source: SourceName = API) -> None:
    """The source follows these."""
    await PostgresJournal(pool, ManualClock(AFTER)).register(a_source_description(name=source))
    held = [HeldSlot(user, SlotReason.LEARNED, DAY) for user in users]
    await PostgresUserSlots(pool, ManualClock(AFTER)).tell(source, CHAIN, held)


async def test_who_took_the_most_in_measured_hours_is_chosen_with_what_was_measured(pool: Pool) -> None:
    """Only liquidations into the book count, and only of hours of which a reference read every block.

    The shares are of everything in these hours, also of what nobody knows the maker of.
    """
    await stored(
        pool,
        [
            taken(MAKER, "300", 3, 1),
            taken(VAULT, "100", 3, 2),
            taken(VAULT, "101", 4, 3, asset="BTC"),
            taken(None, "499", 4, 4),
            taken(VAULT, "9000", 5, 5),  # an hour that was not measured
            taken(VAULT, "9000", 3, 6, method=LiquidationMethod.BACKSTOP),
            taken(VAULT, "9000", 3 - 24, 7),  # the day before
        ],
    )
    await measured(pool, 3, 4)
    await measured(pool, 3, day=DAY - timedelta(days=1))
    await pool.execute(MEASURE, CHAIN, DAY + 5 * HOUR, NODE, None, "missing_blocks")
    await pool.execute(
        MEASURE, CHAIN, DAY + 6 * HOUR, API, NODE, None
    )  # compared with a reference, and quiet
    with capture_logs() as logs:
        assert await choose_users(pool, ManualClock(AFTER)) == 1
    first, second = await choice(pool)
    assert (first.user, first.position, first.followed) == (MAKER, 1, False)
    assert (first.measured.day, first.measured.hours) == ("2025-10-10", 3)
    assert (first.measured.amount_usd, first.measured.total_usd, first.measured.percent) == (
        "300",
        "1000",
        "30",
    )
    assert (second.user, second.measured.amount_usd, second.measured.percent) == (VAULT, "201", "20.1")
    assert (second.measured.fills, second.measured.assets) == (2, 2)
    assert first.measured.chosen_at == "2025-10-11T00:20:00.000Z"
    [told] = [each for each in logs if each["event"] == "makers_chosen"]
    assert told["chosen"] == {MAKER: "300", VAULT: "201"}
    assert (told["day"], told["hours"], set(told["joined"]), told["left"]) == (
        "2025-10-10", 3, {MAKER, VAULT}, (),
    )  # fmt: skip


async def test_both_rows_of_a_trade_are_counted_once_for_its_maker(pool: Pool) -> None:
    """The victim's row, stored first or last, does not hide who took the other side."""
    victim, maker = taken(None, "300", 3, 1), taken(MAKER, "300", 3, 1)
    await stored(pool, [victim])
    await stored(pool, [maker, taken(VAULT, "200", 3, 2)])
    await stored(pool, [victim, taken(None, "200", 3, 2)])
    await measured(pool, 3)
    await choose_users(pool, ManualClock(AFTER))
    assert [
        (each.user, each.measured.amount_usd, each.measured.total_usd) for each in await choice(pool)
    ] == [
        (MAKER, "300", "500"),
        (VAULT, "200", "500"),
    ]


async def test_without_a_measurement_nobody_is_chosen(pool: Pool) -> None:
    """Also not from today, which is not over, nor from a day of which no maker is known."""
    await stored(pool, [taken(MAKER, "300", 3, 1), taken(None, "300", 3 - 24, 2)])
    assert await choose_users(pool, ManualClock(AFTER)) == 0
    await measured(pool, 3)
    assert await choose_users(pool, ManualClock(DAY + 20 * HOUR)) == 0
    await measured(pool, 3, day=DAY - timedelta(days=1))
    assert await choose_users(pool, ManualClock(DAY + 20 * HOUR)) == 0
    assert await chosen(pool) == []
    assert await PostgresUserSlots(pool, ManualClock(AFTER)).chosen(CHAIN) == []


async def test_the_choice_is_made_again_once_more_is_measured_and_not_before(pool: Pool) -> None:
    """Who stays is chosen since the first time; who took too little leaves."""
    makers = [Address(f"0x{number:040x}") for number in range(1, CHOSEN + 1)]
    small = [taken(maker, "10", 3, at) for at, maker in enumerate(makers)]
    await stored(pool, [*small, taken(MAKER, "300", 3, 100), taken(VAULT, "500", 4, 101)])
    await measured(pool, 3)
    assert await choose_users(pool, ManualClock(AFTER)) == 1
    assert await choose_users(pool, ManualClock(AFTER)) == 0
    assert await chosen(pool) == [MAKER, *makers[:-1]]
    await measured(pool, 4)
    with capture_logs() as logs:
        assert await choose_users(pool, ManualClock(AFTER + HOUR)) == 1
    assert await chosen(pool) == [VAULT, MAKER, *makers[:-2]]
    first, second, *_rest = await choice(pool)
    assert first.measured.chosen_at > second.measured.chosen_at == "2025-10-11T00:20:00.000Z"
    assert {each.measured.hours for each in await choice(pool)} == {2}
    assert (logs[0]["joined"], logs[0]["left"]) == ((VAULT,), (makers[-2],))


@pytest.mark.parametrize(("usd", "first"), [("1.01", MAKER), ("0.99", VAULT)])
async def test_who_holds_a_slot_keeps_it_unless_another_took_much_more(
    pool: Pool, usd: str, first: Address
) -> None:
    """Each change costs the newcomer's past."""
    await hold(pool, VAULT)
    much = str(100 * LOYALTY * Decimal(usd))
    await stored(pool, [taken(VAULT, "100", 3, 1), taken(MAKER, much, 3, 2)])
    await measured(pool, 3)
    await choose_users(pool, ManualClock(AFTER))
    assert (await chosen(pool))[0] == first


async def test_chains_are_chosen_for_apart(pool: Pool) -> None:
    """What was taken on one says nothing of another."""
    other = Chain("hyperliquid_testnet")
    await stored(pool, [taken(MAKER, "300", 3, 1), taken(VAULT, "300", 3, 2, chain=other)])
    await measured(pool, 3)
    await measured(pool, 3, chain=other)
    assert await choose_users(pool, ManualClock(AFTER)) == 2
    slots = PostgresUserSlots(pool, ManualClock(AFTER))
    assert (await slots.chosen(CHAIN), await slots.chosen(other)) == ([MAKER], [VAULT])


async def test_a_choice_is_not_followed_for_ever(pool: Pool) -> None:
    """Long after the last measured day it says nothing any more."""
    await stored(pool, [taken(MAKER, "300", 3, 1)])
    await measured(pool, 3)
    await choose_users(pool, ManualClock(AFTER))
    last = DAY + timedelta(days=CHOICE_KEPT_DAYS, hours=23)
    assert await PostgresUserSlots(pool, ManualClock(last)).chosen(CHAIN) == [MAKER]
    assert await PostgresUserSlots(pool, ManualClock(last + HOUR)).chosen(CHAIN) == []


async def test_workers_at_once_choose_once(pool: Pool) -> None:
    """However many look at the same moment."""
    await stored(pool, [taken(MAKER, "300", 3, 1), taken(VAULT, "200", 3, 2)])
    await measured(pool, 3)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(choose_users(pool, ManualClock(AFTER))) for _ in range(4)]
    assert sorted(task.result() for task in running) == [0, 0, 0, 1]
    assert await chosen(pool) == [MAKER, VAULT]


async def test_a_worker_waits_for_its_turn(pool: Pool) -> None:
    """While another one chooses for the chain."""
    await stored(pool, [taken(MAKER, "300", 3, 1)])
    await measured(pool, 3)
    async with pool.acquire() as other, other.transaction():
        await take_turn(other, CHAIN)
        waiting = asyncio.ensure_future(choose_users(pool, ManualClock(AFTER)))
        while not await other.fetchval(WAITING):
            assert not waiting.done()
            await asyncio.sleep(0.01)
    assert await waiting == 1


async def test_what_a_source_tells_of_its_slots_is_shown_beside_the_measurement(pool: Pool) -> None:
    """Its newest word counts, in its order, and a slot without a measurement has none."""
    await stored(pool, [taken(MAKER, "300", 3, 1)])
    await measured(pool, 3)
    await choose_users(pool, ManualClock(AFTER))
    await hold(pool, VICTIM, OTHER_VICTIM)
    later = DAY + timedelta(days=1)
    held = [HeldSlot(VAULT, SlotReason.LIQUIDATOR, DAY), HeldSlot(MAKER, SlotReason.MEASURED, later)]
    await PostgresUserSlots(pool, ManualClock(AFTER)).tell(API, CHAIN, held)
    async with pool.acquire() as connection:
        first, second = await read_slots(connection)
    assert first == SlotText(
        source=API,
        chain=CHAIN,
        user=VAULT,
        position=1,
        reason="liquidator",
        held_since="2025-10-10T00:00:00.000Z",
        measured=None,
    )
    [best] = await choice(pool)
    assert (second.user, second.reason, second.measured) == (MAKER, "measured", best.measured)
    assert best.followed
    assert date.fromisoformat(best.measured.day) == DAY.date()


async def test_it_is_looked_every_few_minutes(pool: Pool) -> None:
    """Around the clock."""

    class EndingClock(ManualClock):
        async def sleep(self, duration: timedelta) -> None:
            await super().sleep(duration)
            if len(self.slept) == 3:
                raise StoppedError

    clock = EndingClock(AFTER)
    with pytest.raises(StoppedError):
        await keep_choosing(pool, clock, clock)
    assert clock.slept == [timedelta(minutes=10)] * 3
