"""A tape played beforehand: its frames lie ready, so that a measurement finds no other work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from kamiyo.hyperliquid.info import Question
from kamiyo.lab.ports import Playing, Publication, Tape, Topic, Wanted


class PreparedTape:
    """The frames of some topics of a tape, made once, played ``times`` times one after the other."""

    def __init__(self, tape: Tape, topics: Sequence[Topic], *, times: int = 1) -> None:
        self.showing = tape.showing
        self.title = tape.title
        self.source = tape.source
        self.starts_at = tape.starts_at
        length = tape.ends_at - tape.starts_at
        self.ends_at = tape.starts_at + times * length
        self._tape = tape
        wanted = {str(topic[0]): {each for each in topics if each[0] == topic[0]} for topic in topics}
        once = list(tape.play(tape.starts_at).advance(tape.ends_at, wanted))
        self.publications = [
            Publication(each.at + lap * length, each.topic, each.frame)
            for lap in range(times)
            for each in once
        ]

    @property
    def holds(self) -> str:
        """What is on it, in one line."""
        return f"{len(self.publications):,} frames made beforehand of: {self._tape.holds}"

    def play(self, since: datetime) -> PlayedFramesOnly:
        """The frames at ``since``; questions are answered as at the tape's end."""
        due = (each for each in self.publications if each.at >= since)
        return PlayedFramesOnly(self._tape.play(self._tape.ends_at), due)


class PlayedFramesOnly:
    """Frames made beforehand at a moment that only moves forward."""

    def __init__(self, answering: Playing, due: Iterator[Publication]) -> None:
        self._answering = answering
        self._due = due
        self._next = next(due, None)

    def next_at(self, wanted: Wanted) -> datetime | None:  # noqa: ARG002  # whatever is next
        """When the next frame is due; None after the last."""
        return None if self._next is None else self._next.at

    def advance(self, until: datetime, wanted: Wanted) -> Iterator[Publication]:  # noqa: ARG002  # the hub drops the others
        """All frames up to and with ``until``."""
        while (publication := self._next) is not None and publication.at <= until:
            self._next = next(self._due, None)
            yield publication

    def first_frames(self, topic: Topic, now: datetime) -> Sequence[bytes]:  # noqa: ARG002  # nothing but what was made
        """No snapshot: what is counted is what was made."""
        return ()

    def exists(self, topic: Topic) -> bool:
        """Whether the tape knows it."""
        return self._answering.exists(topic)

    def answer(self, question: Question, now: datetime) -> bytes:
        """The answer as at the tape's end."""
        return self._answering.answer(question, now)

    def statistics(self, name: str) -> bytes | None:
        """The statistics file as at the tape's end."""
        return self._answering.statistics(name)
