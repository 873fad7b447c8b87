"""What subscribers are told, stored with the facts themselves, and its numbering by the one relay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import date, timedelta

import msgspec

from kamiyo.core.errors import CursorExpired
from kamiyo.storage.pool import Connection, translated
from kamiyo.storage.standstills import end_silent_relay

NOTIFY_OUTBOX = "kamiyo_outbox"  # something was stored: wakes the relay
NOTIFY_STREAM = "kamiyo_stream"  # something was numbered: wakes the servers
_MESSAGES_PER_ROW = 1_000
_MAX_CURSOR_TEXT = 50
_RELAY_LOCK = 7_264_103

_INSERT = "INSERT INTO outbox (channel, message_count, messages) VALUES ($1, $2, $3)"
# What differs after a restore or a fail-over: the cluster, its timeline (of the log position, because the
# control file learns of a promotion only at the next checkpoint), and the table a dump was restored into.
_SERVER = """
SELECT (SELECT system_identifier FROM pg_control_system()) || '/' ||
       left(pg_walfile_name(pg_current_wal_lsn()), 8) || '/' ||
       (SELECT oid FROM pg_database WHERE datname = current_database()) || '/' || 'relay'::regclass::oid::text
"""
_RELAY = "SELECT epoch, server, next_position, last_xid::text AS last_xid, last_id FROM relay FOR UPDATE"
_NEW_EPOCH = """
INSERT INTO relay (epoch, server, next_position, last_xid, last_id)
VALUES (to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSMS'), $1, 1, '0', 0)
ON CONFLICT (only_row) DO UPDATE SET
    epoch = excluded.epoch, server = excluded.server, next_position = 1, last_xid = '0', last_id = 0
"""
_UNNUMBERED = """
SELECT day, id, xid::text AS xid_text, message_count FROM outbox
WHERE (xid, id) > ($1::text::xid8, $2) AND xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY outbox.xid, outbox.id LIMIT 1000
"""
_NUMBER = """
INSERT INTO stream_positions (epoch, first_position, message_count, day, outbox_id)
SELECT $1, * FROM unnest($2::bigint[], $3::int[], $4::date[], $5::bigint[])
"""
_ADVANCE = "UPDATE relay SET next_position = $1, last_xid = $2::text::xid8, last_id = $3"
# From the packet that holds the position, found by the key: a week of packets is never scanned.
_AFTER = """
SELECT p.first_position, p.message_count, o.channel, o.messages
FROM (
    SELECT *, sum(message_count) OVER (ORDER BY first_position) - message_count AS messages_before
    FROM stream_positions
    WHERE epoch = $1 AND first_position + message_count > $2
      AND first_position >= coalesce(
          (SELECT max(b.first_position) FROM stream_positions b
           WHERE b.epoch = $1 AND b.first_position <= $2), $2)
    ORDER BY first_position LIMIT $3) p
LEFT JOIN outbox o ON o.day = p.day AND o.id = p.outbox_id
WHERE p.messages_before < $3
ORDER BY p.first_position
"""
_STATE = """
SELECT r.epoch, r.next_position, r.last_xid::text AS relayed_xid, r.last_id AS relayed_id,
       coalesce(w.xid, r.last_xid)::text AS written_xid, coalesce(w.id, r.last_id) AS written_id,
       coalesce((SELECT min(first_position) FROM stream_positions p WHERE p.epoch = r.epoch),
                r.next_position) AS oldest
FROM relay r LEFT JOIN LATERAL (SELECT xid, id FROM outbox ORDER BY xid DESC, id DESC LIMIT 1) w ON true
"""


class StreamCursor(msgspec.Struct, frozen=True):
    """A subscriber's place in the stream: the last position it has, in one epoch."""

    epoch: str
    position: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.position}"


class Packet(msgspec.Struct, frozen=True):
    """Consecutive messages of one channel; the first one's position is ``first_position``."""

    first_position: int
    channel: str
    messages: tuple[bytes, ...]


class StreamState(msgspec.Struct, frozen=True):
    """Where the stream stands: its numbered positions, and how far the relay is behind what is committed.

    ``relayed`` and ``written`` are places in the outbox: what was numbered last, and what was committed last.
    """

    epoch: str
    oldest: int
    newest: int
    relayed: tuple[int, int]
    written: tuple[int, int]


class WakeUps:
    """Notifications of one channel, as a reason to look again; one lost is no harm, the wait is bounded."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()

    def wake(self, *_details: object) -> None:
        """Let whoever waits look again."""
        self._woken.set()

    async def wait(self, longest: timedelta) -> None:
        """Return once woken since the last wait, or after the longest wait."""
        try:
            async with asyncio.timeout(longest.total_seconds()):
                await self._woken.wait()
        except TimeoutError:
            return
        self._woken.clear()


_raws = msgspec.json.Decoder(list[msgspec.Raw])


@asynccontextmanager
async def listen(connection: Connection, channel: str) -> AsyncGenerator[WakeUps]:
    """Be woken by a channel, and by the loss of the connection; the connection is yours for as long."""
    wake_ups = WakeUps()
    async with translated():
        await connection.add_listener(channel, wake_ups.wake)
    connection.add_termination_listener(wake_ups.wake)
    yield wake_ups


async def publish(connection: Connection, channel: str, messages: Sequence[bytes]) -> None:
    """Put JSON messages into the outbox, in the caller's transaction; one wake-up however many they are."""
    for at in range(0, len(messages), _MESSAGES_PER_ROW):
        part = messages[at : at + _MESSAGES_PER_ROW]
        await connection.execute(_INSERT, channel, len(part), b"[" + b",".join(part) + b"]")
    if messages:
        await connection.execute(f"NOTIFY {NOTIFY_OUTBOX}")


