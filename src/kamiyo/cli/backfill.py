"""``kamiyo backfill``: the past out of an archive, told what it costs before, and how far it is meanwhile."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer
import uvloop
from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from kamiyo.cli.client import JsonOption
from kamiyo.cli.exits import Exit, ungrouped
from kamiyo.cli.output import amount, build_table, clean, open_console, print_json
from kamiyo.cli.replay import database_of
from kamiyo.cli.run import ConfigOption, HomeOption, settings_of
from kamiyo.core.backfills import BackfillRequest, BackfillState
from kamiyo.core.errors import InvalidQuery, MalformedPayload
from kamiyo.core.ids import SourceName, parse_asset
from kamiyo.core.money import plain
from kamiyo.core.time import rfc3339
from kamiyo.kit.logging import configure
from kamiyo.runtime.asked_history import (
    Offer,
    Told,
    follow,
    make_offer,
    open_prepared_history,
    read_unread,
)
from kamiyo.runtime.backfilling import History
from kamiyo.runtime.settings import Settings
from kamiyo.runtime.stopping import stop_signal
from kamiyo.storage.read_backfills import BackfillObjectText, BackfillText, read_backfills
from kamiyo.storage.read_rows import reading

ARCHIVE = "hyperliquid_archive"
BY = "kamiyo backfill"
_LISTED = 20
_SHOWN = 10
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ]([0-9]{2})(:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?)?([Zz]|[+-][0-9]{2}:[0-9]{2})?)?",
    re.ASCII,
)
_COLUMNS = ("number#", "from", "to", "source", "reason", "state", "objects", "read", "cost USD#")

_LOOK = "look with: kamiyo backfill --list, or GET /backfills/{}"


def backfill(
    *,
    start: Annotated[
        str | None, typer.Option("--from", help="First moment: 2025-10-10T20, or RFC 3339; in UTC.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="First moment that is not read, likewise.")] = None,
    source: Annotated[str, typer.Option(help="The archive.")] = ARCHIVE,
    asset: Annotated[
        list[str] | None, typer.Option(help="Only of this asset; may be repeated. Counts as no coverage.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether it may cost that.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Also read what was read before.")] = False,
    show: Annotated[bool, typer.Option("--list", help="Only show the latest backfills.")] = False,
    json: JsonOption = False,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Read liquidations of the past from an archive: says what it costs, asks, and reads.

    Any number of workers (`kamiyo run`, `kamiyo run --role work`) read along. Ctrl-C leaves the rest to
    them. Ends with 0 once all is read, and with 1 if an object could not be.
    """
    settings = settings_of(config, home=home)
    configure(json=settings.log_json)
    if show:
        with ungrouped(), database_of(settings) as database_url:
            uvloop.run(_list(settings, database_url, json=json))
        return
    request = _request(start, end, source, asset or (), again=again)
    if json and not yes:
        raise InvalidQuery("--json asks nobody whether it may cost that: add --yes")
    with ungrouped(), database_of(settings) as database_url:
        code = uvloop.run(_backfill(settings, database_url, request, yes=yes, json=json))
    if code is not Exit.OK:
        raise typer.Exit(code)


def parse_time(text: str) -> datetime:
    """A moment as people write it: a day, an hour, or RFC 3339, in UTC unless it says otherwise."""
    told = _TIME.fullmatch(text.strip())
    try:
        day, hour, rest, zone = told.groups() if told else ("", None, None, None)
        moment = datetime.fromisoformat(f"{day}T{hour or '00'}{rest or ':00'}{(zone or 'Z').upper()}")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidQuery(f"no time: {text[:64]!r}; write 2025-10-10T20 or 2025-10-10T20:30:00Z") from error


def _request(
    start: str | None, end: str | None, source: str, assets: Sequence[str], *, again: bool
) -> BackfillRequest:
    if start is None or end is None:
        raise InvalidQuery("say what to read: --from 2025-10-10T20 --to 2025-10-10T23")
    first, after_last = parse_time(start), parse_time(end)
    if first >= after_last:
        raise InvalidQuery(f"--from {start} is not before --to {end}")
    try:
        names = tuple(dict.fromkeys(parse_asset(each) for each in assets))
    except MalformedPayload as error:
        raise InvalidQuery(f"--asset: {error}") from error
    return BackfillRequest(
        source=SourceName(source), start=first, end=after_last, assets=names, again=again, requested_by=BY
    )


