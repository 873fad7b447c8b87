"""The venue's files of 2023 on a local server: the real ones, and ones made up."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

import zstandard

from kamiyo.aggregators._github_historical.rows import COLUMNS, LEDGER, LIQUIDATIONS, TRADES

USER, OTHER = "0x" + "ab" * 20, "0x" + "cd" * 20
LIQUIDATION = f"2023-03-01T10:00:00Z,{USER},1000.5,10.25,Cross"
MOVEMENT = f"2023-03-01T10:00:00Z,{USER},-1.1"
TRADE = f"2023-03-01T10:00:00Z,{USER},ETH,Ask,1655.5,0.0452,true"
ROWS = {LIQUIDATIONS: LIQUIDATION, LEDGER: MOVEMENT, TRADES: TRADE}


def table(name: str, rows: Iterable[str], *, columns: Iterable[str] = ()) -> bytes:
    """A file of these rows under its header, or under another."""
    return "\n".join([",".join(columns or COLUMNS[name]), *rows]).encode()


def made_up() -> dict[str, bytes]:
    """Three files of one row each."""
    return {name: table(name, [row]) for name, row in ROWS.items()}


def real_files(shared_data: Path) -> dict[str, bytes]:
    """The files as they were published."""
    folder = shared_data / "hl-liquidations-2023"
    packed = (folder / f"{TRADES}.zst").read_bytes()
    return {name: (folder / name).read_bytes() for name in (LIQUIDATIONS, LEDGER)} | {
        TRADES: zstandard.ZstdDecompressor().stream_reader(packed).read()
    }


def rows_of(body: bytes) -> list[dict[str, str]]:
    """The rows of a file by the standard library alone."""
    return list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"))))
