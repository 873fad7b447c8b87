"""How often reports are put together rightly: all of one half, placed one after the other as they come."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations

from kamiyo.core.cases import Candidate, Matching, Outcome, birth_id
from kamiyo.core.reports import Report
from kamiyo.processing.report_index import ReportIndex
from tests.truth.labels import Key, Label

Pair = tuple[Key, Key]
Order = Callable[[Key], tuple[int, datetime, Key]]

_CITED = "catalogue_report"


@dataclass(frozen=True, slots=True)
class Measured:
    """What became of the labelled pairs. A pair that waits for a person counts as missed."""

    right: list[Pair]
    wrong: list[Pair]  # labelled as two cases, or not labelled, and put together
    missed: list[Pair]
    asked: list[Key]
    rows: int
    unclear_joined: list[Pair]
    citations: int
    citations_right: int

    @property
    def precision(self) -> float:
        return len(self.right) / (len(self.right) + len(self.wrong))

    @property
    def recall(self) -> float:
        return len(self.right) / (len(self.right) + len(self.missed))

    @property
    def review(self) -> float:
        return len(self.asked) / self.rows


def in_time(reports: Mapping[Key, Report]) -> Order:
    """Order rows as they happened; what is cited comes last."""
    return lambda key: (key.source == _CITED, reports[key].published_at, key)


def list_by_list(reports: Mapping[Key, Report]) -> Order:
    """Order rows as seeding reads them: the catalogue, then one list after the other."""
    sources = ("catalogue", "defillama", "defihacklabs", _CITED)
    return lambda key: (sources.index(key.source), reports[key].published_at, key)


def measure(
    labels: Sequence[Label],
    reports: Mapping[Key, Report],
    matching: Matching,
    order: Order,
) -> Measured:
    """Place every row of the labels in an empty index and compare the cases with the labels."""
    keys = sorted({key for label in labels for key in (label.left, label.right)}, key=order)
    index = ReportIndex(matching)
    decisions = {key: index.place(reports[key]) for key in keys}
    named = {reports[key].report_id: key for key in keys}
    together = {
        pair
        for placed in index.cases().values()
        for pair in combinations(sorted(named[report.report_id] for report in placed), 2)
    }
    labelled = {(label.left, label.right): label for label in labels}
    rows = [key for key in keys if key.source != _CITED]
    cited = [pair for pair, label in labelled.items() if label.decided_by == "catalogue"]
    return Measured(
        right=_with(labelled, "yes", lambda pair: pair in together),
        wrong=sorted(pair for pair in together if _is_of_rows(pair) and _said(labelled, pair) == "no"),
        missed=_with(labelled, "yes", lambda pair: pair not in together),
        asked=[key for key in rows if decisions[key].outcome is Outcome.ASK],
        rows=len(rows),
        unclear_joined=_with(labelled, "unclear", lambda pair: pair in together),
        citations=len(cited),
        citations_right=sum(pair in together for pair in cited),
    )


def decide_alone(
    labels: Iterable[Label], reports: Mapping[Key, Report], matching: Matching
) -> dict[Label, Outcome]:
    """Decide each labelled pair of rows by itself, as if nothing else were known."""
    return {
        label: matching.decide(
            reports[label.right], [Candidate(birth_id(reports[label.left]), (reports[label.left],))]
        ).outcome
        for label in labels
        if label.decided_by != "catalogue"
    }


def wilson(hits: int, total: int) -> tuple[float, float]:
    """Give the 95 % interval of a share by Wilson's score."""
    z = 1.959964
    share, spread = hits / total, z * z / total
    centre = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / total + spread / (4 * total)) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)


def _with(labelled: Mapping[Pair, Label], said: str, holds: Callable[[Pair], bool]) -> list[Pair]:
    return sorted(
        pair
        for pair, label in labelled.items()
        if label.same == said and label.decided_by != "catalogue" and holds(pair)
    )


def _is_of_rows(pair: Pair) -> bool:
    return all(key.source != _CITED for key in pair)


def _said(labelled: Mapping[Pair, Label], pair: Pair) -> str:
    return labelled[pair].same if pair in labelled else "no"
