"""One connection to the venue's socket as a state machine: what to send, what was heard, when it is dead.

It does no I/O and asks no clock. Whoever owns the connection hands in what arrived and the time, sends
what comes back, and asks again at ``next_tick``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

import msgspec

from kamiyo.core.errors import MalformedPayload
from kamiyo.hyperliquid.channels import TRADES_START, Frame, decode_frame
from kamiyo.hyperliquid.limits import (
    CONNECTIONS,
    MESSAGES_PER_MINUTE,
    MINUTE,
    NEW_CONNECTIONS_PER_MINUTE,
    SUBSCRIPTIONS,
    TRACKED_USERS,
    SlidingWindow,
)
from kamiyo.hyperliquid.reading import reader
from kamiyo.hyperliquid.subscriptions import (
    PING,
    Method,
    Subscription,
    as_message,
    decode_request,
    decode_subscription,
    matches_ack,
)

PING_EVERY: Final = timedelta(seconds=20)  # the venue closes a connection to which it sent nothing for 60 s
SILENCE: Final = timedelta(seconds=60)
RIGHT_AFTER: Final = timedelta(seconds=10)  # how soon a bad name closes the socket, with room to spare
LOOK_AGAIN: Final = timedelta(milliseconds=250)
LONGEST_BACK_OFF: Final = timedelta(seconds=30)
_FIRST_BACK_OFF: Final = timedelta(seconds=1)
_LARGEST_JITTER: Final = 0.25  # of the back-off
STEADY: Final = timedelta(minutes=1)

# Whatever the subscriptions need, every connection of the address can still ping.
_KEPT_FOR_PINGS: Final = CONNECTIONS * (MINUTE // PING_EVERY + 1)
_MOST_COMPLAINTS: Final = 100
_CLEAN: Final = "Expired"
_ALREADY: Final = "Already subscribed"
_ALREADY_GONE: Final = "Already unsubscribed"
_LIMIT: Final = "Cannot "
_TOO_MANY_USERS: Final = "Cannot track more than"
_TOO_MANY_FEEDS: Final = "Cannot subscribe to more than"

_decode_text = reader(str)


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a connection ended.

    ``suspects`` are feeds asked for right before and never answered, one of which may have closed the
    socket: hand them to the next session, which asks for each alone. ``culprit`` is the one to leave out:
    known once a single one was unanswered. The likeliest suspect comes last.
    """

    reason: str
    last_heard_at: datetime
    suspects: tuple[Subscription, ...] = ()

    @property
    def culprit(self) -> Subscription | None:
        """The feed that closed the socket, if only one can have."""
        return self.suspects[0] if len(self.suspects) == 1 else None


