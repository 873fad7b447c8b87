"""A growing text file as whole lines: where each stands, and whether it is still the file we began with."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from kamiyo.core.time import EPOCH

CHUNK = 1 << 20
LONGEST_LINE = 64 << 20
KEPT_OF_TOO_LONG = 1 << 20
_HEAD = 4096


class Line(msgspec.Struct, frozen=True, gc=False):
    """One line: its bytes without the newline, from offset ``start`` to ``end``, which is behind the newline.

    Of a line that is too long only the beginning is kept: then ``content`` is shorter than the span.
    """

    start: int
    end: int
    content: bytes


class FilePlace(msgspec.Struct, frozen=True, gc=False):
    """Which file, by the fingerprint of its beginning, and how far it was read."""

    fingerprint: str
    offset: int


def whole_lines(
    read: Callable[[int], bytes], start: int = 0, *, longest: int = LONGEST_LINE
) -> Iterator[Line]:
    """Every line that is complete, until ``read(position)`` has no more; never an unfinished one."""
    begun = bytearray()
    line_start = position = start
    while chunk := read(position):
        cut = 0
        while (newline := chunk.find(b"\n", cut)) >= 0:
            end = position + newline + 1
            content = chunk[cut:newline]
            if begun:
                content = bytes(begun + content)
                begun.clear()
            yield Line(line_start, end, content if end - line_start - 1 <= longest else _beginning(content))
            line_start = end
            cut = newline + 1
        if len(begun) <= longest:
            begun += chunk[cut:]
        position += len(chunk)


class GrowingFile:
    """One file that somebody else appends to, read from ``place`` if it is still the file meant there.

    A file is known by its first line (at most 4 KiB of it). Reading checks that beginning after every
    chunk, so what was read under a fingerprint really stood in that file. Where a file comes back shorter
    with the beginning it had, its fingerprint gets a number: the same offsets may now say something else.
    """

    def __init__(self, path: Path, place: FilePlace | None = None) -> None:
        self.path = path
        self.fingerprint: str | None = None
        self.offset = 0
        self.rewritten = False
        self.known_size = 0
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._head = b""
        self._mark: tuple[int, int] | None = None
        self._earlier = None if place is None else place.fingerprint
        try:
            self.continues = place is not None and self._recognise(place)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    @property
    def unread(self) -> int:
        """How many bytes stand behind what was read: an unfinished line, once all whole lines were taken."""
        return os.fstat(self._descriptor).st_size - self.offset

    @property
    def modified(self) -> datetime:
        """When the file was last written to."""
        return EPOCH + timedelta(microseconds=os.fstat(self._descriptor).st_mtime_ns // 1000)

    def replaced(self) -> bool:
        """Whether another file now stands under the same path."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return False
        ours = os.fstat(self._descriptor)
        return (found.st_dev, found.st_ino) != (ours.st_dev, ours.st_ino)

    def new_lines(self) -> Iterator[Line]:
        """The whole lines not yet taken; it ends with ``rewritten`` set if this is not what we began with.

        An unfinished line is read anew each time: its writer may come back and write another in its place.
        """
        status = os.fstat(self._descriptor)
        mark = (status.st_size, status.st_mtime_ns)
        if mark == self._mark or not self._still_ours():
            return
        self.known_size = status.st_size
        if self.fingerprint is None and not self._begin():
            return
        for line in whole_lines(self._read, self.offset):
            self.offset = line.end
            yield line
        self._mark = mark

    def _read(self, position: int) -> bytes:
        chunk = os.pread(self._descriptor, CHUNK, position)
        return chunk if chunk and self._still_ours() else b""

    def _still_ours(self) -> bool:
        head = os.pread(self._descriptor, len(self._head), 0)
        self.rewritten = head != self._head or not self._ends_a_line(self.offset)
        return not self.rewritten

    def _ends_a_line(self, offset: int) -> bool:
        return offset == 0 or os.pread(self._descriptor, 1, offset - 1) == b"\n"

    def _recognise(self, place: FilePlace) -> bool:
        head = self._first_bytes()
        if _digest(head) != place.fingerprint.partition("~")[0] or not self._ends_a_line(place.offset):
            return False
        self._head = head
        self.fingerprint = place.fingerprint
        self.offset = place.offset
        return True

    def _begin(self) -> bool:
        self._head = self._first_bytes()
        if self._head:
            self.fingerprint = _told_apart(_digest(self._head), self._earlier)
        return bool(self._head)

    def _first_bytes(self) -> bytes:
        """The first line, or as much of it as a fingerprint needs; nothing while it is unfinished."""
        beginning = os.pread(self._descriptor, _HEAD, 0)
        end = beginning.find(b"\n") + 1
        return beginning if len(beginning) == _HEAD and not end else beginning[:end]


def _beginning(content: bytes) -> bytes:
    return content[:KEPT_OF_TOO_LONG]


def _digest(head: bytes) -> str:
    return hashlib.blake2b(head, digest_size=8).hexdigest()


def _told_apart(digest: str, earlier: str | None) -> str:
    known, _mark, number = (earlier or "").partition("~")
    return f"{digest}~{int(number or 0) + 1}" if known == digest else digest
