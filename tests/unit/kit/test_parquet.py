"""Parquet files: what is written is what others read, and a file is whole or not there."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import polars as pl
import pytest

from kamiyo.kit.parquet import (
    Column,
    Kind,
    digits_in,
    join_files,
    metadata_of,
    parquet_file,
    rows_in,
)

COLUMNS = (
    Column("name", Kind.TEXT),
    Column("number", Kind.INTEGER),
    Column("known", Kind.TRUTH),
    Column("at", Kind.MOMENT),
    Column("users", Kind.TEXTS),
    Column("price", Kind.DECIMAL, precision=38, scale=20),
)
AT = datetime(2025, 10, 10, 21, 15, 59, 123_456, tzinfo=UTC)
SMALL, LARGE = Decimal("0.00000000000000000001"), Decimal("-123456789012345678.98765432109876543210")
ROWS: Sequence[Sequence[object]] = (
    ("a\x00ü", 2**63 - 1, True, AT, ["x", "y"], SMALL),
    ("", -1, False, AT, [], LARGE),
    (None, None, None, None, None, None),
)


def test_others_read_what_was_written(tmp_path: Path) -> None:
    """Numbers to the last digit, moments to the microsecond, and what is unknown as unknown."""
    path = tmp_path / "a.parquet"
    with parquet_file(path, COLUMNS, {"coverage": "sample"}) as add:
        add(ROWS[:1])
        add([])
        add(ROWS[1:])
    assert rows_in(path) == 3
    assert metadata_of(path) == {"coverage": "sample"}
    assert [tuple(row) for row in pl.read_parquet(path).iter_rows()] == [tuple(row) for row in ROWS]
    found = duckdb.execute(f"SELECT price, number, epoch_us(\"at\"), users FROM '{path}'").fetchall()
    assert found[:2] == [
        (SMALL, 2**63 - 1, 1_760_130_959_123_456, ["x", "y"]),
        (LARGE, -1, 1_760_130_959_123_456, []),
    ]
    assert found[2] == (None,) * 4


def test_rows_are_written_in_groups_and_not_kept(tmp_path: Path) -> None:
    """However many there are, no more than a group of them waits."""
    path = tmp_path / "a.parquet"
    with parquet_file(path, COLUMNS[1:2], {}) as add:
        for start in range(0, 120_000, 10_000):
            add([(number,) for number in range(start, start + 10_000)])
    groups = duckdb.execute(f"SELECT DISTINCT row_group_num_rows FROM parquet_metadata('{path}') ORDER BY 1")
    assert [row[0] for row in groups.fetchall()] == [20_000, 50_000]
    assert duckdb.execute(f"SELECT sum(number), count(*) FROM '{path}'").fetchall() == [
        (120_000 * 119_999 // 2, 120_000)
    ]


@pytest.mark.parametrize("number", ["0.000000000000000000001", "1234567890123456789"])
def test_a_number_that_does_not_fit_is_an_error_and_no_file(tmp_path: Path, number: str) -> None:
    """It is neither rounded nor cut, and what stood there before stays."""
    path = tmp_path / "a.parquet"
    path.write_bytes(b"before")
    with pytest.raises(ValueError, match=r"[Dd]ecimal"), parquet_file(path, COLUMNS[5:], {}) as add:
        add([(Decimal(1),), (Decimal(number),)])
    assert [each.name for each in tmp_path.iterdir()] == ["a.parquet"]
    assert path.read_bytes() == b"before"


def test_a_file_of_no_rows_has_its_columns(tmp_path: Path) -> None:
    """Nothing was found is an answer, too."""
    path = tmp_path / "a.parquet"
    with parquet_file(path, COLUMNS, {}):
        assert not path.exists()
    assert rows_in(path) == 0
    assert pl.read_parquet(path).columns == [each.name for each in COLUMNS]


TEXTS = (Column("price", Kind.TEXT), Column("at", Kind.TEXT), Column("name", Kind.TEXT))
HELD = (Column("price", Kind.DECIMAL), Column("at", Kind.MOMENT), Column("name", Kind.TEXT))


def parts_of(folder: Path, *parts: Sequence[Sequence[object]]) -> list[Path]:
    """Write each of these as a file of text."""
    paths = [folder / f"{number}.parquet" for number in range(len(parts))]
    for path, rows in zip(paths, parts, strict=True):
        with parquet_file(path, TEXTS, {}) as add:
            add(rows)
    return paths


def test_files_of_text_become_one_of_numbers_and_moments(tmp_path: Path) -> None:
    """In order, exactly, with what is said of it, and empty ones among them."""
    parts = parts_of(
        tmp_path,
        [("-0.000000000000000001", "2025-10-10T21:16:04.831Z", "a"), (None, None, None)],
        [],
        [("12345678901234567890.5", "1969-12-31T23:59:59.999Z", "b")],
    )
    path = tmp_path / "all.parquet"
    join_files(parts, path, HELD, {"rows": "3"})
    assert metadata_of(path) == {"rows": "3"}
    assert pl.read_parquet(path)["price"].to_list() == [
        Decimal("-0.000000000000000001"),
        None,
        Decimal("12345678901234567890.5"),
    ]
    with duckdb.connect() as connection:
        rows = connection.execute(f"SELECT epoch_ms(\"at\"), name FROM '{path}'").fetchall()
    assert rows == [(1_760_130_964_831, "a"), (None, None), (-1, "b")]


def test_a_number_is_never_rounded(tmp_path: Path) -> None:
    """What its column cannot hold is an error, and there is no file."""
    path = tmp_path / "all.parquet"
    for wrong in ("0.0000000000000000001", "123456789012345678901.5", "much"):
        with pytest.raises(ValueError):
            join_files(parts_of(tmp_path, [(wrong, None, None)]), path, HELD, {})
        assert [each.name for each in tmp_path.iterdir()] == ["0.parquet"]


def test_digits_are_those_of_the_longest_numbers(tmp_path: Path) -> None:
    """Before and after the point, each of whichever number has the most, without a sign."""
    parts = parts_of(tmp_path, [("-123.5", "0.25", None)], [], [("7.1234", "10", None), (None, None, None)])
    assert digits_in(parts, ["price", "at", "name"]) == {"price": (3, 4), "at": (2, 2), "name": (0, 0)}
    assert digits_in(parts, []) == {}
