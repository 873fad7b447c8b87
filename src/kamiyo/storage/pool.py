"""Open the database, and translate its errors into ours at the one place they arise."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

from kamiyo.core.errors import SchemaMismatch, StorageRefused, StorageUnavailable

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

# Strings, because asyncpg's classes are generic to the type checker only.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

# What a restart, a lost connection, a full disk or a deadlock raise: the same work may succeed later.
_TRANSIENT = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.CannotConnectNowError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InternalClientError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby after a fail-over, until the address points elsewhere
    asyncpg.PostgresSystemError,  # the server's disk cannot be read or written
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.InvalidCachedStatementError,  # a table was changed while we were connected
    asyncpg.InvalidCatalogNameError,  # the database is being restored, or not made yet
    asyncpg.InvalidAuthorizationSpecificationError,  # what an operator can grant while we wait
    asyncpg.InsufficientPrivilegeError,
    asyncpg.CheckViolationError,  # no partition for the row: it can be made, see storage.journal
)
# What no repetition cures: a value that does not fit its column, or is nested too deeply to be read.
_REFUSED = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    UnicodeError,
)
_OTHER_SCHEMA = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError)
APPLICATION = "kamiyo"  # how the database calls our connections
# A process that stands still in the middle of a transaction must not hold its locks: others wait for them.
# PostgreSQL sees to it between two statements, storage.standstills within one.
LONGEST_PAUSE = timedelta(seconds=5)

_COMMAND_TIMEOUT_SECONDS = 60
_SERVER_SETTINGS = {"application_name": APPLICATION, "timezone": "UTC"}
_NO_LONG_PAUSE = {"idle_in_transaction_session_timeout": f"{LONGEST_PAUSE.total_seconds():.0f}s"}


@asynccontextmanager
async def translated() -> AsyncGenerator[None]:
    """Raise StorageUnavailable for what may work later and StorageRefused for what never will.

    SchemaMismatch where a table is not there.
    """
    try:
        yield
    except _TRANSIENT as error:
        raise StorageUnavailable(f"{type(error).__name__}: {error}") from error
    except _REFUSED as error:
        raise StorageRefused(f"{type(error).__name__}: {error}") from error
    except _OTHER_SCHEMA as error:
        raise SchemaMismatch(f"{error}: run kamiyo once, it brings the database forward") from error


@asynccontextmanager
async def open_pool(database_url: str, *, size: int = 8) -> AsyncGenerator[Pool]:
    """A pool of connections to the database, closed on the way out."""
    async with translated():
        pool = await asyncpg.create_pool(
            database_url,
            min_size=1,
            max_size=size,
            command_timeout=_COMMAND_TIMEOUT_SECONDS,
            server_settings=_SERVER_SETTINGS | _NO_LONG_PAUSE,
        )
    try:
        yield pool
    finally:
        pool.terminate()


@asynccontextmanager
async def connect(database_url: str) -> AsyncGenerator[asyncpg.Connection[asyncpg.Record]]:
    """One connection of one's own: for LISTEN, the numbering and migrations."""
    async with translated():
        connection = await asyncpg.connect(database_url, server_settings=_SERVER_SETTINGS)
    try:
        yield connection
    finally:
        connection.terminate()