class Session:
    """The protocol of one connection that just opened.

    ``messages`` is shared by all connections of an address, ``proven`` by all that come one after the other:
    what the venue acknowledged once is not suspect. ``suspects`` are those of the connection before.
    """

    def __init__(
        self,
        *,
        now: datetime,
        messages: SlidingWindow | None = None,
        proven: set[Subscription] | None = None,
        suspects: Collection[Subscription] = (),
    ) -> None:
        self.heard_at = now
        self.acknowledged: dict[Subscription, datetime] = {}
        self.refused: dict[Subscription, str] = {}
        self.complaints: deque[str] = deque(maxlen=_MOST_COMPLAINTS)
        self._messages = SlidingWindow(MESSAGES_PER_MINUTE, MINUTE) if messages is None else messages
        self._proven: set[Subscription] = set() if proven is None else proven
        self._suspects = frozenset(suspects)
        self._pinged_at = now
        self._unanswered: dict[Subscription, datetime] = {}
        self._queue: deque[tuple[Method, Subscription]] = deque()
        self._swallowing = {
            "subscriptionResponse": self._acknowledge,
            "error": self._complain,
            "pong": _ignore,
            "greeting": _ignore,
        }

    # --- what to send -------------------------------------------------------------------------------------

    def want(self, subscriptions: Collection[Subscription], now: datetime) -> list[str]:
        """Follow exactly these from now on: messages to send now; what has no room yet comes from ``tick``.

        What is beyond the venue's limits is not asked for but ``refused``, until it is wanted anew.
        """
        wanted = dict.fromkeys(subscriptions)
        self.refused = {
            each: why for each, why in self.refused.items() if each in wanted and not why.startswith(_LIMIT)
        }
        self.refused |= _beyond_limits(each for each in wanted if each not in self.refused)
        held = {**self.acknowledged, **self._unanswered}
        following = [each for each in wanted if each not in self.refused]
        kept = held.keys() & following
        new = [each for each in following if each not in kept]
        self._queue = deque(
            [
                *(("unsubscribe", each) for each in held if each not in kept),
                *(("subscribe", each) for each in new if each not in self._suspects),
                *(("subscribe", each) for each in new if each in self._suspects),
            ]
        )
        return list(self._send(now))

    def tick(self, now: datetime) -> list[str]:
        """Messages that are due: a ping, and what waited for room or for an answer."""
        pings: list[str] = []
        if now - self._pinged_at >= PING_EVERY and self._messages.room(now):
            self._pinged_at = now
            self._messages.take(now)
            pings.append(PING)
        return [*pings, *self._send(now)]

    def next_tick(self, now: datetime) -> datetime:
        """When to call ``tick`` and ask whether the connection is ``dead``, at the latest."""
        ping = max(self._pinged_at + PING_EVERY, self._messages.ready_at(now))
        due = min(ping, self.heard_at + SILENCE)
        if self._queue:
            due = min(due, max(self._messages.ready_at(now, _KEPT_FOR_PINGS + 1), now + LOOK_AGAIN))
        return max(due, now)

    def _send(self, now: datetime) -> Iterator[str]:
        while self._queue and self._messages.room(now) > _KEPT_FOR_PINGS and not self._must_wait(now):
            method, each = self._queue.popleft()
            self._messages.take(now)
            if method == "subscribe":
                self._unanswered[each] = now
            else:
                self.acknowledged.pop(each, None)
                self._unanswered.pop(each, None)
            yield as_message(each, method)

    def _must_wait(self, now: datetime) -> bool:
        """Whether the next is a suspect that would not be asked for alone."""
        method, each = self._queue[0]
        return (
            method == "subscribe"
            and each in self._suspects
            and any(now - at <= RIGHT_AFTER for at in self._unanswered.values())
        )

    # --- what was heard -----------------------------------------------------------------------------------

    def received(self, frame: bytes, now: datetime) -> Frame | None:
        """The frame if it holds data, None if it concerned only the connection.

        MalformedPayload for what cannot be read; it was heard nevertheless.
        """
        self.heard_at = now
        if frame.startswith(TRADES_START):  # nearly every frame: a call less is a tenth of its cost
            return Frame("trades", frame)
        decoded = decode_frame(frame)
        swallow = self._swallowing.get(decoded.channel)
        if swallow is None:
            return decoded
        swallow(decoded, now)
        return None

    def dead(self, now: datetime) -> str | None:
        """Why the connection must be given up, if it must."""
        silent = now - self.heard_at >= SILENCE
        return f"silent for {SILENCE.total_seconds():.0f} s" if silent else None

    def ended(self, now: datetime, reason: str) -> Ended:
        """How it ended, as ``reason`` tells, and which feeds may have closed it."""
        blameless = _CLEAN in reason or self.dead(now) is not None
        fresh = [] if blameless else [each for each in self._unanswered if self._may_close(each, now)]
        suspects = [each for each in fresh if each not in self._proven]
        if not suspects:  # one of them may be known no more: dying of them once again is no accident
            self._proven.difference_update(fresh)
        return Ended(reason=reason, last_heard_at=self.heard_at, suspects=tuple(reversed(suspects)))

    def _may_close(self, each: Subscription, now: datetime) -> bool:
        return each.coin is not None and now - self._unanswered[each] <= RIGHT_AFTER

    def _acknowledge(self, frame: Frame, now: datetime) -> None:
        request = decode_request(frame.data)
        each = self._asked(request.subscription) if request.method == "subscribe" else None
        if each is not None:
            self._settle(each, now)

    def _settle(self, each: Subscription, now: datetime) -> None:
        del self._unanswered[each]
        self.acknowledged[each] = now
        self._proven.add(each)

    def _complain(self, frame: Frame, now: datetime) -> None:
        """Keep what the venue says is wrong, and book it to the feed it means where that can be told."""
        text = _decode_text(frame.data)
        self.complaints.append(text)
        each = self._meant(text)
        if each is None:
            return
        if text.startswith(_ALREADY):
            self._settle(each, now)
        else:
            del self._unanswered[each]
            self.refused[each] = text

    def _meant(self, text: str) -> Subscription | None:
        if text.startswith(_TOO_MANY_USERS):
            return next((each for each in self._unanswered if each.user is not None), None)
        if text.startswith(_TOO_MANY_FEEDS):
            return next(iter(self._unanswered), None)
        named = None if text.startswith(_ALREADY_GONE) else _named_in(text)
        return None if named is None else self._asked(named)

    def _asked(self, echo: Subscription) -> Subscription | None:
        """Which unanswered feed the venue's words are of; the most exact one if several could be meant."""
        if echo in self._unanswered:
            return echo
        alike = [each for each in self._unanswered if matches_ack(each, echo)]
        return max(alike, key=lambda each: len(as_message(each)), default=None)


