"""The venue as a recording makes it: its markets and accounts, moved by one change after the other."""

from __future__ import annotations

from collections import defaultdict, deque
from datetime import timedelta
from itertools import islice

import msgspec

from kamiyo.core.events import Side
from kamiyo.core.time import to_millis
from kamiyo.hyperliquid.channels import WireTrade
from kamiyo.lab.accounts import Accounts
from kamiyo.lab.candles import Candles
from kamiyo.lab.changes import Block, Change, MarketMinute, public_trades
from kamiyo.lab.markets import Markets
from kamiyo.lab.reading import KNOWN_AFTER, Beginning
from kamiyo.lab.universe import Universe, build_universe

HISTORY = timedelta(seconds=20)  # what the first frame of `trades` repeats
_RECENT_TRADES = 10  # of `recentTrades`; how many the venue answers nobody has written down
_SERIES_DECIMALS = 1

_encode = msgspec.json.Encoder().encode


class Touched(msgspec.Struct, frozen=True):
    """What a change brought: trades as JSON by asset, fills as recorded by user, and other books."""

    trades: dict[str, list[bytes]] = {}
    fills: dict[str, list[bytes]] = {}
    books: frozenset[str] = frozenset()


class _KeptTrade(msgspec.Struct, frozen=True, gc=False):
    time: int
    encoded: bytes


class Model:
    """Everything the modelled venue knows at the moment it is played."""

    def __init__(self, beginning: Beginning, series_assets: frozenset[str] = frozenset()) -> None:
        decimals = dict.fromkeys(series_assets, _SERIES_DECIMALS) | beginning.decimals
        self.universe: Universe = build_universe(decimals)
        prices = {asset: price for asset, price in beginning.prices.items() if asset not in series_assets}
        self.markets = Markets(self.universe, prices)
        self.accounts = Accounts(self.markets, beginning.positions, beginning.liquidations)
        self.candles = Candles()
        self._series = series_assets
        self._trades: defaultdict[str, deque[_KeptTrade]] = defaultdict(deque)

    def apply(self, change: Change) -> Touched:
        """Move by one change."""
        return self._fill(change) if isinstance(change, Block) else self._stand(change)

    def history(self, asset: str, now: int) -> list[bytes]:
        """The trades of the last seconds, the oldest first."""
        since = now - HISTORY // timedelta(milliseconds=1)
        return [kept.encoded for kept in self._trades.get(asset, ()) if kept.time >= since]

    def recent_trades(self, asset: str) -> list[bytes]:
        """The newest trades, the newest first."""
        return [kept.encoded for kept in islice(reversed(self._trades.get(asset, ())), _RECENT_TRADES)]

    def _stand(self, row: MarketMinute) -> Touched:
        self.markets.changed(row.asset).stand(
            row.mark_price, row.oracle_price, row.open_interest_usd, row.depth_usd
        )
        self.candles.stand(row.asset, to_millis(row.at - KNOWN_AFTER), row.mark_price)
        return Touched(books=frozenset({row.asset}))

    def _fill(self, block: Block) -> Touched:
        fills: defaultdict[str, list[bytes]] = defaultdict(list)
        for row in block.rows:
            self.accounts.fill(row)
            if row.fill.twap_id is None:
                fills[row.user].append(row.recorded)
        trades: defaultdict[str, list[bytes]] = defaultdict(list)
        for trade in public_trades(block.rows):
            trades[trade.asset].append(self._trade(trade))
        self._mark(block)
        return Touched(trades, fills, frozenset(trades.keys() - self._series))

    def _trade(self, trade: WireTrade) -> bytes:
        if trade.asset not in self._series:
            market = self.markets.changed(trade.asset)
            market.trade(trade.price, trade.size, bought=trade.side is Side.BUY)
        self.candles.trade(trade.asset, trade.time, trade.price, trade.size)
        encoded = _encode(trade)
        kept = self._trades[trade.asset]
        kept.append(_KeptTrade(trade.time, encoded))
        oldest = trade.time - HISTORY // timedelta(milliseconds=1)
        while len(kept) > _RECENT_TRADES and kept[0].time < oldest:
            kept.popleft()
        return encoded

    def _mark(self, block: Block) -> None:
        """A liquidation says what the mark was; that is better than the last trade."""
        for row in block.rows:
            named = row.fill.liquidation
            if named is not None and row.fill.coin not in self._series:
                self.markets.changed(row.fill.coin).mark = named.mark_price
