"""How the command line writes: tables and bars for people, JSON for machines."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from kamiyo.cli.client import Meta
from kamiyo.core.money import plain
from kamiyo.core.sources import CoverageLabel

UNKNOWN = "unknown"
LOUD = "bold reverse yellow"
_WIDTH_OF_A_FILE = 200
_CENT = Decimal("0.01")


def open_console(*, error: bool = False) -> Console:
    """Standard output or error, as wide as the terminal, or wide enough for a file."""
    console = Console(stderr=error, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _WIDTH_OF_A_FILE
    return console


def print_json(value: object) -> None:
    """One value, on one line of standard output, at once."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


def clean(text: str) -> str:
    """The text without what would steer a terminal: sources may write anything."""
    return "".join(each if each.isprintable() else "�" for each in text)


def build_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table; columns whose name ends in ``#`` hold numbers."""
    table = Table(box=None, pad_edge=False, show_edge=False)
    for name in columns:
        number = name.endswith("#")
        table.add_column(name.removesuffix("#"), justify="right" if number else "left", no_wrap=number)
    for row in rows:
        table.add_row(*(Text(clean(cell)) for cell in row))
    return table


def amount(number: str | None) -> str:
    """An amount for people: thousands apart and cents; whatever is too small for cents in full."""
    try:
        value = Decimal(number or "")
    except InvalidOperation:
        return UNKNOWN
    if value and abs(value) < _CENT:
        return plain(value)
    return f"{value:,.2f}"


def amount_range(known: str | None, low: str | None, high: str | None) -> str:
    """What was lost, with the bounds sources disagree on; ``unknown``, never 0, where nobody knows."""
    if low is not None and high is not None and low != high:
        return f"{amount(low)}–{amount(high)}"  # noqa: RUF001  # a range is written with an en dash
    if known is None and low is not None:
        return amount(low) if low == high else f"at least {amount(low)}"
    if known is None and high is not None:
        return f"at most {amount(high)}"
    return amount(known)


def freshness_lines(meta: Meta) -> list[str]:
    """How far an answer may be believed, in words."""
    coverage = _coverage(meta.coverage.label, meta.coverage.measured_pct)
    lines = [f"as of {meta.as_of}, {'STALE' if meta.stale else 'fresh'}; coverage: {coverage}"]
    lines += [
        f"source {line.name}: {line.health}, last heard {line.heard_at or 'never'}"
        for line in meta.coverage.sources
    ]
    return [clean(line) for line in (*lines, *(f"warning: {each}" for each in meta.warnings))]


def _coverage(label: str, measured: str | None) -> str:
    """The label, with what was measured unless it says so itself."""
    if "%" in label or label == CoverageLabel.NOT_MEASURED:
        return label
    return f"{label}, {'not measured' if measured is None else f'{measured} % measured'}"


class FileProgress:
    """A bar that grows by the bytes read; nothing where standard error is no terminal."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task("replaying", total=total, payloads=0)

    def tell(self, payloads: int, read: int) -> None:
        """So many payloads and bytes are done."""
        self._progress.update(self._task, completed=read, payloads=payloads)


@contextmanager
def file_progress(files: Sequence[Path]) -> Generator[FileProgress]:
    """A bar over these files, on standard error."""
    console = open_console(error=True)
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[payloads]:,} payloads"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with progress:
        yield FileProgress(progress, sum(file.stat().st_size for file in files))
