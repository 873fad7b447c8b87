"""End the connections of processes that stand still, so that nobody waits for what they hold.

Between two statements PostgreSQL does so itself (``idle_in_transaction_session_timeout``). Within one, while
it waits for the rest of a COPY or of a pipeline, it looks at none of its timeouts until the client goes on,
and a client that stands still answers TCP all the while. Only another connection can end that one.
"""

from __future__ import annotations

from datetime import timedelta

import structlog

from kamiyo.storage.pool import APPLICATION, LONGEST_PAUSE, Connection, translated

# Its own statements are a second apart, however little there is to do.
_LONGEST_SILENCE_OF_A_RELAY = timedelta(seconds=10)

# What is ours and waits for its process for longer than it may.
_END = """
SELECT pid, extract(epoch FROM clock_timestamp() - state_change)::float, pg_terminate_backend(pid)
FROM pg_stat_activity AS still
WHERE application_name = $1 AND datname = current_database() AND usename = current_user
    AND wait_event_type = 'Client' AND clock_timestamp() - state_change > $2
"""
# Who has a transaction id is waited for by the relay, even where nobody waits for a lock.
_WITHIN_A_STATEMENT = """
    AND state = 'active' AND (backend_xid IS NOT NULL OR EXISTS (
        SELECT FROM pg_stat_activity AS waiting
        WHERE waiting.wait_event_type = 'Lock' AND still.pid = ANY(pg_blocking_pids(waiting.pid))))
"""
# A number of 64 bits is shown as two halves.
_WITH_THE_LOCK = """
    AND EXISTS (SELECT FROM pg_locks WHERE pg_locks.pid = still.pid AND locktype = 'advisory' AND granted
        AND (classid::bigint << 32) + objid::bigint = $3 AND objsubid = 1)
"""

_log = structlog.get_logger()


async def end_standing_statements(connection: Connection) -> None:
    """End our connections that wait for their process within a statement others wait for."""
    await _end(connection, _END + _WITHIN_A_STATEMENT, LONGEST_PAUSE)


async def end_silent_relay(connection: Connection, lock: int) -> None:
    """End the connection that holds the relay's advisory lock, if it has said nothing for long."""
    await _end(connection, _END + _WITH_THE_LOCK, _LONGEST_SILENCE_OF_A_RELAY, lock)


async def _end(connection: Connection, statement: str, *arguments: object) -> None:
    async with translated():
        ended = await connection.fetch(statement, APPLICATION, *arguments)
    for pid, stood_still, _signalled in ended:
        _log.warning("standing_connection_ended", pid=pid, stood_still_seconds=round(stood_still, 1))
