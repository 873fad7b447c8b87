"""The socket of accounts: fills of the venue's liquidators and of makers who take liquidations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from kamiyo.aggregators._hyperliquid_api.completion import Completion
from kamiyo.aggregators._hyperliquid_api.coverage import fills_of
from kamiyo.aggregators._hyperliquid_api.outlet import Numbered
from kamiyo.aggregators._hyperliquid_api.payloads import OTHER_FRAME, USER_FILLS, read_soundly
from kamiyo.aggregators._hyperliquid_api.shared import Shared
from kamiyo.aggregators._hyperliquid_api.slots import Slots
from kamiyo.core.errors import MalformedPayload
from kamiyo.core.ids import Address
from kamiyo.core.time import from_millis
from kamiyo.hyperliquid.accounts import decode_user_fills
from kamiyo.hyperliquid.channels import Frame, WireUserFills, decode_user_fills_frame
from kamiyo.hyperliquid.fills import FIRST_MILLIS, LAST_MILLIS
from kamiyo.hyperliquid.session import Ended, Session
from kamiyo.hyperliquid.subscriptions import Subscription
from kamiyo.hyperliquid.wire import WireFill

_HEARTBEAT: Final = "bbo"
_REMEMBERED: Final = 100  # fills of each account, by which a later snapshot is known to go on from there


class UsersListener:
    """What is wanted of the accounts' socket, what becomes of what it sends, and what it did not send."""

    def __init__(self, shared: Shared, slots: Slots, completion: Completion, *, pulse: str | None) -> None:
        # Accounts may say nothing for hours. A market that never does tells whether the socket still speaks.
        self._pulse = None if pulse is None else Subscription(_HEARTBEAT, coin=pulse)
        self._shared = shared
        self._slots = slots
        self._completion = completion
        self._place = Numbered("ws/none/users")
        self._users: tuple[Address, ...] = ()
        self._feeds: tuple[Subscription, ...] = ()
        self._told: set[str] = set()
        self._failing = False
        self._remembered: dict[str, list[tuple[int, int]]] = {}

    def wanted(self, now: datetime) -> tuple[Subscription, ...]:
        """The fills of everybody who has a slot."""
        users = self._slots.choose(self._completion.makers, now)
        if users != self._users:
            for user in self._shared.coverage.scopes(fills_of("")):
                if user not in users:
                    self._shared.coverage.forget(fills_of(user))
            self._users = users
            self._remembered = {user: known for user, known in self._remembered.items() if user in users}
            fills = [Subscription("userFills", user=user) for user in users]
            self._feeds = (*([] if self._pulse is None else [self._pulse]), *fills)
            reasons = {each.user: each.reason.value for each in self._slots.held}
            self._shared.log.info("following_fills_of", users=reasons)
        return self._feeds

    def opened(self, number: str, now: datetime) -> None:
        """A connection opened."""
        del now
        self._failing = False
        self._place = Numbered(f"ws/{number}/users")

    def heard(self, frame: Frame | None, payload: bytes, now: datetime) -> bool:
        """Put the frame where everything is put, and look for liquidations in it."""
        if frame is not None and frame.channel == _HEARTBEAT:
            return True
        fills = frame is not None and frame.channel == "userFills"
        self._shared.outlet.put_payload(USER_FILLS if fills else OTHER_FRAME, payload, now, self._place)
        if frame is None or not fills:
            return True
        try:
            told = decode_user_fills_frame(frame.data)
        except MalformedPayload:  # refused where it is read
            return False
        self._hear_fills(told, now)
        return True

    def heard_trades(self, frames: Sequence[bytes], now: datetime) -> bool:
        """Nobody asked for them here; one without trades came in the place of another frame."""
        for payload in frames:
            self._shared.outlet.put_payload(OTHER_FRAME, payload, now, self._place)
        return read_soundly(frames)[1]

    def lost(self, reason: str, since: datetime, now: datetime) -> None:
        """Whatever it was, it may have been anybody's fills."""
        coverage = self._shared.coverage
        for scope in map(fills_of, self._users):
            if coverage.is_whole(scope):
                coverage.heard(scope, since - self._shared.lag.behind)
                gap = coverage.resume(scope, now + self._shared.lag.ahead, now=now, reason=reason[:200])
                if gap is not None:
                    self._shared.outlet.put(gap)

    def _hear_fills(self, told: WireUserFills, now: datetime) -> None:
        rows = b"[" + b",".join(bytes(row) for row in told.fills) + b"]"
        fills = [fill for fill in decode_user_fills(rows) if isinstance(fill, WireFill)]
        user = told.user.lower()
        if user in self._users:  # of others, the last frames may still be on their way
            if not self._shared.coverage.is_whole(fills_of(user)):
                self._resume(user, fills, now)
            newest = sorted([(fill.time, fill.tid) for fill in fills])[-_REMEMBERED:]
            self._remembered[user] = [*(self._remembered.get(user) or ()), *newest][-_REMEMBERED:]
        self._completion.take_fills(told.user, fills, now)

    def _resume(self, user: str, fills: Sequence[WireFill], now: datetime) -> None:
        """A snapshot reaches back to its oldest fill; one without any, or with a known one, further."""
        known = not {(fill.time, fill.tid) for fill in fills}.isdisjoint(self._remembered.get(user) or ())
        times = [fill.time for fill in fills if not known and FIRST_MILLIS <= fill.time < LAST_MILLIS]
        oldest = from_millis(min(times, default=FIRST_MILLIS))
        coverage, scope = self._shared.coverage, fills_of(user)
        coverage.begin(scope, now - self._shared.lag.behind)
        gap = coverage.resume(scope, oldest, now=now, reason="not connected")
        if gap is not None:
            self._shared.outlet.put(gap)

    async def room(self) -> None:
        """Wait until what was heard has been taken."""
        await self._shared.outlet.room()

    def look(self, session: Session, now: datetime) -> None:
        """Note until when everything was heard."""
        del now
        for user in self._users:
            self._shared.coverage.heard(fills_of(user), session.heard_at - self._shared.lag.behind)
        for feed, why in session.refused.items():
            if feed.user is not None and feed.user not in self._told:
                self._told.add(feed.user)
                self._shared.log.warning("user_refused", user=feed.user, detail=why)

    def ended(self, ended: Ended, now: datetime) -> None:
        """What was heard whole is not any more."""
        del now
        for user in self._users:
            self._shared.coverage.heard(fills_of(user), ended.last_heard_at - self._shared.lag.behind)
            self._shared.coverage.interrupt(fills_of(user))
        self._shared.log.info("socket_ended", socket="users", detail=ended.reason)

    def failed(self, reason: str) -> None:
        """No connection: the fills of a few are missing, the trades of all are heard on another."""
        if not self._failing:
            self._shared.log.warning("socket_failing", socket="users", detail=reason)
        self._failing = True
