"""``kamiyo sources``: what a running server listens to and asks, and the switches of each source."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import quote

import msgspec
import typer

from kamiyo.cli.client import DEFAULT_SERVER, JsonOption, Listing, ServerOption, open_client, read_row
from kamiyo.cli.output import LOUD, UNKNOWN, build_table, clean, open_console, print_json

_MINUTE = 60
_HOUR = 3_600
_LONG = 2  # of a unit: up to there a smaller one says more

sources = typer.Typer(invoke_without_command=True, help="List the sources, and switch them while they run.")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The source, as the list names it.")]
PriorityArgument = Annotated[
    int, typer.Argument(metavar="PRIORITY", help="Lower starts first.", min=0, max=1_000)
]


class SpendingLine(msgspec.Struct, frozen=True):
    """What a source spent today, of what it may."""

    spent_usd: str
    limit_usd: str


class SourceTableRow(msgspec.Struct, frozen=True):
    """What the table of sources shows of one."""

    name: str
    type: str
    priority: int
    active: bool
    health: str
    detail: str
    age_seconds: int | None
    lag_seconds: int | None
    last_error: str | None
    last_error_at: str | None
    poll_every_seconds: int | None
    next_poll_at: str | None
    spending: SpendingLine | None

    def cells(self) -> list[str]:
        """The row of the table; what nobody knows is unknown, and what does not apply is empty."""
        return [
            str(self.priority),
            self.name,
            self.health if self.active else "off",
            self.type if self.poll_every_seconds is None else f"every {_length(self.poll_every_seconds)}",
            "never" if self.age_seconds is None else f"{_length(self.age_seconds)} ago",
            self._lag(),
            self._next_poll(),
            "" if self.spending is None else f"{self.spending.spent_usd} of {self.spending.limit_usd}",
            self._trouble(),
        ]

    def _lag(self) -> str:
        if self.lag_seconds is not None:
            return _length(self.lag_seconds)
        return UNKNOWN if self.age_seconds is None else ""

    def _next_poll(self) -> str:
        if self.poll_every_seconds is None or not self.active:
            return ""
        return self.next_poll_at or "at once"

    def _trouble(self) -> str:
        """What is said of it now, or the last trouble it had."""
        if self.detail or self.last_error is None:
            return self.detail
        return f"since {self.last_error_at}: {self.last_error}"


_COLUMNS = (
    "priority#", "source", "health", "how", "heard", "lag#", "next poll", "USD today", "last trouble",
)  # fmt: skip
_row = msgspec.json.Decoder(SourceTableRow)


@sources.callback()
def show_sources(
    context: typer.Context, *, json: JsonOption = False, server: ServerOption = DEFAULT_SERVER
) -> None:
    """List the sources of a running KAMIYO, and switch them while it runs."""
    if context.invoked_subcommand is None:
        _show(asyncio.run(_ask(server)), json=json)


@sources.command("on")
def switch_on(name: NameArgument, *, json: JsonOption = False, server: ServerOption = DEFAULT_SERVER) -> None:
    """Listen to a source, or ask it, from now on: each worker begins within two seconds."""
    _change(name, {"active": True}, json=json, server=server)


@sources.command("off")
def switch_off(
    name: NameArgument, *, json: JsonOption = False, server: ServerOption = DEFAULT_SERVER
) -> None:
    """Leave a source alone until it is switched on: its reader ends within two seconds."""
    _change(name, {"active": False}, json=json, server=server)


@sources.command("priority")
def set_priority(
    name: NameArgument,
    priority: PriorityArgument,
    *,
    json: JsonOption = False,
    server: ServerOption = DEFAULT_SERVER,
) -> None:
    """Say which sources start first when a process begins, and come first in the list."""
    _change(name, {"priority": priority}, json=json, server=server)


async def _ask(server: str) -> Listing:
    async with open_client(server) as client:
        return await client.whole("/sources")


async def _ask_to_change(server: str, name: str, body: bytes) -> msgspec.Raw:
    async with open_client(server) as client:
        return await client.change(f"/sources/{quote(name, safe='')}", body)


def _change(name: str, change: Mapping[str, object], *, json: bool, server: str) -> None:
    changed = asyncio.run(_ask_to_change(server, name, msgspec.json.encode(change)))
    if json:
        print_json({"data": changed})
        return
    row = read_row(_row, changed)
    switched = "on" if row.active else "off"
    open_console().print(clean(f"{row.name} is switched {switched}, priority {row.priority}"))


def _show(listing: Listing, *, json: bool) -> None:
    if json:
        print_json({"data": listing.rows, "meta": listing.raw_meta})
        return
    console = open_console()
    if listing.meta.notice is not None:
        console.print(clean(listing.meta.notice), style=LOUD, soft_wrap=True)
    rows = [read_row(_row, each).cells() for each in listing.rows]
    console.print(build_table(_COLUMNS, rows) if rows else "no source is known")
    for line in (f"as of {listing.meta.as_of}", *(f"warning: {each}" for each in listing.meta.warnings)):
        console.print(clean(line))


def _length(seconds: int) -> str:
    """A time in the largest unit that there are two of."""
    for unit, name in ((_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= _LONG * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds} s"
