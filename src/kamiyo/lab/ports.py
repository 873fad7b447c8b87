"""What the venue plays: something recorded, as the frames and answers that clients of the venue would get."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeAlias

import msgspec

from kamiyo.core.errors import Permanent
from kamiyo.core.modes import Showing
from kamiyo.hyperliquid.info import Question

# A subscription in full: its type, then the value of each of its fields in the order of lab/subscribing.py.
Topic: TypeAlias = tuple[str | int | bool | None, ...]
Wanted: TypeAlias = Mapping[str, Collection[Topic]]  # the topics that have subscribers, by type


class Publication(msgspec.Struct, frozen=True, gc=False):
    """One frame that every subscriber of ``topic`` gets at ``at``, venue time."""

    at: datetime
    topic: Topic
    frame: bytes


class Unanswerable(Permanent):
    """The venue answers this question with an error of its own."""

    def __init__(self, status: int, body: bytes = b"null") -> None:
        super().__init__(f"HTTP {status} {body!r}")
        self.status = status
        self.body = body


class Playing(Protocol):
    """A tape at a moment that only moves forward. It never tells what was not known by then."""

    def next_at(self, wanted: Wanted) -> datetime | None:
        """When there will be something for those who want these topics; None if never again."""
        ...

    def advance(self, until: datetime, wanted: Wanted) -> Iterator[Publication]:
        """All that is due up to and with ``until``, in time order, of the topics somebody wants."""
        ...

    def first_frames(self, topic: Topic, now: datetime) -> Sequence[bytes]:
        """What a new subscriber gets at once: a snapshot, or the last seconds' history."""
        ...

    def exists(self, topic: Topic) -> bool:
        """Whether the asset and the dex of the topic are ones the venue has."""
        ...

    def answer(self, question: Question, now: datetime) -> bytes:
        """The answer's JSON; Unanswerable where the venue has only an error."""
        ...

    def statistics(self, name: str) -> bytes | None:
        """The statistics file of that name, or None."""
        ...


class Tape(Protocol):
    """Something recorded: what it is, when it was, and how to play it from a moment on."""

    showing: Showing
    title: str
    source: str
    starts_at: datetime
    ends_at: datetime

    @property
    def holds(self) -> str:
        """What is on it, in one line."""
        ...

    def play(self, since: datetime) -> Playing:
        """The tape at ``since``: what came before is history already."""
        ...
