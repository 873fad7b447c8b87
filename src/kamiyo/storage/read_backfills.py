"""Read backfills back for people: each with how far it is, and the objects that could not be read."""

from __future__ import annotations

import msgspec

from kamiyo.core.backfills import BackfillState
from kamiyo.core.codec import to_json
from kamiyo.storage.pool import Connection, translated
from kamiyo.storage.read_rows import Rank, as_digits, as_moment, given, where

MAX_TROUBLES = 100
_TROUBLED = "('failed', 'missing')"

_COLUMNS = f"""
backfill_id, {as_moment("requested_at")}, requested_by, source, {as_moment("start")}, {as_moment('"end"')},
assets, reason, state, {as_moment("done_at")}, {as_digits("cost_usd")}, objects, bytes,
p.objects_done, p.objects_failed, p.objects_running, p.bytes_done, p.bytes_read, p.payloads,
p.liquidated_fills, p.new_fills, p.rejects, p.seconds,
CASE WHEN p.seconds > 0 THEN p.bytes_done / p.seconds END,
CASE WHEN state = 'running' AND p.bytes_done > 0
    THEN ((bytes - p.bytes_done)::numeric * p.seconds / p.bytes_done)::bigint END
"""
# The time that counts begins with the first reading: how long a backfill waited says nothing of its rate.
_PROGRESS = f"""
SELECT count(*) FILTER (WHERE o.state = 'done') AS objects_done,
    count(*) FILTER (WHERE o.state IN {_TROUBLED}) AS objects_failed,
    count(*) FILTER (WHERE o.state = 'running') AS objects_running,
    coalesce(sum(o.size) FILTER (WHERE o.state NOT IN ('queued', 'running')), 0)::bigint AS bytes_done,
    coalesce(sum(o.bytes_read), 0)::bigint AS bytes_read,
    coalesce(sum(o.payloads), 0)::bigint AS payloads,
    coalesce(sum(o.liquidated_fills), 0)::bigint AS liquidated_fills,
    coalesce(sum(o.new_fills), 0)::bigint AS new_fills,
    coalesce(sum(o.rejects), 0)::bigint AS rejects,
    extract(epoch FROM coalesce(backfills.done_at, clock_timestamp()) - min(o.started_at))::bigint AS seconds
FROM backfill_objects o WHERE o.backfill_id = backfills.backfill_id
"""  # noqa: S608
_LIST = f"""
SELECT {_COLUMNS} FROM backfills CROSS JOIN LATERAL ({_PROGRESS}) p
WHERE {{condition}} ORDER BY backfill_id {{order}} LIMIT {{limit}}
"""  # noqa: S608
_OBJECT_COLUMNS = f"""
object_id, backfill_id, source, 's3://' || bucket || '/' || key, etag, stream, {as_moment("start")},
{as_moment("(start + length)")}, size, state, detail, attempts, failures, bytes_read, payloads,
liquidated_fills, new_fills, rejects, {as_moment("started_at")}, {as_moment("done_at")}
"""
_TROUBLES = f"""
SELECT {_OBJECT_COLUMNS} FROM backfill_objects
WHERE backfill_id = $1 AND (state IN {_TROUBLED} OR failures > 0 AND state <> 'done')
ORDER BY object_id LIMIT {MAX_TROUBLES}
"""  # noqa: S608
_OBJECT = f"SELECT {_OBJECT_COLUMNS} FROM backfill_objects WHERE object_id = $1"  # noqa: S608
_BY_STATE = """
SELECT state, count(*), sum(bytes_read)::bigint, sum(failures)::bigint,
    coalesce(extract(epoch FROM sum(coalesce(done_at, clock_timestamp()) - started_at))::bigint, 0)
FROM backfill_objects GROUP BY state
"""
# A worker beats at least this often for each job it has; see jobs.backfilling.
_WORKERS = """
SELECT count(DISTINCT queue_manager_id) FROM pgqueuer
WHERE entrypoint = 'backfill' AND status = 'picked' AND heartbeat > clock_timestamp() - interval '30 s'
"""


class BackfillText(msgspec.Struct, frozen=True, gc=False):
    """A backfill and how far it is, as text.

    ``bytes`` and ``bytes_done`` as they are stored, ``bytes_read`` as they are once decompressed; ``seconds``
    since the first reading began.
    """

    backfill_id: int
    requested_at: str
    requested_by: str
    source: str
    start: str
    end: str
    assets: list[str]
    reason: str
    state: str
    done_at: str | None
    cost_usd: str
    objects: int
    bytes: int
    objects_done: int
    objects_failed: int
    objects_running: int
    bytes_done: int
    bytes_read: int
    payloads: int
    liquidated_fills: int
    new_fills: int
    rejects: int
    seconds: int | None
    rate_bytes_per_second: int | None
    seconds_left: int | None

    @property
    def over(self) -> bool:
        """Whether nothing of it is left to do."""
        return self.state != BackfillState.RUNNING


class BackfillObjectText(msgspec.Struct, frozen=True, gc=False):
    """One object of a backfill, as text."""

    object_id: int
    backfill_id: int
    source: str
    name: str
    etag: str
    stream: str
    start: str
    end: str
    size: int
    state: str
    detail: str
    attempts: int
    failures: int
    bytes_read: int
    payloads: int
    liquidated_fills: int
    new_fills: int
    rejects: int
    started_at: str | None
    done_at: str | None


class ObjectSums(msgspec.Struct, frozen=True, gc=False):
    """What the objects of one state came to: ``seconds`` from the first reading of each to its end."""

    state: str
    objects: int
    bytes_read: int
    failures: int
    seconds: int


async def read_backfills(
    connection: Connection, *, past: Rank | None, limit: int, descending: bool
) -> list[tuple[Rank, BackfillText]]:
    """One page in the order in which they were asked for, each row with its place."""
    sign, order = ("<", "DESC") if descending else (">", "ASC")
    condition, values = where(given(f"backfill_id {sign} {{}}", past and int(past.number)))
    statement = _LIST.format(condition=condition, order=order, limit=limit)
    rows = await connection.fetch(statement, *values)
    return [(Rank(str(row[0]), ()), BackfillText(*tuple(row))) for row in rows]


async def read_backfill(connection: Connection, backfill_id: int) -> BackfillText | None:
    """One backfill, or None."""
    statement = _LIST.format(condition="backfill_id = $1", order="ASC", limit=1)
    row = await connection.fetchrow(statement, backfill_id)
    return None if row is None else BackfillText(*tuple(row))


async def read_troubles(connection: Connection, backfill_id: int) -> list[BackfillObjectText]:
    """The objects of a backfill that could not be read, or not yet, with the reason of each."""
    return [BackfillObjectText(*tuple(row)) for row in await connection.fetch(_TROUBLES, backfill_id)]


async def read_message(connection: Connection, object_id: int) -> bytes:
    """What subscribers are told of an object that came to its end."""
    row = await connection.fetchrow(_OBJECT, object_id)
    if row is None:
        raise LookupError(f"no object of a backfill has the number {object_id}")
    return to_json(BackfillObjectText(*tuple(row)))


async def sum_objects(connection: Connection) -> list[ObjectSums]:
    """What all objects of all backfills came to, by their state."""
    return [ObjectSums(*tuple(row)) for row in await connection.fetch(_BY_STATE)]


async def count_workers(connection: Connection) -> int:
    """How many workers read objects now, as far as their heartbeats tell."""
    async with translated():
        return int(await connection.fetchval(_WORKERS))
