"""What is read of the past on purpose: what was asked for, its objects, and what became of each."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from kamiyo.core.archives import ArchiveObject
from kamiyo.core.events import Gap
from kamiyo.core.ids import SourceName
from kamiyo.core.time import Utc

_FIRST_WAIT = timedelta(seconds=5)
_MOST_FAILURES = 5
_TIMES_LONGER = 4
_MOST_DEATHS = 20
_LONGEST_BLOCK = timedelta(milliseconds=250)  # the venue makes more than ten in a second

Stretch = tuple[datetime, datetime]
Identity = tuple[str, str, str]


class BackfillReason(enum.StrEnum):
    """Why something is read of the past."""

    ASKED = "asked"  # a person asked for it, and was told what it costs
    GAP = "gap"  # a source did not hear it; within what may be spent in a day


class BackfillState(enum.StrEnum):
    """How far a backfill is."""

    RUNNING = "running"
    DONE = "done"  # every object was read
    INCOMPLETE = "incomplete"  # nothing is left to do, but not every object could be read


class ObjectState(enum.StrEnum):
    """How far one object of a backfill is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"  # given up; its detail says why
    MISSING = "missing"  # it was listed, and is no longer there


class BackfillRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted: all an archive says from ``start`` up to ``end``, or only what concerns some assets.

    With ``again`` also what was read before.
    """

    source: SourceName
    start: Utc
    end: Utc
    assets: tuple[str, ...] = ()
    reason: BackfillReason = BackfillReason.ASKED
    requested_by: str = ""
    again: bool = False


class BackfillPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A request with the objects that answer it, and what reading them costs."""

    request: BackfillRequest
    objects: tuple[ArchiveObject, ...]
    cost_usd: Decimal

    @property
    def size(self) -> int:
        """How many bytes are fetched, as they are stored."""
        return sum(each.size for each in self.objects)


class BackfillObject(msgspec.Struct, frozen=True, kw_only=True):
    """One object that is to be read, as a worker takes it up.

    ``attempts`` are all readings that were begun, ``failures`` those that ended with an error.
    """

    object_id: int
    backfill_id: int
    found: ArchiveObject
    assets: tuple[str, ...]
    again: bool
    state: ObjectState
    attempts: int
    failures: int


class ObjectCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What reading an object came to: ``bytes_read`` of payload, as they are once decompressed."""

    bytes_read: int = 0
    payloads: int = 0
    liquidated_fills: int = 0
    new_fills: int = 0
    rejects: int = 0

    def __add__(self, other: ObjectCounts) -> ObjectCounts:
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
        return ObjectCounts(**dict(zip(self.__struct_fields__, map(sum, pairs), strict=True)))


def identity_of(found: ArchiveObject) -> Identity:
    """What makes two objects of one archive the same content."""
    return found.bucket, found.key, found.etag


def lease_name(found: ArchiveObject) -> str:
    """The right to read an object: one reader of it at a time, whatever asked for it."""
    return f"backfill/{found.source}/{found.bucket}/{found.key}#{found.etag}"


def unread(objects: Iterable[ArchiveObject], read: Collection[Identity]) -> tuple[ArchiveObject, ...]:
    """The objects whose content was not read yet."""
    return tuple(each for each in objects if identity_of(each) not in read)


def uncovered(objects: Sequence[ArchiveObject], start: datetime, end: datetime) -> dict[str, list[Stretch]]:
    """The stretches of a time of which an archive has no object, of each stream it has any of.

    Where it has none at all, that is told of a stream without a name.
    """
    streams = dict.fromkeys(each.stream for each in objects) or {"": None}
    missing = {
        stream: _missing([(each.start, each.end) for each in objects if each.stream == stream], start, end)
        for stream in streams
    }
    return {stream: stretches for stream, stretches in missing.items() if stretches}


def _missing(covered: Iterable[Stretch], start: datetime, end: datetime) -> list[Stretch]:
    missing: list[Stretch] = []
    reached = start
    for first, last in joined(covered):
        if first > reached:
            missing.append((reached, min(first, end)))
        reached = max(reached, last)
    if reached < end:
        missing.append((reached, end))
    return missing


def joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    """The same time in as few stretches as it takes, in order."""
    found: list[Stretch] = []
    for start, end in sorted(stretches):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def stretch_of(gap: Gap) -> Stretch | None:
    """The time in which a gap lies; None where nobody can say.

    Of blocks whose beginning is not known it is at least what so many blocks take.
    """
    if gap.ended_at is None:
        return None
    if gap.started_at is not None:
        return gap.started_at, gap.ended_at
    if gap.scale != "block":
        return None
    return gap.ended_at - (gap.after_last - gap.first + 1) * _LONGEST_BLOCK, gap.ended_at


def closable(gaps: Iterable[Gap], now: datetime, delay: timedelta) -> Iterator[tuple[Gap, Stretch]]:
    """The gaps that ended long enough ago for an archive to have caught up, with the time of each."""
    for gap in gaps:
        stretch = stretch_of(gap)
        if stretch is not None and stretch[1] <= now - delay:
            yield gap, stretch


def wait_before_attempt(failures: int) -> timedelta | None:
    """How long to leave an object alone after so many failures; None where it is given up."""
    if failures >= _MOST_FAILURES:
        return None
    times_longer: int = _TIMES_LONGER ** (failures - 1)
    return _FIRST_WAIT * times_longer


def is_deadly(attempts: int, failures: int) -> bool:
    """Whether the process ended so often while it was read that nobody should read it again."""
    return attempts - failures > _MOST_DEATHS


def state_after(states: Collection[ObjectState]) -> BackfillState:
    """What a backfill is whose objects are in these states."""
    if ObjectState.QUEUED in states or ObjectState.RUNNING in states:
        return BackfillState.RUNNING
    return BackfillState.DONE if set(states) <= {ObjectState.DONE} else BackfillState.INCOMPLETE
