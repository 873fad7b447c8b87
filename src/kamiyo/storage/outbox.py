"""What subscribers are told, stored with the facts themselves, and its numbering by the one relay."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import msgspec

from kamiyo.core.errors import CursorExpired
from kamiyo.storage.pool import Connection, translated

NOTIFY_OUTBOX = "kamiyo_outbox"  # something was stored: wakes the relay
NOTIFY_STREAM = "kamiyo_stream"  # something was numbered: wakes the servers
_MESSAGES_PER_ROW = 1_000
_MAX_CURSOR_TEXT = 50
_RELAY_LOCK = 7_264_103

_INSERT = "INSERT INTO outbox (channel, message_count, messages) VALUES ($1, $2, $3)"
_SERVER = """
SELECT (SELECT system_identifier FROM pg_control_system()) || '/' ||
       (SELECT timeline_id FROM pg_control_checkpoint()) || '/' || current_database()
"""
_RELAY = "SELECT epoch, server, next_position, last_xid::text AS last_xid, last_id FROM relay FOR UPDATE"
_NEW_EPOCH = """
INSERT INTO relay (epoch, server, next_position, last_xid, last_id)
VALUES (to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSMS'), $1, 1, '0', 0)
ON CONFLICT (only_row) DO UPDATE SET
    epoch = excluded.epoch, server = excluded.server, next_position = 1, last_xid = '0', last_id = 0
"""
_UNNUMBERED = """
SELECT day, id, xid::text AS xid, message_count FROM outbox
WHERE (xid, id) > ($1::text::xid8, $2) AND xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY xid, id LIMIT 1000
"""
_NUMBER = """
INSERT INTO stream_positions (epoch, first_position, message_count, day, outbox_id)
SELECT $1, * FROM unnest($2::bigint[], $3::int[], $4::date[], $5::bigint[])
"""
_ADVANCE = "UPDATE relay SET next_position = $1, last_xid = $2::text::xid8, last_id = $3"
_AFTER = """
SELECT p.first_position, p.message_count, o.channel, o.messages
FROM stream_positions p JOIN outbox o ON o.day = p.day AND o.id = p.outbox_id
WHERE p.epoch = $1 AND p.first_position + p.message_count > $2
ORDER BY p.first_position LIMIT $3
"""
_BOUNDS = """
SELECT r.epoch, r.next_position,
       coalesce((SELECT min(first_position) FROM stream_positions p WHERE p.epoch = r.epoch),
                r.next_position) AS oldest
FROM relay r
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


_raws = msgspec.json.Decoder(list[msgspec.Raw])


async def publish(connection: Connection, channel: str, messages: Sequence[bytes]) -> None:
    """Put JSON messages into the outbox, in the caller's transaction; one wake-up however many they are."""
    for at in range(0, len(messages), _MESSAGES_PER_ROW):
        part = messages[at : at + _MESSAGES_PER_ROW]
        await connection.execute(_INSERT, channel, len(part), b"[" + b",".join(part) + b"]")
    if messages:
        await connection.execute(f"NOTIFY {NOTIFY_OUTBOX}")


async def acquire_relay_lease(connection: Connection) -> bool:
    """Become the one relay for as long as this connection lives; False while another is."""
    async with translated():
        return bool(await connection.fetchval("SELECT pg_try_advisory_lock($1)", _RELAY_LOCK))


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
        await connection.execute(_ADVANCE, position, unnumbered[-1]["xid"], unnumbered[-1]["id"])
        await connection.execute(f"NOTIFY {NOTIFY_STREAM}")
        return position - int(relay["next_position"])


async def read_after(connection: Connection, cursor: StreamCursor, *, limit: int = 100) -> list[Packet]:
    """The numbered packets after a cursor, oldest first, without messages the cursor is past."""
    async with translated():
        found = await connection.fetch(_AFTER, cursor.epoch, cursor.position + 1, limit)
    packets: list[Packet] = []
    for row in found:
        messages = [bytes(raw) for raw in _raws.decode(row["messages"])]
        skipped = max(0, cursor.position + 1 - row["first_position"])
        packets.append(Packet(row["first_position"] + skipped, row["channel"], tuple(messages[skipped:])))
    return packets


async def newest_cursor(connection: Connection) -> StreamCursor | None:
    """Where the stream stands now, or None before the relay has ever run."""
    async with translated():
        row = await connection.fetchrow(_BOUNDS)
    return None if row is None else StreamCursor(row["epoch"], row["next_position"] - 1)


async def check_cursor(connection: Connection, cursor: StreamCursor) -> None:
    """CursorExpired unless everything after the cursor is still here."""
    async with translated():
        row = await connection.fetchrow(_BOUNDS)
    if row is None or row["epoch"] != cursor.epoch:
        raise CursorExpired("the stream was restarted since: begin without a cursor and read the lists again")
    if not row["oldest"] - 1 <= cursor.position < row["next_position"]:
        raise CursorExpired(f"the stream holds positions {row['oldest']} to {row['next_position'] - 1}")


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
