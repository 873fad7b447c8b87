"""Bring the schema forward: numbered SQL files, each applied once, in order, and never changed."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources

import msgspec

from kamiyo.core.errors import SchemaMismatch
from kamiyo.storage.pool import Connection, translated

_LOCK = 7_264_101
_CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now())
"""
_APPLIED = "SELECT version, name, checksum FROM schema_migrations ORDER BY version"
_RECORD = "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)"


class Migration(msgspec.Struct, frozen=True):
    """One step of the schema."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Tells whether the file still is what was applied."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


@cache
def shipped_migrations() -> tuple[Migration, ...]:
    """Every step this version of KAMIYO knows, in order."""
    folder = resources.files("kamiyo.storage") / "migrations"
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )
    return tuple(Migration(int(file.name[:4]), file.name, file.read_text(encoding="utf-8")) for file in files)


async def migrate(connection: Connection, migrations: tuple[Migration, ...] | None = None) -> tuple[str, ...]:
    """Apply what is missing and return its names; SchemaMismatch if other steps than ours were applied."""
    known = shipped_migrations() if migrations is None else migrations
    async with translated(), connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        await connection.execute(_CREATE_TABLE)
        applied = await connection.fetch(_APPLIED)
        _check(known, [(row["version"], row["name"], row["checksum"]) for row in applied])
        missing = known[len(applied) :]
        for step in missing:
            await connection.execute(step.sql)
            await connection.execute(_RECORD, step.version, step.name, step.checksum)
    return tuple(step.name for step in missing)


async def is_current(connection: Connection) -> bool:
    """Whether the database has exactly the schema this version of KAMIYO ships."""
    async with translated():
        if await connection.fetchval("SELECT to_regclass('schema_migrations')") is None:
            return False
        applied = await connection.fetch(_APPLIED)
    return [(row["version"], row["checksum"]) for row in applied] == [
        (step.version, step.checksum) for step in shipped_migrations()
    ]


def _check(known: tuple[Migration, ...], applied: list[tuple[int, str, str]]) -> None:
    if len(applied) > len(known):
        raise SchemaMismatch(
            f"the database has step {applied[-1][1]}, made by a newer KAMIYO: upgrade KAMIYO"
        )
    for step, (version, name, checksum) in zip(known, applied, strict=False):
        if (step.version, step.checksum) != (version, checksum):
            raise SchemaMismatch(
                f"the applied step {name} is not the shipped {step.name}: restore the shipped file"
            )
