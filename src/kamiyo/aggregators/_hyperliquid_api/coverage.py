"""Until when each part of the stream was heard whole, and the gaps between that and where it goes on."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from kamiyo.core.events import Gap
from kamiyo.core.ids import Cursor, SourceName
from kamiyo.core.time import from_millis, to_millis

TRADES = "trades"
CONTEXTS = "contexts"

_cursor = msgspec.json.Decoder(dict[str, int])
_encode = msgspec.json.Encoder().encode
_MILLISECOND = timedelta(milliseconds=1)


def trades_of(asset: str) -> str:
    """The scope of one asset's trades, for as long as it is not heard like all the others."""
    return f"{TRADES}/{asset}"


def fills_of(user: str) -> str:
    """The scope of one account's fills."""
    return f"userFills/{user}"


class Coverage:
    """Per scope, the moment until which all was heard or told as a gap; milliseconds of the venue's time.

    A scope is whole while it is heard. Once it is not, its moment stands still until ``resume`` says from
    when on it is heard again; what lies between is the gap. A cursor carries the moments over a restart,
    which is an interruption like any other.
    """

    def __init__(self, source: SourceName, cursor: Cursor | None) -> None:
        self._source = source
        self._heard = _read(cursor)
        self._whole: set[str] = set()

    def scopes(self, prefix: str) -> list[str]:
        """Every scope that was promised and begins like this, without its beginning."""
        return [scope.removeprefix(prefix) for scope in self._heard if scope.startswith(prefix)]

    def is_whole(self, scope: str) -> bool:
        """Whether the scope is being heard."""
        return scope in self._whole

    def heard(self, scope: str, until: datetime) -> None:
        """All of a scope that is whole was heard until then."""
        if scope in self._whole:
            self._heard[scope] = max(self._heard[scope], to_millis(until))

    def interrupt(self, scope: str) -> None:
        """The scope is heard no more."""
        self._whole.discard(scope)

    def missing(self, scope: str, resumed: datetime) -> timedelta:
        """How much is missing of a scope that is heard again from ``resumed`` on; nothing of a new one."""
        before = self._heard.get(scope)
        return timedelta(0) if before is None else (to_millis(resumed) - before) * _MILLISECOND

    def resume(self, scope: str, resumed: datetime, *, now: datetime, reason: str) -> Gap | None:
        """The scope is heard again, and whole from ``resumed`` on; the gap before that, if there is one."""
        first, after_last = self._heard.get(scope), to_millis(resumed)
        self._whole.add(scope)
        self._heard[scope] = after_last if first is None else max(first, after_last)
        if first is None or first >= after_last:
            return None
        return self._gap(scope, first, after_last, now, reason)

    def split(self, scope: str, of: str, *, now: datetime, reason: str) -> Gap | None:
        """From here on a part ``scope`` of the scope ``of`` is not heard: a gap whose end is unknown.

        There is none where it is known already, or where nothing was promised yet.
        """
        if scope in self._heard:
            return None
        if of not in self._heard:
            self.begin(scope, now)
            return None
        first = self._heard[scope] = self._heard[of]
        return self._gap(scope, first, first + 1, now, reason)

    def begin(self, scope: str, at: datetime) -> None:
        """A scope that is not heard yet should have been from ``at`` on."""
        self._heard.setdefault(scope, to_millis(at))

    def forget(self, scope: str) -> None:
        """The scope is promised no more, or is part of a greater one again."""
        self._whole.discard(scope)
        self._heard.pop(scope, None)

    def cursor(self) -> Cursor:
        """All moments, as they are stored with what was heard until then."""
        return Cursor(_encode(self._heard).decode())

    def _gap(self, scope: str, first: int, after_last: int, now: datetime, reason: str) -> Gap:
        return Gap(
            source=self._source,
            scale="millisecond",
            scope=scope,
            first=first,
            after_last=after_last,
            reason=reason,
            detected_at=now,
            started_at=from_millis(first),
            ended_at=from_millis(after_last),
        )


def _read(cursor: Cursor | None) -> dict[str, int]:
    """A cursor that is none of ours says nothing."""
    if cursor is None:
        return {}
    try:
        return _cursor.decode(cursor)
    except msgspec.DecodeError:
        return {}
