"""Payloads of a live source to compressed files that a killed process leaves readable."""

from __future__ import annotations

import os
from datetime import datetime
from io import BufferedWriter
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import zstandard

from kamiyo.core.errors import InvalidQuery
from kamiyo.core.events import Gap
from kamiyo.core.ports import Raw
from kamiyo.core.time import rfc3339, to_millis
from kamiyo.lab.recorded_payload import GAP, encode_payload
from kamiyo.lab.recording import ORIGIN, Kind, Origin, RecordedFile

_FLUSH_BYTES = 4 << 20
_LEVEL = 3
_HOUR = "%Y%m%dT%H"
_NODE_KINDS = {"node_fills_by_block": Kind.NODE_FILLS}


class Recorder:
    """Guards the folder of one recording while it is made.

    Lines are gathered until ``flush`` and then written as one whole compressed frame, by one call: whatever
    ends the process, what was written before can be read. Each hour has files of its own. ``recording.toml``
    is written anew, in one step, whenever there is another file.
    """

    def __init__(self, folder: Path, origin: Origin, *, as_lines: bool) -> None:
        check_free(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.payloads = 0
        self.packed_bytes = 0
        self.starts_at: datetime | None = None
        self.ends_at: datetime | None = None
        self._folder = folder
        self._origin = origin
        self._as_lines = as_lines
        self._packer = zstandard.ZstdCompressor(level=_LEVEL)
        self._files: dict[str, _File] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flush()
        for each in self._files.values():
            each.close()
        self._write_origin(ended=True)

    def add(self, raw: Raw) -> None:
        """Take one payload."""
        line = raw.payload
        if not self._as_lines:
            line = encode_payload(
                received_at=to_millis(raw.received_at), stream=raw.stream, payload=raw.payload
            )
        self.payloads += 1
        self._put(raw.stream if self._as_lines else Kind.FRAMES.value, line, raw.received_at)

    def add_gap(self, gap: Gap, now: datetime) -> None:
        """Take note of what was missed; among a node's lines it shows in the numbers of the blocks."""
        if not self._as_lines:
            content = msgspec.json.encode(gap)
            line = encode_payload(received_at=to_millis(now), stream=GAP, payload=content)
            self._put(Kind.FRAMES.value, line, now)

    def flush(self) -> None:
        """Write what was gathered."""
        for each in self._files.values():
            self.packed_bytes += each.flush(self._packer)

    def _put(self, stream: str, line: bytes, at: datetime) -> None:
        self.starts_at = self.starts_at or at
        self.ends_at = max(at, self.ends_at or at)
        hour = f"{at:{_HOUR}}"
        file = self._files.get(stream)
        if file is None or file.hour != hour:
            file = self._open(stream, hour, file)
        file.gathered += line + b"\n"
        if len(file.gathered) >= _FLUSH_BYTES:
            self.packed_bytes += file.flush(self._packer)

    def _open(self, stream: str, hour: str, before: _File | None) -> _File:
        if before is not None:
            self.packed_bytes += before.flush(self._packer)
            before.close()
        kind = _NODE_KINDS.get(stream, Kind.NODE_LINES) if self._as_lines else Kind.FRAMES
        name = f"{stream.replace('/', '-')}-{hour}.jsonl.zst"
        file = self._files[stream] = _File(self._folder / name, hour)
        written = RecordedFile(path=name, kind=kind)
        self._origin = msgspec.structs.replace(self._origin, files=(*self._origin.files, written))
        self._write_origin(ended=False)
        return file

    def _write_origin(self, *, ended: bool) -> None:
        origin = self._origin
        if not self._as_lines:  # a node's lines say their own times
            ends_at = self.ends_at if ended else None
            origin = msgspec.structs.replace(origin, starts_at=self.starts_at, ends_at=ends_at)
        unfinished = self._folder / f".{ORIGIN}"
        unfinished.write_bytes(as_toml(origin))
        unfinished.replace(self._folder / ORIGIN)


class _File:
    """One hour of one stream."""

    def __init__(self, path: Path, hour: str) -> None:
        self.hour = hour
        self.gathered = bytearray()
        self._file: BufferedWriter = path.open("xb")

    def flush(self, packer: zstandard.ZstdCompressor) -> int:
        """Write one whole compressed frame; how long it is."""
        if not self.gathered:
            return 0
        packed = packer.compress(bytes(self.gathered))
        self.gathered.clear()
        self._file.write(packed)
        self._file.flush()
        return len(packed)

    def close(self) -> None:
        """Keep it, even if the machine stops now."""
        os.fsync(self._file.fileno())
        self._file.close()


def check_free(folder: Path) -> None:
    """InvalidQuery where a recording must not begin: in what holds one already, or is no directory."""
    if (folder / ORIGIN).exists():
        raise InvalidQuery(f"{folder} already holds a recording: choose another directory")
    if folder.exists() and not folder.is_dir():
        raise InvalidQuery(f"{folder} is no directory")


def as_toml(origin: Origin) -> bytes:
    """``recording.toml``: what has no value is left out."""
    lines = [
        f"{name} = {_value(value)}"
        for name in Origin.__struct_fields__
        if name not in {"files", "watch"} and (value := getattr(origin, name)) not in {None, ""}
    ]
    if origin.watch:
        lines.append(f"watch = {_value(list(origin.watch))}")
    for file in origin.files:
        lines += ["", "[[files]]", f"path = {_value(file.path)}", f"kind = {_value(file.kind)}"]
        lines += [f"asset = {_value(file.asset)}"] if file.asset else []
    return ("\n".join(lines) + "\n").encode()


def _value(value: object) -> str:
    """A value in TOML: texts and lists as in JSON, but for a character that JSON leaves as it is."""
    if isinstance(value, datetime):
        return rfc3339(value)
    return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")
