"""Where reading stands: up to which post everything is known, and what is known beyond."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from kamiyo.aggregators._x.ids import id_at
from kamiyo.core.ids import Cursor

# A post can be delivered, or be found, later than another that was made after it.
LATE: Final = timedelta(seconds=60)


class Stretch(msgspec.Struct, frozen=True, array_like=True):
    """Posts of one author that are still to be read: those after one, and before one if any were read.

    The newest are read first. Once all are, everything up to ``top`` is known.
    """

    after: int
    before: int | None = None
    top: int = 0


class _Saved(msgspec.Struct, frozen=True):
    until: int
    seen: dict[int, str] = {}
    reading: dict[str, Stretch] = {}


class Place:
    """Changes with what is read, and can be written down at any moment."""

    def __init__(self, saved: _Saved) -> None:
        self._until = saved.until
        self._seen = dict(saved.seen)
        self._reading = dict(saved.reading)

    def cursor(self) -> Cursor:
        """Resumes just here."""
        saved = _Saved(self._until, self._seen, self._reading)
        return Cursor(msgspec.json.encode(saved).decode())

    def stretch_of(self, author: str, now: datetime, *, again: bool) -> Stretch:
        """What to read of an author; ``again`` also what came too late to be sure of what was before it."""
        begun = self._reading.get(author) or Stretch(self._until)
        if begun.before is not None:
            return begun
        newest = (post_id for post_id, name in self._seen.items() if name == author and not again)
        return Stretch(max((begun.after, *newest)), top=id_at(now - LATE))

    def is_new(self, post_id: int | None, author: str) -> bool:
        """Note a post; whether it was not read before. One without an id always seems new."""
        if post_id is None:
            return True
        if post_id in self._seen:
            return False
        self._seen[post_id] = author
        return True

    def was_read(self, post_id: int) -> bool:
        """Whether a post was read before, as far as that is remembered."""
        return post_id in self._seen

    def note_page(self, author: str, stretch: Stretch, oldest: int | None, *, more: bool) -> None:
        """A page of a stretch was read, down to its oldest post."""
        if more:
            before = stretch.before if oldest is None else oldest
            self._reading[author] = Stretch(stretch.after, before, stretch.top)
        else:
            self._reading[author] = Stretch(max(stretch.after, stretch.top))

    def skip(self, author: str, stretch: Stretch, after: int) -> None:
        """Give up what is unread of a stretch until then."""
        begun = stretch.before is not None
        if begun and (stretch.before or 0) <= after:
            self._reading[author] = Stretch(max(after, stretch.top))
        else:
            self._reading[author] = Stretch(after, stretch.before, stretch.top)

    def note_heard(self, at: datetime) -> None:
        """Everything was heard that was told by then: what is much older will not come any more."""
        self._until = max(self._until, id_at(at - LATE))
        self._seen = {post_id: name for post_id, name in self._seen.items() if post_id > self._until}
        self._reading = {
            name: each
            for name, each in self._reading.items()
            if each.before is not None or each.after > self._until
        }


def read_place(cursor: Cursor | None, now: datetime) -> Place:
    """The place a cursor names; without one the present, with what is just being delivered."""
    saved = _Saved(id_at(now - LATE)) if cursor is None else msgspec.json.decode(cursor, type=_Saved)
    return Place(saved)
