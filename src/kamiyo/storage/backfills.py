"""Backfills as workers keep them: what is planned, who reads which object, and what became of it.

The queue's job only says that there may be something to do. What is to be done stands in the rows here, and
they change under the lease of the object alone: a worker that comes back too late changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from kamiyo.core.archives import ArchiveObject
from kamiyo.core.backfills import (
    BackfillObject,
    BackfillPlan,
    BackfillReason,
    BackfillState,
    Identity,
    ObjectCounts,
    ObjectState,
    identity_of,
    state_after,
)
from kamiyo.core.errors import InvalidQuery
from kamiyo.core.ids import SourceName
from kamiyo.core.ports import Lease
from kamiyo.core.retention import Dataset
from kamiyo.core.time import Clock, rfc3339
from kamiyo.storage import outbox
from kamiyo.storage.leases import hold_fast
from kamiyo.storage.pool import Connection, Pool, translated
from kamiyo.storage.read_backfills import read_message
from kamiyo.storage.retained import read_limits

CHANNEL = "backfills"
ENTRYPOINT = "backfill"

_WRITE_BACKFILL = """
INSERT INTO backfills
    (requested_at, requested_by, source, start, "end", assets, again, reason, objects, bytes, cost_usd, state)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING backfill_id
"""
_WRITE_OBJECTS = """
INSERT INTO backfill_objects
    (backfill_id, source, partial, state, bucket, key, etag, stream, start, length, size)
SELECT $1, $2, $3, 'queued', * FROM unnest
    ($4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::interval[], $10::bigint[])
"""
# A job of each open object that has none. One row a key: who adds it a second time adds nothing.
_ENQUEUE = """
INSERT INTO pgqueuer (priority, entrypoint, payload, dedupe_key, status)
SELECT 0, 'backfill', convert_to(object_id::text, 'UTF8'), 'backfill/' || object_id, 'queued'
FROM backfill_objects WHERE state IN ('queued', 'running') AND ($1::bigint IS NULL OR backfill_id = $1)
ORDER BY object_id
ON CONFLICT DO NOTHING
"""
_ANY_OPEN = "SELECT EXISTS (SELECT FROM backfill_objects WHERE state IN ('queued', 'running'))"
_READ_BEFORE = """
SELECT DISTINCT bucket, key, etag FROM backfill_objects
JOIN unnest($2::text[], $3::text[], $4::text[]) AS wanted (bucket, key, etag) USING (bucket, key, etag)
WHERE source = $1 AND state = ANY($5) AND NOT partial
"""
_LOOK = """
SELECT o.*, b.assets, b.again FROM backfill_objects o JOIN backfills b USING (backfill_id)
WHERE object_id = $1
"""
_BEGIN = """
UPDATE backfill_objects SET state = 'running', detail = '', attempts = attempts + 1,
    started_at = coalesce(started_at, $2)
