"""``kamiyo coverage``: what share of each hour's liquidations was seen, or why nobody knows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
import typer

from kamiyo.cli.client import DEFAULT_SERVER, JsonOption, ServerOption, Statement, open_client, read_row
from kamiyo.cli.output import LOUD, amount, build_table, clean, freshness_lines, open_console, print_json
from kamiyo.cli.query import AssetOption, EndOption, StartOption, moment
from kamiyo.cli.slots import show_slots
from kamiyo.core.events import LiquidationMethod

NOT_MEASURED = "not measured"

_HOUR_LENGTH = 16
_HOURS = ("hour", "source", "share#", "seen, USD#", "of, USD#", "reference", "only it saw, USD#", "why not")
_TOTALS = ("source", "label", "share#", "seen, USD#", "of, USD#", "hours#", "by method", "by size")
_DAYS = ("day", "venue, USD#", "of", "ours, USD#", "difference, USD#", "difference#", "reference", "why not")
_ASSETS = ("day", "asset", "venue, USD#", "of", "ours, USD#", "difference, USD#", "difference#")

DaysOption = Annotated[
    bool, typer.Option("--days", help="Whole days beside what the venue itself says was liquidated.")
]
ByAssetOption = Annotated[bool, typer.Option("--by-asset", help="With --days: in every asset, too.")]
SlotsOption = Annotated[
    bool, typer.Option("--slots", help="Whose fills are followed where only a few accounts can be, and why.")
]
SourceOption = Annotated[str | None, typer.Option("--source", help="The source whose share it is.")]
MethodOption = Annotated[LiquidationMethod | None, typer.Option("--method", help="Of this method alone.")]


class ShareCell(msgspec.Struct, frozen=True):
    """What was seen of one method or size."""

    share_pct: str | None


class HourRow(msgspec.Struct, frozen=True):
    """What the table of hours shows of one."""

    hour: str
    source: str
    reference: str | None
    share_pct: str | None
    seen_usd: str | None
    reference_usd: str | None
    unknown_to_reference_usd: str | None
    explanation: str
    detail: str

    def cells(self) -> list[str]:
        """The row of the table; without a figure it says why."""
        why = f"{self.explanation}: {self.detail}" if self.explanation and self.detail else self.explanation
        return [
            self.hour[:_HOUR_LENGTH], self.source, _share(self.share_pct), _amount(self.seen_usd),
            _amount(self.reference_usd), self.reference or "", _amount(self.unknown_to_reference_usd), why,
        ]  # fmt: skip


class TotalRow(msgspec.Struct, frozen=True):
    """What the table of totals shows of a source."""

    source: str
    label: str
    share_pct: str | None
    seen_usd: str | None
    reference_usd: str | None
    hours: int
    hours_measured: int
    by_method: dict[str, ShareCell]
    by_size: dict[str, ShareCell]

    def cells(self) -> list[str]:
        """The row of the table, with how many of the hours have a figure."""
        return [
            self.source, self.label, _share(self.share_pct), _amount(self.seen_usd),
            _amount(self.reference_usd), f"{self.hours_measured} of {self.hours}", _shares(self.by_method),
            _shares(self.by_size),
        ]  # fmt: skip


class DifferenceCells(msgspec.Struct, frozen=True):
    """Our total of some methods beside the venue's."""

    methods: Sequence[str]
    our_usd: str
    difference_usd: str
    difference_pct: str | None

    def cells(self) -> list[str]:
        """The part of a row that tells of the difference."""
        share = "" if self.difference_pct is None else f"{self.difference_pct} %"
        return [" + ".join(self.methods), amount(self.our_usd), amount(self.difference_usd), share]


class AssetRow(msgspec.Struct, frozen=True):
    """What the table of assets shows of one; nothing where the venue does not tell of it."""

    asset: str
    venue_usd: str | None
    differences: Sequence[DifferenceCells]

    def rows(self, day: str) -> list[list[str]]:
        """A row for each way our total may be meant."""
        return [[day, self.asset, amount(self.venue_usd), *each.cells()] for each in self.differences]


