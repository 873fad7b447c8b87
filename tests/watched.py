"""A pool of connections that says where a transaction is, so that a process can end exactly there."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any, cast

from kamiyo.storage.pool import Pool

At = Callable[[str], None]
STATEMENTS = {"execute", "executemany", "fetch", "fetchval", "fetchrow"}


def watched(pool: Pool, at: At) -> Pool:
    """The pool, with ``at`` called at each stage of a transaction.

    Before each ``statement``, in the middle of each ``copy``, at each ``commit`` and once ``committed``.
    """
    return cast("Pool", _WatchedPool(pool, at))


class _WatchedPool:
    def __init__(self, pool: Pool, at: At) -> None:
        self._pool = pool
        self._at = at

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator["_WatchedConnection"]:
        async with self._pool.acquire() as connection:
            yield _WatchedConnection(connection, self._at)


class _WatchedConnection:
    def __init__(self, connection: Any, at: At) -> None:
        self._connection = connection
        self._at = at

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        async with self._connection.transaction():
            yield
            self._at("commit")
        self._at("committed")

    async def copy_to_table(self, table: str, *, source: BytesIO, **options: Any) -> str:
        self._at("statement")

        async def halves() -> AsyncIterator[bytes]:
            rows = source.read()
            yield rows[: len(rows) // 2]
            self._at("copy")
            yield rows[len(rows) // 2 :]

        return await self._connection.copy_to_table(table, source=halves(), **options)

    def __getattr__(self, name: str) -> Any:
        if name in STATEMENTS:
            self._at("statement")
        return getattr(self._connection, name)
