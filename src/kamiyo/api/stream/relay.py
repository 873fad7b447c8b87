"""Number what is committed: the one relay that gives the stream its positions."""

from __future__ import annotations

from datetime import datetime, timedelta

from kamiyo.core.time import Clock
from kamiyo.kit import metrics
from kamiyo.storage import outbox
from kamiyo.storage.pool import LONGEST_PAUSE, Connection, connect
from kamiyo.storage.standstills import end_standing_statements

_POLL = timedelta(seconds=1)
_POLL_WHILE_HELD_UP = timedelta(milliseconds=50)
_NO_LAG = timedelta(0)


async def run_relay(database_url: str, clock: Clock) -> None:
    """Number for as long as this holds the lease, stand by while another does; StorageUnavailable ends it."""
    async with connect(database_url) as connection:
        while not await outbox.acquire_relay_lease(connection):
            await clock.sleep(_POLL)
        try:
            metrics.STREAM_RELAY_LEADING.set(1)
            await _relay(connection, clock)
        finally:
            metrics.STREAM_RELAY_LEADING.set(0)


async def _relay(connection: Connection, clock: Clock) -> None:
    # Listening first: whatever is stored from here on wakes the relay, and the rest it finds by itself.
    async with outbox.listen(connection, outbox.NOTIFY_OUTBOX) as wake_ups:
        await outbox.begin_epoch_if_restored(connection)
        held_up_since: datetime | None = None
        while True:
            await _number_all(connection)
            held_up_since = await _held_up_since(connection, held_up_since, clock.now())
            lag = _NO_LAG if held_up_since is None else clock.now() - held_up_since
            metrics.STREAM_RELAY_LAG.set(lag.total_seconds())
            if lag > LONGEST_PAUSE:
                await end_standing_statements(connection)
            await wake_ups.wait(_POLL if held_up_since is None else _POLL_WHILE_HELD_UP)


async def _number_all(connection: Connection) -> None:
    while numbered := await outbox.number_next(connection):
        metrics.STREAM_NUMBERED.inc(numbered)


async def _held_up_since(connection: Connection, since: datetime | None, now: datetime) -> datetime | None:
    """Since when committed messages wait for an older transaction that is still running, or None."""
    state = await outbox.read_state(connection)
    waiting = state is not None and state.written > state.relayed
    return (since or now) if waiting else None
