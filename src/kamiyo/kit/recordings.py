"""Recorded files as lines, whatever they were packed with."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Protocol, cast

import lz4.frame
import zstandard

from kamiyo.core.errors import MalformedPayload
from kamiyo.kit.lines import CHUNK, LONGEST_LINE, Line, whole_lines

_PIECE = 64 << 10
_GZIP_CONTAINER = 31
_DAMAGED = (zstandard.ZstdError, RuntimeError, EOFError, zlib.error)


class _Unpacker(Protocol):
    eof: bool

    @property
    def unused_data(self) -> bytes | None: ...

    def decompress(self, data: bytes, /) -> bytes: ...


def read_lines(
    path: Path, *, told: Callable[[int], None] = lambda _position: None
) -> Iterator[tuple[int, bytes]]:
    """Each line with its offset in the unpacked content; MalformedPayload where the packing is damaged.

    ``told`` hears how many bytes of the file itself were read, whenever that changes.

    Unlike a growing file a recording is finished, so a last line without a newline counts. A JSON document
    that is spread over several lines is handed out as one.
    """
    with path.open("rb") as packed:
        chunks = _with_last_newline(_content(packed, path.name, told))
        lines = whole_lines(lambda _position: next(chunks, b""))
        for line in lines:
            if line.start == 0 and line.content.strip() in {b"[", b"{"}:
                yield 0, _document(line, lines, path.name)
            else:
                yield line.start, line.content


def _document(first: Line, others: Iterator[Line], name: str) -> bytes:
    contents = [first.content]
    for line in others:
        contents.append(line.content)
        if line.end > LONGEST_LINE:
            raise MalformedPayload(
                f"{name} holds one document of over {LONGEST_LINE} bytes", rule="line_too_long"
            )
    return b"\n".join(contents)


def _with_last_newline(chunks: Iterable[bytes]) -> Iterator[bytes]:
    last = b"\n"
    for last in filter(None, chunks):
        yield last
    if not last.endswith(b"\n"):
        yield b"\n"


def _content(packed: IO[bytes], name: str, told: Callable[[int], None]) -> Iterator[bytes]:
    magic = packed.read(4)
    packed.seek(0)
    unpacker = next((make for start, make in _UNPACKERS.items() if magic.startswith(start)), None)
    if unpacker is None:
        return _pieces(packed, CHUNK, told)
    return _unpacked(_pieces(packed, _PIECE, told), unpacker, name)


def _pieces(packed: IO[bytes], size: int, told: Callable[[int], None]) -> Iterator[bytes]:
    while piece := packed.read(size):
        told(packed.tell())
        yield piece


def _unpacked(pieces: Iterable[bytes], make: Callable[[], _Unpacker], name: str) -> Iterator[bytes]:
    """All frames, one after the other: appending to a packed file adds another."""
    unpacker: _Unpacker | None = None
    try:
        for piece in pieces:
            rest = piece
            while rest:
                unpacker = unpacker or make()
                yield unpacker.decompress(rest)
                rest = b""
                if unpacker.eof:
                    rest, unpacker = unpacker.unused_data or b"", None
    except _DAMAGED as error:
        raise MalformedPayload(f"{name} is damaged: {error}", rule="damaged_recording") from error
    if unpacker is not None:
        raise MalformedPayload(f"{name} ends in the middle of its packing", rule="damaged_recording")


def _zstd() -> _Unpacker:
    return cast("_Unpacker", zstandard.ZstdDecompressor().decompressobj())


def _lz4() -> _Unpacker:
    return cast("_Unpacker", lz4.frame.LZ4FrameDecompressor())


def _gzip() -> _Unpacker:
    return cast("_Unpacker", zlib.decompressobj(_GZIP_CONTAINER))


_UNPACKERS: dict[bytes, Callable[[], _Unpacker]] = {
    b"\x28\xb5\x2f\xfd": _zstd,
    b"\x04\x22\x4d\x18": _lz4,
    b"\x1f\x8b": _gzip,
}
