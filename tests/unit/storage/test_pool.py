"""What the database's errors mean to those who call storage."""

import asyncpg
import pytest

from kamiyo.core.errors import SchemaMismatch, StorageRefused, StorageUnavailable
from kamiyo.storage.pool import translated


@pytest.mark.parametrize(
    ("raised", "meaning"),
    [
        (ConnectionRefusedError(), StorageUnavailable),
        (asyncpg.DeadlockDetectedError("x"), StorageUnavailable),
        (asyncpg.PostgresIOError("x"), StorageUnavailable),
        (asyncpg.ObjectInUseError("x"), StorageUnavailable),
        (asyncpg.InvalidCachedStatementError("x"), StorageUnavailable),
        (asyncpg.InvalidCatalogNameError("x"), StorageUnavailable),
        (asyncpg.InvalidPasswordError("x"), StorageUnavailable),
        (asyncpg.InsufficientPrivilegeError("x"), StorageUnavailable),
        (asyncpg.NumericValueOutOfRangeError("x"), StorageRefused),
        (asyncpg.UndefinedTableError("x"), SchemaMismatch),
        (asyncpg.UndefinedColumnError("x"), SchemaMismatch),
    ],
    ids=lambda each: getattr(each, "__name__", type(each).__name__),
)
async def test_what_a_server_may_answer_is_an_error_of_ours(raised: Exception, meaning: type) -> None:
    """A source that fails by one of these is tried again, and no other source is disturbed."""
    with pytest.raises(meaning):
        async with translated():
            raise raised
