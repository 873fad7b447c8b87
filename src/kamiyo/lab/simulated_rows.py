"""Made-up accounts that trade, and what a node would have written of it; all arithmetic in whole numbers."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from kamiyo.core.events import Side
from kamiyo.core.money import plain
from kamiyo.hyperliquid.fills import AUTO_DELEVERAGING
from kamiyo.hyperliquid.wire import WireFill, WireLiquidation

ZERO_HASH = "0x" + "0" * 64
_TAKER_FEE_PPM, _MAKER_FEE_PPM = 450, -30
_FEE_DECIMALS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """One market: ``price`` in ticks of ``10 ** -price_decimals``, sizes in lots of ``10 ** -size_decimals``.

    ``fall_ppm`` is how far the worst moment takes it; negative where it rises. ``weight`` is its share of
    the trades, ``depth_usd`` what its book takes in one block, ``maintenance_ppm`` the margin a position
    must keep.
    """

    asset: str
    price: int
    price_decimals: int
    size_decimals: int
    fall_ppm: int
    weight: int
    depth_usd: int = 0
    maintenance_ppm: int = 0

    @property
    def is_spot(self) -> bool:
        return self.asset.startswith("@")

    @property
    def scale(self) -> int:
        """How many ticks times lots are a dollar."""
        return int(10 ** (self.price_decimals + self.size_decimals))

    def lots_for(self, usd: int, price: int) -> int:
        """How many lots so much money buys; at least one."""
        return max(1, usd * self.scale // price)

    def usd(self, price: int, lots: int) -> int:
        """Whole dollars of so many lots."""
        return price * lots // self.scale


class SimulatedFill(
    WireFill,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    rename={"order_id": "oid", "fee_token": "feeToken", "twap_id": "twapId", "deployer_fee": "deployerFee"},
):
    """A fill with what a node writes beside the fields we read."""

    order_id: int
    fee_token: str
    twap_id: int | None = None
    deployer_fee: str | None = None


class Block(msgspec.Struct, frozen=True):
    """One line of ``node_fills_by_block``."""

    local_time: str
    block_time: str
    block_number: int
    events: list[tuple[str, SimulatedFill]]


@dataclass(slots=True)
class Holding:
    """What an account holds in one market: signed lots, and what they cost in ticks times lots."""

    lots: int = 0
    cost: int = 0

    def trade(self, change: int, price: int) -> tuple[str, int]:
        """Buy (or, below zero, sell) at a price: the venue's word for it and the realised gain."""
        before, entry = self.lots, self.entry
        self.lots += change
        if before * change >= 0:
            self.cost += change * price
            return f"Open {_side_of(self.lots)}", 0
        closed = min(abs(change), abs(before)) * (1 if before > 0 else -1)
        self.cost = self.lots * (price if self.lots * before < 0 else entry)
        word = f"Close {_side_of(before)}"
        if self.lots * before < 0:
            word = f"{_side_of(before)} > {_side_of(self.lots)}"
        return word, closed * (price - entry)

    @property
    def entry(self) -> int:
        """The average price paid, in ticks."""
        return self.cost // self.lots if self.lots else 0


def _side_of(lots: int) -> str:
    return "Long" if lots > 0 else "Short"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """One trade to write down: ``taker`` crossed the book and did ``side``; both rows say ``direction``."""

    market: Market
    taker: str
    maker: str
    side: Side
    price: int
    lots: int
    hash: str
    maker_order: int | None = None
    twap: int | None = None
    direction: str | None = None
    liquidation: WireLiquidation | None = None


@dataclass(slots=True)
class Ledger:
    """Every account's holdings; hands out trade and order numbers."""

    holdings: defaultdict[tuple[str, str], Holding] = field(default_factory=lambda: defaultdict(Holding))
    orders: int = 900_000_000_000

    def next_order(self) -> int:
        """A new order's number."""
        self.orders += 1
        return self.orders

    def rows(self, deal: Deal, *, time: int, tid: int) -> list[tuple[str, SimulatedFill]]:
        """Both rows of a trade, the holdings changed by it."""
        taker = self._row(deal, deal.taker, deal.side, time=time, tid=tid, crossed=True)
        other = Side.SELL if deal.side is Side.BUY else Side.BUY
        maker = self._row(deal, deal.maker, other, time=time, tid=tid, crossed=False)
        return [(deal.taker, taker), (deal.maker, maker)]

    def _row(self, deal: Deal, user: str, side: Side, *, time: int, tid: int, crossed: bool) -> SimulatedFill:
        market, change = deal.market, deal.lots if side is Side.BUY else -deal.lots
        holding = self.holdings[user, market.asset]
        before = holding.lots
        word, gain = holding.trade(change, deal.price)
        decimals = market.price_decimals + market.size_decimals
        if market.is_spot:
            word, gain = "Buy" if side is Side.BUY else "Sell", 0
        maker_order = self.next_order() if deal.maker_order is None else deal.maker_order
        return SimulatedFill(
            asset=market.asset,
            price=_text(deal.price, market.price_decimals),
            size=_text(deal.lots, market.size_decimals),
            side=side,
            time=time,
            start_position=_text(before, market.size_decimals),
            direction_text=deal.direction or word,
            closed_pnl=_text(gain, decimals),
            hash=deal.hash,
            order_id=self.next_order() if crossed else maker_order,
            crossed=crossed,
            fee=_fee(deal, crossed=crossed),
            tid=tid,
            fee_token="USDC",  # noqa: S106  # a currency
            twap_id=deal.twap if crossed else None,
            deployer_fee="0.0" if ":" in market.asset else None,
            liquidation=deal.liquidation,
        )


def _fee(deal: Deal, *, crossed: bool) -> str:
    """Who is closed by the venue and who takes a position over pay nothing."""
    if deal.direction is not None:
        return "0.0"
    decimals = deal.market.price_decimals + deal.market.size_decimals
    rate = _TAKER_FEE_PPM if crossed else _MAKER_FEE_PPM
    fee = Decimal(deal.price * deal.lots * rate).scaleb(-decimals - _FEE_DECIMALS)
    return plain(round(fee, _FEE_DECIMALS))


def price_text(market: Market, price: int) -> str:
    """A price as the venue writes it."""
    return _text(price, market.price_decimals)


def taken_over(*, lots: int) -> str:
    """What the venue writes when the liquidator takes so many lots over, all accounts here being cross."""
    return f"Liquidated Cross {_side_of(lots)}"


def deleveraged() -> str:
    """What the venue writes on both rows of auto-deleveraging."""
    return AUTO_DELEVERAGING


def _text(number: int, decimals: int) -> str:
    text = plain(Decimal(number).scaleb(-decimals))
    return text if "." in text else f"{text}.0"
