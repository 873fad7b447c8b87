"""What goes wrong on the venue, and when: a schedule in venue time, written down or drawn from a seed."""

from __future__ import annotations

import enum
import random
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import msgspec

_NOTHING = timedelta(0)


class FaultKind(enum.StrEnum):
    """What can be made to fail. The last four last for a while, the others hit once."""

    DISCONNECT = "disconnect"  # connections end without a close frame: 1006 to the client
    EXPIRED = "expired"  # connections are closed with 1000 "Expired"
    MALFORMED = "malformed"  # the next frame of each connection cannot be read
    DUPLICATE = "duplicate"  # the next frame of each connection comes twice
    REORDER = "reorder"  # the next two frames of each connection change places
    SILENCE = "silence"  # open connections are told nothing, not even a pong
    BUSY = "busy"  # every question is answered with 429
    UNAVAILABLE = "unavailable"  # questions and new connections are answered with 502
    SLOW = "slow"  # every answer comes so much later
    SKEW = "skew"  # the venue says it is so much later, or earlier


ONCE = frozenset(
    {
        FaultKind.DISCONNECT,
        FaultKind.EXPIRED,
        FaultKind.MALFORMED,
        FaultKind.DUPLICATE,
        FaultKind.REORDER,
    }
)
# From and to how many seconds a fault lasts that is drawn, and by how much it delays or skews.
_LASTS = {
    FaultKind.SILENCE: (5, 90),
    FaultKind.BUSY: (5, 60),
    FaultKind.UNAVAILABLE: (5, 30),
    FaultKind.SLOW: (10, 60),
    FaultKind.SKEW: (30, 120),
}
_AMOUNTS = {FaultKind.SLOW: (1, 8), FaultKind.SKEW: (-30, 30)}


class Fault(msgspec.Struct, frozen=True):
    """One failure from ``at`` on, in venue time, for as long as it ``lasts``.

    ``amount`` is the delay or the skew. ``connection`` is the number of the one connection it hits, counted
    from 0 in the order of opening; None is every connection that is open at ``at``.
    """

    kind: FaultKind
    at: datetime
    lasts: timedelta = _NOTHING
    amount: timedelta = _NOTHING
    connection: int | None = None

    @property
    def ends_at(self) -> datetime:
        """From when on it is over."""
        return self.at + self.lasts


class Faults:
    """A schedule, and how far it was carried out."""

    def __init__(self, schedule: Iterable[Fault] = ()) -> None:
        self.schedule = tuple(sorted(schedule, key=_when))
        self._done = 0

    def take_due(self, now: datetime) -> list[Fault]:
        """The faults that begin by ``now`` and were not handed out before."""
        first = self._done
        while self._done < len(self.schedule) and self.schedule[self._done].at <= now:
            self._done += 1
        return list(self.schedule[first : self._done])

    def active(self, kind: FaultKind, now: datetime) -> Fault | None:
        """The fault of this kind that lasts at ``now``."""
        return next(
            (each for each in self.schedule if each.kind is kind and each.at <= now < each.ends_at), None
        )


def drawn_faults(
    per_hour: Mapping[FaultKind, int], *, since: datetime, until: datetime, seed: int
) -> list[Fault]:
    """Faults at random moments, each kind about so often an hour; the same from the same seed."""
    chance = random.Random(seed)  # noqa: S311  # a test's dice, not a secret
    found: list[Fault] = []
    for kind in sorted(per_hour):
        at = since
        while per_hour[kind] and (at := at + _gap(chance, per_hour[kind])) < until:
            found.append(_drawn(chance, kind, at))
    return sorted(found, key=_when)


def _gap(chance: random.Random, per_hour: int) -> timedelta:
    return timedelta(hours=chance.expovariate(per_hour))


def _drawn(chance: random.Random, kind: FaultKind, at: datetime) -> Fault:
    return Fault(kind, at, _seconds(chance, _LASTS.get(kind)), _seconds(chance, _AMOUNTS.get(kind)))


def _seconds(chance: random.Random, bounds: tuple[int, int] | None) -> timedelta:
    return _NOTHING if bounds is None else timedelta(milliseconds=chance.randint(*bounds) * 1000)


def _when(fault: Fault) -> tuple[datetime, str]:
    return fault.at, fault.kind
