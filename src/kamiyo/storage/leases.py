"""Leases: exclusive rights that end unless they are renewed, each holder's with a higher number."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from kamiyo.core.errors import LeaseLost, StorageUnavailable
from kamiyo.core.ports import Lease
from kamiyo.core.time import Clock
from kamiyo.storage.pool import Connection, Pool, translated
from kamiyo.storage.standstills import end_standing_statements

EXPIRES_AFTER = timedelta(seconds=6)

_RENEW_EVERY = timedelta(seconds=2)
_PATIENCE_SECONDS = 3  # with the wait before it less than the time to its expiry
_KNOW = """
INSERT INTO source_leases (name, token, holder, expires_at) VALUES ($1, 0, '', clock_timestamp())
ON CONFLICT DO NOTHING
"""
# FOR UPDATE waits for every transaction that holds the lease fast, and later ones see the new number.
_TAKE = """
WITH free AS MATERIALIZED (
    SELECT name FROM source_leases WHERE name = $1 AND expires_at <= clock_timestamp() FOR UPDATE
)
UPDATE source_leases AS lease SET token = token + 1, holder = $2, expires_at = clock_timestamp() + $3
FROM free WHERE lease.name = free.name RETURNING token
"""
_RENEW = """
UPDATE source_leases SET expires_at = clock_timestamp() + $3 WHERE name = $1 AND token = $2 RETURNING token
"""
# Of all row locks the one that lets the holder renew its lease meanwhile, and nobody take it.
_HOLD_FAST = "SELECT token FROM source_leases WHERE name = $1 AND token = $2 FOR KEY SHARE"


class PostgresLeases:
    """Rows of PostgreSQL with an expiry by its clock: whoever dies or stands still is replaced in seconds.

    Give it a pool of its own, so that renewing never waits for anybody's work.
    """

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._holder = f"{platform.node()}/{os.getpid()}"

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncGenerator[Lease | None]:
        """Hold the right while inside; None where somebody else has it.

        It is renewed while it is held. That this fails ends the block, with LeaseLost or with
        StorageUnavailable: whoever may have lost the right must not go on as if it had it. What is
        written all the same is refused by ``hold_fast``, however late the holder learns of its loss.
        """
        lease = await self._take(name)
        if lease is None:
            yield None
            return
        try:
            async with asyncio.TaskGroup() as tasks:
                renewing = tasks.create_task(self._keep(lease), name=f"lease/{name}")
                yield lease
                renewing.cancel()
        finally:
            with suppress(StorageUnavailable, LeaseLost):
                await self._extend(lease, timedelta(0))

    async def _take(self, name: str) -> Lease | None:
        async with translated(), self._pool.acquire() as connection:
            await connection.execute(_KNOW, name)
            token = await connection.fetchval(_TAKE, name, self._holder, EXPIRES_AFTER)
        return None if token is None else Lease(name, int(token))

    async def _keep(self, lease: Lease) -> None:
        while True:
            await self._clock.sleep(_RENEW_EVERY)
            await self._extend(lease, EXPIRES_AFTER)
            await self._end_standing()

    async def _end_standing(self) -> None:
        """See that the holder's work waits for nobody who stands still, on whatever connection."""
        with suppress(StorageUnavailable):  # what this says of the database, the next renewal says better
            async with translated(), asyncio.timeout(_PATIENCE_SECONDS), self._pool.acquire() as connection:
                await end_standing_statements(connection)

    async def _extend(self, lease: Lease, length: timedelta) -> None:
        async with translated(), asyncio.timeout(_PATIENCE_SECONDS), self._pool.acquire() as connection:
            token = await connection.fetchval(_RENEW, lease.name, lease.token, length)
        if token is None:
            raise _lost(lease)


async def hold_fast(connection: Connection, lease: Lease | None) -> None:
    """LeaseLost if the lease is another's; if not, nobody is given it before the caller's transaction ends.

    The last thing in a transaction: it gives it its id, which must come after the locks others wait for.
    """
    if lease is not None and await connection.fetchval(_HOLD_FAST, lease.name, lease.token) is None:
        raise _lost(lease)


def _lost(lease: Lease) -> LeaseLost:
    return LeaseLost(f"{lease.name} was given to another worker after number {lease.token}")