async def _backfill(
    settings: Settings, database_url: str, request: BackfillRequest, *, yes: bool, json: bool
) -> Exit:
    screen = open_console(error=json)
    async with open_prepared_history(settings, database_url) as history:
        offer = await make_offer(history, request)
        for line in lines_of(offer):
            screen.print(clean(line), soft_wrap=True)
        if not offer.plan.objects:
            if json:
                print_json(None)
            return Exit.OK
        if not yes and not typer.confirm("Read them?"):
            return Exit.FAILED
        number = await history.backfills.plan(offer.plan)
        screen.print(f"backfill {number}")
        with _bar() as told:
            found = await follow(history, number, told, stop_signal())
        return await _end(history, found, screen, json=json)


def lines_of(offer: Offer) -> list[str]:
    """What would be read and what it costs, in words."""
    plan, request = offer.plan, offer.plan.request
    lines = [f"{rfc3339(request.start)} to {rfc3339(request.end)} of {request.source}"]
    lines += [
        f"  nothing is kept of {rfc3339(first)} to {rfc3339(last)}{f' of {stream}' if stream else ''}"
        for stream, stretches in offer.uncovered.items()
        for first, last in stretches
    ]
    if offer.known:
        lines.append(f"  {offer.known:,} of {offer.listed:,} objects were read before (--again reads them)")
    if request.assets:
        lines.append(f"  only {', '.join(request.assets)}: counts as no coverage")
    if not plan.objects:
        return [*lines, "  nothing to read"]
    cost = plain(plan.cost_usd)
    return [*lines, f"  {len(plan.objects):,} objects, {decimal(plan.size)}, about {cost} USD"]


async def _end(history: History, found: BackfillText, screen: Console, *, json: bool) -> Exit:
    troubles = await read_unread(history, found.backfill_id)
    if json:
        print_json(msgspec.structs.asdict(found) | {"troubles": troubles})
    for line in ending_lines(found, troubles):
        screen.print(clean(line), soft_wrap=True)
    if not found.over:
        return Exit.INTERRUPTED
    return Exit.OK if found.state == BackfillState.DONE else Exit.FAILED


def ending_lines(found: BackfillText, troubles: Sequence[BackfillObjectText]) -> list[str]:
    """What came of it, in words."""
    facts = f"{found.liquidated_fills:,} liquidated fills in them, {found.new_fills:,} of them new"
    objects = f"{found.objects_done:,} of {found.objects:,} objects read"
    lines = [f"{objects}, {facts}, {found.rejects:,} rows refused"]
    lines += [f"{each.name}: {each.state}: {each.detail}" for each in troubles[:_SHOWN]]
    if len(troubles) > _SHOWN:
        lines.append(f"and {len(troubles) - _SHOWN:,} objects more")
    if not found.over:
        lines.append("the rest is read as soon as a worker runs: kamiyo run, or kamiyo run --role work")
    if not found.over or troubles:
        lines.append(_LOOK.format(found.backfill_id))
    return lines


@contextmanager
def _bar() -> Generator[Told]:
    """A bar over the objects' bytes with rate and time left, on standard error where that is a terminal."""
    console = open_console(error=True)
    columns = (
        TextColumn("{task.fields[objects]}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[read]} unpacked"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("backfill", objects="", read="")

        def told(found: BackfillText) -> None:
            objects = f"{found.objects_done + found.objects_failed:,}/{found.objects:,} objects"
            progress.update(
                task,
                total=found.bytes,
                completed=found.bytes_done,
                objects=objects,
                read=decimal(found.bytes_read),
            )

        yield told


async def _list(settings: Settings, database_url: str, *, json: bool) -> None:
    async with (
        open_prepared_history(settings, database_url) as history,
        reading(history.pool) as connection,
    ):
        found = [
            each
            for _place, each in await read_backfills(connection, past=None, limit=_LISTED, descending=True)
        ]
    if json:
        print_json(found)
    else:
        open_console().print(build_table(_COLUMNS, map(_row, found)))


def _row(each: BackfillText) -> list[str]:
    ended = each.objects_done + each.objects_failed
    failed = f", {each.objects_failed:,} not read" if each.objects_failed else ""
    return [
        str(each.backfill_id),
        each.start,
        each.end,
        each.source,
        each.reason,
        each.state,
        f"{ended:,}/{each.objects:,}{failed}",
        f"{decimal(each.bytes_done)} of {decimal(each.bytes)}",
        amount(each.cost_usd),
    ]
