"""Exports as they are kept: what was asked for, the parts that are on disk for good, and what came of it.

They change under the lease of the export alone: a worker that comes back too late changes nothing.
"""

from __future__ import annotations

import secrets

import asyncpg
import msgspec

from kamiyo.core.errors import InvalidQuery
from kamiyo.core.exports import (
    About,
    Export,
    ExportDataset,
    ExportFile,
    ExportFormat,
    ExportPart,
    ExportPolicy,
    ExportRequest,
    ExportState,
)
from kamiyo.core.ports import Lease
from kamiyo.core.time import Clock
from kamiyo.storage.leases import hold_fast
from kamiyo.storage.pool import Connection, Pool, translated

ENTRYPOINT = "export"

_LOCK = 7_264_110
_OF_KEY = "SELECT export_id, dataset, format, filters FROM exports WHERE request_key = $1"
_USED = """
SELECT count(*) FILTER (WHERE state IN ('queued', 'running')), coalesce(sum(bytes), 0)::bigint FROM exports
"""
_WRITE = """
INSERT INTO exports (requested_at, request_key, dataset, format, filters, folder, state)
VALUES ($1, $2, $3, $4, $5, $6, 'queued') RETURNING export_id
"""
# A job of each open export that has none. One row a key: who adds it a second time adds nothing.
_ENQUEUE = """
INSERT INTO pgqueuer (priority, entrypoint, payload, dedupe_key, status)
SELECT 0, 'export', convert_to(export_id::text, 'UTF8'), 'export/' || export_id, 'queued'
FROM exports WHERE state IN ('queued', 'running') AND ($1::bigint IS NULL OR export_id = $1)
ORDER BY export_id
ON CONFLICT DO NOTHING
"""
_ANY_OPEN = "SELECT EXISTS (SELECT FROM exports WHERE state IN ('queued', 'running'))"
_LOOK = "SELECT * FROM exports WHERE export_id = $1"
_BEGIN = """
UPDATE exports SET state = 'running', detail = '', attempts = attempts + 1,
    started_at = coalesce(started_at, $2)
WHERE export_id = $1 AND state IN ('queued', 'running') RETURNING export_id
"""
_PARTS = "SELECT * FROM export_parts WHERE export_id = $1 ORDER BY number"
_FORGET_PARTS = "DELETE FROM export_parts WHERE export_id = $1"
_START_AGAIN = "UPDATE exports SET rows = 0, bytes = 0, about = $2 WHERE export_id = $1"
_ABOUT = "SELECT about FROM exports WHERE export_id = $1"
_WRITE_PART = """
INSERT INTO export_parts (export_id, number, rows, bytes, sha256, last, final, read_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_COUNT = "UPDATE exports SET rows = rows + $2, bytes = bytes + $3 WHERE export_id = $1"
_ROOM = "SELECT $2 - coalesce(sum(bytes), 0)::bigint FROM exports WHERE export_id <> $1"
_PUT_BACK = """
UPDATE exports SET state = 'queued', detail = $2, failures = failures + $3, attempts = attempts + $4
WHERE export_id = $1
"""
_FINISH = """
UPDATE exports SET state = 'done', rows = $2, bytes = $3, sha256 = $4, metadata = $5, done_at = $6,
    expires_at = $7
