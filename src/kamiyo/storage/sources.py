"""The sources as the database knows them: what they are, where they resume, when they were last heard."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from kamiyo.core.codec import to_json
from kamiyo.core.ids import Cursor, SourceName
from kamiyo.core.ports import Batch, Lease
from kamiyo.core.sources import SourceDescription, SourceState, SourceStatus
from kamiyo.storage import outbox
from kamiyo.storage.leases import hold_fast
from kamiyo.storage.pool import Connection, translated

_REGISTER = """
INSERT INTO sources
    (name, type, url, priority, label, silence_limit, lag_limit, subject, state, state_changed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (name) DO UPDATE SET type = excluded.type, url = excluded.url, label = excluded.label,
    subject = excluded.subject,
    silence_limit = excluded.silence_limit, lag_limit = excluded.lag_limit
RETURNING active
"""
# A source that fails again and again, each time with the same words, fails since the first time.
_KEEP_ERROR = """
INSERT INTO source_errors (name, state, detail, began_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (name) DO UPDATE
SET state = excluded.state, detail = excluded.detail, began_at = excluded.began_at
"""
_REPORT = """
UPDATE sources SET state = $2, detail = $3,
    state_changed_at = CASE WHEN state = $2 THEN state_changed_at ELSE $4 END
WHERE name = $1 AND (state, detail) IS DISTINCT FROM ($2, $3)
RETURNING name, state, detail, state_changed_at, active, priority
"""
_SWITCH = """
UPDATE sources SET active = coalesce($2, active), priority = coalesce($3, priority) WHERE name = $1
RETURNING name, state, detail, state_changed_at, active, priority
"""
_POLL_AT_ONCE = "UPDATE source_polls SET next_poll_at = NULL, failures = 0 WHERE name = $1"
_LOCK_SOURCE = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
_ADVANCE = """
UPDATE sources SET cursor = coalesce($2, cursor), newest_block = greatest($3, newest_block),
    heard_at = greatest($4, heard_at), last_fetch = $7, last_event_at = greatest($5, last_event_at),
    first_event_at = least($6, first_event_at)
WHERE name = $1
"""
_LIST = """
SELECT name, type, url, priority, active, label, silence_limit, lag_limit, s.state, s.detail, heard_at,
    last_fetch, first_event_at, last_event_at, state_changed_at, subject,
    poll_every, next_poll_at, failures AS failed_polls, e.detail AS last_error, e.began_at AS last_error_at
FROM sources s LEFT JOIN source_polls USING (name) LEFT JOIN source_errors e USING (name)
ORDER BY priority, name
"""
_TROUBLE = {SourceState.UNREACHABLE, SourceState.FAILED}


async def register(
    connection: Connection,
    description: SourceDescription,
    at: datetime,
    state: SourceState = SourceState.STARTING,
) -> bool:
    """Make a source known, a new one in this state, or renew its description; whether it is switched on."""
    row = msgspec.structs.astuple(description)
    name, kind, url, priority, label, silence, lag, _poll_every, subject = row
    values = (name, kind, url, priority, label, silence, lag, subject, state, at)
    async with translated():
        return bool(await connection.fetchval(_REGISTER, *values))


async def report_state(
    connection: Connection,
    source: SourceName,
    state: SourceState,
    detail: str,
    at: datetime,
    *,
    lease: Lease | None = None,
) -> None:
    """Keep what the ingesting process knows of a source's state, and tell subscribers what is new of it.

    LeaseLost where the lease it is told under is another's by now.
    """
    async with translated(), connection.transaction():
        # Before the transaction gets its id, so that the stream tells the states in the order they were kept.
        await connection.execute(_LOCK_SOURCE, f"sources/{source}")
        changed = await connection.fetchrow(_REPORT, source, state, detail, at)
        if changed is not None:
            if state in _TROUBLE:
                await connection.execute(_KEEP_ERROR, source, state, detail, at)
            await outbox.publish(connection, "sources", [to_json(dict(changed))])
        await hold_fast(connection, lease)


async def switch(
    connection: Connection, source: str, *, active: bool | None = None, priority: int | None = None
) -> bool:
    """Switch a source on or off, or change its priority, and tell subscribers; False if there is none."""
    async with translated(), connection.transaction():
        await connection.execute(_LOCK_SOURCE, f"sources/{source}")
        changed = await connection.fetchrow(_SWITCH, source, active, priority)
        if changed is None:
            return False
        if active:
            await connection.execute(_POLL_AT_ONCE, source)
        await outbox.publish(connection, "sources", [to_json(dict(changed))])
    return True


async def is_active(connection: Connection, source: SourceName) -> bool:
    """Whether a source is known and switched on."""
    return bool(await connection.fetchval("SELECT active FROM sources WHERE name = $1", source))


async def advance(connection: Connection, batch: Batch, at: datetime) -> None:
    """Move a source's cursor and clocks, in the caller's transaction."""
    await connection.execute(
        _ADVANCE,
        batch.source,
        batch.cursor,
        batch.newest_block,
        batch.heard_at,
        batch.last_event_at,
        batch.first_event_at,
        at,
    )


async def read_cursor(connection: Connection, source: SourceName) -> Cursor | None:
    """Where a source resumes."""
    async with translated():
        text = await connection.fetchval("SELECT cursor FROM sources WHERE name = $1", source)
    return None if text is None else Cursor(text)


async def read_newest_block(connection: Connection, source: SourceName) -> int | None:
    """The highest block number stored batches of a source reached."""
    async with translated():
        block = await connection.fetchval("SELECT newest_block FROM sources WHERE name = $1", source)
    return None if block is None else int(block)


async def list_sources(connection: Connection) -> list[SourceStatus]:
    """Every source, in the order of priority."""
    async with translated():
        rows = await connection.fetch(_LIST)
    return [msgspec.convert(dict(row), SourceStatus, builtin_types=(timedelta,)) for row in rows]
