"""States in PostgreSQL: the newest word counts, in whatever order and how often words come."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from kamiyo.core.ids import Address, Asset, Protocol
from kamiyo.core.margin import Direction
from kamiyo.core.ports import Event, Written
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.pool import Pool
from tests.builders import (
    API,
    MAKER,
    NODE,
    NOW,
    OTHER_VICTIM,
    VAULT,
    VICTIM,
    a_batch,
    a_market_state,
    a_position,
    a_vault_state,
    an_account_state,
)
from tests.stored import table

TABLES = (
    "market_states",
    "market_minutes",
    "vault_states",
    "vault_minutes",
    "account_states",
    "account_positions",
)
SECOND = timedelta(seconds=1)


async def rows_of(pool: Pool) -> dict[str, list[dict[str, Any]]]:
    async with pool.acquire() as connection:
        return {name: await table(connection, name) for name in TABLES}


async def write(pool: Pool, *events: Event) -> Written:
    return await PostgresJournal(pool).write(a_batch(source=API, events=events))


def some_states(random: Random) -> list[Event]:
    """Words on few things at few moments by two sources: many contradict each other, some at one moment."""
    return [
        *(a_market(random) for _ in range(30)),
        *(a_vault(random) for _ in range(30)),
        *(an_account(random) for _ in range(30)),
    ]


def said(random: Random) -> dict[str, Any]:
    moment = NOW + random.randint(0, 5) * timedelta(seconds=25)
    return {"source": random.choice([API, NODE]), "timestamp": moment}


def a_number(random: Random, *, unknown: bool = False) -> Any:
    return None if unknown and random.random() < 0.3 else Decimal(random.randint(1, 3)) / 4


def a_market(random: Random) -> Event:
    return a_market_state(
        asset=Asset(random.choice(["BTC", "xyz:TSLA"])),
        mark_price=a_number(random),
        mid_price=a_number(random, unknown=True),
        open_interest=a_number(random, unknown=True),
        **said(random),
    )


def a_vault(random: Random) -> Event:
    return a_vault_state(
        vault=random.choice([VAULT, MAKER]),
        parent=random.choice([None, VICTIM]),
        children=random.choice([(), (OTHER_VICTIM,)]),
        account_value=a_number(random, unknown=True),
        **said(random),
    )


def an_account(random: Random) -> Event:
    names = random.sample(["BTC", "ETH", "SOL"], random.randint(0, 3))
    sizes = [(a_number(random), a_number(random, unknown=True)) for _ in names]
    return an_account_state(
        user=random.choice([VICTIM, OTHER_VICTIM]),
        account_value=a_number(random, unknown=True),
        positions=tuple(
            a_position(asset=Asset(name), size=size, liquidation_price=price)
            for name, (size, price) in zip(names, sizes, strict=True)
        ),
        **said(random),
    )


def in_batches(events: Sequence[Event], random: Random) -> list[list[Event]]:
    """The same in another order, some of them twice, cut anywhere."""
    shuffled = random.sample([*events, *random.sample(events, 10)], len(events) + 10)
    batches, at = list[list[Event]](), 0
    while at < len(shuffled):
        size = random.choice([1, 2, 7, 40])
        batches.append(shuffled[at : at + size])
        at += size
    return batches


@pytest.mark.parametrize("seed", range(6))
async def test_every_order_ends_in_the_same_rows(pool: Pool, seed: int) -> None:
    """Permuted, repeated, cut into batches: the rows are those of all words heard at once."""
    random = Random(seed)
    events = some_states(random)
    await write(pool, *events)
    expected = await rows_of(pool)
    assert all(expected.values())
    async with pool.acquire() as connection:
        await connection.execute(";".join(f"DELETE FROM {name}" for name in TABLES))
    for batch in in_batches(events, random):
        await write(pool, *batch)
    assert await rows_of(pool) == expected
    assert await write(pool, *events) == Written()
    assert await rows_of(pool) == expected


async def test_writers_at_the_same_time_end_in_the_same_rows(pool: Pool) -> None:
    """Two processes that tell of the same things neither wait for each other for ever nor mix their words."""
    random = Random(11)
    events = some_states(random)
    await write(pool, *events)
    expected = await rows_of(pool)
    async with pool.acquire() as connection:
        await connection.execute(";".join(f"DELETE FROM {name}" for name in TABLES))

    async def tell(batches: list[list[Event]]) -> None:
        for batch in batches:
            await write(pool, *batch)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(tell(in_batches(events, random)))
    assert await rows_of(pool) == expected


async def test_the_last_word_of_a_minute_is_kept(pool: Pool) -> None:
    """Each minute has one row, which says when its word is of; the newest of all is the market's state."""
    moments = [NOW.replace(second=second, microsecond=0) for second in (0, 30, 59)]
    later = moments[0] + timedelta(minutes=1)
    words = [a_market_state(timestamp=moment, mark_price=Decimal(moment.second + 1)) for moment in moments]
    assert await write(pool, *words, a_market_state(timestamp=later)) == Written(new_rows=2)
    rows = await rows_of(pool)
    assert [
        (row["minute"], row["timestamp"], row["mark_price"], row["protocol"])
        for row in rows["market_minutes"]
    ] == [
        (moments[0], moments[2], Decimal(60), "hyperliquid"),
        (later, later, Decimal("3000.5"), "hyperliquid"),
    ]
    [state] = rows["market_states"]
    assert (state["timestamp"], state["open_interest"]) == (later, Decimal("250000.5"))