WHERE object_id = $1 AND state IN ('queued', 'running') RETURNING object_id
"""
_COUNT = """
UPDATE backfill_objects
SET bytes_read = $2, payloads = $3, liquidated_fills = $4, new_fills = $5, rejects = $6
WHERE object_id = $1
"""
_PUT_BACK = """
UPDATE backfill_objects SET state = 'queued', detail = $2, failures = failures + $3, attempts = attempts + $4
WHERE object_id = $1
"""
_SETTLE = """
UPDATE backfill_objects SET state = $2, detail = $3, done_at = $4
WHERE object_id = $1 AND state IN ('queued', 'running') RETURNING backfill_id
"""
_LOCK_BACKFILL = "SELECT backfill_id FROM backfills WHERE backfill_id = $1 FOR UPDATE"
_STATES = "SELECT DISTINCT state FROM backfill_objects WHERE backfill_id = $1"
_END = "UPDATE backfills SET state = $2, done_at = $3 WHERE backfill_id = $1"
_DETAIL_LENGTH = 500


class PostgresBackfills:
    """Guards the rows of all backfills. Safe to share between tasks."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def plan(self, plan: BackfillPlan) -> int:
        """Keep what is to be read, with a job of each object, all of it or nothing; the backfill's number.

        InvalidQuery where a person asks for a time liquidations are not kept of.
        """
        async with translated(), self._pool.acquire() as connection, connection.transaction():
            if plan.request.reason is BackfillReason.ASKED:
                await _check_is_kept(connection, plan.request.start)
            backfill = await _write_plan(connection, plan, self._clock.now())
            await connection.execute(_ENQUEUE, backfill)
        return backfill

    async def enqueue_open(self) -> None:
        """Give every object that is to be read a job, if it has none: a worker may have died with it."""
        async with translated(), self._pool.acquire() as connection:
            await connection.execute(_ENQUEUE, None)

    async def any_open(self) -> bool:
        """Whether anything is to be read."""
        async with translated(), self._pool.acquire() as connection:
            return bool(await connection.fetchval(_ANY_OPEN))

    async def read_before(
        self,
        source: SourceName,
        objects: Sequence[ArchiveObject],
        states: Sequence[ObjectState] = (ObjectState.DONE,),
    ) -> set[Identity]:
        """Those of the objects of which a backfill that wants all of them is in one of these states."""
        columns = list(zip(*map(identity_of, objects), strict=True)) or [(), (), ()]
        async with translated(), self._pool.acquire() as connection:
            rows = await connection.fetch(_READ_BEFORE, source, *columns, states)
        return {(row["bucket"], row["key"], row["etag"]) for row in rows}

    async def look(self, object_id: int) -> BackfillObject | None:
        """One object with what is wanted of it; None where nobody knows it any more."""
        async with translated(), self._pool.acquire() as connection:
            row = await connection.fetchrow(_LOOK, object_id)
        return None if row is None else _object(row)

    async def begin(self, object_id: int, lease: Lease) -> bool:
        """Say that it is read now, once more; False where it was finished meanwhile."""
        async with translated(), self._pool.acquire() as connection, connection.transaction():
            begun = await connection.fetchval(_BEGIN, object_id, self._clock.now())
            await hold_fast(connection, lease)
        return begun is not None

    async def count(self, object_id: int, counts: ObjectCounts, lease: Lease) -> None:
        """Say how far the reading is."""
        async with translated(), self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_COUNT, object_id, *msgspec.structs.astuple(counts))
            await hold_fast(connection, lease)

    async def put_back(self, object_id: int, detail: str, lease: Lease, *, failed: bool) -> None:
        """Say that it waits again, and why; a reading that did not fail does not count as one."""
        async with translated(), self._pool.acquire() as connection, connection.transaction():
            change = (1, 0) if failed else (0, -1)
            await connection.execute(_PUT_BACK, object_id, _storable(detail), *change)
            await hold_fast(connection, lease)

    async def settle(self, object_id: int, state: ObjectState, detail: str, lease: Lease) -> bool:
        """Say how it ended, once, and tell subscribers; False where that was said before."""
        async with translated(), self._pool.acquire() as connection, connection.transaction():
            now = self._clock.now()
            backfill = await connection.fetchval(_SETTLE, object_id, state, _storable(detail), now)
            if backfill is not None:
                await _end_if_over(connection, backfill, now)
                await outbox.publish(connection, CHANNEL, [await read_message(connection, object_id)])
            await hold_fast(connection, lease)
        return backfill is not None


async def _check_is_kept(connection: Connection, start: datetime) -> None:
    kept_from = (await read_limits(connection)).get(Dataset.LIQUIDATIONS)
    if kept_from is not None and start < kept_from:
        raise InvalidQuery(
            f"liquidations before {rfc3339(kept_from)} are not kept here: "
            "begin then, or let retention.liquidations.keep be longer first"
        )


async def _write_plan(connection: Connection, plan: BackfillPlan, at: datetime) -> int:
    wanted, objects = plan.request, plan.objects
    backfill = await connection.fetchval(
        _WRITE_BACKFILL,
        at,
        wanted.requested_by,
        wanted.source,
        wanted.start,
        wanted.end,
        wanted.assets,
        wanted.again,
        wanted.reason,
        len(objects),
        plan.size,
        plan.cost_usd,
        BackfillState.RUNNING if objects else BackfillState.DONE,
    )
    rows = [(o.bucket, o.key, o.etag, o.stream, o.start, o.length, o.size) for o in objects]
    columns: list[Any] = [list(column) for column in zip(*rows, strict=True)]
    if rows:
        await connection.execute(_WRITE_OBJECTS, backfill, wanted.source, bool(wanted.assets), *columns)
    return int(backfill)


async def _end_if_over(connection: Connection, backfill: int, at: datetime) -> None:
    """One after the other: the last of two that settle at once sees the other's state."""
    await connection.execute(_LOCK_BACKFILL, backfill)
    states = {ObjectState(row[0]) for row in await connection.fetch(_STATES, backfill)}
    state = state_after(states)
    if state is not BackfillState.RUNNING:
        await connection.execute(_END, backfill, state, at)


def _object(row: asyncpg.Record) -> BackfillObject:
    found = ArchiveObject(**{name: row[name] for name in ArchiveObject.__struct_fields__})
    return BackfillObject(
        object_id=row["object_id"],
        backfill_id=row["backfill_id"],
        found=found,
        assets=tuple(row["assets"]),
        again=row["again"],
        state=ObjectState(row["state"]),
        attempts=row["attempts"],
        failures=row["failures"],
    )


def _storable(detail: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in detail[:_DETAIL_LENGTH])
