"""A file that grows by pieces: what is kept of it survives a crash, and what came after it is forgotten."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_AT_ONCE = 1 << 20


class Piece(NamedTuple):
    """Bytes that are on disk for good."""

    size: int
    sha256: str


class GrowingFile:
    """Guards one file that only its owner may read: restore it first, and close it."""

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._file = os.fdopen(descriptor, "r+b", buffering=_AT_ONCE)
        self._whole = hashlib.sha256()
        self._piece = hashlib.sha256()
        self._begun_at = 0
        self.size = 0

    @property
    def sha256(self) -> str:
        """The checksum of all that was written."""
        return self._whole.hexdigest()

    def restore(self, pieces: Sequence[Piece]) -> bool:
        """Go on after these pieces; False, with an empty file, where they are not what it begins with."""
        self._file.seek(0)
        self._whole = hashlib.sha256()
        whole = all(self._read(piece.size) == piece.sha256 for piece in pieces)
        if not whole:
            self._whole = hashlib.sha256()
        self.size = self._begun_at = sum(piece.size for piece in pieces) if whole else 0
        self._file.seek(self.size)
        self._file.truncate()
        self._piece = hashlib.sha256()
        return whole

    def write(self, content: bytes) -> None:
        """Write more; it may be lost until it is kept."""
        self._file.write(content)
        self._piece.update(content)
        self._whole.update(content)
        self.size += len(content)

    def keep(self) -> Piece:
        """Put what was written since the last piece on disk for good."""
        self._file.flush()
        os.fsync(self._file.fileno())
        piece = Piece(self.size - self._begun_at, self._piece.hexdigest())
        self._begun_at, self._piece = self.size, hashlib.sha256()
        return piece

    def close(self) -> None:
        """Let go of it; what was not kept may be lost."""
        self._file.close()

    def _read(self, size: int) -> str:
        checksum = hashlib.sha256()
        while size and (content := self._file.read(min(size, _AT_ONCE))):
            checksum.update(content)
            self._whole.update(content)
            size -= len(content)
        return checksum.hexdigest()
