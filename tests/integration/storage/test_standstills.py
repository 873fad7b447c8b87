"""Connections whose process stands still in the middle of a statement, and who waits for them."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from kamiyo.storage import outbox, standstills
from kamiyo.storage.leases import PostgresLeases
from kamiyo.storage.pool import LONGEST_PAUSE, Connection, Pool, connect, translated
from kamiyo.storage.standstills import end_standing_statements
from tests.fakes import HastyClock
from tests.standing import AN_ID, standing_still

PAUSE = timedelta(seconds=0.3)
LONG = 2 * PAUSE
LOCK = "SELECT pg_advisory_xact_lock(7)"
NOTHING = "SELECT 1"


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a third of a second for long."""
    monkeypatch.setattr(standstills, "LONGEST_PAUSE", PAUSE)
    monkeypatch.setattr(standstills, "_LONGEST_SILENCE_OF_A_RELAY", PAUSE)


def _ended(copying: asyncio.Future[None]) -> bool:
    return isinstance(copying.exception(), asyncpg.InterfaceError | asyncpg.AdminShutdownError)


async def test_who_stands_still_within_a_statement_with_a_transaction_id_is_ended(
    database_url: str, pool: Pool
) -> None:
    """The stream waits for every such transaction, even where nobody waits for a lock."""
    async with connect(database_url) as still, pool.acquire() as other:
        async with standing_still(still, AN_ID, LONG) as copying:
            await end_standing_statements(other)
        assert _ended(copying)


async def test_who_stands_still_within_a_statement_others_wait_for_is_ended(
    database_url: str, pool: Pool
) -> None:
    """Also where it has written nothing, and only holds a lock."""
    async with connect(database_url) as still, connect(database_url) as waiting, pool.acquire() as other:
        async with standing_still(still, LOCK, LONG) as copying, asyncio.timeout(10):
            taken = asyncio.ensure_future(waiting.execute(LOCK))
            while not taken.done():
                await asyncio.sleep(0.05)
                await end_standing_statements(other)
            await taken
        assert _ended(copying)


async def test_who_stands_still_in_nobodys_way_is_left_alone(database_url: str, pool: Pool) -> None:
    """A reader may take its time."""
    async with connect(database_url) as still, pool.acquire() as other:
        async with standing_still(still, LOCK, LONG) as copying:
            await end_standing_statements(other)
        await copying
        assert await still.fetchval("SELECT count(*) FROM copied") == 2


async def test_a_short_pause_is_none(database_url: str, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only five seconds are a standstill: who waits for a slow network is not ended."""
    monkeypatch.setattr(standstills, "LONGEST_PAUSE", LONGEST_PAUSE)
    async with connect(database_url) as still, pool.acquire() as other:
        async with standing_still(still, AN_ID, LONG) as copying:
            await end_standing_statements(other)
        await copying


async def test_who_computes_for_long_is_left_alone(database_url: str, pool: Pool) -> None:
    """It waits for the database, not the database for it."""
    async with connect(database_url) as busy, pool.acquire() as other, busy.transaction():
        await busy.execute(AN_ID)
        computing = asyncio.ensure_future(busy.execute("SELECT pg_sleep(1)"))
        await asyncio.sleep(LONG.total_seconds())
        await end_standing_statements(other)
        await computing


async def test_other_programs_are_left_alone(database_url: str, pool: Pool) -> None:
    """A dump that is being restored is its operator's."""
    still = await asyncpg.connect(database_url, server_settings={"application_name": "psql"})
    async with pool.acquire() as other, standing_still(still, AN_ID, LONG) as copying:
        await end_standing_statements(other)
    await copying
    await still.close()


async def test_whoever_holds_a_lease_waits_for_nobody_who_stands_still(database_url: str, pool: Pool) -> None:
    """It looks whenever it renews, on a connection its work has no part in."""
    async with connect(database_url) as still, connect(database_url) as work:
        async with standing_still(still, LOCK, LONG) as copying, PostgresLeases(pool, HastyClock()).hold("a"):
            async with asyncio.timeout(10):
                await work.execute(LOCK)
        assert _ended(copying)


async def test_a_lease_is_kept_where_nobody_can_be_ended(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    """That others stand still is no trouble of the holder's own."""
    looked = asyncio.Event()

    async def fail(_connection: Connection) -> None:
        looked.set()
        async with translated():
            raise asyncpg.InsufficientPrivilegeError("must be a member")

    monkeypatch.setattr("kamiyo.storage.leases.end_standing_statements", fail)
    async with PostgresLeases(pool, HastyClock()).hold("a") as lease, asyncio.timeout(10):
        for _renewal in range(3):
            looked.clear()
            await looked.wait()
        async with connect(database_url) as other:
            assert lease
            assert await other.fetchval("SELECT token FROM source_leases") == lease.token


async def test_a_relay_that_says_nothing_is_replaced(database_url: str) -> None:
    """Who asks for its place ends it, and has the place when it asks again; one that goes on keeps it.

    Whoever else says nothing is left alone.
    """
    async with connect(database_url) as one, connect(database_url) as other, connect(database_url) as third:
        assert await outbox.acquire_relay_lease(one)
        async with asyncio.timeout(10):
            for _second in range(5):
                await asyncio.sleep(PAUSE.total_seconds() / 2)
                await one.execute(NOTHING)
                assert not await outbox.acquire_relay_lease(other)
            while not await outbox.acquire_relay_lease(other):
                await asyncio.sleep(0.05)
        with pytest.raises((asyncpg.InterfaceError, asyncpg.AdminShutdownError)):
            await one.execute(NOTHING)
        await third.execute(NOTHING)