class DayRow(msgspec.Struct, frozen=True):
    """What the table of days shows of one."""

    day: str
    reference: str | None
    detail: str
    venue_usd: str | None
    our_usd: dict[str, str] | None
    differences: Sequence[DifferenceCells]
    by_asset: Sequence[AssetRow]

    def rows(self) -> list[list[str]]:
        """A row for each way our total may be meant, or one that says why nothing is compared."""
        reference, venue = self.reference or "", amount(self.venue_usd)
        if self.differences:
            return [[self.day, venue, *each.cells(), reference, self.detail] for each in self.differences]
        ours = self.our_usd or {}
        alone = [[self.day, venue, method, amount(usd), NOT_MEASURED, "", reference, self.detail]
                 for method, usd in ours.items()]  # fmt: skip
        return alone or [[self.day, venue, "", NOT_MEASURED, NOT_MEASURED, "", reference, self.detail]]


class Hours(msgspec.Struct, frozen=True):
    """What is shown of ``/coverage``."""

    totals: Sequence[TotalRow]
    hourly: Sequence[HourRow]


class Days(msgspec.Struct, frozen=True):
    """What is shown of ``/coverage/days``."""

    claimed_by: str
    explanation: str
    days: Sequence[DayRow]


_hours = msgspec.json.Decoder(Hours)
_days = msgspec.json.Decoder(Days)


def coverage(
    *,
    source: SourceOption = None,
    method: MethodOption = None,
    days: DaysOption = False,
    by_asset: ByAssetOption = False,
    slots: SlotsOption = False,
    asset: AssetOption = None,
    start: StartOption = None,
    end: EndOption = None,
    json: JsonOption = False,
    server: ServerOption = DEFAULT_SERVER,
) -> None:
    """Show what share of each hour's liquidations each source saw, or why that is not known."""
    window = {"start": moment(start), "end": moment(end)}
    if slots:
        show_slots(server, json=json)
    elif days or by_asset or asset is not None:
        filters = window | {"asset": asset, "by_asset": "true" if by_asset else None}
        _show(asyncio.run(_ask(server, "/coverage/days", filters)), json=json, days=True)
    else:
        filters = window | {"source": source, "method": method}
        _show(asyncio.run(_ask(server, "/coverage", filters)), json=json, days=False)


async def _ask(server: str, path: str, filters: Mapping[str, str | None]) -> Statement:
    async with open_client(server) as client:
        return await client.statement(path, filters)


def _show(stated: Statement, *, json: bool, days: bool) -> None:
    if json:
        print_json({"data": stated.data, "meta": stated.raw_meta})
        return
    console = open_console()
    if stated.meta.notice is not None:
        console.print(clean(stated.meta.notice), style=LOUD, soft_wrap=True)
    for part in day_parts(stated.data) if days else hour_parts(stated.data):
        console.print(part if isinstance(part, str) else build_table(*part))
        console.print()
    for line in freshness_lines(stated.meta):
        console.print(line, soft_wrap=True)


Part = str | tuple[Sequence[str], list[list[str]]]


def hour_parts(data: msgspec.Raw) -> list[Part]:
    """The tables of hours, and what they add up to."""
    told = read_row(_hours, data)
    if not told.hourly:
        return ["no source of liquidations is known"]
    return [
        (_HOURS, [each.cells() for each in told.hourly]),
        (_TOTALS, [each.cells() for each in told.totals]),
    ]


def day_parts(data: msgspec.Raw) -> list[Part]:
    """The tables of days, and of assets where there are any, and what may not be read out of them."""
    told = read_row(_days, data)
    if not told.days:
        return ["no whole day is in this window"]
    assets = [row for day in told.days for asset in day.by_asset for row in asset.rows(day.day)]
    tables: list[Part] = [(_DAYS, [row for day in told.days for row in day.rows()])]
    return [*tables, *([(_ASSETS, assets)] if assets else []), clean(told.explanation)]


def _share(share: str | None) -> str:
    return NOT_MEASURED if share is None else f"{share} %"


def _shares(shares: Mapping[str, ShareCell]) -> str:
    return ", ".join(f"{name} {_share(each.share_pct)}" for name, each in shares.items())


def _amount(usd: str | None) -> str:
    """An amount; nothing where there is none, as the row says why."""
    return "" if usd is None else amount(usd)
