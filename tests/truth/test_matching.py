"""The matcher keeps, on the half nobody tuned it on, what the page on matching says of it."""

from dataclasses import replace
from pathlib import Path

from kamiyo.processing.matching import Matcher
from tests.truth.labels import read_labels
from tests.truth.measuring import decide_alone, in_time, list_by_list, measure, wilson
from tests.truth.reports import read_reports

REPORTED = [label for label in read_labels() if label.split == "report"]


def test_what_happens_is_put_together_rightly(shared_data: Path) -> None:
    """Rows that come as they happened reach precision 0.995 at recall 0.95, with under 3 % to review."""
    reports = read_reports(shared_data)
    measured = measure(REPORTED, reports, Matcher(), in_time(reports))
    assert measured.wrong == []
    assert measured.recall >= 0.95
    assert measured.review < 0.03


def test_lists_read_one_after_the_other_are_put_together_rightly(shared_data: Path) -> None:
    """Rows read list by list are never put together wrongly and lose little."""
    reports = read_reports(shared_data)
    measured = measure(REPORTED, reports, Matcher(), list_by_list(reports))
    assert measured.wrong == []
    assert measured.recall >= 0.94


def test_a_page_the_catalogue_cites_is_found_by_its_address(shared_data: Path) -> None:
    """Of what the catalogue cites, all that has an address of its own is found again."""
    reports = read_reports(shared_data)
    measured = measure(REPORTED, reports, Matcher(), in_time(reports))
    addressed = [
        label for label in REPORTED if label.decided_by == "catalogue" and reports[label.right].source_url
    ]
    assert measured.citations_right >= len(addressed)


def test_what_is_the_same_shares_a_key(shared_data: Path) -> None:
    """Nearly all pairs of one case share a key, or they could never be found."""
    reports, matcher = read_reports(shared_data), Matcher()
    same = [label for label in read_labels() if label.same == "yes" and label.decided_by == "hand"]
    found = [
        label
        for label in same
        if set(matcher.keys(reports[label.left])) & set(matcher.keys(reports[label.right]))
    ]
    assert len(found) / len(same) >= 0.95


def test_a_pair_alone_is_decided_alike_from_both_sides(shared_data: Path) -> None:
    """Whichever of two rows is new, the decision is the same."""
    reports, matcher = read_reports(shared_data), Matcher()
    forwards = decide_alone(REPORTED, reports, matcher)
    backwards = decide_alone(
        [replace(label, left=label.right, right=label.left) for label in REPORTED],
        reports,
        matcher,
    )
    assert [*forwards.values()] == [*backwards.values()]


def test_wilson_is_an_interval_around_the_share() -> None:
    """A share of 0.9 in 100 lies between 0.826 and 0.945."""
    low, high = wilson(90, 100)
    assert (round(low, 3), round(high, 3)) == (0.826, 0.945)
