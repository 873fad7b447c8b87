"""Drop what was heard before: a bounded memory of keys in front of the journal's unique index.

The memory only saves work. A key that left it is stored again without effect, because identities
are natural and the database decides; so bounding it loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from kamiyo.core.claims import Claim, ClaimedAction, ClaimedPosition
from kamiyo.core.events import AccountLiquidation, FillRow, LedgerMovement, LiquidatedFill
from kamiyo.core.ports import Counted, Event, Normalized
from kamiyo.core.trades import Trade

DEFAULT_CAPACITY = 1 << 18

_HASH_BITS = 64  # signed: what is added never reaches the next trade id's

Key = int | tuple[object, ...]
T = TypeVar("T")


def leg_keys(rows: Sequence[FillRow]) -> list[int]:
    """Each account's leg of a trade, as one integer: the venue's trade id and a hash of the rest.

    A ``tid`` is unique only with time and asset; the account and the side tell its two legs apart, also
    of a trade with oneself. Two legs get one key only if they agree in all of ``tid`` and in 64 bits of
    a keyed hash; an integer costs a third of a tuple's memory and nothing to the garbage collector.
    """
    return [(fill.tid << _HASH_BITS) + hash((fill.time, fill.asset, user, fill.side)) for user, fill in rows]


def trade_keys(trades: Sequence[Trade]) -> list[int]:
    """Each public trade, as one integer in the manner of ``leg_keys``."""
    return [(trade.tid << _HASH_BITS) + hash((trade.time, trade.asset)) for trade in trades]


def event_key(event: Event) -> Key | None:
    """What makes two facts the same knowledge; None where the latest word counts."""
    if type(event) is LiquidatedFill:  # nearly all; a pattern would look at its whole ancestry
        return (event.asset, event.tid, event.timestamp, event.observation)
    match event:
        case AccountLiquidation():
            return (event.timestamp, event.user, event.hash, event.digest)
        case LedgerMovement():
            return (event.timestamp, event.hash, event.type, event.digest)
        case Claim() | ClaimedPosition():
            return _claim_key(event)
        case _:
            return None


def _claim_key(claim: Claim | ClaimedPosition) -> Key | None:
    if isinstance(claim, Claim):
        return (claim.claim_id,)
    return None if claim.action is ClaimedAction.OBSERVED else (claim.position_id,)


class Deduplicator:
    """Two generations of keys: when the younger is full it becomes the older, and the older is let go.

    Holds at most ``2 * capacity`` keys plus those of one batch (of at most ``capacity`` keys). Keys are
    remembered only once their batch is stored: a crash in between repeats work and loses none.
    """

    def __init__(self, capacity: int = DEFAULT_CAPACITY) -> None:
        self._capacity = capacity
        self._younger: set[Key | None] = set()  # never None, but then the checker would not let it be asked
        self._older: set[Key | None] = set()
        self._batch: list[set[Key | None]] = []  # what the batch put into the younger, to take it out again

    def __len__(self) -> int:
        return len(self._younger) + len(self._older)

    def fresh(self, normalized: Normalized) -> Normalized:
        """The payload without what was heard before; dropped fills and trades are counted as duplicates."""
        trades = normalized.trades
        if trades:
            trades = self._fresh(trades, trade_keys(trades))
            if len(trades) == len(normalized.trades) and not normalized.fills and not normalized.events:
                return normalized  # nearly every frame of the socket: nothing else is looked at
        fills, events = normalized.fills, normalized.events
        if fills:
            fills = self._fresh(fills, leg_keys(fills))
        if events:
            events = self._fresh(events, [event_key(event) for event in events])
        dropped_fills = len(normalized.fills) - len(fills)
        dropped_trades = len(normalized.trades) - len(trades)
        if len(events) == len(normalized.events) and not dropped_fills and not dropped_trades:
            return normalized
        dropped_legs = _liquidated(normalized.events) - _liquidated(events)
        counts = dict(normalized.counts)
        counts[Counted.DUPLICATE_FILLS] = dropped_fills + dropped_legs
        counts[Counted.ORDINARY_FILLS] = counts.get(Counted.ORDINARY_FILLS, 0) - dropped_fills
        counts[Counted.LIQUIDATED_FILLS] = counts.get(Counted.LIQUIDATED_FILLS, 0) - dropped_legs
        if dropped_trades:
            counts[Counted.DUPLICATE_TRADES] = dropped_trades
        return Normalized(
            events=events,
            fills=fills,
            trades=trades,
            rejects=normalized.rejects,
            counts=counts,
            block=normalized.block,
            block_runs=normalized.block_runs,
            last_event_at=normalized.last_event_at,
        )

    def remember_batch(self) -> None:
        """The batch is stored: keep its keys, and let the oldest go if the younger generation has no room."""
        if len(self._younger) > self._capacity:
            self._older, self._younger = self._younger, set[Key | None]().union(*self._batch)
            self._older -= self._younger
        self._batch = []

    def forget_batch(self) -> None:
        """The batch was not stored: what it held is as new as before."""
        self._younger.difference_update(*self._batch)
        self._batch = []

    def _fresh(self, items: Sequence[T], keys: Sequence[Key | None]) -> Sequence[T]:
        """What has a key not heard before, or none."""
        distinct = set(keys)
        distinct.discard(None)
        # The usual case, decided by two set operations in C: nothing was heard before.
        unheard = distinct.isdisjoint
        if len(distinct) == len(keys) and unheard(self._younger) and unheard(self._older):
            self._younger |= distinct
            self._batch.append(distinct)
            return items
        taken = set[Key | None]()
        self._batch.append(taken)
        return [item for item, key in zip(items, keys, strict=True) if key is None or self._take(key, taken)]

    def _take(self, key: Key, taken: set[Key | None]) -> bool:
        if key in self._younger or key in self._older:
            return False
        self._younger.add(key)
        taken.add(key)
        return True


def _liquidated(events: Iterable[Event]) -> int:
    return sum(isinstance(event, LiquidatedFill) for event in events)
