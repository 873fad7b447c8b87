"""Candles of any interval, from what was traded minute by minute."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

import msgspec

from kamiyo.core.money import plain

_MINUTE = 60_000
_UNFOLDED = 1_000
_KEPT = 5_000  # the venue knows no more, of whatever interval
_MINUTES_OF = {
    "1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240, "8h": 480,
    "12h": 720, "1d": 1_440, "3d": 4_320, "1w": 10_080, "1M": 43_200,
}  # fmt: skip


class _Minute(msgspec.Struct):
    opened: str
    closed: str
    high: Decimal
    low: Decimal
    volume: Decimal
    trades: int


class Candles:
    """The minutes of each market in which something was traded."""

    def __init__(self) -> None:
        self._minutes: defaultdict[str, dict[int, _Minute]] = defaultdict(dict)
        self._unfolded: defaultdict[str, list[tuple[int, str, str]]] = defaultdict(list)

    def trade(self, asset: str, time: int, price: str, size: str) -> None:
        """So much was traded at ``time`` in milliseconds."""
        # Nobody may ever ask for it, and numbers cost more than their text.
        unfolded = self._unfolded[asset]
        unfolded.append((time, price, size))
        if len(unfolded) >= _UNFOLDED:
            self._fold(asset)

    def stand(self, asset: str, time: int, price: str) -> None:
        """The price was that at ``time`` in milliseconds; what was traded is not known."""
        self._add(asset, time, price, "0", trades=0)

    def _fold(self, asset: str) -> None:
        for time, price, size in self._unfolded.pop(asset, ()):
            self._add(asset, time, price, size, trades=1)

    def _add(self, asset: str, time: int, price: str, size: str, *, trades: int) -> None:
        minutes, began, number = self._minutes[asset], time - time % _MINUTE, Decimal(price)
        minute = minutes.get(began)
        if minute is None:
            minutes[began] = _Minute(price, price, number, number, Decimal(size), trades)
            if len(minutes) > _KEPT:
                del minutes[next(iter(minutes))]
            return
        minute.closed = price
        minute.high = max(minute.high, number)
        minute.low = min(minute.low, number)
        minute.volume += Decimal(size)
        minute.trades += trades

    def between(self, asset: str, interval: str, first: int, last: int) -> list[dict[str, object]]:
        """The candles that began in these bounds, oldest first."""
        self._fold(asset)
        length = _MINUTES_OF[interval] * _MINUTE
        groups: defaultdict[int, list[_Minute]] = defaultdict(list)
        for began, minute in self._minutes[asset].items():
            start = began - began % length
            if first <= start <= last:
                groups[start].append(minute)
        candles = [_candle(asset, interval, start, length, minutes) for start, minutes in groups.items()]
        return candles[-_KEPT:]

    def running(self, asset: str, interval: str, time: int) -> dict[str, object] | None:
        """The candle of that moment, if anything was traded in it."""
        length = _MINUTES_OF[interval] * _MINUTE
        start = time - time % length
        return next(iter(self.between(asset, interval, start, start)), None)


def _candle(
    asset: str, interval: str, start: int, length: int, minutes: Iterable[_Minute]
) -> dict[str, object]:
    known = list(minutes)
    return {
        "t": start,
        "T": start + length - 1,
        "s": asset,
        "i": interval,
        "o": known[0].opened,
        "c": known[-1].closed,
        "h": plain(max(minute.high for minute in known)),
        "l": plain(min(minute.low for minute in known)),
        "v": plain(sum((minute.volume for minute in known), Decimal(0))),
        "n": sum(minute.trades for minute in known),
    }
