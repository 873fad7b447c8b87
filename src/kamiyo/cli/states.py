"""``kamiyo markets`` and ``kamiyo positions``: what stands now, as far as a running server was told."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Annotated

import msgspec
import typer

from kamiyo.cli.client import DEFAULT_SERVER, JsonOption, ServerOption, read_row
from kamiyo.cli.output import UNKNOWN, amount
from kamiyo.cli.query import AssetOption, ListTable, show_list
from kamiyo.core.margin import Direction
from kamiyo.core.money import plain

_HUNDREDTH = Decimal("0.01")
_HUNDREDS_OF_MILLIONTHS = Decimal("0.000001")
_MINUTE = 60
_LONG = 120  # of a unit: up to there a smaller one says more

ProtocolOption = Annotated[
    str | None, typer.Option("--protocol", help="The perp dex: hyperliquid, or a builder's name.")
]
SortOption = Annotated[str, typer.Option("--sort", help="open_interest, volume or asset.")]
RowsOption = Annotated[int, typer.Option("--limit", help="Rows at most.", min=1)]
AccountOption = Annotated[str | None, typer.Option("--user", help="Only this account.")]
SideOption = Annotated[Direction | None, typer.Option("--side", help="Only longs, or only shorts.")]
DistanceOption = Annotated[
    str | None, typer.Option("--max-distance", help="At most this fraction of the mark: 0.05.")
]


class MarketRow(msgspec.Struct, frozen=True):
    """What the table of markets shows of one."""

    asset: str
    mark_price: str
    oracle_price: str
    oracle_deviation: str
    open_interest_usd: str | None
    funding_rate: str | None
    day_volume_usd: str | None
    age_seconds: int
    stale: bool

    def cells(self) -> list[str]:
        """The row of the table; what nobody said is unknown, and an old row says that it is."""
        return [
            self.asset,
            self.mark_price,
            self.oracle_price,
            percent(self.oracle_deviation),
            amount(self.open_interest_usd),
            percent(self.funding_rate, step=_HUNDREDS_OF_MILLIONTHS),
            amount(self.day_volume_usd),
            age(self.age_seconds, stale=self.stale),
        ]


class PositionRow(msgspec.Struct, frozen=True):
    """What the table of positions shows of one."""

    asset: str
    side: str
    amount_usd: str
    size: str
    mark_price: str
    liquidation_price: str | None
    distance: str | None
    leverage: str | None
    margin_mode: str
    user: str
    age_seconds: int
    stale: bool

    def cells(self) -> list[str]:
        """The row of the table, with the whole account: it is what one goes on with."""
        return [
            percent(self.distance),
            self.asset,
            self.side,
            amount(self.amount_usd),
            self.size,
            self.mark_price,
            self.liquidation_price or UNKNOWN,
            f"{self.leverage or UNKNOWN} {self.margin_mode}",
            self.user,
            age(self.age_seconds, stale=self.stale),
        ]


_MARKET_COLUMNS = (
    "asset", "mark#", "oracle#", "deviation#", "open interest, USD#", "funding/h#", "day volume, USD#",
    "age#",
)  # fmt: skip
_POSITION_COLUMNS = (
    "distance#", "asset", "side", "USD#", "size#", "mark then#", "liquidation price#", "leverage", "user",
    "looked at#",
)  # fmt: skip


MARKETS_TABLE = ListTable(
    "/markets",
    _MARKET_COLUMNS,
    partial(read_row, msgspec.json.Decoder(MarketRow)),
    "no state of a market that fits is known",
)
_POSITIONS = ListTable(
    "/positions",
    _POSITION_COLUMNS,
    partial(read_row, msgspec.json.Decoder(PositionRow)),
    "no position that fits is known",
)


def markets(
    *,
    asset: AssetOption = None,
    protocol: ProtocolOption = None,
    sort: SortOption = "open_interest",
    limit: RowsOption = 20,
    json: JsonOption = False,
    server: ServerOption = DEFAULT_SERVER,
) -> None:
    """List the newest state of each market a running KAMIYO was told of."""
    filters = {"asset": asset, "protocol": protocol, "sort": sort}
    show_list(MARKETS_TABLE, filters, limit, json=json, server=server)


def positions(
    *,
    asset: AssetOption = None,
    user: AccountOption = None,
    side: SideOption = None,
    max_distance: DistanceOption = None,
    protocol: ProtocolOption = None,
    limit: RowsOption = 20,
    json: JsonOption = False,
    server: ServerOption = DEFAULT_SERVER,
) -> None:
    """List open positions of the accounts looked at, the nearest to its liquidation first: a sample."""
    filters = {
        "asset": asset,
        "user": user,
        "side": side,
        "max_distance": max_distance,
        "protocol": protocol,
    }
    show_list(_POSITIONS, filters, limit, json=json, server=server)


def percent(fraction: str | None, *, step: Decimal = _HUNDREDTH) -> str:
    """A fraction in hundredths, rounded to ``step`` of them; ``unknown`` where nobody knows."""
    try:
        return f"{plain((Decimal(fraction or '') * 100).quantize(step))} %"
    except InvalidOperation:
        return UNKNOWN


def age(seconds: int, *, stale: bool) -> str:
    """How old a row is, and that it is too old to be believed to hold now."""
    minutes = seconds // _MINUTE
    if seconds < _LONG:
        shown = f"{seconds} s"
    elif minutes < _LONG:
        shown = f"{minutes} min"
    else:
        shown = f"{minutes // _MINUTE} h"
    return f"{shown}, STALE" if stale else shown
