"""How far tracked accounts are from liquidation, whom to ask about next, and whose trade looks like one."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from kamiyo.core.events import Side
from kamiyo.core.ids import Address, Asset
from kamiyo.core.margin import Direction
from kamiyo.core.money import Price, is_plain_decimal
from kamiyo.core.states import AccountState, Position
from kamiyo.core.trades import Trade

# How soon an account is asked about again, by the share its mark has left to go. All others wait their turn.
NEAR: Final = (
    (Decimal("0.01"), timedelta(seconds=20)),
    (Decimal("0.03"), timedelta(seconds=60)),
    (Decimal("0.10"), timedelta(seconds=300)),
)
_NEAR_IN_A_ROW: Final = 2  # then one of those who wait their turn, so that nobody waits for ever


@dataclass(slots=True)
class _Account:
    """What is known of one account: its positions that one price would liquidate."""

    asked_at: datetime | None = None
    due_at: datetime | None = None  # None: when its turn comes
    positions: tuple[Position, ...] = ()


class Watchlist:
    """At most ``capacity`` accounts with their liquidation prices, as the venue itself last told them."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._accounts: dict[Address, _Account] = {}
        self._turns: deque[Address] = deque()
        self._due: list[tuple[datetime, Address]] = []
        self._held: dict[str, dict[str, Position]] = {}
        self._near_in_a_row = 0

    def __len__(self) -> int:
        return len(self._accounts)

    @property
    def assets(self) -> set[str]:
        """In which assets tracked accounts hold what one price would liquidate."""
        return {asset for asset, held in self._held.items() if held}

    def replace(self, users: Iterable[Address]) -> None:
        """Track these, as many as fit in their order; what is known of those who stay is kept."""
        wanted = list(dict.fromkeys(users))[: self._capacity]
        gone = self._accounts.keys() - set(wanted)
        for user in gone:
            self._drop_positions(user)
            del self._accounts[user]
        self._turns = deque(user for user in self._turns if user in self._accounts)
        for user in wanted:
            self.add(user)

    def add(self, user: Address) -> None:
        """Track one more, if there is room."""
        if user not in self._accounts and len(self._accounts) < self._capacity:
            self._accounts[user] = _Account()
            self._turns.append(user)

    def next_due(self, now: datetime) -> Address | None:
        """Whom to ask about now: those near liquidation first, but every third time whose turn it is."""
        near = self._nearest_due(now) if self._near_in_a_row < _NEAR_IN_A_ROW or not self._turns else None
        if near is not None:
            self._near_in_a_row += 1
            heapq.heappop(self._due)
            self._accounts[near].due_at = None
            return near
        self._near_in_a_row = 0
        if not self._turns:
            return None
        self._turns.rotate(-1)
        return self._turns[-1]

    def learn(self, state: AccountState, now: datetime) -> None:
        """Take what the venue says of a tracked account."""
        account = self._accounts.get(state.user)
        if account is None:
            return
        self._drop_positions(state.user)
        account.asked_at = now
        account.positions = tuple(each for each in state.positions if each.liquidation_price is not None)
        for position in account.positions:
            self._held.setdefault(position.asset, {})[state.user] = position
        self._plan(state.user, account, {})

    def reprice(self, marks: Mapping[Asset, Price]) -> None:
        """Judge by newer marks who is near; a position in an asset without one keeps its own."""
        for user, account in self._accounts.items():
            if account.positions:
                self._plan(user, account, marks)

    def suspicious(self, trades: Sequence[Trade], now: datetime) -> list[Trade]:
        """The first trade of each tracked user who, as taker, closed at or beyond his liquidation price.

        His positions are set aside until he is asked about again, which is now due: one look is enough.
        """
        held = self._held
        if not held:
            return []
        suspects = [
            trade
            for trade in trades
            if (in_asset := held.get(trade.asset))
            and (position := in_asset.get(trade.users[trade.side is not Side.BUY])) is not None
            and _at_or_beyond(trade, position)
        ]
        first = {trade.taker: trade for trade in reversed(suspects)}
        for user in map(Address, first):
            self._drop_positions(user)
            self._accounts[user].positions = ()
            self._ask_at(user, self._accounts[user], now)
        return list(first.values())

    def _plan(self, user: Address, account: _Account, marks: Mapping[Asset, Price]) -> None:
        asked_at = account.asked_at
        distance = min((_distance(each, marks) for each in account.positions), default=None)
        if distance is None or asked_at is None:
            return
        pause = next((pause for share, pause in NEAR if distance < share), None)
        if pause is not None:
            self._ask_at(user, account, asked_at + pause)

    def _ask_at(self, user: Address, account: _Account, at: datetime) -> None:
        if account.due_at is None or at < account.due_at:
            account.due_at = at
            heapq.heappush(self._due, (at, user))

    def _nearest_due(self, now: datetime) -> Address | None:
        while self._due:
            at, user = self._due[0]
            account = self._accounts.get(user)
            if account is not None and account.due_at == at:
                return user if at <= now else None
            heapq.heappop(self._due)  # planned anew since, or nobody we track any more
        return None

    def _drop_positions(self, user: Address) -> None:
        for position in self._accounts[user].positions:
            self._held[position.asset].pop(user, None)


def _distance(position: Position, marks: Mapping[Asset, Price]) -> Decimal:
    """The share of the mark between it and the liquidation price; below zero once it is crossed."""
    mark = marks.get(position.asset) or position.mark_price
    limit = position.liquidation_price
    return Decimal("Infinity") if limit is None else (mark - limit) * position.side.sign / mark


def _at_or_beyond(trade: Trade, position: Position) -> bool:
    closes = (trade.side is Side.SELL) is (position.side is Direction.LONG)
    limit = position.liquidation_price
    if not closes or limit is None or not is_plain_decimal(trade.price):
        return False
    return (limit - Decimal(trade.price)) * position.side.sign >= 0
