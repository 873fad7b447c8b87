"""What each market of the modelled venue stands at: its prices, its book and its candles.

From trades follow the last price, and a book of one level a side: where somebody last sold and last bought,
only the later where the two cross.
From a minute series follow the mark, the oracle, the open interest and a book of the depth it states.
Funding, premium, volumes of the day: what no recording says is null.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import msgspec

from kamiyo.core.money import plain
from kamiyo.lab.universe import Universe, is_spot

_LEVELS = 20
_LEVEL_STEP = Decimal("0.0001")  # twenty levels reach 0.2 % from the mid
_SIZE_DIGITS = Decimal("0.0001")
_PRICE_DIGITS = 6

Level = tuple[Decimal, Decimal, int]  # price, size, orders
Context = dict[str, object]


class _Crossing(msgspec.Struct, frozen=True, gc=False):
    """A trade: its price and size as text, and the how-manyeth of its market it is."""

    price: str
    size: str
    number: int


class Market(msgspec.Struct):
    """One market now; None is what is not known yet."""

    asset: str
    mark: str | None = None
    oracle: str | None = None
    last: str | None = None
    open_interest: str | None = None
    trades: int = 0
    last_bought: _Crossing | None = None
    last_sold: _Crossing | None = None
    levels: tuple[tuple[Level, ...], tuple[Level, ...]] | None = None  # of a row of a minute series

    @property
    def sides(self) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """Bids and asks, the best first."""
        if self.levels is not None:
            return self.levels
        bid, ask = self.last_sold, self.last_bought
        if bid is not None and ask is not None and Decimal(bid.price) >= Decimal(ask.price):
            bid, ask = (bid, None) if bid.number > ask.number else (None, ask)
        return _level(bid), _level(ask)

    @property
    def mid(self) -> str | None:
        """Between the best bid and ask, if there are both."""
        bids, asks = self.sides
        return plain((bids[0][0] + asks[0][0]) / 2) if bids and asks else None

    @property
    def mid_or_last(self) -> str | None:
        """What ``allMids`` says: where the book is empty, the last trade."""
        return self.mid or self.last or self.mark

    def trade(self, price: str, size: str, *, bought: bool) -> None:
        """Somebody crossed the book: what rested there is the best of its side."""
        self.mark = self.oracle = self.last = price
        self.trades += 1
        if bought:
            self.last_bought = _Crossing(price, size, self.trades)
        else:
            self.last_sold = _Crossing(price, size, self.trades)

    def stand(self, mark: str, oracle: str, open_interest_usd: str, depth_usd: str) -> None:
        """A row of a minute series is known: half of its depth lies on each side, evenly."""
        price = Decimal(mark)
        self.mark = self.last = mark
        self.oracle = oracle
        self.open_interest = plain(_rounded(Decimal(open_interest_usd) / price))
        size = _rounded(Decimal(depth_usd) / (2 * _LEVELS) / price)
        self.levels = _side(price, -_LEVEL_STEP, size), _side(price, _LEVEL_STEP, size)

    def context(self) -> Context:
        """What ``metaAndAssetCtxs`` and the context channels say of it; a spot market names itself."""
        if is_spot(self.asset):
            return {
                "prevDayPx": None,
                "dayNtlVlm": None,
                "markPx": self.mark,
                "midPx": self.mid,
                "circulatingSupply": None,
                "coin": self.asset,
                "totalSupply": None,
                "dayBaseVlm": None,
            }
        return {
            "funding": None,
            "openInterest": self.open_interest,
            "prevDayPx": None,
            "dayNtlVlm": None,
            "premium": None,
            "oraclePx": self.oracle,
            "markPx": self.mark,
            "midPx": self.mid,
            "impactPxs": None,
            "dayBaseVlm": None,
        }

    def fast_context(self) -> dict[str, str | None]:
        """What ``fastAssetCtxs`` says of it."""
        return {"markPx": self.mark, "midPx": self.mid}

    def quote(self) -> list[dict[str, object] | None]:
        """The best bid and ask, or null."""
        return [_shown(levels[0]) if levels else None for levels in self.sides]

    def book(
        self, *, depth: int = _LEVELS, figures: int | None = None, mantissa: int | None = None
    ) -> list[list[dict[str, object]]]:
        """Both sides, best first, in as many significant figures as asked for."""
        bids, asks = self.sides
        sides = ((bids, ROUND_FLOOR), (asks, ROUND_CEILING))
        return [
            [_shown(level) for level in _merged(levels, figures, mantissa, rounding)[:depth]]
            for levels, rounding in sides
        ]


class Markets:
    """Every market of a universe, and which changed since the last look."""

    def __init__(self, universe: Universe, first_prices: Mapping[str, str]) -> None:
        self.universe = universe
        self._markets = {
            asset: Market(asset, price, price, price)
            for asset in universe.decimals
            for price in (first_prices.get(asset),)
        }
        self._changed: set[str] = set()

    def __getitem__(self, asset: str) -> Market:
        return self._markets[asset]

    def __contains__(self, asset: object) -> bool:
        return asset in self._markets

    def changed(self, asset: str) -> Market:
        """The market, about to be another."""
        self._changed.add(asset)
        return self._markets[asset]

    def contexts(self, dex: str) -> list[Context]:
        """One context for each market of a dex, by place."""
        return [self._markets[asset].context() for asset in self.universe.dexes[dex]]

    def spot_contexts(self) -> list[Context]:
        """One context for each spot market."""
        return [self._markets[asset].context() for asset in self.universe.spot]

    def fast_contexts(self) -> dict[str, dict[str, str | None]]:
        """All that have a price."""
        return self._fast(self._markets)

    def take_changes(self) -> dict[str, dict[str, str | None]]:
        """Those that changed since this was last asked."""
        changes = self._fast(self._changed)
        self._changed = set()
        return changes

    def mids(self, dex: str) -> dict[str, str]:
        """The mids of a dex; without one also those of spot markets and outcomes."""
        universe = self.universe
        assets: Sequence[str] = universe.dexes[dex]
        if not dex:
            assets = (*assets, *universe.spot, *universe.outcomes)
        mids = ((asset, self._markets[asset].mid_or_last) for asset in assets)
        return {asset: mid for asset, mid in mids if mid is not None}

    def _fast(self, assets: Iterable[str]) -> dict[str, dict[str, str | None]]:
        return {
            asset: self._markets[asset].fast_context()
            for asset in assets
            if self._markets[asset].mark is not None
        }


def _level(crossing: _Crossing | None) -> tuple[Level, ...]:
    return () if crossing is None else ((Decimal(crossing.price), Decimal(crossing.size), 1),)


def _side(price: Decimal, step: Decimal, size: Decimal) -> tuple[Level, ...]:
    return tuple((_significant(price * (1 + step * place)), size, 1) for place in range(1, _LEVELS + 1))


def _significant(price: Decimal) -> Decimal:
    return price.quantize(Decimal(1).scaleb(price.adjusted() - _PRICE_DIGITS))


def _rounded(size: Decimal) -> Decimal:
    return size.quantize(_SIZE_DIGITS)


def _shown(level: Level) -> dict[str, object]:
    price, size, orders = level
    return {"px": plain(price), "sz": plain(size), "n": orders}


def _merged(
    levels: tuple[Level, ...], figures: int | None, mantissa: int | None, rounding: str
) -> list[Level]:
    if figures is None:
        return list(levels)
    merged: dict[Decimal, Level] = {}
    for price, size, orders in levels:
        unit = Decimal(mantissa or 1).scaleb(price.adjusted() - figures + 1)
        place = (price / unit).to_integral_value(rounding) * unit
        _price, before, counted = merged.get(place, (place, Decimal(0), 0))
        merged[place] = (place, before + size, counted + orders)
    return list(merged.values())
