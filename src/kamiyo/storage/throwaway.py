"""A database for one run: made, migrated, used and dropped."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

from kamiyo.storage.migrate import migrate
from kamiyo.storage.pool import connect, translated

_LEFT_BEHIND = """
SELECT datname FROM pg_database
WHERE datname ~ '^kamiyo_throwaway_[0-9]+_[0-9a-f]+$'
    AND split_part(datname, '_', 3)::bigint < extract(epoch FROM now()) - 86400
"""


@asynccontextmanager
async def throwaway_database(server_url: str) -> AsyncGenerator[str]:
    """The URL of a new, empty, migrated database on the same server; dropped on the way out.

    What a killed process left behind for a day is dropped on the way in.
    """
    async with connect(server_url) as connection, translated():
        for left_behind in await connection.fetch(_LEFT_BEHIND):
            await connection.execute(f"DROP DATABASE IF EXISTS {left_behind['datname']} WITH (FORCE)")
        born = await connection.fetchval("SELECT extract(epoch FROM now())::bigint")
        name = f"kamiyo_throwaway_{born}_{secrets.token_hex(8)}"
        await connection.execute(f"CREATE DATABASE {name}")
        await connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")  # nothing of it lasts
    url = urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    try:
        async with connect(url) as connection:
            await migrate(connection)
        yield url
    finally:
        async with connect(server_url) as connection, translated():
            await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
