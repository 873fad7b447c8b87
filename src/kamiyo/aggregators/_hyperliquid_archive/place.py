"""Where the nightly reading goes on, stream by stream, as its cursor keeps it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import msgspec

from kamiyo.core.archives import ArchiveObject
from kamiyo.core.errors import CursorExpired
from kamiyo.core.events import Gap
from kamiyo.core.ids import Cursor
from kamiyo.core.time import EPOCH, Utc

_decoder = msgspec.json.Decoder(dict[str, Utc])
_HOUR = timedelta(hours=1)


class Place:
    """The first moment of each stream that was not read yet: at first, yesterday's."""

    def __init__(self, cursor: Cursor | None, streams: Collection[str], now: datetime) -> None:
        yesterday = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
        known = {name: at for name, at in _known(cursor).items() if name in streams}
        self._next = dict.fromkeys(streams, yesterday) | known

    @property
    def oldest(self) -> datetime:
        """The first moment anything is missing of."""
        return min(self._next.values())

    @property
    def cursor(self) -> Cursor:
        """What brings a later reading here."""
        return Cursor(msgspec.json.encode(self._next).decode())

    def wants(self, found: ArchiveObject) -> bool:
        """Whether it was not read yet."""
        return found.start >= self._next[found.stream]

    def hole_before(self, found: ArchiveObject, now: datetime) -> Gap | None:
        """What lacks between what was read and this object."""
        missing = self._next[found.stream]
        return None if found.start <= missing else gap(found, missing, found.start, now, "no object")

    def passed(self, found: ArchiveObject) -> None:
        """Go on behind it."""
        self._next[found.stream] = found.end


def gap(found: ArchiveObject, start: datetime, end: datetime, now: datetime, reason: str) -> Gap:
    """Hours of a stream that were not heard."""
    return Gap(
        source=found.source,
        scale="hour",
        scope=found.stream,
        first=(start - EPOCH) // _HOUR,
        after_last=(end - EPOCH) // _HOUR,
        reason=reason,
        detected_at=now,
        started_at=start,
        ended_at=end,
    )


def _known(cursor: Cursor | None) -> dict[str, datetime]:
    if cursor is None:
        return {}
    try:
        return _decoder.decode(cursor)
    except msgspec.DecodeError as error:
        raise CursorExpired(f"not a place in the archive: {cursor[:64]!r}") from error
