"""The origin file of a recording, and the recordings that ship."""

import csv
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from kamiyo.core.errors import InvalidQuery
from kamiyo.lab.recording import ORIGIN, SHIPPED, Kind, find_recording, read_recording, shipped

REPOSITORY = Path(__file__).resolve().parents[3]
ORIGIN_TEXT = """
name = "mine"
title = "Mine"
mode = "replay"
chain = "hyperliquid"
source = "my own node"

[[files]]
path = "minutes.csv"
kind = "minutes"
asset = "BTC"
"""
BLOCK = b'{"local_time":"x","block_time":"x","block_number":1,"events":[]}\n'


def write(folder: Path, text: str = ORIGIN_TEXT) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / ORIGIN).write_text(text)
    (folder / "minutes.csv").write_text("t_ms,mark_price\n")
    return folder


def test_a_folder_says_what_it_holds(tmp_path: Path) -> None:
    """Its files are paths, with their kind and asset; what was left out has its default."""
    recording = read_recording(write(tmp_path))
    [(path, file)] = recording.files
    assert (path, file.kind, file.asset) == (tmp_path / "minutes.csv", Kind.MINUTES, "BTC")
    assert (recording.origin.speed, recording.origin.starts_at) == (1, None)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('mode = "replay"', 'mode = "live"', "Invalid enum value 'live'"),
        ('name = "mine"', 'name = "No Spaces"', "matching regex"),
        ('title = "Mine"', "", "missing required field `title`"),
        ('kind = "minutes"', 'kind = "seconds"', "Invalid enum value 'seconds'"),
        ('asset = "BTC"', "", "minutes.csv is a series of one asset: say which"),
        ('"minutes.csv"', '"other.csv"', "names other.csv, which is not there"),
        ('"minutes.csv"', '"../outside.csv"', "names ../outside.csv, which is not in its folder"),
        ('title = "Mine"', "title = ", "recording.toml: "),
        ('title = "Mine"', 'ttitle = "Mine"', "contains unknown field `ttitle`"),
        (ORIGIN_TEXT.partition("[[files]]")[2], "", "missing required field `path`"),
        ("[[files]]" + ORIGIN_TEXT.partition("[[files]]")[2], "", "names no files: add a [[files]] table"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, old: str, new: str, message: str) -> None:
    """One sentence names the file and what to change."""
    (tmp_path / "outside.csv").touch()
    assert old in ORIGIN_TEXT
    folder = write(tmp_path / "folder", ORIGIN_TEXT.replace(old, new))
    with pytest.raises(InvalidQuery) as raised:
        read_recording(folder)
    assert message in str(raised.value)
    assert str(folder / ORIGIN) in str(raised.value)


def test_bare_files_are_known_by_their_first_line(tmp_path: Path) -> None:
    """A node's file and a recorder's need no origin, alone or in a folder with others."""
    (tmp_path / "hours").mkdir()
    (tmp_path / "hours" / "17").write_bytes(BLOCK)
    (tmp_path / "frames.jsonl").write_bytes(b'{"received_at":1,"stream":"ws/trades","payload":"x"}\n')
    (tmp_path / "README.md").write_text("not this")
    (tmp_path / ".hidden").write_text("nor this")
    recording = read_recording(tmp_path)
    assert [(each.path, each.kind) for _path, each in recording.files] == [
        ("frames.jsonl", Kind.FRAMES),
        ("hours/17", Kind.NODE_FILLS),
    ]
    alone = read_recording(tmp_path / "hours" / "17")
    assert [path for path, _file in alone.files] == [tmp_path / "hours" / "17"]
    assert (alone.origin.name, alone.origin.mode) == ("17", "replay")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"t_ms,mark_price\n", "file does not say its asset: put a recording.toml beside it"),
        (b"hello\n", "file is no recording: known are a node's node_fills_by_block"),
        (b"", "file is no recording"),
    ],
)
def test_a_bare_file_of_another_kind_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """The sentence says what is missing or what would do."""
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(InvalidQuery) as raised:
        read_recording(tmp_path / "file")
    assert str(raised.value).startswith(message)


def test_a_name_that_is_nothing_lists_what_there_is(tmp_path: Path) -> None:
    """Neither a path nor a shipped name; and an empty folder says so."""
    with pytest.raises(InvalidQuery, match="give a file, a folder, or one of popcat-2025-11-12, simulated-"):
        find_recording(str(tmp_path / "nothing"))
    with pytest.raises(InvalidQuery, match="there is no recording in"):
        find_recording(str(tmp_path))


def test_what_ships_is_found_by_name() -> None:
    """Each folder is named as its recording, and the modes are the truth about them."""
    modes = {each.origin.name: each.origin.mode for each in shipped()}
    assert modes == {"popcat-2025-11-12": "replay", "simulated-cascade": "simulated"}
    for name in modes:
        assert find_recording(name).folder == SHIPPED / name


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_minutes_of_popcat_are_whole() -> None:
    """540 consecutive minutes from 09:00 UTC on, and every liquidated minute is one of them."""
    recording = find_recording("popcat-2025-11-12")
    minutes, liquidations = (rows_of(path) for path, _file in recording.files)
    starts_at = recording.origin.starts_at
    assert starts_at == datetime(2025, 11, 12, 9, tzinfo=UTC)
    first = int(starts_at.timestamp() * 1000)
    moments = [int(row["t_ms"]) for row in minutes]
    assert moments == [first + 60_000 * number for number in range(540)]
    assert {int(row["t_ms"]) for row in liquidations} <= set(moments)
    assert all(Decimal(row["mark_price"]) > 0 and Decimal(row["oracle_price"]) > 0 for row in minutes)
    assert all(int(row["backstop_usd"]) <= int(row["liquidated_usd"]) for row in liquidations)


def test_the_figures_of_popcat_are_those_of_their_source() -> None:
    """Value for value, where the source's figures are at hand."""
    series = REPOSITORY.parent / "shared" / "incidents" / "series"
    if not series.is_dir():
        pytest.skip(f"needs the figures the recording restates: {series} does not exist")
    for name in ("minutes", "liquidations"):
        theirs = rows_of(series / f"popcat_2025-11-12_{name}.csv")
        assert rows_of(SHIPPED / "popcat-2025-11-12" / f"{name}.csv") == theirs
        assert theirs