WHERE export_id = $1
"""
_FAIL = """
UPDATE exports SET state = 'failed', detail = $2, rows = 0, bytes = 0, done_at = $3, expires_at = $4
WHERE export_id = $1
"""
_FORGET = "DELETE FROM exports WHERE export_id = $1 RETURNING folder"
_EXPIRE = "DELETE FROM exports WHERE expires_at <= $1 RETURNING folder"
_FOLDERS = "SELECT folder FROM exports"
_DETAIL_LENGTH = 500

_about = msgspec.json.Decoder(About)


class TooManyExportsError(InvalidQuery):
    """So many exports are being written that no other is begun."""


class ExportsFullError(InvalidQuery):
    """The files of exports take all the room they may."""


class KeyReusedError(InvalidQuery):
    """Something else was asked for under this key before."""


class PostgresExports:
    """Guards the rows of all exports. Safe to share between tasks."""

    def __init__(self, pool: Pool, clock: Clock, policy: ExportPolicy) -> None:
        self._pool = pool
        self._clock = clock
        self.policy = policy

    async def request(self, wanted: ExportRequest) -> int:
        """Keep what is asked for, with a job; its number, or the one it was given under the same key.

        InvalidQuery where there are too many, or no room, or the key stands for something else.
        """
        async with translated(), self._pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            known = await connection.fetchrow(_OF_KEY, wanted.key)
            if known is not None:
                return _same(known, wanted)
            await self._check_bounds(connection)
            folder = secrets.token_hex(16)
            number = await connection.fetchval(
                _WRITE,
                self._clock.now(),
                wanted.key,
                wanted.dataset,
                wanted.format,
                wanted.filters.decode(),
                folder,
            )
            await connection.execute(_ENQUEUE, number)
        return int(number)

    async def enqueue_open(self) -> None:
        """Give every export that is not over a job, if it has none: a worker may have died with it."""
        async with translated(), self._pool.acquire() as connection:
            await connection.execute(_ENQUEUE, None)

    async def any_open(self) -> bool:
        """Whether anything is to be written."""
        async with translated(), self._pool.acquire() as connection:
            return bool(await connection.fetchval(_ANY_OPEN))

    async def look(self, export_id: int) -> Export | None:
        """One export; None where nobody knows it any more."""
        async with translated(), self._pool.acquire() as connection:
            row = await connection.fetchrow(_LOOK, export_id)
        return None if row is None else _export(row)

    async def begin(self, export_id: int, lease: Lease) -> bool:
        """Say that it is written now, once more; False where it was finished or deleted meanwhile."""
        async with translated(), self._pool.acquire() as connection, connection.transaction():
            begun = await connection.fetchval(_BEGIN, export_id, self._clock.now())
            await hold_fast(connection, lease)
        return begun is not None

    async def parts(self, export_id: int) -> list[ExportPart]:
        """The finished parts, in order."""
        async with translated(), self._pool.acquire() as connection:
            return [_part(row) for row in await connection.fetch(_PARTS, export_id)]

    async def start_again(self, export_id: int, about: About, lease: Lease) -> None:
        """Forget every part: the writing begins now, with what is to be believed of the rows."""
        async with translated(), self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_FORGET_PARTS, export_id)
            await connection.execute(_START_AGAIN, export_id, msgspec.json.encode(about).decode())
            await hold_fast(connection, lease)

    async def about(self, export_id: int) -> About:
        """What was to be believed when the writing began."""
        async with translated(), self._pool.acquire() as connection:
            return _about.decode(await connection.fetchval(_ABOUT, export_id))

    async def keep_part(self, export_id: int, part: ExportPart, lease: Lease) -> bool:
        """Say that a part is on disk for good; False where the export was deleted meanwhile."""
        last = None if part.last is None else part.last.decode()
        async with translated(), self._pool.acquire() as connection, connection.transaction():
            found = await connection.execute(_COUNT, export_id, part.rows, part.size) == "UPDATE 1"
            if found:
                values = (part.number, part.rows, part.size, part.sha256, last, part.final, part.read_at)
                await connection.execute(_WRITE_PART, export_id, *values)
            await hold_fast(connection, lease)
        return found

    async def room(self, export_id: int) -> int:
        """How many bytes the files of an export may take in all."""
        async with translated(), self._pool.acquire() as connection:
            return int(await connection.fetchval(_ROOM, export_id, self.policy.most_bytes))

    async def put_back(self, export_id: int, detail: str, lease: Lease, *, failed: bool) -> None:
        """Say that it waits again, and why; what did not fail does not count as such."""
        async with translated(), self._pool.acquire() as connection, connection.transaction():
            change = (1, 0) if failed else (0, -1)
            await connection.execute(_PUT_BACK, export_id, _storable(detail), *change)
            await hold_fast(connection, lease)

    async def finish(self, export_id: int, file: ExportFile, lease: Lease) -> bool:
        """Say that the file is whole; False where the export was deleted meanwhile."""
        now = self._clock.now()
        values = (file.rows, file.size, file.sha256, file.metadata.decode(), now, now + self.policy.keep)
        async with translated(), self._pool.acquire() as connection, connection.transaction():
            found = await connection.execute(_FINISH, export_id, *values) == "UPDATE 1"
            await hold_fast(connection, lease)
        return found

    async def fail(self, export_id: int, detail: str, lease: Lease) -> None:
        """Say that it will not be written, and why."""
        now = self._clock.now()
        values = (_storable(detail), now, now + self.policy.keep)
        async with translated(), self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_FAIL, export_id, *values)
            await hold_fast(connection, lease)

    async def forget(self, export_id: int) -> str | None:
        """Delete an export, whatever its state; the folder that is to go, None where there was none."""
        async with translated(), self._pool.acquire() as connection:
            found = await connection.fetchval(_FORGET, export_id)
        return None if found is None else str(found)

    async def expire(self) -> list[str]:
        """Delete what is past its time; the folders that are to go."""
        async with translated(), self._pool.acquire() as connection:
            return [row[0] for row in await connection.fetch(_EXPIRE, self._clock.now())]

    async def folders(self) -> set[str]:
        """The folders of all exports there are."""
        async with translated(), self._pool.acquire() as connection:
            return {row[0] for row in await connection.fetch(_FOLDERS)}

    async def _check_bounds(self, connection: Connection) -> None:
        opened, used = tuple(await connection.fetchrow(_USED) or (0, 0))
        if opened >= self.policy.most_open:
            raise TooManyExportsError(f"{opened} exports are being written: wait for one, or delete one")
        if used >= self.policy.most_bytes:
            raise ExportsFullError(
                f"exports take {used:,} bytes, and may {self.policy.most_bytes:,}: delete some"
            )


def _same(known: asyncpg.Record, wanted: ExportRequest) -> int:
    asked = (wanted.dataset, wanted.format, wanted.filters.decode())
    if (known["dataset"], known["format"], known["filters"]) != asked:
        raise KeyReusedError("something else was asked for under this Idempotency-Key: take another")
    return int(known["export_id"])


def _export(row: asyncpg.Record) -> Export:
    return Export(
        export_id=row["export_id"],
        requested_at=row["requested_at"],
        dataset=ExportDataset(row["dataset"]),
        format=ExportFormat(row["format"]),
        filters=row["filters"].encode(),
        folder=row["folder"],
        state=ExportState(row["state"]),
        attempts=row["attempts"],
        failures=row["failures"],
    )


def _part(row: asyncpg.Record) -> ExportPart:
    last: str | None = row["last"]
    return ExportPart(
        number=row["number"],
        rows=row["rows"],
        size=row["bytes"],
        sha256=row["sha256"],
        last=None if last is None else last.encode(),
        final=row["final"],
        read_at=row["read_at"],
    )


def _storable(detail: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in detail[:_DETAIL_LENGTH])
