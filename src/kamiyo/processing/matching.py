"""Are two reports the same case: whom to compare with, what speaks for and against, what follows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from operator import itemgetter
from typing import Final

from kamiyo.core.cases import Candidate, Decision, Outcome, Reason
from kamiyo.core.ids import ExploitId
from kamiyo.core.reports import Report, ReportId
from kamiyo.processing._matching.comparing import FEATURES, Levels, compare
from kamiyo.processing._matching.keys import keys_of
from kamiyo.processing._matching.texts import is_repost
from kamiyo.processing._matching.views import View, view_of
from kamiyo.processing._matching.weights import (
    ASK_FROM,
    PRIOR,
    SAME_FROM,
    TOO_NEAR,
    WEIGHTS,
    Scored,
    probability_of,
    weigh,
)

__all__ = ["Matcher", "is_repost"]

_REMEMBERED: Final = 1 << 14
_APART: Final = ("list", "apart")


_OTHER_NAME: Final = ("name", "different")
_OWN: Final = frozenset({"transaction", "address", "document", "text", "asset"})  # what only one case has
_CONTRADICTIONS: Final = frozenset({("chain", "other"), ("asset", "other"), ("amount", "beyond")})
_TWO: Final = 2
_NOBODY: Final = Scored(PRIOR, "", (), None, [])


class Matcher:
    """Tells whether reports are the same case. Remembers only what it read off the latest of them."""

    def __init__(self) -> None:
        self._views: dict[ReportId, tuple[Report, View]] = {}

    def keys(self, report: Report) -> tuple[str, ...]:
        """What a report is found by: two of the same case share at least one, and few others share any."""
        return tuple(dict.fromkeys(keys_of(self._view(report))))

    def decide(self, report: Report, candidates: Sequence[Candidate]) -> Decision:
        """Which of the cases found by its keys a report tells of, if any.

        The order of the candidates does not matter. A report that fits two cases which are not the same is
        for a person.
        """
        view = self._view(report)
        scored = [self._score(view, each) for each in candidates]
        ranked = sorted(scored, key=itemgetter(0, 1), reverse=True)
        best, second = (*ranked, _NOBODY, _NOBODY)[:2]
        outcome = _outcome(best, second)
        return Decision(
            outcome=outcome,
            tx_hash=None if outcome is Outcome.DIFFERENT else ExploitId(best.tx_hash),
            probability=probability_of(best.score),
            reasons=_reasons(view, best),
        )

    def _score(self, view: View, candidate: Candidate) -> Scored:
        """A report is as near to a case as to the nearest of its reports."""
        others = [self._view(each) for each in candidate.reports]
        if view.is_curated and any(other.is_curated for other in others):
            return _NOBODY  # a person already told them apart
        is_listed = _are_listed_apart([view], others)
        best = Scored(PRIOR, candidate.tx_hash, others, None, [])
        for other in others:
            levels = compare(view, other)
            if is_listed and _APART not in levels:
                levels.append(_APART)
            score = weigh(levels)
            if best.nearest is None or score > best.score:
                best = Scored(score, candidate.tx_hash, others, other, levels)
        return best

    def _view(self, report: Report) -> View:
        remembered = self._views.get(report.report_id)
        if remembered is not None and remembered[0] is report:
            return remembered[1]
        if len(self._views) >= _REMEMBERED:
            self._views.clear()
        view = view_of(report)
        self._views[report.report_id] = (report, view)
        return view


def _outcome(best: Scored, second: Scored) -> Outcome:
    if best.score < ASK_FROM:
        return Outcome.DIFFERENT
    if best.score < SAME_FROM or _is_chance(best.levels) or _is_namesake(best.levels):
        return Outcome.ASK
    is_near = second.score >= max(best.score - TOO_NEAR, ASK_FROM) and not _is_chance(second.levels)
    return Outcome.ASK if is_near and _are_apart(best.others, second.others) else Outcome.SAME


def _is_chance(levels: Levels) -> bool:
    """Whether two names agree in nothing but the day, the amount or the way: such things happen twice."""
    return _OTHER_NAME in levels and all(feature not in _OWN for feature, _level in levels)


def _is_namesake(levels: Levels) -> bool:
    """Whether only name and day agree while chain, assets or amount contradict: JELLY is not JellySwap."""
    contradicted = sum(level in _CONTRADICTIONS for level in levels)
    return contradicted >= _TWO and all(feature not in _OWN - {"asset"} for feature, _level in levels)


def _are_apart(ones: Sequence[View], others: Sequence[View]) -> bool:
    """Whether two cases are known to be two: not if one of them only waits for a person's answer."""
    if _are_listed_apart(ones, others):
        return True
    return max(weigh(compare(one, other)) for one, other in product(ones, others)) < ASK_FROM


def _are_listed_apart(ones: Sequence[View], others: Sequence[View]) -> bool:
    """Whether one list, or the curator, has both."""
    lists = {one.listed_by for one in ones} - {""}
    return any(other.listed_by in lists for other in others)


def _reasons(view: View, best: Scored) -> tuple[Reason, ...]:
    other = best.nearest
    if other is None:
        return ()
    drawn = Reason(feature="prior", detail="two reports drawn at random", weight=PRIOR)
    return (drawn, *(_reason(view, other, feature, level) for feature, level in best.levels))


def _reason(view: View, other: View, feature: str, level: str) -> Reason:
    detail = f"{level}: {FEATURES[feature].detail(view, other)}"
    return Reason(feature=feature, detail=detail, weight=WEIGHTS[feature][level])
