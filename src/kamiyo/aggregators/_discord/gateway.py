"""One connection to Discord's gateway as a state machine: what to send, what was said, when it is over.

It does no I/O and asks no clock. Whoever owns the connection hands in what arrived and the time, sends what
is ``due``, and asks again at ``next_due``.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from random import Random
from typing import Final

import msgspec

from kamiyo.aggregators._discord.wire import Frame, Hello, Ready, decode
from kamiyo.core.errors import MalformedPayload
from kamiyo.kit.secret import Secret

INTENTS: Final = 1 << 0 | 1 << 9 | 1 << 15  # GUILDS, GUILD_MESSAGES, MESSAGE_CONTENT
RESUMABLE: Final = 4000  # what we close with: after 1000 or 1001 Discord forgets the session
HELLO_WITHIN: Final = timedelta(seconds=20)
MINUTE: Final = timedelta(minutes=1)
SENDS_PER_MINUTE: Final = 120
_LONGEST_INTERVAL: Final = timedelta(minutes=5)
_SHORTEST_PAUSE: Final = 1.0  # seconds before another session may begin, once one was refused
_LONGEST_PAUSE: Final = 5.0

_BEAT: Final = 1

_PORTAL: Final = "in Discord's developer portal under Bot"
_FATAL: Final = {
    4004: f"Discord does not know the token: set sources.discord.token to the one {_PORTAL}",
    4010: "Discord refuses our shard (4010)",
    4011: "the bot is in too many servers for one connection (4011)",
    4012: "Discord no longer speaks version 10 of its gateway (4012)",
    4013: "Discord does not know the intents we ask for (4013)",
    4014: f"the MESSAGE CONTENT intent is off: switch it on {_PORTAL}, Privileged Gateway Intents",
}
_SESSION_LOST: Final = frozenset({4003, 4007, 4009})


class Session(msgspec.Struct, frozen=True):
    """What a later connection needs to go on where an earlier one ended."""

    id: str
    resume_url: str
    sequence: int


class Event(msgspec.Struct, frozen=True):
    """Something that happened, as Discord tells it."""

    name: str
    data: bytes


def fatal(code: int | None) -> str | None:
    """What is wrong, if a connection that was closed with this code is not worth trying again soon."""
    return None if code is None else _FATAL.get(code)


def survives(code: int | None) -> bool:
    """Whether a session may be resumed after its connection was closed with this code."""
    return code not in _SESSION_LOST and fatal(code) is None


class Connection:
    """The protocol of one connection that just opened; with a ``session`` it resumes that one."""

    def __init__(self, token: Secret, session: Session | None, *, random: Random, now: datetime) -> None:
        self.session = session
        self.over: str | None = None  # why the connection must be given up
        self.pause = timedelta()  # before the next one
        self.fresh = False  # a new session began: what happened before it must be asked for
        self.live = False  # everything that happens from now on is told
        self.acknowledged_at: datetime | None = None
        self._token = token
        self._random = random
        self._opened_at = now
        self._interval: timedelta | None = None
        self._beat_at: datetime | None = None
        self._unanswered = False
        self._greeting: str | None = None
        self._sent: deque[datetime] = deque()

    # --- what was said ------------------------------------------------------------------------------------

    def heard(self, payload: bytes, now: datetime) -> Event | None:
        """The event, if the payload tells of one. MalformedPayload if it cannot be read.

        A session's ``sequence`` then stays before it, so that resuming brings it again.
        """
        frame = decode(payload, Frame)
        match frame.op:
            case 0:
                return self._dispatched(frame)
            case 1:  # it asks for a sign of life
                self._beat_at = now
                self._unanswered = False
            case 7:
                self.over = "asked to connect again"
            case 9:
                self._invalidated(frame)
            case 10:
                self._greeted(decode(frame.d, Hello), now)
            case 11:
                self._unanswered = False
                self.acknowledged_at = now
            case _:
                pass
        return None

    def _greeted(self, hello: Hello, now: datetime) -> None:
        interval = timedelta(milliseconds=hello.heartbeat_interval)
        if not timedelta() < interval <= _LONGEST_INTERVAL:
            raise MalformedPayload("a heartbeat interval that is none")
        self._interval = interval
        # Not all at once: after an outage of Discord's everybody connects in the same second.
        self._beat_at = now + interval * self._random.random()
        self._greeting = _greeting(self._token, self.session)

    def _invalidated(self, frame: Frame) -> None:
        self.over = "the session is not valid"
        if not decode(frame.d, bool):
            self.session = None
            self.pause = timedelta(seconds=self._random.uniform(_SHORTEST_PAUSE, _LONGEST_PAUSE))

    def _dispatched(self, frame: Frame) -> Event:
        if frame.t is None or frame.s is None:
            raise MalformedPayload("an event without a name or a number")
        if frame.t == "READY":
            ready = decode(frame.d, Ready)
            self.session = Session(ready.session_id, ready.resume_gateway_url, frame.s)
            self.fresh = self.live = True
        elif self.session is not None:
            self.session = msgspec.structs.replace(self.session, sequence=frame.s)
            self.live = self.live or frame.t == "RESUMED"
        return Event(frame.t, bytes(frame.d))

    # --- what to send -------------------------------------------------------------------------------------

    def due(self, now: datetime) -> list[str]:
        """The texts to send now. Where Discord left a heartbeat unanswered, the connection is ``over``."""
        if self._interval is None:
            if now - self._opened_at >= HELLO_WITHIN:
                self.over = self.over or "no greeting"
            return []
        texts = list[str]()
        if self._greeting is not None and self._room(now):
            texts.append(self._greeting)
            self._greeting = None
        if self._beat_at is not None and now >= self._beat_at:
            texts += self._beat(now, self._interval)
        return texts

    def next_due(self, now: datetime) -> datetime:
        """When to ask what is ``due``, at the latest."""
        if self._interval is None or self._beat_at is None:
            return self._opened_at + HELLO_WITHIN
        if self._greeting is not None:
            return now
        return (
            max(self._beat_at, self._sent[0] + MINUTE)
            if len(self._sent) == SENDS_PER_MINUTE
            else self._beat_at
        )

    def _beat(self, now: datetime, interval: timedelta) -> list[str]:
        if self._unanswered:
            self.over = self.over or "a heartbeat was not answered"
            return []
        if not self._room(now):
            return []
        self._unanswered = True
        self._beat_at = now + interval
        return [_text(_BEAT, None if self.session is None else self.session.sequence)]

    def _room(self, now: datetime) -> bool:
        """Whether one more text may be sent, which then counts."""
        while self._sent and now - self._sent[0] >= MINUTE:
            self._sent.popleft()
        if len(self._sent) >= SENDS_PER_MINUTE:
            return False
        self._sent.append(now)
        return True


def _greeting(token: Secret, session: Session | None) -> str:
    if session is not None:
        return _text(6, {"token": token.reveal(), "session_id": session.id, "seq": session.sequence})
    properties = {"os": "linux", "browser": "kamiyo", "device": "kamiyo"}
    return _text(2, {"token": token.reveal(), "intents": INTENTS, "properties": properties})


def _text(op: int, data: object) -> str:
    return msgspec.json.encode({"op": op, "d": data}).decode()
