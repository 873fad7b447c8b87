"""What two reports have in common, each feature as one of a few levels."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from kamiyo.processing._matching.names import Likeness, Name, liken
from kamiyo.processing._matching.texts import is_repost
from kamiyo.processing._matching.views import COMMON_ASSETS, View

# Upper bounds of the gap in days and the level up to there.
_GAPS: Final = (
    (0.0, "same_day"),
    (0.5, "next_day"),
    (2.5, "days"),
    (6.5, "week"),
    (13.5, "fortnight"),
    (45.0, "month"),
)
_WIDE: Final = 4.0  # days: a moment known less well than this is no day
_WIDER: Final = 40.0
# Upper bounds of the days from what happened to when it was told, and the level up to there.
_TOLD: Final = ((3.0, "told_soon"), (45.0, "told_later"))
# Upper bounds of the difference of logarithms and the level up to there: 2 %, 10 %, 30 %, twofold, tenfold.
_RATIOS: Final = ((0.02, "equal"), (0.1, "near"), (0.3, "about"), (0.7, "twofold"), (2.4, "tenfold"))
_THOUSANDFOLD: Final = math.log(1000)
_SLIP: Final = 0.3
_MISREAD: Final = math.log(10_000)  # one of two amounts this far apart is mostly one that was read wrongly
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS: Final = 12
_SWAPPED: Final = 1.5  # days
_RANKS: Final = {likeness: rank for rank, likeness in enumerate(Likeness)}
# One post-mortem often tells of all attacks on one protocol: what it adds to the name is little.
_SAME_NAME: Final = frozenset({Likeness.EQUAL.value, Likeness.WITHIN.value})

_OTHER_NAME: Final = [("name", Likeness.DIFFERENT.value)]
_FIRST: Final = frozenset({"transaction", "address", "document", "text", "name"})
_FAR: Final = _GAPS[-1][0]

Level = str | None  # None where the reports do not say enough to compare them
Levels = list[tuple[str, str]]


class Feature(NamedTuple):
    """How a feature is compared, and what was compared, in words."""

    level: Callable[[View, View], Level]
    detail: Callable[[View, View], str]


def compare(left: View, right: View) -> Levels:
    """Each feature that both reports say something of; what one does not say speaks for nothing.

    Where nothing is shared, neither name nor time, the rest is not looked at: it could change nothing.
    """
    found = [(name, level) for name, of in _STRONG if (level := of(left, right)) is not None]
    if (not found or found == _OTHER_NAME) and _gap(left, right) > _FAR:
        return [*found, ("time", "far")]
    found += [(name, level) for name, of in _WEAK if (level := of(left, right)) is not None]
    return found


def _transaction(left: View, right: View) -> Level:
    return None if left.transactions.isdisjoint(right.transactions) else "shared"


def _address(left: View, right: View) -> Level:
    return None if left.addresses.isdisjoint(right.addresses) else "shared"


def _document(left: View, right: View) -> Level:
    if left.page in right.cited or right.page in left.cited:
        return "cited"
    if left.documents.isdisjoint(right.documents):
        return None
    return "also" if _name(left, right) in _SAME_NAME else "shared"


def _text(left: View, right: View) -> Level:
    return "repost" if left.text and right.text and is_repost(left.text, right.text) else None


def _name(left: View, right: View) -> Level:
    if not left.names or not right.names:
        return "told" if _told_names(left, right) else None
    likeness = _nearest(left, right)[0]
    if _RANKS[likeness] >= _RANKS[Likeness.BROAD] and _told_names(left, right):
        return "told"
    return likeness.value


def _nearest(left: View, right: View) -> tuple[Likeness, Name, Name]:
    pairs = [(liken(one, other), one, other) for one in left.names for other in right.names]
    return pairs[0] if len(pairs) == 1 else min(pairs, key=lambda each: _RANKS[each[0]])


def _told_names(left: View, right: View) -> list[str]:
    """Names of one report that stand, whole, among the words of the other."""
    told = [name.stem for name in left.names if name.words and name.stem in right.words]
    return told + [name.stem for name in right.names if name.words and name.stem in left.words]


def _time(left: View, right: View) -> Level:
    if left.is_dated != right.is_dated:
        return _told_after(left, right) if left.is_dated else _told_after(right, left)
    gap = _gap(left, right)
    if gap == 0.0 and (width := max(left.ends - left.starts, right.ends - right.starts)) > _WIDE:
        return "wider" if width > _WIDER else "wide"
    level = _reached(_GAPS, gap, "far")
    return "swapped" if level == "far" and _is_swapped(left, right) else level


def _gap(left: View, right: View) -> float:
    return max(left.starts - right.ends, right.starts - left.ends, 0.0)


def _told_after(happened: View, told: View) -> Level:
    """A report that says no day was at least not written before it."""
    if told.starts < happened.starts - 1.0:
        return "told_before"
    return _reached(_TOLD, told.starts - happened.ends, "told_late")


def _is_swapped(left: View, right: View) -> bool:
    return min(_swapped_gap(left, right), _swapped_gap(right, left)) <= _SWAPPED


def _swapped_gap(left: View, right: View) -> float:
    """Days between two reports if one list wrote the month where the day belongs."""
    moment = _EPOCH + timedelta(days=left.starts)
    if moment.day > _MONTHS:
        return math.inf
    swapped = moment.replace(month=moment.day, day=moment.month)
    return abs((swapped - _EPOCH) / timedelta(days=1) - right.starts)


def _amount(left: View, right: View) -> Level:
    gap = _fold(left, right)
    if gap is None:
        return None
    if gap > _MISREAD:
        return "misread"
    return _reached(_RATIOS, gap, "thousandfold" if abs(gap - _THOUSANDFOLD) <= _SLIP else "beyond")


def _fold(left: View, right: View) -> float | None:
    """How far apart two amounts are, as a logarithm: of units of one asset, else of USD."""
    if left.units and right.units and (shared := left.units.keys() & right.units.keys()):
        return min(abs(left.units[asset] - right.units[asset]) for asset in shared)
    if left.amounts is None or right.amounts is None:
        return None
    return max(left.amounts[0] - right.amounts[1], right.amounts[0] - left.amounts[1], 0.0)


def _chain(left: View, right: View) -> Level:
    return _shared(left.chains, right.chains)


def _way(left: View, right: View) -> Level:
    return _shared(left.ways, right.ways)


def _asset(left: View, right: View) -> Level:
    if not left.assets and not right.assets:
        return None
    rare, others = left.assets - COMMON_ASSETS, right.assets - COMMON_ASSETS
    if not rare.isdisjoint(others):
        return "shared"
    if any(asset.lower() in right.words for asset in rare) or any(
        asset.lower() in left.words for asset in others
    ):
        return "told"
    level = _shared(left.assets, right.assets)
    return "common" if level == "shared" else level


def _shared(left: frozenset[str], right: frozenset[str]) -> Level:
    if not left or not right:
        return None
    return "other" if left.isdisjoint(right) else "shared"


def _list(left: View, right: View) -> Level:
    return "apart" if left.listed_by and left.listed_by == right.listed_by else None


def _reached(bounds: tuple[tuple[float, str], ...], value: float, beyond: str) -> str:
    for most, level in bounds:
        if value <= most:
            return level
    return beyond


def _tell_names(left: View, right: View) -> str:
    if not left.names or not right.names:
        return ", ".join(_told_names(left, right))
    _likeness, one, other = _nearest(left, right)
    return ", ".join(sorted((one.stem, other.stem)))


def _tell_days(left: View, right: View) -> str:
    return f"{_gap(left, right):.0f} days apart"


def _tell_fold(left: View, right: View) -> str:
    return f"{math.exp(_fold(left, right) or 0.0):.2f}-fold"


def _tell_all(left: frozenset[str], right: frozenset[str]) -> str:
    return ", ".join(sorted(left & right)) or " against ".join(sorted((min(left), min(right))))


def _tell_transactions(left: View, right: View) -> str:
    return _tell_all(left.transactions, right.transactions)


def _tell_addresses(left: View, right: View) -> str:
    return _tell_all(left.addresses, right.addresses)


def _tell_pages(left: View, right: View) -> str:
    return _tell_all(left.pages, right.pages)


def _tell_text(_left: View, _right: View) -> str:
    return "one repeats the other"


def _tell_chains(left: View, right: View) -> str:
    return _tell_all(left.chains, right.chains)


def _tell_assets(left: View, right: View) -> str:
    return ", ".join(sorted(left.assets | right.assets))


def _tell_ways(left: View, right: View) -> str:
    return _tell_all(left.ways, right.ways)


def _tell_list(left: View, _right: View) -> str:
    return f"{left.listed_by} has both"


FEATURES: Final[Mapping[str, Feature]] = {
    "transaction": Feature(_transaction, _tell_transactions),
    "address": Feature(_address, _tell_addresses),
    "document": Feature(_document, _tell_pages),
    "text": Feature(_text, _tell_text),
    "name": Feature(_name, _tell_names),
    "time": Feature(_time, _tell_days),
    "amount": Feature(_amount, _tell_fold),
    "chain": Feature(_chain, _tell_chains),
    "asset": Feature(_asset, _tell_assets),
    "way": Feature(_way, _tell_ways),
    "list": Feature(_list, _tell_list),
}
_STRONG: Final = tuple((name, FEATURES[name].level) for name in FEATURES if name in _FIRST)
_WEAK: Final = tuple((name, FEATURES[name].level) for name in FEATURES if name not in _FIRST)
