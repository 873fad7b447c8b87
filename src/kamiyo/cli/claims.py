"""``kamiyo claims``: what others say was liquidated, as far as a running server was told."""

from __future__ import annotations

import enum
from functools import partial
from typing import Annotated

import msgspec
import typer

from kamiyo.cli.client import DEFAULT_SERVER, JsonOption, ServerOption, read_row
from kamiyo.cli.output import UNKNOWN, amount
from kamiyo.cli.query import (
    EndOption,
    LimitOption,
    ListTable,
    MinUsdOption,
    SideOption,
    StartOption,
    moment,
    show_list,
)

_ALL = "all"
_HOUR, _MINUTE = 3_600, 60


class Claimed(enum.StrEnum):
    """Which list of claims."""

    ORDERS = "orders"
    TOTALS = "totals"
    POSITIONS = "positions"


WhatArgument = Annotated[Claimed, typer.Argument(help="orders, totals or positions.")]
ClaimedAssetOption = Annotated[str | None, typer.Option("--asset", help="As the claim calls it: BTC.")]
ExchangeOption = Annotated[
    str | None, typer.Option("--exchange", help="Orders and totals of this exchange; all: of all together.")
]
AccountOption = Annotated[str | None, typer.Option("--user", help="Positions of this account.")]


class ClaimRow(msgspec.Struct, frozen=True):
    """What the table of orders shows of one."""

    timestamp: str
    exchange: str
    pair: str
    side: str | None
    price: str | None
    amount_usd: str | None
    source: str

    def cells(self) -> list[str]:
        """The row of the table; what is not told is unknown."""
        return [
            self.timestamp, self.exchange, self.pair, self.side or UNKNOWN, self.price or UNKNOWN,
            amount(self.amount_usd), self.source,
        ]  # fmt: skip


class ClaimedTotalRow(msgspec.Struct, frozen=True):
    """What the table of totals shows of one."""

    start: str
    window_seconds: int
    complete: bool
    exchange: str | None
    asset: str | None
    long_usd: str | None
    short_usd: str | None
    total_usd: str | None
    source: str

    def cells(self) -> list[str]:
        """The row of the table; a window that had not ended says so."""
        window = span(self.window_seconds)
        return [
            self.start, window if self.complete else f"{window}, not over", self.exchange or _ALL,
            self.asset or _ALL, amount(self.long_usd), amount(self.short_usd), amount(self.total_usd),
            self.source,
        ]  # fmt: skip


class ClaimedPositionRow(msgspec.Struct, frozen=True):
    """What the table of positions shows of one."""

    timestamp: str
    action: str
    asset: str
    side: str | None
    value_usd: str | None
    entry_price: str | None
    liquidation_price: str | None
    leverage: str | None
    user: str
    source: str

    def cells(self) -> list[str]:
        """The row of the table, with the whole account: it is what one goes on with."""
        return [
            self.timestamp, self.action, self.asset, self.side or UNKNOWN, amount(self.value_usd),
            self.entry_price or UNKNOWN, self.liquidation_price or UNKNOWN, self.leverage or UNKNOWN,
            self.user, self.source,
        ]  # fmt: skip


_ORDER_COLUMNS = ("time", "exchange", "pair", "side", "price#", "USD#", "claimed by")
_TOTAL_COLUMNS = (
    "from", "window", "exchange", "asset", "longs, USD#", "shorts, USD#", "all, USD#", "claimed by",
)  # fmt: skip
_POSITION_COLUMNS = (
    "time", "action", "asset", "side", "USD#", "entry#", "liquidation price#", "leverage#", "user",
    "claimed by",
)  # fmt: skip
_TABLES = {
    Claimed.ORDERS: ListTable(
        "/claims",
        _ORDER_COLUMNS,
        partial(read_row, msgspec.json.Decoder(ClaimRow)),
        "no claim of an order is known that fits",
    ),
    Claimed.TOTALS: ListTable(
        "/claims/totals",
        _TOTAL_COLUMNS,
        partial(read_row, msgspec.json.Decoder(ClaimedTotalRow)),
        "no claim of a total is known that fits",
    ),
    Claimed.POSITIONS: ListTable(
        "/claims/positions",
        _POSITION_COLUMNS,
        partial(read_row, msgspec.json.Decoder(ClaimedPositionRow)),
        "no claim of a position is known that fits",
    ),
}


def claims(
    what: WhatArgument = Claimed.ORDERS,
    *,
    asset: ClaimedAssetOption = None,
    exchange: ExchangeOption = None,
    user: AccountOption = None,
    side: SideOption = None,
    min_usd: MinUsdOption = None,
    start: StartOption = None,
    end: EndOption = None,
    limit: LimitOption = 20,
    json: JsonOption = False,
    server: ServerOption = DEFAULT_SERVER,
) -> None:
    """List what others claim: orders, totals, large positions. Nobody here checked them; none is summed."""
    filters = {
        "asset": asset,
        "exchange": exchange,
        "user": user,
        "side": side,
        "min_usd": min_usd,
        "start": moment(start),
        "end": moment(end),
    }
    show_list(_TABLES[what], filters, limit, json=json, server=server)


def span(seconds: int) -> str:
    """The length of a window in the largest unit it is whole in."""
    if seconds % _HOUR == 0:
        return f"{seconds // _HOUR} h"
    return f"{seconds // _MINUTE} min" if seconds % _MINUTE == 0 else f"{seconds} s"