async def acquire_relay_lease(connection: Connection) -> bool:
    """Become the one relay for as long as this connection lives; False while another is.

    Another that stands still, or whose machine is gone, is ended: the next who asks is the relay.
    """
    async with translated():
        acquired = bool(await connection.fetchval("SELECT pg_try_advisory_lock($1)", _RELAY_LOCK))
    if not acquired:
        await end_silent_relay(connection, _RELAY_LOCK)
    return acquired


async def begin_epoch_if_restored(connection: Connection) -> str:
    """The epoch to number in: a new one on a new database, after a restore and after a fail-over.

    What an older server left in the outbox is dropped: its transaction ids mean nothing here, and
    every cursor into it has expired with its epoch.
    """
    async with translated(), connection.transaction():
        server = await connection.fetchval(_SERVER)
        relay = await connection.fetchrow(_RELAY)
        if relay is not None and relay["server"] == server:
            return str(relay["epoch"])
        if relay is not None:
            await connection.execute("TRUNCATE outbox, stream_positions")
        await connection.execute(_NEW_EPOCH, server)
        return str(await connection.fetchval("SELECT epoch FROM relay"))


async def number_next(connection: Connection) -> int:
    """Give positions to what was committed since; return how many messages were numbered.

    Only rows of transactions below the oldest running one are taken, so nothing can become visible
    behind what is numbered already.
    """
    async with translated(), connection.transaction():
        relay = await connection.fetchrow(_RELAY)
        if relay is None:
            return 0
        unnumbered = await connection.fetch(_UNNUMBERED, relay["last_xid"], relay["last_id"])
        if not unnumbered:
            return 0
        firsts, position = list[int](), int(relay["next_position"])
        for row in unnumbered:
            firsts.append(position)
            position += row["message_count"]
        counts = [row["message_count"] for row in unnumbered]
        days: list[date] = [row["day"] for row in unnumbered]
        await connection.execute(
            _NUMBER, relay["epoch"], firsts, counts, days, [row["id"] for row in unnumbered]
        )
        await connection.execute(_ADVANCE, position, unnumbered[-1]["xid_text"], unnumbered[-1]["id"])
        await connection.execute(f"NOTIFY {NOTIFY_STREAM}")
        return position - int(relay["next_position"])


async def read_after(connection: Connection, cursor: StreamCursor, *, limit: int = 2_000) -> list[Packet]:
    """The numbered packets after a cursor, oldest first, without messages the cursor is past.

    Whole packets, until they hold ``limit`` messages: a packet holds a thousand at most.
    CursorExpired if the next one is no longer here: nothing is ever skipped in silence.
    """
    async with translated():
        found = await connection.fetch(_AFTER, cursor.epoch, cursor.position + 1, limit)
    packets: list[Packet] = []
    after = cursor.position
    for row in found:
        skipped = max(0, after + 1 - row["first_position"])
        if row["messages"] is None or row["first_position"] + skipped != after + 1:
            raise CursorExpired(f"position {after + 1} is no longer kept")
        messages = [bytes(raw) for raw in _raws.decode(row["messages"])]
        packets.append(Packet(after + 1, row["channel"], tuple(messages[skipped:])))
        after = row["first_position"] + row["message_count"] - 1
    return packets


async def read_state(connection: Connection) -> StreamState | None:
    """Where the stream stands now, or None before the relay has ever run."""
    async with translated():
        row = await connection.fetchrow(_STATE)
    if row is None:
        return None
    return StreamState(
        epoch=row["epoch"],
        oldest=row["oldest"],
        newest=row["next_position"] - 1,
        relayed=(int(row["relayed_xid"]), row["relayed_id"]),
        written=max((int(row[f"{what}_xid"]), int(row[f"{what}_id"])) for what in ("relayed", "written")),
    )


async def newest_cursor(connection: Connection) -> StreamCursor | None:
    """Where the stream stands now, or None before the relay has ever run."""
    state = await read_state(connection)
    return None if state is None else StreamCursor(state.epoch, state.newest)


async def check_cursor(connection: Connection, cursor: StreamCursor) -> None:
    """CursorExpired unless everything after the cursor is still here."""
    state = await read_state(connection)
    if state is None or state.epoch != cursor.epoch:
        raise CursorExpired("the stream was restarted since: begin without a cursor and read the lists again")
    if not state.oldest - 1 <= cursor.position <= state.newest:
        raise CursorExpired(f"the stream holds positions {state.oldest} to {state.newest}")


def parse_cursor(text: str) -> StreamCursor:
    """A cursor as it was given out; CursorExpired for a text that never was one."""
    epoch, _colon, position = text.partition(":")
    if not (
        epoch.isascii()
        and epoch.isdigit()
        and position.isascii()
        and position.isdigit()
        and len(text) <= _MAX_CURSOR_TEXT
    ):
        raise CursorExpired("not a cursor of this stream")
    return StreamCursor(epoch, int(position))
