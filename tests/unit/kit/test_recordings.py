"""Reading recordings, whatever they were packed with."""

import gzip
from pathlib import Path

import lz4.frame
import pytest
import zstandard

from kamiyo.core.errors import MalformedPayload
from kamiyo.kit.recordings import read_lines

PACKERS = {
    "plain": bytes,
    "zstd": zstandard.ZstdCompressor().compress,
    "lz4": lz4.frame.compress,
    "gzip": gzip.compress,
}
CONTENT = b'{"n":1}\n\n' + b"x" * 300_000 + b'\n{"n":3}'


@pytest.fixture(params=PACKERS)
def pack(request):
    return PACKERS[request.param]


def test_every_packing_gives_the_same_lines(tmp_path: Path, pack) -> None:
    """With offsets in the unpacked content, and with the last line though no newline ends it."""
    path = tmp_path / "recording"
    path.write_bytes(pack(CONTENT))
    assert list(read_lines(path)) == [
        (0, b'{"n":1}'),
        (8, b""),
        (9, b"x" * 300_000),
        (300_010, b'{"n":3}'),
    ]


def test_appended_frames_are_read_too(tmp_path: Path, pack) -> None:
    """Packing the rest of an hour behind its beginning makes one recording."""
    path = tmp_path / "recording"
    path.write_bytes(pack(b"one\ntw") + pack(b"o\nthree\n"))
    assert [line for _offset, line in read_lines(path)] == [b"one", b"two", b"three"]


@pytest.mark.parametrize("name", ["zstd", "lz4", "gzip"])
def test_a_cut_off_recording_is_said_to_be_damaged(tmp_path: Path, name: str) -> None:
    """A short file must not pass for a quiet hour."""
    path = tmp_path / "recording"
    path.write_bytes(PACKERS[name](CONTENT)[:-6])
    with pytest.raises(MalformedPayload) as refused:
        list(read_lines(path))
    assert refused.value.rule == "damaged_recording"


@pytest.mark.parametrize("name", ["zstd", "lz4", "gzip"])
def test_a_damaged_recording_is_said_to_be_damaged(tmp_path: Path, name: str) -> None:
    """Whichever library unpacks it, it is the same error."""
    path = tmp_path / "recording"
    path.write_bytes(PACKERS[name](CONTENT) + b"garbage behind")
    with pytest.raises(MalformedPayload) as refused:
        list(read_lines(path))
    assert refused.value.rule == "damaged_recording"


def test_a_document_of_several_lines_is_one(tmp_path: Path) -> None:
    """A recorded answer is often written out for reading."""
    path = tmp_path / "recording"
    path.write_bytes(b'[\n{"n":1},\n{"n":2}\n]\n')
    assert list(read_lines(path)) == [(0, b'[\n{"n":1},\n{"n":2}\n]')]


def test_an_endless_document_is_refused(tmp_path: Path, monkeypatch) -> None:
    """It is held in memory, so it has the limit of a line."""
    monkeypatch.setattr("kamiyo.kit.recordings.LONGEST_LINE", 10)
    path = tmp_path / "recording"
    path.write_bytes(b'[\n{"n":1},\n{"n":2}\n]\n')
    with pytest.raises(MalformedPayload) as refused:
        list(read_lines(path))
    assert refused.value.rule == "line_too_long"


def test_an_empty_recording_has_no_lines(tmp_path: Path) -> None:
    """And is not an error."""
    path = tmp_path / "recording"
    path.write_bytes(b"")
    assert list(read_lines(path)) == []
