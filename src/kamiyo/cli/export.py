"""``kamiyo export``: a list of a running server, whole, as a CSV, NDJSON or Parquet file."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from kamiyo.cli.client import DEFAULT_SERVER, JsonOption, ServerOption, check_server, read_row
from kamiyo.cli.download import Patient, Wanted, fetch
from kamiyo.cli.exits import Exit
from kamiyo.cli.output import clean, open_console, print_json
from kamiyo.cli.query import (
    AssetOption,
    EndOption,
    MethodOption,
    MinUsdOption,
    SideOption,
    StartOption,
    moment,
)
from kamiyo.core.errors import InvalidQuery
from kamiyo.core.exports import ExportDataset, ExportFormat, ExportState
from kamiyo.kit.clock import SystemClock
from kamiyo.kit.transport import open_session

_LOOK_AGAIN = timedelta(milliseconds=500)


class Order(msgspec.Struct, frozen=True):
    """What is asked for."""

    dataset: str
    format: str
    filters: dict[str, str]


class Begun(msgspec.Struct, frozen=True):
    """An export that was asked for and is not here yet: asked for again, it goes on."""

    server: str
    order: Order
    export_id: int


class CoverageLine(msgspec.Struct, frozen=True):
    """How complete the rows are."""

    label: str
    measured_pct: str | None = None


class About(msgspec.Struct, frozen=True):
    """What is said of the rows."""

    as_of: str
    coverage: CoverageLine
    warnings: tuple[str, ...]


class ExportRow(msgspec.Struct, frozen=True):
    """What the server says of an export."""

    export_id: int
    state: ExportState
    detail: str
    rows: int
    bytes: int
    sha256: str | None
    metadata: About | None


class _Data(msgspec.Struct, frozen=True):
    data: msgspec.Raw


class Bars:
    """How far the server and the download are; nothing where standard error is no terminal."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def written(self, rows: int) -> None:
        """The server has so many rows on its disk."""
        self._progress.update(self._task, said=f"{rows:,} rows written")

    def fetched(self, size: int, total: int) -> None:
        """So much of the file is here."""
        self._progress.update(self._task, said="fetched", completed=size, total=total)


_data = msgspec.json.Decoder(_Data)
_row = msgspec.json.Decoder(ExportRow)
_metadata = msgspec.json.Decoder(dict[str, msgspec.Raw])

DatasetArgument = Annotated[ExportDataset, typer.Argument(help="Which list.")]
FormatOption = Annotated[ExportFormat, typer.Option("--format", help="What sort of file.")]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="The file; DATASET.FORMAT here unless named.")
]
FilterOption = Annotated[
    list[str] | None,
    typer.Option("--filter", help="NAME=VALUE, for any other filter of the list; may be repeated."),
]


def export(
    dataset: DatasetArgument,
    *,
    format: FormatOption = ExportFormat.PARQUET,  # noqa: A002 -- the option's name
    output: OutputOption = None,
    asset: AssetOption = None,
    user: Annotated[str | None, typer.Option("--user", help="Of this account.")] = None,
    side: SideOption = None,
    method: MethodOption = None,
    min_usd: MinUsdOption = None,
    start: StartOption = None,
    end: EndOption = None,
    others: FilterOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file, if it is there.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the server's copy until it expires.")] = False,
    json: JsonOption = False,
    server: ServerOption = DEFAULT_SERVER,
) -> None:
    """Write a list of a running KAMIYO to a file, and check that all of it arrived.

    Run it again after it broke off: it goes on. What is known of the rows stands in a Parquet file; beside
    the others it is in FILE.metadata.json.
    """
    path = output or Path(f"{dataset}.{format}")
    if path.exists() and not overwrite:
        raise InvalidQuery(f"{path} is there: name another with --output, or add --overwrite")
    known = {
        "asset": asset,
        "user": user,
        "side": side,
        "method": method,
        "min_usd": min_usd,
        "start": moment(start),
        "end": moment(end),
    }
    filters = {name: str(value) for name, value in known.items() if value is not None}
    order = Order(dataset, format, filters | _named(others or ()))
    code = asyncio.run(_export(check_server(server), order, path, keep=keep, json=json))
    if code is not Exit.OK:
        raise typer.Exit(code)


