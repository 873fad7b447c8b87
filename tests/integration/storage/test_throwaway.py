"""Databases for one run are dropped, also those of runs that were killed."""

import asyncpg
import pytest

from kamiyo.storage.migrate import is_current
from kamiyo.storage.pool import connect
from kamiyo.storage.throwaway import throwaway_database

NAMES = "SELECT datname FROM pg_database WHERE datname LIKE 'kamiyo_throwaway%' ORDER BY datname"


async def _names(url: str) -> list[str]:
    server = await asyncpg.connect(url)
    try:
        return [row[0] for row in await server.fetch(NAMES)]
    finally:
        await server.close()


async def _failing_run(server_url: str) -> None:
    async with throwaway_database(server_url) as url, connect(url) as connection:
        assert await is_current(connection)
        raise ZeroDivisionError


async def test_a_throwaway_database_is_migrated_and_gone_afterwards(postgres_url: str) -> None:
    """It has the shipped schema inside, and does not exist after, even if the run failed."""
    before = await _names(postgres_url)
    with pytest.raises(ZeroDivisionError):
        await _failing_run(postgres_url)
    assert await _names(postgres_url) == before


async def test_nobody_waits_for_the_disk(postgres_url: str) -> None:
    """What is dropped in the end need not outlive a crash of the server."""
    async with throwaway_database(postgres_url) as url, connect(url) as connection:
        setting = "SELECT setting, source FROM pg_settings WHERE name = 'synchronous_commit'"
        assert tuple(await connection.fetchrow(setting) or ()) == ("off", "database")


async def test_what_a_killed_run_left_is_dropped_after_a_day(postgres_url: str) -> None:
    """An old one goes, a young one may still be in use and stays."""
    server = await asyncpg.connect(postgres_url)
    now = await server.fetchval("SELECT extract(epoch FROM now())::bigint")
    old, young = f"kamiyo_throwaway_{now - 90_000}_ab", f"kamiyo_throwaway_{now - 60}_ab"
    for name in (old, young):
        await server.execute(f"CREATE DATABASE {name}")
    try:
        async with throwaway_database(postgres_url):
            names = await _names(postgres_url)
        assert old not in names
        assert young in names
    finally:
        await server.execute(f"DROP DATABASE IF EXISTS {old}")
        await server.execute(f"DROP DATABASE IF EXISTS {young}")
        await server.close()
