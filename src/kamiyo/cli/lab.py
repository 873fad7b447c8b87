"""``kamiyo lab venue``: recordings served over the venue's own protocol, for clients to be tried against."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from kamiyo.cli.exits import ungrouped
from kamiyo.cli.output import clean, open_console
from kamiyo.core.errors import InvalidQuery
from kamiyo.core.money import install_context
from kamiyo.core.time import rfc3339
from kamiyo.kit.clock import LapseClock
from kamiyo.lab.faults import FaultKind, Faults, drawn_faults
from kamiyo.lab.ports import Tape
from kamiyo.lab.tape import open_tape
from kamiyo.lab.venue import open_lab_venue
from kamiyo.runtime.stopping import stop_signal

lab = typer.Typer(no_args_is_help=True, help="Try clients against recordings.")


@lab.callback()
def _with_commands() -> None:
    # Without a callback typer would make a single command the whole group.
    pass


@lab.command("venue")
def venue(
    paths: Annotated[
        list[Path], typer.Argument(help="Recordings: names of shipped ones, files or folders, as one.")
    ],
    *,
    speed: Annotated[int, typer.Option(help="Seconds of the recording in one second.", min=1, max=1000)] = 1,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = 0,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=TIMES", help=f"So many an hour; may be repeated. Known: {', '.join(FaultKind)}."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything that happens at random.", min=0)] = 0,
) -> None:
    """Serve recordings as the venue would: POST /info, the socket at /ws, its limits, errors and quirks."""
    install_context()
    with ungrouped():
        uvloop.run(
            _serve(
                open_tape(*paths),
                speed=speed,
                host=host,
                port=port,
                per_hour=per_hour_of(fault or ()),
                seed=seed,
            )
        )


def per_hour_of(options: Sequence[str]) -> dict[FaultKind, int]:
    """``NAME=TIMES`` as how often each fault is wanted; InvalidQuery says what is known."""
    wanted: dict[FaultKind, int] = {}
    for option in options:
        name, _equals, times = option.partition("=")
        if name not in set(FaultKind) or not times.isdecimal():
            raise InvalidQuery(f"--fault {option}: give NAME=TIMES, with one of {', '.join(FaultKind)}")
        wanted[FaultKind(name)] = int(times)
    return wanted


async def _serve(
    tape: Tape, *, speed: int, host: str, port: int, per_hour: dict[FaultKind, int], seed: int
) -> None:
    stopping = stop_signal()
    faults = drawn_faults(per_hour, since=tape.starts_at, until=tape.ends_at, seed=seed)
    clock = LapseClock(tape.starts_at, speed)
    opened = open_lab_venue(
        tape, clock=clock, host=host, port=port, faults=Faults(faults), seed=seed, keep=False
    )
    async with opened as running:
        console = open_console()
        for line in _lines(tape, speed, len(faults), running.url):
            console.print(clean(line), soft_wrap=True)
        await stopping.wait()


def _lines(tape: Tape, speed: int, faults: int, url: str) -> list[str]:
    return [
        f"{tape.showing.mode}: {tape.title}",
        f"source: {tape.source}",
        f"holds: {tape.holds}",
        f"from {rfc3339(tape.starts_at)} to {rfc3339(tape.ends_at)}, {speed} times as fast, {faults} faults",
        f"POST {url}/info and ws{url.removeprefix('http')}/ws; Ctrl-C ends",
    ]
