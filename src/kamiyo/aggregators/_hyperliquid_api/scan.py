"""Large accounts and their distance to liquidation; who trades like one who is liquidated is asked about."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from kamiyo.aggregators._hyperliquid_api.completion import Completion
from kamiyo.aggregators._hyperliquid_api.shared import Routine, Shared
from kamiyo.aggregators._hyperliquid_api.universe import LOOK_EVERY, READ_EVERY, Universe
from kamiyo.aggregators._hyperliquid_api.weights import CONFIRMATION, SCAN
from kamiyo.core.errors import MalformedPayload, Transient
from kamiyo.core.ids import Address, Asset
from kamiyo.core.money import Price, is_plain_decimal, parse_decimal
from kamiyo.core.time import from_millis, to_millis
from kamiyo.core.trades import Trade
from kamiyo.hyperliquid.accounts import account_state, decode_user_fills
from kamiyo.hyperliquid.channels import Frame, decode_fast_contexts
from kamiyo.hyperliquid.info import ClearinghouseState, UserFillsByTime
from kamiyo.hyperliquid.limits import MINUTE
from kamiyo.hyperliquid.watch import Watchlist
from kamiyo.hyperliquid.wire import WireFill

SCANNERS: Final = 4
LOOK_FOR_SUSPICIONS_EVERY: Final = timedelta(seconds=1)
REPRICE_EVERY: Final = timedelta(seconds=10)
# The venue's fills are there a moment after its trades; a sweep in several steps takes a few seconds.
ASK_AFTER: Final = timedelta(seconds=2)
BEFORE: Final = timedelta(seconds=2)
AFTERWARDS: Final = timedelta(seconds=20)
MOST_SUSPICIONS: Final = 500


class Scan:
    """The accounts being watched. Of ``accounts`` at most; none at all switches it off."""

    def __init__(self, shared: Shared, universe: Universe, completion: Completion, *, accounts: int) -> None:
        self._shared = shared
        self._universe = universe
        self._completion = completion
        self._accounts = accounts
        self._watchlist = Watchlist(accounts)
        self._watchlist.replace(universe.last.users)
        self._marks: dict[str, str] = {}
        self._repriced_at = shared.clock.now()
        self._suspicions: deque[tuple[Address, datetime]] = deque(maxlen=MOST_SUSPICIONS)

    # --- what the public socket tells ---------------------------------------------------------------------

    def take_trades(self, trades: Sequence[Trade], now: datetime) -> None:
        """Look for tracked takers in a frame's trades."""
        self._universe.take_trades(trades)
        for trade in self._watchlist.suspicious(trades, now):
            self._suspicions.append((Address(trade.taker.lower()), from_millis(trade.time)))

    def take_prices(self, frame: Frame) -> None:
        """Keep the newest marks."""
        if not self._watchlist:
            return
        try:
            contexts = decode_fast_contexts(frame.data)
        except MalformedPayload:  # refused where it is read
            return
        for asset, context in contexts.items():
            if isinstance(context.mark_price, str) and is_plain_decimal(context.mark_price):
                self._marks[asset] = context.mark_price

    def routines(self, per_minute: int) -> list[Routine]:
        """What is to be done for so many questions a minute; nothing where nobody is watched."""
        if not self._accounts:
            return []
        # Several at once, as an answer may be longer on its way than the pause between two questions.
        looking = Routine(SCAN.task, SCANNERS * MINUTE / per_minute, self.look)
        return [
            Routine("universe", LOOK_EVERY, self.choose),
            *[looking] * SCANNERS,
            Routine(CONFIRMATION.task, LOOK_FOR_SUSPICIONS_EVERY, self.confirm),
        ]

    # --- what is asked ------------------------------------------------------------------------------------

    async def choose(self) -> None:
        """Read the files anew once an hour; take large takers in between where there are none."""
        read_at = self._universe.last.at
        if read_at is None or self._shared.clock.now() - read_at >= READ_EVERY:
            users = await self._universe.read(self._accounts)
            if users:
                self._watchlist.replace(users)
        for user in self._universe.large_takers(self._accounts):
            self._watchlist.add(user)

    async def look(self) -> None:
        """Ask about the account whose turn it is."""
        now = self._shared.clock.now()
        if now - self._repriced_at >= REPRICE_EVERY:
            self._repriced_at = now
            marks = {
                Asset(asset): Price(parse_decimal(self._marks[asset]))
                for asset in self._watchlist.assets & self._marks.keys()
            }
            self._watchlist.reprice(marks)
        user = self._watchlist.next_due(now)
        if user is not None:
            content = await self._shared.ask(SCAN, ClearinghouseState(user=user))
            state = account_state(
                user, "", content, source=self._shared.source, chain=self._shared.chain, asked_at=now
            )
            self._watchlist.learn(state, self._shared.clock.now())

    async def confirm(self) -> None:
        """Ask for the fills of the one who was suspected first."""
        now = self._shared.clock.now()
        if not self._suspicions or now - self._suspicions[0][1] < ASK_AFTER:
            return
        user, at = suspicion = self._suspicions.popleft()
        window = UserFillsByTime(
            user=user, start_time=to_millis(at - BEFORE), end_time=to_millis(at + AFTERWARDS)
        )
        try:
            content = await self._shared.ask(CONFIRMATION, window)
        except Transient:
            self._suspicions.appendleft(suspicion)
            raise
        fills = [each for each in decode_user_fills(content) if isinstance(each, WireFill)]
        liquidated = self._completion.take_fills(user, fills, self._shared.clock.now())
        self._shared.log.info("suspicion_answered", user=user, fills=len(fills), liquidated=liquidated)
