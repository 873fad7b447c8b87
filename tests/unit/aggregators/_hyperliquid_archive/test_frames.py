"""Frames are unpacked whatever the pieces are, and damage is never taken for an end."""

from collections.abc import Iterator
from contextlib import suppress

import lz4.frame
import pytest

from kamiyo.aggregators._hyperliquid_archive.frames import Frames
from kamiyo.core.errors import CorruptObject

CONTENT = b"".join(b"line %d\n" % number for number in range(200_000))
PACKED = lz4.frame.compress(CONTENT)
CHECKED = lz4.frame.compress(CONTENT, content_checksum=True)


def unpacked(packed: bytes, size: int = 1 << 16) -> bytes:
    return b"".join(pieces(packed, size))


def pieces(packed: bytes, size: int = 1 << 16) -> Iterator[bytes]:
    frames = Frames()
    for start in range(0, len(packed), size):
        yield from frames.unpack(packed[start : start + size])
    frames.end()


@pytest.mark.parametrize("size", [997, 1 << 16, 1 << 30])
def test_a_frame_is_unpacked_from_pieces_of_any_size(size: int) -> None:
    """The network cuts where it likes."""
    assert unpacked(PACKED, size) == CONTENT


@pytest.mark.parametrize("size", [997, 1 << 30])
def test_frames_one_after_the_other_are_one_content(size: int) -> None:
    """An object that was appended to has several, of any kind."""
    linked = lz4.frame.compress(CONTENT, block_size=lz4.frame.BLOCKSIZE_MAX4MB, block_linked=True)
    empty = lz4.frame.compress(b"")
    assert unpacked(PACKED + empty + linked + CHECKED, size) == CONTENT * 3


def test_no_piece_is_large_however_much_a_few_bytes_unpack_to() -> None:
    """LZ4 packs what repeats to a 255th."""
    packed = lz4.frame.compress(b"\0" * (64 << 20))
    assert len(packed) < 300_000
    sizes = [len(piece) for piece in pieces(packed)]
    assert sum(sizes) == 64 << 20
    assert max(sizes) <= 1 << 20


@pytest.mark.parametrize("kept", [0, 3, 7, 100, len(PACKED) // 2, len(PACKED) - 4, len(PACKED) - 1])
def test_a_cut_object_is_corrupt(kept: int) -> None:
    """The mark at the end says that all is there: without it, something lacks."""
    with pytest.raises(CorruptObject, match="ends in the middle"):
        unpacked(PACKED[:kept])


def test_what_is_good_before_the_damage_is_given() -> None:
    """Only what stands behind is lost."""
    given = b""
    half = pieces(PACKED[: len(PACKED) // 2])
    with suppress(CorruptObject):
        for piece in half:
            given += piece
    assert CONTENT.startswith(given)
    assert len(given) > len(CONTENT) // 3


@pytest.mark.parametrize(
    "damaged",
    [
        b"no frame at all",
        PACKED + b"behind the last frame",
        CHECKED[:-4] + b"\0\0\0\0",
        PACKED[:20] + b"\xff" * 64 + PACKED[84:],
    ],
)
def test_damage_is_named(damaged: bytes) -> None:
    """Garbage before, within and behind, and a checksum that does not fit."""
    with pytest.raises(CorruptObject, match="packing is damaged"):
        unpacked(damaged)


def test_a_frame_that_only_begins_behind_another_is_no_end() -> None:
    """Three bytes cannot say what they are."""
    with pytest.raises(CorruptObject, match="ends in the middle"):
        unpacked(PACKED + PACKED[:3])
