"""``kamiyo record``: what a live source says, into a recording of your own."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console

from kamiyo.cli.exits import ungrouped
from kamiyo.cli.output import clean, open_console
from kamiyo.cli.run import ConfigOption, HomeOption, engines_of, settings_of
from kamiyo.core.errors import InvalidQuery
from kamiyo.kit.logging import configure
from kamiyo.lab.recorder import check_free
from kamiyo.runtime.recording import Limits, Recorded, record_source
from kamiyo.runtime.settings import Settings

DEFAULT_SOURCE = "hyperliquid_api"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DURATION = re.compile(r"([1-9][0-9]{0,5})([smhd])", re.ASCII)
_SIZES = {"": 1, "k": 1_000, "M": 1_000_000, "G": 1_000_000_000}
_SIZE = re.compile(r"([1-9][0-9]{0,15})([kMG]?)B?", re.ASCII)
_TOLD_EVERY = 5  # of what is heard every two seconds, for files and pipes


def record(
    directory: Annotated[Path, typer.Argument(help="Where to: a directory that holds no recording yet.")],
    *,
    source: Annotated[str, typer.Option(help="The live source to record.")] = DEFAULT_SOURCE,
    lasting: Annotated[
        str | None, typer.Option("--for", help="How long, such as 90s, 10m, 2h or 1d.")
    ] = None,
    max_bytes: Annotated[
        str | None, typer.Option(help="End when it has become this large, such as 500M or 2G.")
    ] = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Record a live source until Ctrl-C; what is recorded can be replayed and served by the lab venue."""
    limits = Limits(
        lasting=None if lasting is None else parse_duration(lasting),
        max_bytes=None if max_bytes is None else parse_size(max_bytes),
    )
    check_free(directory)
    settings = settings_of(config, home=home)
    configure(json=settings.log_json)
    screen = _Screen(open_console(error=True))
    with ungrouped():
        done = _run(settings, directory, source, limits, screen)
    screen.end(done, directory)


def _run(settings: Settings, directory: Path, source: str, limits: Limits, screen: _Screen) -> Recorded:
    with engines_of(settings) as engines:
        return uvloop.run(
            record_source(
                settings, engines.engines.database_url, source, directory, limits=limits, told=screen.tell
            )
        )


def parse_duration(text: str) -> timedelta:
    """A number and its unit; InvalidQuery says how it is written."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise InvalidQuery(f"not a duration: {text!r}; write 90s, 10m, 2h or 1d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def parse_size(text: str) -> int:
    """Bytes, thousands, millions or thousands of millions of them; InvalidQuery says how it is written."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise InvalidQuery(f"not a size: {text!r}; write 500k, 500M or 2G")
    return int(found[1]) * _SIZES[found[2]]


class _Screen:
    """What is said on standard error meanwhile: in place on a terminal, now and then into a file."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._heard = 0
        self._waiting: str | None = None

    def tell(self, now: Recorded) -> None:
        """So far it is."""
        if now.waiting != self._waiting and now.waiting is not None:
            self._console.print(clean(f"-- nothing comes: {now.waiting}"), soft_wrap=True)
        self._waiting = now.waiting
        if self._console.is_terminal:
            self._console.file.write(f"\r{_so_far(now)}")
            self._console.file.flush()
        elif self._heard % _TOLD_EVERY == 0:
            self._console.print(_so_far(now))
        self._heard += 1

    def end(self, done: Recorded, directory: Path) -> None:
        """It is over, and why."""
        start = "\n" if self._console.is_terminal else ""
        self._console.print(f"{start}{_so_far(done)}; ended: {done.ended}", soft_wrap=True)
        self._console.print(f"-- replay it: kamiyo run --replay {directory}", soft_wrap=True)


def _so_far(now: Recorded) -> str:
    seconds = now.duration // timedelta(seconds=1)
    return (
        f"recorded {now.payloads:,} payloads, {now.packed_bytes:,} bytes, {now.gaps:,} gaps in {seconds:,} s"
    )