class Reconnecting:
    """When the connections of one address may be tried: ever later as they fail, 30 in any minute at most."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._attempts = SlidingWindow(NEW_CONNECTIONS_PER_MINUTE, MINUTE)
        self._booked = self._not_before = datetime.min.replace(tzinfo=UTC)
        self._back_off = timedelta()
        self._failures = 0
        self._opened_at: datetime | None = None

    def next_attempt(self, now: datetime) -> datetime:
        """When to try the next connection. It counts that attempt, so ask exactly once for each."""
        jitter = self._back_off * (self._random.random() * _LARGEST_JITTER)
        at = self._attempts.ready_at(max(now, self._not_before + jitter, self._booked))
        self._attempts.take(at)
        self._booked = at
        return at

    def opened(self, now: datetime) -> None:
        """A connection opened. It counts as success once it has lasted."""
        self._opened_at = now

    def failed(self, now: datetime) -> None:
        """An attempt failed, or a connection ended; those that end together are one failure."""
        if now < self._not_before:
            return
        if self._opened_at is not None and now - self._opened_at >= STEADY:
            self._failures = 0
        self._opened_at = None
        self._failures += 1
        self._back_off = min(_FIRST_BACK_OFF * 2 ** min(self._failures - 1, 5), LONGEST_BACK_OFF)
        self._not_before = now + self._back_off


def _ignore(_frame: Frame, _now: datetime) -> None:
    """It was heard, and that is all it is for."""


def _beyond_limits(wanted: Iterable[Subscription]) -> dict[Subscription, str]:
    beyond: dict[Subscription, str] = {}
    users: set[str | None] = {None}
    count = 0
    for each in wanted:
        if count == SUBSCRIPTIONS:
            beyond[each] = f"{_TOO_MANY_FEEDS} {SUBSCRIPTIONS} channels."
        elif each.user not in users and len(users) > TRACKED_USERS:
            beyond[each] = f"{_TOO_MANY_USERS} {TRACKED_USERS} total users."
        else:
            count += 1
            users.add(each.user)
    return beyond


def _named_in(text: str) -> Subscription | None:
    """The feed that a complaint quotes, by itself or within the whole request."""
    quoted = text[text.find("{") : text.rfind("}") + 1].encode()
    for named in (_request_quoted, decode_subscription):
        try:
            return named(quoted)
        except MalformedPayload:
            continue
    return None


def _request_quoted(quoted: bytes) -> Subscription:
    return decode_request(quoted).subscription
