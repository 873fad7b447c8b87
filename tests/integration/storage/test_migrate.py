"""The schema's way forward: once, in order, and never on a database another version made."""

import asyncio

import pytest

from kamiyo.core.errors import SchemaMismatch
from kamiyo.storage.migrate import Migration, is_current, migrate, shipped_migrations
from kamiyo.storage.pool import connect

FIRST = Migration(1, "0001_a.sql", "CREATE TABLE a (x int)")
SECOND = Migration(2, "0002_b.sql", "CREATE TABLE b (x int); INSERT INTO a VALUES (1)")


async def test_an_empty_database_gets_every_step_once(empty_database_url: str) -> None:
    """A second start finds nothing to do, and the database is known to be current."""
    async with connect(empty_database_url) as connection:
        assert await is_current(connection) is False
        assert await migrate(connection) == tuple(step.name for step in shipped_migrations())
        assert await is_current(connection) is True
        assert await migrate(connection) == ()


async def test_a_new_step_is_added_to_what_is_there(empty_database_url: str) -> None:
    """Only what is missing is applied."""
    async with connect(empty_database_url) as connection:
        assert await migrate(connection, (FIRST,)) == ("0001_a.sql",)
        assert await migrate(connection, (FIRST, SECOND)) == ("0002_b.sql",)
        assert await connection.fetchval("SELECT x FROM a") == 1
        assert await is_current(connection) is False


async def test_a_step_that_was_changed_since_is_refused(empty_database_url: str) -> None:
    """What was applied can never become another; nothing is touched."""
    async with connect(empty_database_url) as connection:
        await migrate(connection, (FIRST,))
        changed = Migration(1, "0001_a.sql", "CREATE TABLE a (y int)")
        with pytest.raises(SchemaMismatch, match="0001_a"):
            await migrate(connection, (changed, SECOND))
        assert await connection.fetchval("SELECT to_regclass('b')") is None


async def test_a_database_of_a_newer_version_is_refused(empty_database_url: str) -> None:
    """An old program never writes into a schema it does not know."""
    async with connect(empty_database_url) as connection:
        await migrate(connection, (FIRST, SECOND))
        with pytest.raises(SchemaMismatch, match="newer KAMIYO"):
            await migrate(connection, (FIRST,))


async def test_a_step_that_fails_leaves_nothing_behind(empty_database_url: str) -> None:
    """All steps of one start are one transaction."""
    broken = Migration(2, "0002_b.sql", "CREATE TABLE b (x int); SELECT 1 / 0")
    async with connect(empty_database_url) as connection:
        with pytest.raises(Exception, match="division by zero"):
            await migrate(connection, (FIRST, broken))
        assert await connection.fetchval("SELECT to_regclass('a')") is None


async def test_two_that_start_at_once_do_not_disturb_each_other(empty_database_url: str) -> None:
    """One migrates, the other waits and finds it done."""

    async def start() -> tuple[str, ...]:
        async with connect(empty_database_url) as connection:
            return await migrate(connection)

    async with asyncio.TaskGroup() as tasks:
        started = [tasks.create_task(start()) for _ in range(4)]
    applied = sorted(task.result() for task in started)
    assert applied == [(), (), (), tuple(step.name for step in shipped_migrations())]
