"""What a report is found by: exact keys, so that a new one is compared with few others of however many."""

from __future__ import annotations

import math
from typing import Final

from kamiyo.processing._matching.texts import text_keys
from kamiyo.processing._matching.views import COMMON_ASSETS, View

_WEEK: Final = 7
_PERIOD: Final = 28
_MOST_SPANS: Final = 15  # a year in periods, and one more
_MOST_WORDS: Final = 8
_STEP: Final = 0.1  # of the logarithm of an amount: without a name in common only near amounts count
_LONGEST_DATED: Final = 4.0  # days; what is known less well than that is not found by its day or week
_START: Final = 5  # letters of names that are alike
_FEWEST_INITIALS: Final = 3


def keys_of(view: View) -> list[str]:
    """The strongest first. Two reports share a key of time if they are one unit of it apart, or nearer."""
    keys = [f"tx:{each}" for each in sorted(view.transactions)]
    keys += [f"document:{each}" for each in sorted(view.documents)]
    keys += [f"page:{each}" for each in sorted(view.cited | _own_page(view))]
    keys += _by_name(view)
    if view.ends - view.starts <= _LONGEST_DATED:
        keys += _by_day(view)
        keys += _by_week(view)
    return keys + text_keys(view.text)


def _own_page(view: View) -> frozenset[str]:
    """All rows of a list are on one page."""
    return frozenset() if view.listed_by or not view.page else frozenset({view.page})


def _by_name(view: View) -> list[str]:
    words = sorted(
        {word for name in view.names for word in (*name.words, name.stem) if word not in name.broad}
    )
    initials = sorted({name.initials for name in view.names if len(name.initials) >= _FEWEST_INITIALS})
    told = [*words[:_MOST_WORDS], *initials]
    return [f"name-month:{word}:{span}" for span in _spans(view, _PERIOD) for word in told]


def _by_day(view: View) -> list[str]:
    steps = {step for amount in view.amounts or () for step in _steps(amount)}
    told = [f"address-day:{address}" for address in sorted(view.addresses)]
    told += [f"venue-day:{word}" for word in sorted({word for name in view.names for word in name.broad})]
    told += [f"amount-day:{step}" for step in sorted(steps)]
    return [f"{key}:{span}" for span in _spans(view, 1) for key in told]


def _by_week(view: View) -> list[str]:
    starts = {name.stem[:_START] for name in view.names if name.words}
    told = [f"start-week:{start}" for start in sorted(starts)]
    told += [f"asset-week:{asset}" for asset in sorted(view.assets - COMMON_ASSETS)]
    return [f"{key}:{span}" for span in _spans(view, _WEEK) for key in told]


def _spans(view: View, days: int) -> range:
    first, last = math.floor(view.starts / days), math.floor(view.ends / days)
    return range(first, min(last + 2, first + _MOST_SPANS))


def _steps(amount: float) -> tuple[int, int]:
    step = math.floor(amount / _STEP)
    return step, step + 1
