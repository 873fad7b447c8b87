"""What an object unpacks to, cut into chunks of whole lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

CHUNK: Final = 256 << 10  # with all that is decoded of it, what a processor keeps close
SEARCHED: Final = 1 << 20  # of what is hardly decoded: what each chunk costs by itself is little then
LONGEST_LINE: Final = 16 << 20
KEPT_OF_TOO_LONG: Final = 64 << 10


class Chunk(msgspec.Struct, frozen=True, gc=False):
    """Whole lines with their ends, from offset ``start`` to ``end`` of what was unpacked.

    Of a line that is too long only the beginning is kept: then ``content`` is shorter than that.
    """

    start: int
    end: int
    content: bytes


class Lines:
    """Cuts what comes into chunks of whole lines: always the same ones, whatever the pieces were.

    A chunk has at most ``size`` bytes; a line longer than that is a chunk of its own, and one longer than
    16 MiB is cut short.
    """

    def __init__(self, size: int = CHUNK) -> None:
        self._size = size
        self._start = 0
        self._waiting = bytearray()
        self._searched = 0
        self._left_out = 0  # of a line that is too long: what came behind the part of it that is kept

    def take(self, piece: bytes) -> Iterator[Chunk]:
        """The chunks that are complete with this piece."""
        if self._left_out:
            end = piece.find(b"\n") + 1
            self._left_out += end or len(piece)
            if not end:
                return
            yield self._cut_short()
            piece = piece[end:]
        self._waiting += piece
        while len(self._waiting) >= self._size and (cut := self._cut()):
            yield self._chunk(cut)

    def whole(self) -> Iterator[Chunk]:
        """The lines that are complete, of what nothing good will follow."""
        cut = self._waiting.rfind(b"\n") + 1
        if cut:
            yield self._chunk(cut)

    def rest(self) -> Iterator[Chunk]:
        """What is left at the end: a last line without its end is a line, too."""
        if self._left_out:
            yield self._cut_short()
        elif self._waiting:
            yield self._chunk(len(self._waiting))

    def _cut(self) -> int:
        """Where the next chunk ends; 0 where nobody knows yet."""
        waiting, size = self._waiting, self._size
        cut = waiting.rfind(b"\n", 0, size) + 1 or waiting.find(b"\n", max(size, self._searched)) + 1
        if not cut:
            self._searched = len(waiting)
            if len(waiting) > LONGEST_LINE:
                self._left_out = len(waiting) - KEPT_OF_TOO_LONG
                del waiting[KEPT_OF_TOO_LONG:]
        return cut

    def _chunk(self, cut: int) -> Chunk:
        kept = cut if cut - 1 <= LONGEST_LINE else KEPT_OF_TOO_LONG
        chunk = Chunk(self._start, self._start + cut, bytes(memoryview(self._waiting)[:kept]))
        del self._waiting[:cut]
        self._start, self._searched = chunk.end, 0
        return chunk

    def _cut_short(self) -> Chunk:
        length = len(self._waiting) + self._left_out
        chunk = Chunk(self._start, self._start + length, bytes(self._waiting))
        self._waiting.clear()
        self._start, self._searched, self._left_out = chunk.end, 0, 0
        return chunk


def whole_line_chunks(pieces: Iterable[bytes], size: int = CHUNK) -> Iterator[Chunk]:
    """All that these pieces hold together."""
    lines = Lines(size)
    for piece in pieces:
        yield from lines.take(piece)
    yield from lines.rest()
