"""A file is written part by part, and whoever goes on ends with the same file."""

import csv
import hashlib
import io
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from kamiyo.core.exports import Export, ExportDataset, ExportFormat, ExportPart, ExportState, Metadata
from kamiyo.kit.growing import Piece
from kamiyo.kit.parquet import Column, Kind, metadata_of
from kamiyo.processing.export_files import PartFile, WholeFile, checksum_of, fitting, key_values, open_file
from kamiyo.storage.read_claims import ClaimedTotalText, ClaimText
from kamiyo.storage.read_states import VaultText

AT = datetime(2026, 1, 1, tzinfo=UTC)
ABOUT = Metadata(
    dataset="claims",
    format="csv",
    filters=msgspec.Raw(b'{"asset":"A"}'),
    rows=3,
    version="1.2.3",
    mode="LIVE",
    recording=None,
    read_from="a",
    read_until="b",
    as_of="c",
    stale=True,
    coverage={"label": "sample", "measured_pct": "61"},
    warnings=["w"],
    gaps=[],
    numbers_as_text=(),
)


def an_export(kind: ExportFormat, dataset: ExportDataset = ExportDataset.CLAIMS) -> Export:
    return Export(
        export_id=1,
        requested_at=AT,
        dataset=dataset,
        format=kind,
        filters=b"{}",
        folder="f",
        state=ExportState.RUNNING,
        attempts=1,
        failures=0,
    )


def a_row(number: int, price: str | None = "1.5") -> ClaimText:
    return ClaimText(f"c{number}", "s", "e", "=P", "A", None, price, None, "2025-10-10T21:16:00.250Z", number)


PARTS = ([a_row(0), a_row(1, "-0.000000000000000001")], [a_row(2, None)])


def kept(number: int, rows: Sequence[Any], piece: Piece) -> ExportPart:
    return ExportPart(
        number=number,
        rows=len(rows),
        size=piece.size,
        sha256=piece.sha256,
        last=b"",
        final=False,
        read_at=AT,
    )


def write_parts(file: PartFile, *parts: Sequence[Any], first: int = 0) -> list[ExportPart]:
    found = []
    for number, rows in enumerate(parts, first):
        file.add(rows[:1])
        file.add(rows[1:])
        found.append(kept(number, rows, file.keep()))
    return found


def written(folder: Path, kind: ExportFormat, *parts: Sequence[Any]) -> WholeFile:
    with closing(open_file(an_export(kind), folder)) as file:
        assert file.restore([])
        write_parts(file, *parts)
        return file.finish(ABOUT)


@pytest.mark.parametrize("kind", ExportFormat)
def test_a_file_is_what_is_said_of_it(tmp_path, kind) -> None:
    """Its size and its checksum are those on the disk."""
    whole = written(tmp_path, kind, *PARTS)
    path = tmp_path / f"claims.{kind}"
    content = path.read_bytes()
    assert (whole.size, whole.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert (checksum_of(path), path.stat().st_mode & 0o777) == (whole.sha256, 0o600)


@pytest.mark.parametrize("kind", ExportFormat)
def test_who_goes_on_ends_with_the_same_file(tmp_path, kind) -> None:
    """After the first part, with what somebody else had begun of the second."""
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    for folder in (straight, broken):
        folder.mkdir()
    expected = written(straight, kind, *PARTS)
    with closing(open_file(an_export(kind), broken)) as file:
        file.restore([])
        parts = write_parts(file, PARTS[0])
        size = file.size
        file.add([a_row(99)])
    with closing(open_file(an_export(kind), broken)) as file:
        assert file.restore(parts)
        assert file.size == size == sum(part.size for part in parts)
        parts += write_parts(file, PARTS[1], first=1)
        assert file.size == sum(part.size for part in parts)
        found = file.finish(ABOUT)
    assert found.sha256 == expected.sha256


@pytest.mark.parametrize("kind", ExportFormat)
def test_parts_that_are_not_there_are_begun_anew(tmp_path, kind) -> None:
    """Where they are gone, and where they hold something else."""
    with closing(open_file(an_export(kind), tmp_path)) as file:
        file.restore([])
        parts = write_parts(file, *PARTS)
    for spoil in (lambda path: path.write_bytes(b"x"), lambda path: path.unlink()):
        for path in tmp_path.iterdir():
            spoil(path)
        with closing(open_file(an_export(kind), tmp_path)) as file:
            assert not file.restore(parts)
            write_parts(file, *PARTS)
            assert file.finish(ABOUT).size > 0


def test_rows_are_lines_as_the_api_shows_them(tmp_path) -> None:
    """One JSON object each, with numbers as text."""
    written(tmp_path, ExportFormat.NDJSON, *PARTS)
    found = [
        msgspec.json.decode(line, type=ClaimText)
        for line in (tmp_path / "claims.ndjson").read_bytes().splitlines()
    ]
    assert found == [*PARTS[0], *PARTS[1]]


def test_csv_has_one_header_and_safe_cells(tmp_path) -> None:
    """Lists are JSON, a formula is text, a negative number is a number."""
    written(tmp_path, ExportFormat.CSV, *PARTS)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "claims.csv").read_bytes().decode(), newline="")))
    assert [row["pair"] for row in rows] == ["'=P"] * 3
    assert [row["price"] for row in rows] == ["1.5", "-0.000000000000000001", ""]
    vault = VaultText("hyperliquid", "0xv", "-name", None, ["0xa", "0xb"], "1", None, "s", "t")
    with closing(open_file(an_export(ExportFormat.CSV, ExportDataset.VAULTS), tmp_path)) as file:
        file.restore([])
        write_parts(file, [vault])
        file.finish(ABOUT)
    [row] = csv.DictReader(io.StringIO((tmp_path / "vaults.csv").read_bytes().decode(), newline=""))
    assert (row["children"], row["name"], row["parent"]) == ('["0xa","0xb"]', "'-name", "")


