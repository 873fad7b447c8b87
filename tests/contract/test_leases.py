"""What every lease promises, asked of those in memory and of those in PostgreSQL."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from kamiyo.core.errors import LeaseLost
from kamiyo.core.ids import Cursor
from kamiyo.core.ports import Journal, Leases
from kamiyo.core.sources import SourceState
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.leases import PostgresLeases
from kamiyo.storage.pool import Pool
from tests.builders import NODE, a_batch, a_source_description
from tests.fakes import HastyClock, MemoryJournal, MemoryLeases

STEAL = """
UPDATE source_leases SET token = token + 1, holder = 'thief', expires_at = clock_timestamp() + interval '1 h'
WHERE name = $1
"""


@dataclass(frozen=True)
class Held:
    """Leases, the journal they guard, and somebody who takes them."""

    leases: Leases
    journal: Journal
    steal: Callable[[str], Awaitable[object]]
    notice: Callable[[str], object]


@pytest.fixture(params=["memory", "postgres"])
def database(request: pytest.FixtureRequest) -> "Pool | None":
    """Start a database only for the leases that need one."""
    return request.getfixturevalue("pool") if request.param == "postgres" else None


@pytest.fixture
async def held(database: "Pool | None") -> Held:
    """Give each kind of leases in turn, with one source registered."""
    held = _in_memory() if database is None else _in_postgres(database)
    await held.journal.register(a_source_description())
    return held


def _in_memory() -> Held:
    leases = MemoryLeases()

    async def steal(name: str) -> None:
        leases.steal(name)

    return Held(leases, MemoryJournal(leases=leases), steal, leases.notice)


def _in_postgres(pool: Pool) -> Held:
    leases = PostgresLeases(pool, HastyClock())
    return Held(leases, PostgresJournal(pool), lambda name: pool.execute(STEAL, name), lambda _name: None)


async def test_of_one_name_there_is_one_holder(held: Held) -> None:
    """A second is refused until the first has left; another name is another right."""
    async with (
        held.leases.hold("a") as first,
        held.leases.hold("a") as second,
        held.leases.hold("b") as other,
    ):
        assert first is not None
        assert other is not None
        assert (first.name, second, other.name) == ("a", None, "b")
    async with held.leases.hold("a") as again:
        assert again is not None


async def test_each_holder_has_a_higher_number(held: Held) -> None:
    """Whoever held it before, and however it ended."""
    tokens = []
    for _ in range(3):
        async with held.leases.hold("a") as lease:
            assert lease is not None
            tokens.append(lease.token)
    assert tokens == [tokens[0], tokens[0] + 1, tokens[0] + 2]


async def test_who_lost_it_is_stopped(held: Held) -> None:
    """A holder whose right was given away does not go on as if it had it, nor takes it back."""
    with pytest.RaisesGroup(LeaseLost, allow_unwrapped=True, flatten_subgroups=True):
        async with held.leases.hold("a"):
            await held.steal("a")
            held.notice("a")
            async with asyncio.timeout(10):
                await asyncio.Event().wait()
    async with held.leases.hold("a") as again:
        assert again is None


async def test_what_is_written_under_it_is_stored(held: Held) -> None:
    """Being held changes nothing of what a journal does."""
    async with held.leases.hold("a") as lease:
        assert lease is not None
        journal = held.journal.under(lease)
        assert (await journal.write(a_batch(cursor=Cursor("1")))).new_fills == 1
        await journal.report_state(NODE, SourceState.LIVE, "")
        assert await journal.cursor(NODE) == "1"
    assert await held.journal.cursor(NODE) == "1"


async def test_what_is_written_after_it_was_lost_is_not(held: Held) -> None:
    """Neither rows nor cursor move, however late the former holder writes; the next holder's do."""
    async with held.leases.hold("a") as lease:
        assert lease is not None
        former = held.journal.under(lease)
        await former.write(a_batch(cursor=Cursor("1")))
    async with held.leases.hold("a") as lease:
        assert lease is not None
        with pytest.raises(LeaseLost):
            await former.write(a_batch(cursor=Cursor("2")))
        with pytest.raises(LeaseLost):
            await former.report_state(NODE, SourceState.FAILED, "")
        assert await held.journal.cursor(NODE) == "1"
        await held.journal.under(lease).write(a_batch(cursor=Cursor("3")))
    assert await held.journal.cursor(NODE) == "3"


async def test_who_gave_it_back_may_write_until_somebody_has_it(held: Held) -> None:
    """Nobody can be disturbed by what is written before."""
    async with held.leases.hold("a") as lease:
        assert lease is not None
    await held.journal.under(lease).write(a_batch(cursor=Cursor("1")))
    assert await held.journal.cursor(NODE) == "1"


async def test_a_switch_is_noticed(held: Held) -> None:
    """Whoever waits for a source to be on goes on at once where it is."""
    async with asyncio.timeout(5):
        await held.journal.until_switched(NODE, active=True)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await held.journal.until_switched(NODE, active=False)
