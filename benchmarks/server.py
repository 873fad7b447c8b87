"""A PostgreSQL of our own for each run, as the product starts it, and databases with our schema."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg

from benchmarks.data import CASCADE_START, ORDINARY_DAY
from benchmarks.folder import own_folder
from kamiyo.runtime.embedded import start_engines
from kamiyo.storage.migrate import migrate
from kamiyo.storage.partitions import ensure_months, ensure_outbox_days, month_of
from kamiyo.storage.pool import Pool, connect, open_pool

# A server to measure instead of the embedded one: reachable as superuser, on this machine.
SERVER_VARIABLE = "KAMIYO_BENCH_DATABASE_URL"


@dataclass(frozen=True, slots=True)
class Database:
    """One database with our schema, and the one connection that works in it."""

    name: str
    url: str
    pool: Pool
    backend: int  # the process id of the connection's server side


@contextmanager
def server() -> Generator[str]:
    """The URL of a server that nobody else uses."""
    given = os.environ.get(SERVER_VARIABLE)
    if given:
        yield given
        return
    with (
        own_folder() as home,
        start_engines(home, database_url=None, redis_url="redis://unused") as engines,
    ):
        url = engines.engines.database_url
        asyncio.run(_let_read_files(url))
        yield url


async def _let_read_files(url: str) -> None:
    """COPY FROM a file, the peer, is more than the product's own role may do."""
    async with connect(url) as connection:
        socket = await connection.fetchval("SHOW unix_socket_directories")
        port = await connection.fetchval("SHOW port")
        role = await connection.fetchval("SELECT current_user")
    superuser = await asyncpg.connect(host=socket, port=int(port), user="postgres", database="postgres")
    try:
        await superuser.execute(f"GRANT pg_read_server_files TO {role}")
    finally:
        await superuser.close()


@asynccontextmanager
async def database(server_url: str, name: str) -> AsyncGenerator[Database]:
    """A new database of that name, migrated, with partitions for all made-up data."""
    async with connect(server_url) as connection:
        await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await connection.execute(f"CREATE DATABASE {name}")
    url = _with_name(server_url, name)
    async with connect(url) as connection:
        await migrate(connection)
        await ensure_months(connection, [month_of(CASCADE_START), month_of(ORDINARY_DAY)])
        await ensure_outbox_days(connection, datetime.now(UTC).date())
    async with open_pool(url, size=1) as pool:
        async with pool.acquire() as connection:
            backend: int = await connection.fetchval("SELECT pg_backend_pid()")
        yield Database(name, url, pool, backend)


async def version_of(server_url: str) -> str:
    """What the server calls itself."""
    connection = await asyncpg.connect(server_url)
    try:
        return str(await connection.fetchval("SHOW server_version"))
    finally:
        await connection.close()


def _with_name(url: str, name: str) -> str:
    before, _slash, after = url.rpartition("/")
    _old, question, query = after.partition("?")
    return f"{before}/{name}{question}{query}"
