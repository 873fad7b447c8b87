"""A database for one run: made, migrated, used and dropped."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

from kamiyo.storage.migrate import migrate
from kamiyo.storage.pool import connect, translated


@asynccontextmanager
async def throwaway_database(server_url: str) -> AsyncGenerator[str]:
    """The URL of a new, empty, migrated database on the same server; dropped on the way out."""
    name = f"kamiyo_throwaway_{secrets.token_hex(8)}"
    async with connect(server_url) as connection, translated():
        await connection.execute(f"CREATE DATABASE {name}")
    url = urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    try:
        async with connect(url) as connection:
            await migrate(connection)
        yield url
    finally:
        async with connect(server_url) as connection, translated():
            await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
