"""A file that grows by pieces keeps what was kept, and only that."""

import hashlib
from pathlib import Path

import pytest

from kamiyo.kit.growing import GrowingFile, Piece


def grown(path: Path, *contents: bytes) -> list[Piece]:
    """Write a file of these pieces, and something after the last that is not kept."""
    file = GrowingFile(path)
    assert file.restore([])
    pieces = []
    for content in contents:
        file.write(content)
        pieces.append(file.keep())
    file.write(b"not kept")
    file.close()
    return pieces


def test_what_is_kept_is_told_exactly(tmp_path) -> None:
    """Each piece by its own size and checksum, the whole by its, and only its owner may read it."""
    path = tmp_path / "a"
    assert grown(path, b"one", b"", b"three") == [
        Piece(len(each), hashlib.sha256(each).hexdigest()) for each in (b"one", b"", b"three")
    ]
    assert path.stat().st_mode & 0o777 == 0o600


def test_another_goes_on_after_what_was_kept(tmp_path) -> None:
    """What came after it is cut off, and the checksum is that of a file nobody left."""
    path = tmp_path / "a"
    pieces = grown(path, b"one", b"two")
    file = GrowingFile(path)
    assert file.restore(pieces)
    assert file.size == 6
    file.write(b"three")
    assert file.keep() == Piece(5, hashlib.sha256(b"three").hexdigest())
    file.close()
    assert path.read_bytes() == b"onetwothree"
    assert (file.size, file.sha256) == (11, hashlib.sha256(b"onetwothree").hexdigest())


@pytest.mark.parametrize("content", [b"", b"on", b"onetwX", b"Xnetwo"])
def test_what_is_not_there_any_more_is_begun_anew(tmp_path, content) -> None:
    """Shorter than it was, or with other bytes: nothing is added to what is not known."""
    path = tmp_path / "a"
    pieces = grown(path, b"one", b"two")
    path.write_bytes(content)
    file = GrowingFile(path)
    assert not file.restore(pieces)
    file.write(b"new")
    assert (file.size, file.keep().size) == (3, 3)
    file.close()
    assert (path.read_bytes(), file.sha256) == (b"new", hashlib.sha256(b"new").hexdigest())
