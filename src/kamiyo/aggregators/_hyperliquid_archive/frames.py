"""LZ4 frames unpacked piece by piece, however large they are and however they were cut on their way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol, cast

import lz4.frame

from kamiyo.core.errors import CorruptObject

_PIECE: Final = 512 << 10  # a packed piece can hold 255 times its size


class _Frame(Protocol):
    eof: bool
    needs_input: bool

    @property
    def unused_data(self) -> bytes | None: ...

    def decompress(self, data: bytes, /, max_length: int) -> bytes: ...


class Frames:
    """All frames of one object, one after the other: appending to a packed file adds another.

    CorruptObject where what comes is none. The memory of what was unpacked is kept between pieces, so that
    reading can go on after a cut where it stopped.
    """

    def __init__(self) -> None:
        self._frame: _Frame | None = None
        self._whole = 0

    def unpack(self, packed: bytes) -> Iterator[bytes]:
        """What these bytes add, in pieces of at most 512 KiB."""
        while packed:
            if self._frame is None:
                self._frame = cast("_Frame", lz4.frame.LZ4FrameDecompressor())
            yield from self._unpacked(self._frame, packed)
            packed = b""
            if self._frame.eof:
                packed, self._frame = self._frame.unused_data or b"", None
                self._whole += 1

    def end(self) -> None:
        """CorruptObject unless the last frame said that it is whole."""
        if self._frame is not None or not self._whole:
            raise CorruptObject("it ends in the middle of its packing")

    def _unpacked(self, frame: _Frame, packed: bytes) -> Iterator[bytes]:
        while True:
            try:
                content = frame.decompress(packed, max_length=_PIECE)
            except (RuntimeError, EOFError) as error:
                raise CorruptObject(f"its packing is damaged: {error!s:.100}") from error
            if content:
                yield content
            if frame.eof or frame.needs_input:
                return
            packed = b""
