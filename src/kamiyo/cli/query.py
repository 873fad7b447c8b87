"""``kamiyo exploits`` and ``kamiyo liquidations``: what a running server knows."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, NamedTuple, Protocol

import msgspec
import typer
from rich.table import Table

from kamiyo.cli.client import DEFAULT_SERVER, JsonOption, Listing, ServerOption, open_client, read_row
from kamiyo.cli.output import (
    LOUD,
    amount,
    amount_range,
    build_table,
    clean,
    freshness_lines,
    open_console,
    print_json,
)
from kamiyo.core.events import LiquidationMethod
from kamiyo.core.exploits import ExploitStatus
from kamiyo.core.margin import Direction

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_SHORT_ADDRESS = 10
_DAY_LENGTH = 10
_LENGTHS = {"year": 4, "month": 7}  # of a date that is shown no more precisely than it is known

AssetOption = Annotated[
    str | None, typer.Option("--asset", help="The venue's name of the market: BTC, kPEPE.")
]
MinUsdOption = Annotated[
    str | None, typer.Option("--min-usd", help="At least this many USD; unknown is not.")
]
StartOption = Annotated[
    str | None, typer.Option("--start", help="From this moment on: 2025-10-10, RFC 3339 or milliseconds.")
]
EndOption = Annotated[str | None, typer.Option("--end", help="Before this moment.")]
LimitOption = Annotated[int, typer.Option("--limit", help="Rows at most, the newest first.", min=1)]
UserOption = Annotated[str | None, typer.Option("--user", help="The account that lost the position.")]
SideOption = Annotated[Direction | None, typer.Option("--side", help="The side of the lost position.")]
MethodOption = Annotated[LiquidationMethod | None, typer.Option("--method", help="How the position ended.")]


class LiquidationRow(msgspec.Struct, frozen=True):
    """What the table of liquidations shows of one."""

    liquidation_id: str
    timestamp: str
    asset: str
    side: str
    method: str
    size: str
    liquidation_price: str
    amount_usd: str
    user: str
    source: str

    def cells(self) -> list[str]:
        """The row of the table; the account is cut short, JSON has it in full."""
        user = f"{self.user[:_SHORT_ADDRESS]}…"
        value = amount(self.amount_usd)
        return [
            self.timestamp, self.asset, self.side, self.method, self.size, self.liquidation_price, value,
            user, self.source,
        ]  # fmt: skip


class ExploitRow(msgspec.Struct, frozen=True):
    """What the table of exploits shows of one."""

    timestamp: str
    timestamp_precision: str
    name: str
    kind: str
    protocol: str
    category: str
    status: str
    confidence: str
    source: str
    amount_usd: str | None
    amount_usd_low: str | None
    amount_usd_high: str | None

    def cells(self) -> list[str]:
        """The row of the table."""
        value = amount_range(self.amount_usd, self.amount_usd_low, self.amount_usd_high)
        date = self.timestamp[: _LENGTHS.get(self.timestamp_precision, _DAY_LENGTH)]
        return [
            date, value, self.status, self.confidence, self.kind, self.category, self.protocol, self.name,
        ]  # fmt: skip


_liquidation = msgspec.json.Decoder(LiquidationRow)


class Row(Protocol):
    """What a table shows of one row of an answer."""

    def cells(self) -> list[str]:
        """The row of the table."""
        ...


class ListTable(NamedTuple):
    """How one of a server's lists is shown: its columns, how a row is read, what is said if there is none."""

    path: str
    columns: Sequence[str]
    read: Callable[[msgspec.Raw], Row]
    none: str

    def build(self, rows: Sequence[msgspec.Raw]) -> Table:
        """The rows of an answer as a table."""
        return build_table(self.columns, [self.read(row).cells() for row in rows])


LIQUIDATION_COLUMNS = ("time", "asset", "side", "method", "size#", "price#", "USD#", "user", "source")
_EXPLOIT_COLUMNS = ("date", "USD#", "status", "confidence", "kind", "category", "protocol", "name")


_LIQUIDATIONS = ListTable(
    "/liquidations",
    LIQUIDATION_COLUMNS,
    partial(read_row, _liquidation),
    "no liquidation is known that fits",
)
_EXPLOITS = ListTable(
    "/exploits", _EXPLOIT_COLUMNS, partial(read_row, msgspec.json.Decoder(ExploitRow)), "no exploit fits"
)


def exploits(
    *,
    category: Annotated[str | None, typer.Option(help="Only this kind of attack.")] = None,
    status: Annotated[ExploitStatus | None, typer.Option(help="What is held of the claim.")] = None,
    asset: AssetOption = None,
    min_usd: MinUsdOption = None,
    start: StartOption = None,
    end: EndOption = None,
    limit: LimitOption = 20,
    json: JsonOption = False,
    server: ServerOption = DEFAULT_SERVER,
) -> None:
    """List the exploits a running KAMIYO knows."""
    filters = {
        "category": category,
        "status": status,
        "asset": asset,
        "min_usd": min_usd,
        "start": moment(start),
        "end": moment(end),
    }
    show_list(_EXPLOITS, filters, limit, json=json, server=server)


def liquidations(
    *,
    asset: AssetOption = None,
    user: UserOption = None,
    side: SideOption = None,
    method: MethodOption = None,
    min_usd: MinUsdOption = None,
    start: StartOption = None,
    end: EndOption = None,
    limit: LimitOption = 20,
    json: JsonOption = False,
    server: ServerOption = DEFAULT_SERVER,
) -> None:
    """List the liquidations a running KAMIYO has seen."""
    filters = {
        "asset": asset,
        "user": user,
        "side": side,
        "method": method,
        "min_usd": min_usd,
        "start": moment(start),
        "end": moment(end),
    }
    show_list(_LIQUIDATIONS, filters, limit, json=json, server=server)


def moment(text: str | None) -> str | None:
    """A moment as the server takes it: a day alone is its first instant in UTC."""
    return f"{text}T00:00:00Z" if text is not None and _DAY.fullmatch(text) else text


def read_liquidation(content: msgspec.Raw) -> LiquidationRow:
    """One liquidation as the server writes it."""
    return read_row(_liquidation, content)


async def _ask(server: str, path: str, filters: Mapping[str, str | None], limit: int) -> Listing:
    """The rows of a server's list that pass the filters."""
    async with open_client(server) as client:
        return await client.listing(path, filters, limit)


def show_list(
    of: ListTable, filters: Mapping[str, str | None], limit: int, *, json: bool, server: str
) -> None:
    """Ask a server for the rows of a list that pass the filters, and print them."""
    show(of, asyncio.run(_ask(server, of.path, filters, limit)), json=json)


def show(of: ListTable, listing: Listing, *, json: bool) -> None:
    """Print a list with what is to be believed of it, under its mode unless it shows what happens now."""
    if json:
        print_json({"data": listing.rows, "meta": listing.raw_meta})
        return
    console = open_console()
    if listing.meta.notice is not None:
        console.print(clean(listing.meta.notice), style=LOUD, soft_wrap=True)
    console.print(of.build(listing.rows) if listing.rows else of.none)
    if listing.meta.has_more:
        console.print(f"the first {len(listing.rows)} are shown; for more: --limit")
    for line in freshness_lines(listing.meta):
        console.print(line)
