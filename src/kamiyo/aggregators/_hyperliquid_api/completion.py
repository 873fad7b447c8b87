"""What every fill and every public trade goes through: one confirms a liquidation, the other completes it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from kamiyo.aggregators._hyperliquid_api.outlet import Numbered, Outlet
from kamiyo.aggregators._hyperliquid_api.payloads import CONFIRMED, read_soundly
from kamiyo.core.ids import Address
from kamiyo.core.time import to_millis
from kamiyo.hyperliquid.channels import WireTrade, frames_in
from kamiyo.hyperliquid.confirmation import Confirmations, ConfirmedTrade, encode_confirmed
from kamiyo.hyperliquid.ranking import Ranking, traded_usd
from kamiyo.hyperliquid.wire import WireFill


class Completion:
    """Puts what it completes where everything else is put, and credits the makers who took it."""

    def __init__(self, outlet: Outlet, place: Numbered) -> None:
        self.makers = Ranking()
        self._outlet = outlet
        self._place = place
        self._confirmations = Confirmations(_trades_in)

    def take_fills(self, user: str, fills: Iterable[WireFill], now: datetime) -> int:
        """Take an account's fills; how many of them are of a liquidation."""
        liquidated = [fill for fill in fills if fill.liquidation is not None]
        for fill in liquidated:
            if not fill.crossed:
                self.makers.credit(Address(user.lower()), traded_usd(fill))
            self._put(self._confirmations.confirm(user, fill, to_millis(now)), now)
        return len(liquidated)

    def take_trades(
        self, trades: Sequence[WireTrade], payload: bytes, times: tuple[int, int], now: datetime
    ) -> None:
        """Take a payload's trades and the earliest and latest of their times."""
        completed = self._confirmations.hear(trades, payload, times, to_millis(now))
        if completed:
            self._put(completed, now)

    def _put(self, completed: Iterable[ConfirmedTrade], now: datetime) -> None:
        for each in completed:
            self.makers.credit(Address(each.trade.maker.lower()), traded_usd(each.trade))
            self._outlet.put_payload(CONFIRMED, encode_confirmed(each), now, self._place)


def _trades_in(payload: bytes) -> list[WireTrade]:
    """The trades of a payload that is kept, though a frame of it could not be read."""
    return read_soundly(frames_in(payload))[0]