async def test_a_newer_word_takes_back_what_it_does_not_know(pool: Pool) -> None:
    """What the newest word leaves open is unknown, however well an older one knew it."""
    await write(pool, a_market_state())
    await write(pool, a_market_state(timestamp=NOW + SECOND, open_interest=None))
    rows = await rows_of(pool)
    assert [row["open_interest"] for row in (*rows["market_states"], *rows["market_minutes"])] == [None, None]


async def test_of_one_moment_the_word_that_knows_more_counts(pool: Pool) -> None:
    """Between two words of one source and moment, the one with a number wins over the one without."""
    words = [a_market_state(open_interest=None), a_market_state()]
    for first, second in (words, words[::-1]):
        async with pool.acquire() as connection:
            await connection.execute(";".join(f"DELETE FROM {name}" for name in TABLES))
        await write(pool, first)
        await write(pool, second)
        assert (await rows_of(pool))["market_states"][0]["open_interest"] == Decimal("250000.5")


async def test_a_vault_keeps_its_family_and_its_minutes(pool: Pool) -> None:
    """The newest state has name, parent and children; minutes have the numbers."""
    await write(pool, a_vault_state(), a_vault_state(timestamp=NOW - timedelta(hours=1), total_pnl=None))
    rows = await rows_of(pool)
    [vault] = rows["vault_states"]
    assert (vault["children"], vault["parent"]) == ([MAKER], None)
    assert {row["total_pnl"] for row in rows["vault_minutes"]} == {None, Decimal("-1000.5")}


async def test_a_newer_look_replaces_all_positions(pool: Pool) -> None:
    """What a newer look does not show is closed; an older look changes nothing, whatever it shows."""
    names = ("BTC", "ETH")
    await write(pool, an_account_state(*(a_position(asset=Asset(name)) for name in names)))
    newer = an_account_state(a_position(asset=Asset("ETH"), size=Decimal(9)), timestamp=NOW + SECOND)
    assert await write(pool, newer) == Written(new_rows=1)
    assert await write(pool, an_account_state(a_position(asset=Asset("SOL")), timestamp=NOW)) == Written()
    [position] = (await rows_of(pool))["account_positions"]
    assert (position["asset"], position["size"], position["timestamp"]) == ("ETH", Decimal(9), NOW + SECOND)


async def test_a_closed_account_stays_closed(pool: Pool) -> None:
    """After a look that shows no position, an older one with positions opens none."""
    await write(pool, an_account_state(positions=(), timestamp=NOW + SECOND))
    await write(pool, an_account_state())
    rows = await rows_of(pool)
    assert rows["account_positions"] == []
    assert [row["timestamp"] for row in rows["account_states"]] == [NOW + SECOND]


async def test_accounts_and_dexes_are_apart(pool: Pool) -> None:
    """A look at one account, or at one dex of it, closes nothing of another."""
    tesla = an_account_state(a_position(asset=Asset("xyz:TSLA")), protocol=Protocol("xyz"))
    await write(pool, an_account_state(), tesla, an_account_state(user=OTHER_VICTIM))
    await write(pool, an_account_state(positions=(), timestamp=NOW + SECOND))
    left = {(row["user"], row["asset"]) for row in (await rows_of(pool))["account_positions"]}
    assert left == {(VICTIM, "xyz:TSLA"), (OTHER_VICTIM, "ETH")}


@pytest.mark.parametrize(
    ("side", "liquidation_price", "distance"),
    [
        (Direction.LONG, Decimal(2850), Decimal("0.05")),
        (Direction.LONG, Decimal(3030), Decimal("-0.01")),
        (Direction.SHORT, Decimal(3150), Decimal("0.05")),
        (Direction.SHORT, Decimal(2970), Decimal("-0.01")),
        (Direction.LONG, None, None),
    ],
)
async def test_distance_is_the_move_against_the_position(
    pool: Pool, side: Direction, liquidation_price: Any, distance: Decimal | None
) -> None:
    """It is a fraction of the mark; below zero past the price, and unknown where no price liquidates."""
    position = a_position(side=side, liquidation_price=liquidation_price)
    await write(pool, an_account_state(position, user=Address("0x" + "5" * 40)))
    assert [row["distance"] for row in (await rows_of(pool))["account_positions"]] == [distance]
