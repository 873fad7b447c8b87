"""Reports are found by their keys, few of however many."""

from collections.abc import Sequence
from datetime import timedelta

from kamiyo.core.cases import Candidate, Decision, Outcome
from kamiyo.core.ids import ExploitId
from kamiyo.core.reports import Report, ReportId
from kamiyo.processing.matching import Matcher
from kamiyo.processing.report_index import MOST_CANDIDATES, MOST_PER_KEY, MOST_REPORTS, ReportIndex
from tests.claims import DAY, a_claim


class ByTitle:
    """Finds reports by the words of their title, and takes the first candidate."""

    def keys(self, report: Report) -> tuple[str, ...]:
        return tuple(report.title.split())

    def decide(self, report: Report, candidates: Sequence[Candidate]) -> Decision:
        del report
        if not candidates:
            return Decision(outcome=Outcome.DIFFERENT, probability=0.0)
        return Decision(outcome=Outcome.SAME, tx_hash=candidates[0].tx_hash, probability=1.0)


def titled(number: int, title: str) -> Report:
    return a_claim(report_id=ReportId(f"posts:{number}"), title=title)


def ids(candidates: Sequence[Candidate]) -> list[str]:
    return [candidate.tx_hash for candidate in candidates]


def test_reports_of_one_case_end_in_one_case() -> None:
    """Reports that match are placed together, others apart, and each decision is given back."""
    index = ReportIndex(Matcher())
    outcomes = [
        index.place(
            a_claim(report_id=ReportId(f"posts:{number}"), name=name, occurred_at=DAY + timedelta(days=day))
        ).outcome
        for number, (name, day) in enumerate(
            [("Euler", 0), ("Cream", 0), ("EulerFinance", 1), ("Euler", 200)]
        )
    ]
    assert outcomes == [Outcome.DIFFERENT, Outcome.DIFFERENT, Outcome.SAME, Outcome.DIFFERENT]
    assert [[report.facts.name for report in case] for case in index.cases().values()] == [
        ["Euler", "EulerFinance"],
        ["Cream"],
        ["Euler"],
    ]
    assert len(index) == 3


def test_the_rarest_key_comes_first() -> None:
    """Of the cases that share a key those come first that share what few others have."""
    index = ReportIndex(ByTitle())
    for name, title in (("one", "alert"), ("two", "alert"), ("three", "alert jelly")):
        index.add(titled(1, title), ExploitId(name))
    assert ids(index.candidates(titled(9, "alert jelly"))) == ["three", "one", "two"]
    assert index.candidates(titled(9, "popcat")) == []


def test_a_case_counts_once_for_a_key() -> None:
    """A case whose second report has the same key is found by it once, beside the others."""
    index = ReportIndex(ByTitle())
    for name in ("one", "two", "one", "two"):
        index.add(titled(1, "alert"), ExploitId(name))
    assert ids(index.candidates(titled(9, "alert"))) == ["one", "two"]
    assert [len(case) for case in index.cases().values()] == [2, 2]


def test_what_everybody_shares_does_not_count_beside_what_few_do() -> None:
    """A case that shares a tenth of what the nearest shares is no candidate."""
    index = ReportIndex(ByTitle())
    for number in range(MOST_PER_KEY):
        index.add(titled(number, "alert"), ExploitId(f"case{number}"))
    index.add(titled(99, "jelly"), ExploitId("jelly"))
    assert ids(index.candidates(titled(100, "alert jelly"))) == ["jelly"]


def test_a_key_keeps_its_newest_cases() -> None:
    """However many cases share a key, only the newest are found by it, and not too many of them."""
    index = ReportIndex(ByTitle())
    for number in range(3 * MOST_PER_KEY):
        index.add(titled(number, "alert"), ExploitId(f"case{number}"))
    found = ids(index.candidates(titled(999, "alert")))
    assert len(found) == MOST_CANDIDATES
    assert found[0] == f"case{2 * MOST_PER_KEY}"


def test_a_case_is_compared_by_its_first_and_last_reports() -> None:
    """Of a case with many reports the oldest and the newest stand for it."""
    index = ReportIndex(ByTitle())
    for number in range(50):
        index.place(titled(number, "jelly"))
    (candidate,) = index.candidates(titled(99, "jelly"))
    assert [report.report_id for report in candidate.reports] == [
        "posts:0",
        "posts:1",
        "posts:49",
    ]
    assert len(candidate.reports) == MOST_REPORTS
    assert len(index) == 1
