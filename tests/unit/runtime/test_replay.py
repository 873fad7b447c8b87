"""Which files a replay reads, and how far it says it is."""

import gzip
from pathlib import Path

import pytest

from kamiyo.core.errors import InvalidQuery
from kamiyo.kit.clock import SystemClock
from kamiyo.runtime.replay import UNKNOWN_STREAM, _Recording, recorded_files


def test_a_folder_is_read_in_order_without_what_describes_it(tmp_path: Path) -> None:
    """Hidden files and documentation are no recordings; a node's hours without a suffix are."""
    for name in ("b/17", "a.jsonl", "SOURCE.md", ".hidden/x", "b/.part", "notes.txt"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.touch()
    assert recorded_files([tmp_path]) == [tmp_path / "a.jsonl", tmp_path / "b" / "17"]


def test_a_file_that_is_named_is_read_whatever_its_name(tmp_path: Path) -> None:
    """Who names it means it."""
    file = tmp_path / ".blocks.md"
    file.touch()
    assert recorded_files([file]) == [file]


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_path_without_a_recording_is_refused(tmp_path: Path, name: str) -> None:
    """An empty replay would look like a recording without liquidations."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidQuery, match=name):
        recorded_files([tmp_path / name])


def test_progress_counts_the_bytes_of_the_files_themselves(tmp_path: Path) -> None:
    """Packed bytes, not unpacked ones, so that the whole is the sum of the files' sizes."""
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    plain.write_bytes(b"one\ntwo\n")
    packed.write_bytes(gzip.compress(b"three\n" * 1000))
    recording = _Recording([plain, packed], SystemClock())
    raws = recording.raws()
    assert recording.read == 0
    first = next(raws)
    assert (first.payload, first.stream, first.span and first.span.start) == (b"one", UNKNOWN_STREAM, 0)
    assert recording.read == 8
    assert sum(1 for _ in raws) == 1001
    assert recording.read == 8 + packed.stat().st_size
