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
        # Put together only for a chunk: each copy of all there is would cost as much as a search in it.
        self._waiting: list[bytes | memoryview] = []
        self._length = 0
        self._is_one_line = False  # known of what waits: no line ends in it
        self._left_out = 0  # of a line that is too long: what came behind the part of it that is kept

    def take(self, piece: bytes) -> Iterator[Chunk]:
        """The chunks that are complete with this piece."""
        start = 0
        if self._left_out:
            start = piece.find(b"\n") + 1
            self._left_out += start or len(piece)
            if not start:
                return
            yield self._cut_short()
        while self._length + len(piece) - start >= self._size:
            cut = self._cut(piece, start)
            if not cut and self._length and not self._is_one_line:
                piece, start = self._put_together(memoryview(piece)[start:]), 0
                cut = self._cut(piece, start)
            if not cut:
                self._is_one_line = True
                break
            yield self._chunk(memoryview(piece)[start:cut])
            start = cut
        self._wait(memoryview(piece)[start:] if start else piece)

    def whole(self) -> Iterator[Chunk]:
        """The lines that are complete, of what nothing good will follow."""
        waiting = self._put_together()
        cut = waiting.rfind(b"\n") + 1
        if cut:
            yield self._chunk(memoryview(waiting)[:cut])

    def rest(self) -> Iterator[Chunk]:
        """What is left at the end: a last line without its end is a line, too."""
        if self._left_out:
            yield self._cut_short()
        elif self._length:
            yield self._chunk()

    def _cut(self, piece: bytes, start: int) -> int:
        """Where the next chunk ends in this piece; 0 if not in it, or where what waits has to be searched."""
        if self._is_one_line:
            return piece.find(b"\n", start) + 1
        room = start + self._size - self._length
        cut = piece.rfind(b"\n", start, room) + 1
        return cut if cut or self._length else piece.find(b"\n", room) + 1

    def _wait(self, piece: bytes | memoryview) -> None:
        self._waiting.append(piece)
        self._length += len(piece)
        if self._is_one_line and self._length > LONGEST_LINE:
            self._left_out = self._length - KEPT_OF_TOO_LONG
            self._waiting = [self._put_together()[:KEPT_OF_TOO_LONG]]

    def _put_together(self, *more: memoryview) -> bytes:
        """All that waits, and what came; nothing waits then."""
        together = b"".join((*self._waiting, *more))
        self._waiting, self._length, self._is_one_line = [], 0, False
        return together

    def _chunk(self, *more: memoryview) -> Chunk:
        content = self._put_together(*more)
        end = self._start + len(content)
        kept = content if len(content) - 1 <= LONGEST_LINE else content[:KEPT_OF_TOO_LONG]
        chunk = Chunk(self._start, end, kept)
        self._start = end
        return chunk

    def _cut_short(self) -> Chunk:
        content = self._put_together()
        chunk = Chunk(self._start, self._start + len(content) + self._left_out, content)
        self._start, self._left_out = chunk.end, 0
        return chunk


def whole_line_chunks(pieces: Iterable[bytes], size: int = CHUNK) -> Iterator[Chunk]:
    """All that these pieces hold together."""
    lines = Lines(size)
    for piece in pieces:
        yield from lines.take(piece)
    yield from lines.rest()
