"""``kamiyo seed``: the history of the lists of hacks, into a running database."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from kamiyo.cli.client import JsonOption
from kamiyo.cli.exits import Exit, ungrouped
from kamiyo.cli.output import build_table, clean, open_console, print_json
from kamiyo.cli.replay import database_of
from kamiyo.cli.run import ConfigOption, HomeOption, settings_of
from kamiyo.core.errors import InvalidQuery
from kamiyo.kit.logging import configure
from kamiyo.runtime.seeding import SEEDED, Position, Seeded, Told, check_sources, seed_sources

_COLUMNS = ("source", "rows#", "new#", "changed#", "known#", "unrelated#", "refused#")


def seed(
    sources: Annotated[
        list[str] | None, typer.Argument(help=f"Which: {' or '.join(SEEDED)}. Default: all of them.")
    ] = None,
    *,
    from_file: Annotated[
        list[Path] | None,
        typer.Option(
            help="A downloaded copy instead, without any network: DefiLlama's hacks (.json, .csv), "
            "DeFiHackLabs' README (.md, .csv) or a clone of its repository. May be repeated."
        ),
    ] = None,
    json: JsonOption = False,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Load the history of DefiLlama and DeFiHackLabs; again loads only what is new or changed.

    Ends with 0 if all was loaded, rows that were refused included, and with 4 if a source was not reached.
    """
    if sources and from_file:
        raise InvalidQuery("name sources or give copies: a copy says by itself whose it is")
    check_sources(sources or ())
    settings = settings_of(config, home=home)
    configure(json=settings.log_json)
    with ungrouped(), database_of(settings) as database_url, _bars() as told:
        seeded = uvloop.run(seed_sources(settings, database_url, sources or SEEDED, from_file or (), told))
    if json:
        print_json([_plain(each) for each in seeded])
    else:
        _show(seeded, open_console())
    if any(each.unreachable for each in seeded):
        raise typer.Exit(Exit.UNAVAILABLE)


class _Rate(ProgressColumn):
    """How many rows a second are stored."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:,.0f} rows/s")


@contextmanager
def _bars() -> Generator[Told]:
    """A bar for each source, with its rate and the time left, on standard error where that is a terminal."""
    console = open_console(error=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:

        def told(position: Position) -> None:
            if position.source not in tasks:
                tasks[position.source] = progress.add_task(position.source)
            progress.update(tasks[position.source], completed=position.done, total=position.rows)

        yield told


def _plain(each: Seeded) -> dict[str, object]:
    return {
        "source": each.source,
        "rows": each.rows,
        "new": each.new,
        "changed": each.changed,
        "known": each.known,
        "unrelated": each.unrelated,
        "refused": dict(each.refused),
        "unreachable": each.unreachable or None,
    }


def _show(seeded: Sequence[Seeded], console: Console) -> None:
    console.print(build_table(_COLUMNS, [_row(each) for each in seeded]))
    for each in seeded:
        for rule, count in sorted(each.refused.items()):
            console.print(clean(f"{each.source}: {count:,} refused by {rule}"), soft_wrap=True)
        if each.unreachable:
            console.print(clean(f"{each.source}: NOT LOADED: {each.unreachable}"), soft_wrap=True)


def _row(each: Seeded) -> list[str]:
    counts = (each.rows, each.new, each.changed, each.known, each.unrelated, sum(each.refused.values()))
    return [each.source, *(f"{count:,}" for count in counts)]
