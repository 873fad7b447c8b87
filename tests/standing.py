"""A connection whose process stands still in the middle of a statement."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from kamiyo.storage.pool import Connection

AN_ID = "SELECT pg_current_xact_id()"


@asynccontextmanager
async def standing_still(
    connection: Connection, before: str, length: timedelta = timedelta(0)
) -> AsyncIterator[asyncio.Future[None]]:
    """Begin a transaction with a statement, and stop within a COPY for as long as the caller's block lasts.

    The block begins when it has stood still for ``length``; the COPY, if nobody ended it, is done after it.
    """
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def rows() -> AsyncIterator[bytes]:
        yield b"1\n"
        inside.set()
        await go_on.wait()
        yield b"2\n"

    async def copy() -> None:
        async with connection.transaction():
            await connection.execute(before)
            await connection.copy_to_table("copied", source=rows(), format="text")

    await connection.execute("CREATE TEMP TABLE copied (number int)")
    copying = asyncio.ensure_future(copy())
    await inside.wait()
    await asyncio.sleep(length.total_seconds())
    try:
        yield copying
    finally:
        go_on.set()
        await asyncio.wait([copying])
