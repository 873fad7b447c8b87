"""What a database server says of itself and of the schema in it, without changing anything."""

from __future__ import annotations

from datetime import datetime

import msgspec

from kamiyo.storage.migrate import is_current
from kamiyo.storage.pool import Connection, translated

_SERVER = """
SELECT current_setting('server_version'), current_setting('server_version_num')::integer, clock_timestamp()
"""


class DatabaseFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A database. ``schema_version`` is the number of the newest step applied; None where none was."""

    version: str
    major: int
    now: datetime
    schema_version: int | None
    schema_current: bool


async def read_database_facts(connection: Connection) -> DatabaseFacts:
    """Everything a check-up needs of a database."""
    async with translated():
        [(version, number, now)] = await connection.fetch(_SERVER)
        found = await connection.fetchval("SELECT to_regclass('schema_migrations')")
        step = None
        if found is not None:
            step = await connection.fetchval("SELECT max(version) FROM schema_migrations")
    return DatabaseFacts(
        version=version,
        major=number // 10_000,
        now=now,
        schema_version=step,
        schema_current=await is_current(connection),
    )
