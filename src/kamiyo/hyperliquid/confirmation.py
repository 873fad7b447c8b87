"""Which public trades a liquidation consists of, once a fill has confirmed its hash.

A public trade never says that somebody was liquidated. A fill of either side does; and every public trade
with its hash and asset in which the liquidated user takes the same side is part of the same liquidation,
whoever was the maker. The payload that says so holds both, so that it can be judged again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import msgspec

from kamiyo.core.errors import MalformedPayload
from kamiyo.core.events import Fill, FillRole, LiquidatedFill, LiquidationMethod, Side
from kamiyo.core.ids import Chain, SourceName, parse_address, parse_asset, parse_transaction_hash
from kamiyo.core.margin import Direction
from kamiyo.core.money import parse_plain
from kamiyo.core.time import from_millis
from kamiyo.hyperliquid.channels import WireTrade
from kamiyo.hyperliquid.fills import FillClass, classify
from kamiyo.hyperliquid.reading import reader
from kamiyo.hyperliquid.wire import WireFill

KEPT_FOR: Final = timedelta(minutes=10)
KEPT_BYTES: Final = 16 << 20
KEPT_LIQUIDATIONS: Final = 10_000

_KEPT_MILLIS: Final = KEPT_FOR // timedelta(milliseconds=1)
_OTHER: Final = {Side.BUY: Side.SELL, Side.SELL: Side.BUY}
_TAKEN_BY_THE_BOOK: Final = (FillClass.MARKET_VICTIM, FillClass.MARKET_MAKER)


class ConfirmedTrade(msgspec.Struct, frozen=True):
    """A public trade, and the fill (with its account) that says it was part of a liquidation."""

    confirmed: tuple[str, WireFill]
    trade: WireTrade


decode_confirmed = reader(ConfirmedTrade)
encode_confirmed = msgspec.json.Encoder().encode


def completed_fill(told: ConfirmedTrade, *, source: SourceName, chain: Chain) -> LiquidatedFill:
    """The public trade as a liquidated fill; MalformedPayload unless the fill confirms just this trade."""
    (user, fill), trade = told.confirmed, told.trade
    key = _key_of(user, fill)
    if key is None or key != _key_it_has(trade) or fill.liquidation is None:
        raise MalformedPayload("the fill is of another liquidation", rule="not_confirmed")
    taker = parse_address(trade.taker)
    return LiquidatedFill(
        source=source,
        chain=chain,
        asset=parse_asset(trade.asset),
        user=taker,
        side=Direction.LONG if trade.side is Side.SELL else Direction.SHORT,
        method=LiquidationMethod.MARKET,
        price=parse_plain(trade.price),
        size=parse_plain(trade.size),
        mark_price=parse_plain(fill.liquidation.mark_price),
        timestamp=from_millis(trade.time),
        hash=parse_transaction_hash(trade.hash),
        tid=trade.tid,
        role=FillRole.PUBLIC,
        liquidated_user=taker,
        direction_text="",
        counterparty=parse_address(trade.maker),
    )


Decode = Callable[[bytes], Sequence[WireTrade]]
_Key = tuple[str, str, str, Side]  # hash, asset, taker and the taker's side
_Kept = tuple[int, int, int, bytes]  # when it was heard, the trades' earliest and latest time, the payload


@dataclass(slots=True)
class _Liquidation:
    """A confirmed liquidation, and the trades of it that were told already."""

    user: str
    fill: WireFill
    key: _Key
    told: set[int]


class Confirmations:
    """The public trades of the last minutes, and the liquidations fills have confirmed.

    Both are bounded in time and number. Trades are kept in the bytes they came in, which ``decode`` reads
    again: most are never looked for, and a hash is of one moment and so in few of them.
    """

    def __init__(
        self, decode: Decode, *, capacity_bytes: int = KEPT_BYTES, capacity: int = KEPT_LIQUIDATIONS
    ) -> None:
        self._decode = decode
        self._capacity_bytes = capacity_bytes
        self._capacity = capacity
        self._kept: deque[_Kept] = deque()
        self._bytes = 0
        self._confirmed: dict[str, list[_Liquidation]] = {}
        self._ages: deque[tuple[int, str]] = deque()

    @property
    def kept_bytes(self) -> int:
        """How much of public trades is kept."""
        return self._bytes

    def hear(
        self, trades: Sequence[WireTrade], payload: bytes, times: tuple[int, int], now_millis: int
    ) -> Sequence[ConfirmedTrade]:
        """Keep a payload's trades, of which these are the earliest and the latest time.

        What is returned completes liquidations that were confirmed before.
        """
        self._kept.append((now_millis, *times, payload))
        self._bytes += len(payload)
        self._forget(now_millis)
        known = self._confirmed
        if not known:
            return ()
        return [
            done
            for trade in trades
            if trade.hash in known
            for liquidation in known[trade.hash]
            for done in _completed(liquidation, trade)
        ]

    def confirm(self, user: str, fill: WireFill, now_millis: int) -> list[ConfirmedTrade]:
        """Take a fill; where it is the first to tell of a liquidation, the kept trades that complete it."""
        try:
            key = _key_of(user, fill)
        except MalformedPayload:  # a reject where the fill itself is judged; here it confirms nothing
            key = None
        if key is None:
            return []
        transaction = key[0]
        known = self._confirmed.setdefault(transaction, [])
        for liquidation in known:
            if liquidation.key == key:
                liquidation.told.add(fill.tid)
                return []
        liquidation = _Liquidation(user, fill, key, {fill.tid})
        known.append(liquidation)
        self._ages.append((now_millis, transaction))
        self._forget(now_millis)
        return [
            done
            for trade in self._kept_trades(transaction, fill.time)
            for done in _completed(liquidation, trade)
        ]

    def _kept_trades(self, transaction: str, millis: int) -> Iterator[WireTrade]:
        needle = transaction.encode()
        for _heard, first, last, payload in self._kept:
            if first <= millis <= last and needle in payload:
                yield from (trade for trade in self._decode(payload) if trade.hash == transaction)

    def _forget(self, now_millis: int) -> None:
        oldest = now_millis - _KEPT_MILLIS
        while self._kept and (self._bytes > self._capacity_bytes or self._kept[0][0] < oldest):
            self._bytes -= len(self._kept.popleft()[3])
        while self._ages and (len(self._ages) > self._capacity or self._ages[0][0] < oldest):
            self._confirmed.pop(self._ages.popleft()[1], None)


def _key_of(user: str, fill: Fill) -> _Key | None:
    """What the public trades of the liquidation have that a fill tells of; None where none could be of it."""
    named = fill.liquidation
    if named is None or parse_transaction_hash(fill.hash) is None:
        return None
    kind = classify(user, fill)
    if kind not in _TAKEN_BY_THE_BOOK:
        return None
    side = fill.side if kind is FillClass.MARKET_VICTIM else _OTHER[fill.side]
    return fill.hash, fill.asset, named.liquidated_user.lower(), side


def _key_it_has(trade: WireTrade) -> _Key:
    return trade.hash, trade.asset, trade.taker.lower(), trade.side


def _completed(liquidation: _Liquidation, trade: WireTrade) -> Iterator[ConfirmedTrade]:
    if _key_it_has(trade) == liquidation.key and trade.tid not in liquidation.told:
        liquidation.told.add(trade.tid)
        yield ConfirmedTrade((liquidation.user, liquidation.fill), trade)
