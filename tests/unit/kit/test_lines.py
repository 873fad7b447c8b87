"""Following one growing file as whole lines."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamiyo.kit.lines import FilePlace, GrowingFile, Line, whole_lines


def reader(content: bytes, chunk: int):
    return lambda position: content[position : position + chunk]


def contents(file: GrowingFile) -> list[bytes]:
    return [line.content for line in file.new_lines()]


@given(st.binary(max_size=200), st.integers(1, 50))
def test_lines_are_the_content_up_to_its_last_newline(content: bytes, chunk: int) -> None:
    """Whatever the chunks, the lines are those of the content, with their offsets, and no unfinished one."""
    lines = list(whole_lines(reader(content, chunk)))
    assert [line.content for line in lines] == content.split(b"\n")[:-1]
    assert b"".join(content[line.start : line.end] for line in lines) == content[: content.rfind(b"\n") + 1]


def test_reading_begins_where_it_is_told() -> None:
    """Offsets count from the beginning of the file, not of the reading."""
    assert list(whole_lines(reader(b"one\ntwo\n", 3), 4)) == [Line(4, 8, b"two")]


@pytest.mark.parametrize("chunk", [1, 4, 7, 100])
def test_a_line_that_is_too_long_is_cut_and_its_span_says_so(chunk: int) -> None:
    """The lines behind it are whole, and the span still covers all its bytes."""
    first, long, last = whole_lines(reader(b"a\n" + b"x" * 20 + b"\nb\n", chunk), longest=10)
    assert (first.content, last.content) == (b"a", b"b")
    assert long.end - long.start == 21
    assert len(long.content) <= 20 or chunk > 20
    assert long.content == b"x" * len(long.content)


def test_a_line_of_exactly_the_limit_is_whole() -> None:
    """The limit counts the line without its newline."""
    [line] = whole_lines(reader(b"x" * 10 + b"\n", 3), longest=10)
    assert line.content == b"x" * 10


def test_an_overlong_line_keeps_its_first_mebibyte() -> None:
    """Memory is bounded however long a line is."""
    [line] = whole_lines(reader(b"x" * (3 << 20) + b"\n", 1 << 20), longest=1 << 20)
    assert len(line.content) == 1 << 20
    assert line.end == (3 << 20) + 1


def test_new_lines_are_seen_as_they_are_finished(tmp_path: Path) -> None:
    """An unfinished line is held back until its newline is there, then given whole, once."""
    path = tmp_path / "file"
    path.write_bytes(b"one\ntw")
    file = GrowingFile(path)
    assert contents(file) == [b"one"]
    assert file.unread == 2
    assert contents(file) == []
    with path.open("ab") as writer:
        writer.write(b"o\nthree\n")
    assert contents(file) == [b"two", b"three"]
    assert (file.offset, file.unread) == (14, 0)
    file.close()


def test_an_unfinished_line_that_is_written_anew_is_not_mixed_with_the_old(tmp_path: Path) -> None:
    """A writer that comes back may cut off what it had begun."""
    path = tmp_path / "file"
    path.write_bytes(b"one\nbroke")
    file = GrowingFile(path)
    assert contents(file) == [b"one"]
    path.write_bytes(b"one\nwhole and longer\n")
    assert contents(file) == [b"whole and longer"]
    assert not file.rewritten
    file.close()


def test_nothing_is_read_before_the_first_line_is_finished(tmp_path: Path) -> None:
    """Without a first line there is no fingerprint to read under."""
    path = tmp_path / "file"
    path.write_bytes(b"on")
    file = GrowingFile(path)
    assert (contents(file), file.fingerprint) == ([], None)
    path.write_bytes(b"one\n")
    assert contents(file) == [b"one"]
    assert file.fingerprint is not None
    file.close()


def test_a_long_first_line_has_a_fingerprint_before_it_ends(tmp_path: Path) -> None:
    """The first 4 KiB are enough, and stay enough when the line is finished."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 5000)
    file = GrowingFile(path)
    assert contents(file) == []
    before = file.fingerprint
    with path.open("ab") as writer:
        writer.write(b"\n")
    assert contents(file) == [b"x" * 5000]
    assert file.fingerprint == before is not None
    file.close()


@pytest.mark.parametrize(
    "rewritten",
    [b"", b"one\n", b"One\ntwo\nthree\n", b"one\ntwoandmore\n"],
    ids=["emptied", "cut off", "another first line", "no line ends where we stood"],
)
def test_a_rewritten_file_is_noticed_and_not_read_on(tmp_path: Path, rewritten: bytes) -> None:
    """What now stands there is not what was meant by the offset."""
    path = tmp_path / "file"
    path.write_bytes(b"one\ntwo\n")
    file = GrowingFile(path)
    assert contents(file) == [b"one", b"two"]
    path.write_bytes(rewritten)
    assert contents(file) == []
    assert file.rewritten
    assert file.known_size == 8
    file.close()


def test_a_file_rewritten_while_it_is_read_gives_nothing_of_the_new(tmp_path: Path) -> None:
    """The beginning is checked after each chunk, so new bytes never pass under the old fingerprint."""
    path = tmp_path / "file"
    path.write_bytes(b"one\n" + b"x" * (1 << 20) + b"\n")
    file = GrowingFile(path)
    lines = file.new_lines()
    assert next(lines).content == b"one"
    path.write_bytes(b"two\n" + b"y" * (1 << 20) + b"\n")
    assert list(lines) == []
    assert file.rewritten
    file.close()


def test_a_moved_file_is_noticed_and_still_readable(tmp_path: Path) -> None:
    """Rotation leaves our handle on the old file; another one stands under the path."""
    path = tmp_path / "file"
    path.write_bytes(b"one\n")
    file = GrowingFile(path)
    assert not file.replaced()
    path.rename(tmp_path / "old")
    assert not file.replaced()
    path.write_bytes(b"new\n")
    assert file.replaced()
    assert contents(file) == [b"one"]
    file.close()


def test_a_file_is_resumed_where_it_was_left(tmp_path: Path) -> None:
    """The same first line and the end of a line at the offset make it the file that was meant."""
    path = tmp_path / "file"
    path.write_bytes(b"one\ntwo\n")
    before = GrowingFile(path)
    list(before.new_lines())
    fingerprint = before.fingerprint or ""
    before.close()
    file = GrowingFile(path, FilePlace(fingerprint, 4))
    assert (file.continues, contents(file), file.fingerprint) == (True, [b"two"], fingerprint)
    file.close()


@pytest.mark.parametrize("offset", [3, 100])
def test_a_file_that_cannot_be_resumed_is_another_by_name(tmp_path: Path, offset: int) -> None:
    """Read anew from its beginning, under a fingerprint that tells it from what was read before."""
    path = tmp_path / "file"
    path.write_bytes(b"one\ntwo\n")
    first = GrowingFile(path)
    list(first.new_lines())
    known = first.fingerprint or ""
    again = GrowingFile(path, FilePlace(known, offset))
    assert (again.continues, contents(again), again.fingerprint) == (False, [b"one", b"two"], f"{known}~1")
    third = GrowingFile(path, FilePlace(f"{known}~1", offset))
    list(third.new_lines())
    assert third.fingerprint == f"{known}~2"
    for file in (first, again, third):
        file.close()


def test_the_time_of_the_last_write_is_known(tmp_path: Path) -> None:
    """In UTC, as everything."""
    path = tmp_path / "file"
    path.write_bytes(b"one\n")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    file = GrowingFile(path)
    assert file.modified.isoformat() == "2023-11-14T22:13:20+00:00"
    file.close()
