"""Leases: exclusive rights held by a connection of their own, and gone with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg

from kamiyo.core.time import Clock
from kamiyo.storage.pool import connect, translated

_CHECK_EVERY = timedelta(seconds=2)
_PATIENCE_SECONDS = 10  # a server that vanished without a word has released the lease, or will
_TRY = "SELECT pg_try_advisory_lock(hashtextextended('lease/' || $1, 0))"


class PostgresLeases:
    """Advisory locks of PostgreSQL: a holder that dies loses its connection, and with it the lock."""

    def __init__(self, database_url: str, clock: Clock) -> None:
        self._url = database_url
        self._clock = clock

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncGenerator[bool]:
        """Hold the right while inside; False where somebody else has it.

        While it is held the connection is watched, and its loss ends the block with StorageUnavailable:
        whoever lost the right must not go on as if it had it.
        """
        async with connect(self._url) as connection:
            async with translated():
                held = bool(await connection.fetchval(_TRY, name))
            if not held:
                yield False
                return
            async with asyncio.TaskGroup() as tasks:
                watch = tasks.create_task(_watch(connection, self._clock), name=f"lease/{name}")
                yield True
                watch.cancel()


async def _watch(connection: asyncpg.Connection[asyncpg.Record], clock: Clock) -> None:
    while True:
        await clock.sleep(_CHECK_EVERY)
        async with translated():
            await connection.execute("SELECT 1", timeout=_PATIENCE_SECONDS)
