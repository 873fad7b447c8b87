"""What happens on the modelled venue, step by step: blocks of fills and rows of minute series."""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

import msgspec

from kamiyo.core.events import Side
from kamiyo.hyperliquid.channels import WireTrade
from kamiyo.hyperliquid.wire import WireLiquidation


class RecordedFill(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename="camel"):
    """What the venue must read of a fill to publish it; the whole of it goes out as it was recorded."""

    coin: str
    px: str
    sz: str
    side: Side
    time: int
    start_position: str
    dir: str
    hash: str
    oid: int
    crossed: bool
    tid: int
    liquidation: WireLiquidation | None = None
    twap_id: int | None = None


class Row(msgspec.Struct, frozen=True, gc=False):
    """One account's leg of a trade, and its bytes on the tape."""

    user: str
    fill: RecordedFill
    recorded: bytes


class Block(msgspec.Struct, frozen=True, gc=False):
    """All fills of one block."""

    at: datetime
    rows: list[Row]


class MarketMinute(msgspec.Struct, frozen=True, gc=False):
    """A row of a market's minute series, at the moment it is known: a minute after it began."""

    at: datetime
    asset: str
    mark_price: str
    oracle_price: str
    open_interest_usd: str
    depth_usd: str


Change: TypeAlias = Block | MarketMinute


def public_trades(rows: list[Row]) -> list[WireTrade]:
    """The trades of a block, in its order: the two rows of one ``tid`` in one.

    A leg whose other side is not on the tape makes none.
    """
    first_legs: dict[tuple[str, int], Row] = {}
    trades: list[WireTrade] = []
    for row in rows:
        key = (row.fill.coin, row.fill.tid)
        other = first_legs.pop(key, None)
        if other is None or other.fill.side == row.fill.side:
            first_legs[key] = row
        else:
            trades.append(_joined(other, row))
    return trades


def _joined(one: Row, other: Row) -> WireTrade:
    taker = one if one.fill.crossed else other
    buyer, seller = (one, other) if one.fill.side is Side.BUY else (other, one)
    fill = taker.fill
    return WireTrade(
        asset=fill.coin,
        side=fill.side,
        price=fill.px,
        size=fill.sz,
        time=fill.time,
        hash=fill.hash,
        tid=fill.tid,
        users=(buyer.user, seller.user),
    )
