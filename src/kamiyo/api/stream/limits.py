"""How much the live stream gives to one caller and keeps for all of them."""

from __future__ import annotations

from datetime import timedelta

import msgspec

_MEBIBYTE = 1_048_576


class StreamLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of the live stream on one serving process.

    ``tick`` is how long messages are gathered into one frame. ``backlog_bytes`` is how far a subscriber
    may fall behind the newest message that came ``backlog_age`` ago: more than that may come at once, for
    which nobody is to blame. It must be less than ``window_bytes``.
    """

    tick: timedelta = timedelta(milliseconds=25)
    heartbeat: timedelta = timedelta(seconds=20)
    idle: timedelta = timedelta(seconds=30)
    stall: timedelta = timedelta(seconds=30)
    farewell: timedelta = timedelta(seconds=5)
    connections: int = 5_000
    subscriptions: int = 20
    bad_frames: int = 10
    received_bytes: int = 4_096
    frame_bytes: int = 262_144
    backlog_bytes: int = 16 * _MEBIBYTE
    backlog_age: timedelta = timedelta(seconds=5)
    window_messages: int = 50_000
    window_bytes: int = 64 * _MEBIBYTE
    first_messages: int = 10_000  # read at start, so that callers who reconnect are served from memory
    replays: int = 4  # resumptions that may read the database at one time
    replay_windows: int = 8  # stretches read from the database that stay in memory for who follows
