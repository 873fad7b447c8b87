"""Which of a node's hourly files comes next, and what is missing between them; blocking, in small pieces.

A file is left once it has been at its end for a while and a newer one exists. Lines its writer still
adds are read until the next roll-over: the file left last stays open and is looked at with every poll.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import msgspec

from kamiyo.core.errors import CursorExpired
from kamiyo.core.events import Gap
from kamiyo.core.ids import Cursor, SourceName
from kamiyo.core.ports import Span
from kamiyo.core.time import EPOCH
from kamiyo.kit.lines import FilePlace, GrowingFile

_DAY = re.compile(r"\d{8}", re.ASCII)
_HOUR = re.compile(r"1?[0-9]|2[0-3]", re.ASCII)
_EPOCH_DAY = EPOCH.date().toordinal()
_AT_A_TIME = 4 << 20  # how much of one file is read before the others get their turn
_LOOK_FOR_NEWER = timedelta(seconds=1)


class Position(msgspec.Struct, frozen=True, array_like=True):
    """How far one hourly file (``20251027/17``) was read."""

    file: str
    fingerprint: str
    offset: int


Positions = tuple[Position, ...]
Found = tuple[Span, bytes] | Gap

_positions = msgspec.json.Decoder(dict[str, Positions])


def read_cursor(cursor: Cursor | None) -> dict[str, Positions]:
    """By stream, the file left last and the one being read; CursorExpired if it is no cursor of ours."""
    if cursor is None:
        return {}
    try:
        positions = _positions.decode(cursor)
        for position in (one for several in positions.values() for one in several):
            _hour_named(position.file)
    except (msgspec.DecodeError, ValueError) as error:
        raise CursorExpired(f"not a cursor of a node's files: {error}") from error
    return positions


def write_cursor(positions: Mapping[str, Positions]) -> Cursor:
    """The text that ``read_cursor`` reads."""
    return Cursor(msgspec.json.encode(positions).decode())


def next_hour(folder: Path, hour: int | None) -> int | None:
    """The first hour after ``hour`` (hours since the epoch) that has a file, or the first of all."""
    for day in sorted(
        entry.name for entry in folder.iterdir() if _DAY.fullmatch(entry.name) and entry.is_dir()
    ):
        try:
            first = _hour_named(f"{day}/0")
        except ValueError:
            continue
        if hour is not None and first + 23 <= hour:
            continue
        hours = (first + int(entry.name) for entry in (folder / day).iterdir() if _HOUR.fullmatch(entry.name))
        found = min((one for one in hours if hour is None or one > hour), default=None)
        if found is not None:
            return found
    return None


def _hour_named(file: str) -> int:
    day, _slash, hour = file.partition("/")
    return (date.fromisoformat(day).toordinal() - _EPOCH_DAY) * 24 + int(hour)


def _name_of(hour: int) -> str:
    return f"{date.fromordinal(_EPOCH_DAY + hour // 24):%Y%m%d}/{hour % 24}"


def _moment(hour: int) -> datetime:
    return EPOCH + timedelta(hours=hour)


@dataclass(slots=True)
class _Opened:
    """One hourly file in our hands."""

    hour: int
    name: str
    file: GrowingFile


class HourlyStream:
    """One stream of a node, read hour after hour."""

    def __init__(
        self, *, source: SourceName, stream: str, folder: Path, resume: Positions, settle: timedelta
    ) -> None:
        self.stream = stream
        self.busy = False  # whether the last ``read`` found or changed anything
        self.behind = False  # whether it left more to read at once
        self._source = source
        self._folder = folder
        self._resume = resume
        self._settle = settle
        self._left: _Opened | None = None
        self._current: _Opened | None = None
        self._quiet_since: datetime | None = None
        self._looked_at: datetime | None = None

    @property
    def hour(self) -> int | None:
        """The hour being read, or None before the first file was found."""
        return None if self._current is None else self._current.hour

    @property
    def positions(self) -> Positions:
        """Where to resume: in the file left last, and in the one being read."""
        if self._current is None:
            return self._resume
        return tuple(
            Position(opened.name, opened.file.fingerprint, opened.file.offset)
            for opened in (self._left, self._current)
            if opened is not None and opened.file.fingerprint is not None
        )

    def close(self) -> None:
        """Let go of the files."""
        for opened in (self._left, self._current):
            if opened is not None:
                opened.file.close()
        self._left = self._current = None

    def read(self, now: datetime) -> Iterator[Found]:
        """What is new, a few MiB at most; OSError for what may work later.

        After an error the files are opened anew, as a handle may stay unusable when its file is well again.
        """
        self.busy = self.behind = False
        try:
            yield from self._read(now)
        except OSError:
            self._resume = self.positions
            self.close()
            raise

    def _read(self, now: datetime) -> Iterator[Found]:
        if self._current is None:
            yield from self._start(now)
        for opened in (self._left, self._current):
            if opened is not None:
                yield from self._lines(opened, now)
        if self.busy:
            self._quiet_since = None
        elif self._current is not None:
            self._quiet_since = min(self._quiet_since or now, now)  # the clock may be set back
            yield from self._roll_over(self._current, self._quiet_since, now)

    def _start(self, now: datetime) -> Iterator[Found]:
        opened = self._reopened()
        gaps = [
            self._bytes(position, position.offset, "written over while nobody read it", now)
            for position, one in opened
            if not one.file.continues
        ]
        files = [one for _position, one in opened]
        if not files:
            last = _hour_named(self._resume[-1].file) if self._resume else None
            hour = next_hour(self._folder, last)
            if hour is None:
                return
            files.append(self._open(hour))
            if last is not None:
                gaps.append(self._hours(last, hour, "the file being read is gone", now))
        self._left, self._current, self.busy = (files[0] if len(files) > 1 else None), files[-1], True
        yield from gaps

    def _reopened(self) -> list[tuple[Position, _Opened]]:
        """The files of the cursor that still exist."""
        opened: list[tuple[Position, _Opened]] = []
        try:
            for position in self._resume:
                path = self._folder / position.file
                if path.exists():
                    file = GrowingFile(path, FilePlace(position.fingerprint, position.offset))
                    hour = _hour_named(position.file)
                    opened.append((position, _Opened(hour, position.file, file)))
        except OSError:
            for _position, one in opened:
                one.file.close()
            raise
        return opened

    def _open(self, hour: int) -> _Opened:
        name = _name_of(hour)
        return _Opened(hour, name, GrowingFile(self._folder / name))

    def _lines(self, opened: _Opened, now: datetime) -> Iterator[Found]:
        file = opened.file
        until = file.offset + _AT_A_TIME
        scope = ""
        for line in file.new_lines():
            self.busy = True
            scope = scope or self._scope(opened.name, file.fingerprint)
            yield Span(scope, line.start, line.end), line.content
            if line.end >= until:
                self.behind = True
                return
        if file.rewritten or file.replaced():
            yield from self._begin_again(opened, now)

    def _begin_again(self, opened: _Opened, now: datetime) -> Iterator[Found]:
        """Read what now stands under the path.

        A file that was moved away was read to its end through our handle; one written over maybe not.
        """
        old = opened.file
        lost = old.rewritten or old.unread > 0
        place = None if old.fingerprint is None else FilePlace(old.fingerprint, old.offset)
        opened.file = GrowingFile(old.path, place)
        old.close()
        self.busy = True
        if place is not None and lost and not opened.file.continues:
            position = Position(opened.name, place.fingerprint, place.offset)
            yield self._bytes(position, old.known_size, "written over or cut off", now)

    def _roll_over(self, current: _Opened, quiet_since: datetime, now: datetime) -> Iterator[Found]:
        pause = min(_LOOK_FOR_NEWER, self._settle)
        if self._looked_at is not None and abs(now - self._looked_at) < pause:
            return
        self._looked_at = now
        newer = next_hour(self._folder, current.hour)
        if newer is None or now - min(quiet_since, current.file.modified) < self._settle:
            return
        gaps = list(self._missing(current, newer, now))
        following = self._open(newer)
        if self._left is not None:
            self._left.file.close()
        self._left, self._current, self.busy = current, following, True
        self._quiet_since = self._looked_at = None
        yield from gaps

    def _missing(self, current: _Opened, newer: int, now: datetime) -> Iterator[Gap]:
        file = current.file
        if file.unread > 0:
            position = Position(current.name, file.fingerprint or "", file.offset)
            yield self._bytes(position, file.offset + file.unread, "the last line was never finished", now)
        if newer > current.hour + 1:
            yield self._hours(current.hour + 1, newer, "no file for these hours", now)

    def _scope(self, file: str, fingerprint: str | None) -> str:
        return f"{self.stream}/{file}#{fingerprint or ''}"

    def _bytes(self, position: Position, known_size: int, reason: str, now: datetime) -> Gap:
        """Bytes that may be lost: up to where the file was seen to reach, and at least one."""
        hour = _hour_named(position.file)
        return Gap(
            source=self._source,
            scale="byte",
            scope=self._scope(position.file, position.fingerprint),
            first=position.offset,
            after_last=max(known_size, position.offset + 1),
            reason=reason,
            detected_at=now,
            started_at=_moment(hour),
            ended_at=_moment(hour + 1),
        )

    def _hours(self, first: int, after_last: int, reason: str, now: datetime) -> Gap:
        return Gap(
            source=self._source,
            scale="hour",
            scope=self.stream,
            first=first,
            after_last=after_last,
            reason=reason,
            detected_at=now,
            started_at=_moment(first),
            ended_at=_moment(after_last),
        )


class NodeFiles:
    """The streams of one node: which of them exist, and whose turn it is."""

    def __init__(
        self, *, source: SourceName, root: Path, resume: Mapping[str, Positions], settle: timedelta
    ) -> None:
        self.ignored: tuple[str, ...] = ()  # streams that would tell the same a second time
        self._source = source
        self._root = root
        self._known = dict(resume)
        self._settle = settle
        self._followed: dict[str, HourlyStream] = {}

    def close(self) -> None:
        """Let go of all files."""
        for stream in self._followed.values():
            stream.close()

    def problem(self) -> str | None:
        """Look what the node writes, and follow it; what to do where its fills are not there."""
        if not self._root.is_dir():
            return (
                f"no directory {self._root}: set path in [sources.{self._source}] to the data folder of your "
                "node (hl-node writes ~/hl/data)"
            )
        ignored: list[str] = []
        for preferred, other in _STREAMS:
            there = [name for name in (preferred, other) if self._folder(name).is_dir()]
            ignored += there[1:]
            if there:
                self._follow(there[0], other)
        self.ignored = tuple(ignored)
        fills = self._followed.get(FILLS_BY_BLOCK) or self._followed.get(FILLS)
        if fills is None or not any(self._folder(name).is_dir() for name in (FILLS_BY_BLOCK, FILLS)):
            return f"no fills in {self._root}: start hl-node with --write-fills --batch-by-block"
        return None

    def read(self, now: datetime) -> Iterator[tuple[HourlyStream, Found]]:
        """What is new, the earliest hour first: no stream runs ahead of one that is still catching up."""
        reached: int | None = None
        for stream in sorted(self._followed.values(), key=_by_hour):
            if reached is not None and stream.hour is not None and stream.hour > reached:
                return
            for found in stream.read(now):
                yield stream, found
            if stream.busy:
                reached = stream.hour

    @property
    def busy(self) -> bool:
        """Whether the last ``read`` found or changed anything."""
        return any(stream.busy for stream in self._followed.values())

    @property
    def behind(self) -> bool:
        """Whether the last ``read`` left more to read at once."""
        return any(stream.behind for stream in self._followed.values())

    @property
    def empty(self) -> bool:
        """Whether no stream has a single file yet."""
        return all(stream.hour is None for stream in self._followed.values())

    def cursor(self) -> Cursor:
        """Where all streams resume."""
        followed = {name: stream.positions for name, stream in self._followed.items()}
        return write_cursor({name: at for name, at in (self._known | followed).items() if at})

    def _folder(self, name: str) -> Path:
        return self._root / name / "hourly"

    def _follow(self, name: str, other: str) -> None:
        """Follow the stream; where a node was told to write by block since, once the other is at its end."""
        replaced = self._followed.get(other) if name != other else None
        if name in self._followed or (replaced is not None and replaced.busy):
            return
        if replaced is not None:
            self._known[other] = replaced.positions
            self._followed.pop(other).close()
        self._followed[name] = HourlyStream(
            source=self._source,
            stream=name,
            folder=self._folder(name),
            resume=self._known.get(name) or (),
            settle=self._settle,
        )


FILLS_BY_BLOCK, FILLS = "node_fills_by_block", "node_fills"
_STREAMS = ((FILLS_BY_BLOCK, FILLS), ("misc_events_by_block", "misc_events"))


def _by_hour(stream: HourlyStream) -> int:
    return -1 if stream.hour is None else stream.hour
