"""What keeps us from reading, and how long to wait after it, as the service's documentation asks."""

from __future__ import annotations

import enum
from collections import Counter
from datetime import datetime, timedelta
from typing import Final

from kamiyo.core.errors import SourceUnavailable

_NETWORK_STEP: Final = timedelta(milliseconds=250)
_NETWORK_LONGEST: Final = timedelta(seconds=16)
_HTTP_FIRST: Final = timedelta(seconds=5)
_HTTP_LONGEST: Final = timedelta(seconds=320)
_LIMITED_FIRST: Final = timedelta(seconds=60)
_LIMITED_LONGEST: Final = timedelta(minutes=16)  # a window of its limits lasts fifteen
_STANDING: Final = timedelta(minutes=15)  # until an operator has done something
_SHORTEST: Final = timedelta(milliseconds=250)


class Kind(enum.Enum):
    """What sort of trouble it is, which decides how long to wait."""

    NETWORK = enum.auto()  # no answer, or one that ended
    HTTP = enum.auto()  # an answer that is no success
    LIMITED = enum.auto()  # it says that we ask too much
    STANDING = enum.auto()  # only an operator can end it
    PAUSE = enum.auto()  # we know ourselves until when
    TURN = enum.auto()  # the same, as happens every midnight


class Trouble(SourceUnavailable):
    """The source cannot be read now. ``until`` is when it can be, where that was said."""

    def __init__(self, detail: str, kind: Kind, *, until: datetime | None = None) -> None:
        super().__init__(detail)
        self.kind = kind
        self.until = until


class Backoff:
    """How long to wait: longer after each trouble of a kind, until something was heard again."""

    def __init__(self) -> None:
        self._failures: Counter[Kind] = Counter()

    def heard(self) -> None:
        """It works again."""
        self._failures.clear()

    def is_first(self, trouble: Trouble) -> bool:
        """Whether nothing of its kind happened since something was heard, but this."""
        return self._failures[trouble.kind] <= 1

    def wait_after(self, trouble: Trouble, now: datetime) -> timedelta:
        """How long to wait after one more trouble."""
        before = self._failures[trouble.kind]
        self._failures[trouble.kind] += 1
        told = _SHORTEST if trouble.until is None else trouble.until - now
        return max(_SHORTEST, told, _documented(trouble.kind, before))


def _documented(kind: Kind, before: int) -> timedelta:
    doubled = 1 << min(before, 10)
    match kind:
        case Kind.NETWORK:
            return min(_NETWORK_STEP * (before + 1), _NETWORK_LONGEST)
        case Kind.HTTP:
            return min(_HTTP_FIRST * doubled, _HTTP_LONGEST)
        case Kind.LIMITED:
            return min(_LIMITED_FIRST * doubled, _LIMITED_LONGEST)
        case Kind.STANDING:
            return _STANDING
        case Kind.PAUSE | Kind.TURN:
            return _SHORTEST