def test_csv_says_true_and_false(tmp_path) -> None:
    """In the words of JSON, which every reader of tables knows."""
    total = ClaimedTotalText("t1", "s", None, None, "t", 60, True, False, None, None, "5", "t")
    with closing(open_file(an_export(ExportFormat.CSV, ExportDataset.CLAIMED_TOTALS), tmp_path)) as file:
        file.restore([])
        write_parts(file, [total])
        file.finish(ABOUT)
    path = tmp_path / "claimed_totals.csv"
    [row] = csv.DictReader(io.StringIO(path.read_bytes().decode(), newline=""))
    assert (row["rolling"], row["complete"]) == ("true", "false")


def test_parquet_has_numbers_moments_and_what_is_said_of_them(tmp_path) -> None:
    """Exact ones, and the words beside them."""
    whole = written(tmp_path, ExportFormat.PARQUET, *PARTS)
    path = tmp_path / "claims.parquet"
    table = pl.read_parquet(path)
    assert table["price"].to_list() == [Decimal("1.5"), Decimal("-0.000000000000000001"), None]
    assert table.schema["timestamp"] == pl.Datetime("us", "UTC")
    told = metadata_of(path)
    assert told == key_values(whole.metadata)
    assert (told["kamiyo.filters"], told["kamiyo.measured_pct"]) == ('{"asset":"A"}', "61")
    assert whole.metadata.numbers_as_text == []


def test_numbers_too_long_for_a_decimal_stay_text(tmp_path) -> None:
    """And it is said which: nothing is rounded."""
    long = "1" * 25 + ".00000000000001"
    whole = written(tmp_path, ExportFormat.PARQUET, [a_row(0, long)], [a_row(1)])
    assert whole.metadata.numbers_as_text == ["price"]
    assert pl.read_parquet(tmp_path / "claims.parquet")["price"].to_list() == [long, "1.5"]


@pytest.mark.parametrize(
    ("before", "after", "scale"),
    [(0, 0, 18), (20, 18, 18), (21, 0, 17), (5, 20, 20), (38, 0, 0), (0, 38, 38)],
)
def test_a_column_is_as_wide_as_its_numbers(before, after, scale) -> None:
    """Of 38 digits, 18 after the point unless its numbers need it otherwise."""
    column = fitting(Column("x", Kind.DECIMAL), before, after)
    assert (column.kind, column.precision, column.scale) == (Kind.DECIMAL, 38, scale)


def test_a_column_no_decimal_holds_is_text() -> None:
    """39 digits are one too many."""
    assert fitting(Column("x", Kind.DECIMAL), 20, 19) == Column("x", Kind.TEXT)
