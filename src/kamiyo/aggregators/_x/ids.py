"""A post's id: a number too large for JavaScript, written as text, that holds when the post was made."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from kamiyo.core.time import from_millis, to_millis

_FIRST_MILLISECOND: Final = 1_288_834_974_657  # the service's own epoch, in November 2010
_BELOW_MILLISECONDS: Final = 22  # bits that tell apart what was made in one millisecond
_LONGEST: Final = 19
_LARGEST: Final = (1 << 63) - 1


def parse_id(text: str) -> int | None:
    """The number, so that ids can be compared; None for what is no id."""
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST):
        return None
    number = int(text)
    return number if number <= _LARGEST else None


def id_at(moment: datetime) -> int:
    """The smallest id that a post of this moment can have."""
    return max(0, to_millis(moment) - _FIRST_MILLISECOND) << _BELOW_MILLISECONDS


def moment_of(post_id: int) -> datetime:
    """When a post was made, to the millisecond."""
    return from_millis((post_id >> _BELOW_MILLISECONDS) + _FIRST_MILLISECOND)
