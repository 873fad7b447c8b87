"""A right that ends with its holder: refused to a second, given back, and lost with the connection."""

import asyncio

import pytest

from kamiyo.core.errors import StorageUnavailable
from kamiyo.kit.clock import SystemClock
from kamiyo.storage.leases import PostgresLeases
from kamiyo.storage.pool import Pool
from tests.fakes import ManualClock

HOLDERS = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"


async def test_a_second_holder_is_refused_until_the_first_leaves(database_url: str) -> None:
    """Of one name there is one holder; another name is another right."""
    leases = PostgresLeases(database_url, SystemClock())
    async with leases.hold("a") as first, leases.hold("a") as second, leases.hold("b") as other:
        assert (first, second, other) == (True, False, True)
    for _ in range(100):
        async with leases.hold("a") as again:
            if again:
                return
        await asyncio.sleep(0.02)  # the server notices a closed connection in its own time
    pytest.fail("the lease was never given back")


async def test_who_loses_the_connection_is_stopped_and_another_takes_over(
    database_url: str, pool: Pool
) -> None:
    """A holder that lost its right does not go on as if it had it."""
    taken_over = False
    with pytest.RaisesGroup(StorageUnavailable, allow_unwrapped=True, flatten_subgroups=True):
        async with PostgresLeases(database_url, _Hasty()).hold("a") as held:
            assert held
            async with pool.acquire() as connection:
                await connection.execute(f"SELECT pg_terminate_backend(pid) FROM ({HOLDERS}) AS holders")
            async with PostgresLeases(database_url, SystemClock()).hold("a") as taken_over:
                pass
            async with asyncio.timeout(10):
                await asyncio.Event().wait()
    assert taken_over


async def test_an_error_of_the_holder_is_its_own(database_url: str) -> None:
    """What fails while holding a right ends the watch and is raised."""
    with pytest.RaisesGroup(ZeroDivisionError, allow_unwrapped=True, flatten_subgroups=True):
        async with PostgresLeases(database_url, SystemClock()).hold("a"):
            raise ZeroDivisionError


class _Hasty(ManualClock):
    """Looks after its connection all the time."""

    async def sleep(self, duration) -> None:
        await asyncio.sleep(min(0.05, duration.total_seconds()))