def _named(others: Sequence[str]) -> dict[str, str]:
    pairs = [each.partition("=") for each in others]
    for name, sign, value in pairs:
        if not (name and sign and value):
            raise InvalidQuery(f"--filter must look like NAME=VALUE, not {name}{sign}{value}")
    return {name: value for name, _sign, value in pairs}


async def _export(server: str, order: Order, path: Path, *, keep: bool, json: bool) -> Exit:
    async with open_session() as session:
        patient = Patient(session, server, SystemClock())
        with _bars() as bars:
            content = await _written(patient, server, order, path, bars)
            row = read_row(_row, content)
            if row.state is ExportState.FAILED or row.sha256 is None:
                _begun_file(path).unlink(missing_ok=True)
                open_console(error=True).print(clean(f"kamiyo: not exported: {row.detail}"), soft_wrap=True)
                return Exit.FAILED
            wanted = Wanted(f"/exports/{row.export_id}/file", row.bytes, row.sha256)
            await fetch(patient, wanted, _partial(path), lambda size: bars.fetched(size, row.bytes))
        _put_in_place(path, order, content)
        if not keep:
            await patient.ask("DELETE", f"/exports/{row.export_id}")
    _tell(path, row, content, json=json)
    return Exit.OK


async def _written(patient: Patient, server: str, order: Order, path: Path, bars: Bars) -> msgspec.Raw:
    """What the server says of the export once it is over: the one begun before, or a new one."""
    content = await _known(patient, server, order, path) or await _asked(patient, order)
    while (row := read_row(_row, content)).state in {ExportState.QUEUED, ExportState.RUNNING}:
        _begun_file(path).write_bytes(msgspec.json.encode(Begun(server, order, row.export_id)))
        bars.written(row.rows)
        await patient.sleep(_LOOK_AGAIN)
        content = _data_of((await patient.ask("GET", f"/exports/{row.export_id}")).body)
    _begun_file(path).write_bytes(msgspec.json.encode(Begun(server, order, row.export_id)))
    return content


async def _known(patient: Patient, server: str, order: Order, path: Path) -> msgspec.Raw | None:
    """What the server says of an export that broke off here; None where there is none any more."""
    try:
        begun = msgspec.json.decode(_begun_file(path).read_bytes(), type=Begun)
    except (OSError, msgspec.DecodeError):
        begun = None
    if begun is not None and (begun.server, begun.order) == (server, order):
        try:
            return _data_of((await patient.ask("GET", f"/exports/{begun.export_id}")).body)
        except InvalidQuery:  # it is past its time
            pass
    _partial(path).unlink(missing_ok=True)
    return None


async def _asked(patient: Patient, order: Order) -> msgspec.Raw:
    once = {"Idempotency-Key": secrets.token_hex(16)}  # whose answer was lost is not written twice
    answer = await patient.ask("POST", "/exports", body=msgspec.json.encode(order), headers=once)
    return _data_of(answer.body)


def _data_of(body: bytes) -> msgspec.Raw:
    return read_row(_data, msgspec.Raw(body)).data


def _put_in_place(path: Path, order: Order, content: msgspec.Raw) -> None:
    _partial(path).touch()  # a list of nothing is a file of nothing
    _partial(path).replace(path)
    if order.format != ExportFormat.PARQUET:
        beside = path.with_name(f"{path.name}.metadata.json")
        beside.write_bytes(msgspec.json.format(read_row(_metadata, content)["metadata"], indent=2) + b"\n")
    _begun_file(path).unlink(missing_ok=True)


def _tell(path: Path, row: ExportRow, content: msgspec.Raw, *, json: bool) -> None:
    if json:
        print_json({"file": str(path)} | read_row(_metadata, content))
        return
    console = open_console()
    console.print(clean(f"{path}: {row.rows:,} rows, {row.bytes:,} bytes"), soft_wrap=True)
    if row.metadata is not None:
        told = row.metadata
        lines = [f"as of {told.as_of}; coverage: {told.coverage.label}"]
        for line in (*lines, *(f"warning: {each}" for each in told.warnings)):
            console.print(clean(line), soft_wrap=True)


@contextmanager
def _bars() -> Generator[Bars]:
    console = open_console(error=True)
    columns = (TextColumn("{task.fields[said]}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield Bars(progress, progress.add_task("export", total=None, said="asked for"))


def _partial(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _begun_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.export.json")
