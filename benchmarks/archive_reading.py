"""The product's own way through packed objects on disk, and what the least of it costs.

``python -m benchmarks.archive_reading MODE FILE…`` does it in a process of its own and prints what it took.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from kamiyo.aggregators._hyperliquid_archive.chunks import (
    Decode,
    chunk_size,
    normalize_chunk,
    stream_name,
    whole_line_chunks,
)
from kamiyo.aggregators._hyperliquid_archive.frames import Frames
from kamiyo.aggregators._node_payloads import FILLS_BY_BLOCK
from kamiyo.core.ids import Chain, SourceName
from kamiyo.core.money import install_context
from kamiyo.core.ports import Raw, Span

_SOURCE, _CHAIN = SourceName("hyperliquid_archive"), Chain("hyperliquid")
_STREAM = stream_name(FILLS_BY_BLOCK)
_PIECE = 256 << 10  # as they come from a bucket
_MARKER = b"liquidatedUser"


class Read(msgspec.Struct):
    """What was read, and what it took: the most memory, and how much of it was there before."""

    liquidated: int = 0
    ordinary: int = 0
    blocks: int = 0
    unpacked: int = 0
    cpu_seconds: float = 0.0
    peak_megabytes: float = 0.0
    before_megabytes: float = 0.0


def unpacked(objects: Sequence[Path]) -> Iterator[bytes]:
    """What the objects unpack to, piece by piece."""
    for path in objects:
        frames = Frames()
        with path.open("rb") as packed:
            while piece := packed.read(_PIECE):
                yield from frames.unpack(piece)
        frames.end()


def read(objects: Sequence[Path], decode: Decode) -> Read:
    """All objects: unpacked, cut into lines, searched, decoded and turned into facts."""
    found, now, size = Read(), datetime.now(UTC), chunk_size(FILLS_BY_BLOCK, decode)
    for path in objects:
        for chunk in whole_line_chunks(unpacked([path]), size):
            span = Span(path.name, chunk.start, chunk.end)
            raw = Raw(source=_SOURCE, stream=_STREAM, payload=chunk.content, received_at=now, span=span)
            said = normalize_chunk(raw, _CHAIN, decode)
            if said.rejects:
                raise AssertionError(said.rejects[0].detail)
            found.liquidated += len(said.events)
            found.ordinary += len(said.fills)
            found.blocks += sum(run.last - run.first + 1 for run in said.block_runs)
            found.unpacked += len(chunk.content)
    return found


def unpack_only(objects: Sequence[Path]) -> int:
    """The bytes the objects unpack to."""
    return sum(map(len, unpacked(objects)))


def count_only(objects: Sequence[Path]) -> int:
    """The limit: the bytes unpacked, and in each piece the word is counted that a liquidation has."""
    size = 0
    for piece in unpacked(objects):
        piece.count(_MARKER)
        size += len(piece)
    return size


def main(mode: str, names: Sequence[str]) -> None:
    """Read once and print what it took as JSON."""
    install_context()
    started, before = _cpu_seconds(), _peak_megabytes()
    found = read([Path(name) for name in names], Decode(mode))
    found.cpu_seconds, found.peak_megabytes = _cpu_seconds() - started, _peak_megabytes()
    found.before_megabytes = before
    sys.stdout.write(msgspec.json.encode(found).decode())


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak_megabytes() -> float:
    """What the system keeps of it for getrusage is the parent's, if that was more."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    [peak] = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return int(peak) / 1024


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
