"""Leases in PostgreSQL: what their clock, their expiry and their locks add to what every lease promises."""

import asyncio
from datetime import timedelta

import pytest

from kamiyo.core.errors import LeaseLost, StorageUnavailable
from kamiyo.core.ports import Lease
from kamiyo.kit.clock import SystemClock
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.leases import EXPIRES_AFTER, PostgresLeases, hold_fast
from kamiyo.storage.pool import Pool, open_pool
from tests.builders import NODE, a_batch, a_source_description
from tests.fakes import HastyClock, ManualClock

EXPIRE = "UPDATE source_leases SET expires_at = clock_timestamp()"
LEFT = "SELECT expires_at - clock_timestamp() FROM source_leases"


class _Still(ManualClock):
    """Stands still: what it holds is never renewed."""

    async def sleep(self, duration: timedelta) -> None:  # noqa: ARG002
        await asyncio.Event().wait()


async def test_a_holder_that_stands_still_is_replaced_by_the_clock_of_the_database(pool: Pool) -> None:
    """Until it expires nobody gets the lease, and from then on whoever asks first, under a higher number."""
    standing, other = PostgresLeases(pool, _Still()), PostgresLeases(pool, SystemClock())
    async with standing.hold("a") as first:
        assert first is not None
        left = await pool.fetchval(LEFT)
        assert EXPIRES_AFTER - timedelta(seconds=1) < left <= EXPIRES_AFTER
        async with other.hold("a") as early:
            assert early is None
        await pool.execute(EXPIRE)
        async with other.hold("a") as second, other.hold("a") as third:
            assert second is not None
            assert (second.token, third) == (first.token + 1, None)


async def test_a_holder_that_leaves_is_replaced_at_once(pool: Pool) -> None:
    """Whoever ends in order does not let others wait."""
    leases = PostgresLeases(pool, SystemClock())
    async with leases.hold("a") as first:
        pass
    async with leases.hold("a") as second:
        assert first is not None
        assert second == Lease("a", first.token + 1)


async def test_a_lease_is_renewed_while_it_is_held(pool: Pool) -> None:
    """However long the work takes, nobody else gets it."""
    async with PostgresLeases(pool, HastyClock()).hold("a"):
        await pool.execute(EXPIRE)
        async with asyncio.timeout(5):
            while await pool.fetchval(LEFT) < timedelta(seconds=1):
                await asyncio.sleep(0.02)


async def test_who_cannot_renew_is_stopped(database_url: str) -> None:
    """Without a database nobody can tell who holds it, and the holder does not go on as if it did."""
    with pytest.RaisesGroup(StorageUnavailable, allow_unwrapped=True, flatten_subgroups=True):
        async with (
            open_pool(database_url, size=1) as own,
            PostgresLeases(own, HastyClock()).hold("a") as held,
        ):
            assert held
            own.terminate()
            async with asyncio.timeout(5):
                await asyncio.Event().wait()


async def test_nobody_is_given_a_lease_in_the_middle_of_a_write(pool: Pool) -> None:
    """Who takes over waits for the writes of the former holder, and its later ones are refused."""
    leases = PostgresLeases(pool, _Still())
    async with leases.hold("a") as lease, pool.acquire() as connection:
        assert lease is not None
        async with connection.transaction():
            await hold_fast(connection, lease)
            await pool.execute(EXPIRE)  # as by a holder: what it renews does not wait for its own writes
            async with asyncio.TaskGroup() as tasks:
                taking = tasks.create_task(leases._take("a"))
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(taking), 0.3)
                await connection.execute("COMMIT")
                await connection.execute("BEGIN")
        assert await taking == Lease("a", lease.token + 1)
        async with connection.transaction():
            with pytest.raises(LeaseLost):
                await hold_fast(connection, lease)


async def test_what_was_written_under_a_lost_lease_leaves_no_trace(pool: Pool) -> None:
    """Neither rows nor cursor nor message: the whole transaction is refused."""
    journal = PostgresJournal(pool)
    await journal.register(a_source_description())
    fenced = journal.under(Lease("a", 1))
    with pytest.raises(LeaseLost):
        await fenced.write(a_batch())
    assert await journal.cursor(NODE) is None
    assert await pool.fetchval("SELECT count(*) FROM liquidations") == 0
    assert await pool.fetchval("SELECT count(*) FROM outbox") == 0
    assert (await journal.write(a_batch())).new_fills == 1


async def test_a_transaction_that_stands_still_lets_go_of_its_locks(database_url: str, pool: Pool) -> None:
    """A process that is stopped between two statements holds up nobody for long."""
    assert await pool.fetchval("SHOW idle_in_transaction_session_timeout") == "5s"


async def test_an_error_of_the_holder_is_its_own(pool: Pool) -> None:
    """What fails while holding a right ends the watch, is raised, and gives the right back."""
    leases = PostgresLeases(pool, SystemClock())
    with pytest.RaisesGroup(ZeroDivisionError, allow_unwrapped=True, flatten_subgroups=True):
        async with leases.hold("a"):
            raise ZeroDivisionError
    async with leases.hold("a") as again:
        assert again
