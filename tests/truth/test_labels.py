"""The labels of which reported hacks are the same case mean one row each and contradict nothing."""

import re
from collections import Counter, defaultdict
from pathlib import Path

from tests.conftest import REPOSITORY
from tests.truth.labels import Key, read_labels, read_rows

LABELS = read_labels()
PAGE = REPOSITORY / "docs" / "explanation" / "matching.md"


def cases() -> dict[Key, Key]:
    """Name every row's case by the first of its rows."""
    member: dict[Key, set[Key]] = {}
    for label in LABELS:
        if label.same == "yes":
            joined = member.get(label.left, {label.left}) | member.get(label.right, {label.right})
            member.update(dict.fromkeys(joined, joined))
    return {key: min(joined) for key, joined in member.items()}


def test_every_key_is_one_row(shared_data: Path) -> None:
    """Each key of a label is exactly one row of the lists and the catalogue."""
    rows = read_rows(shared_data)
    keys = {key for label in LABELS for key in (label.left, label.right)}
    assert {key: len(rows.get(key, ())) for key in keys} == dict.fromkeys(keys, 1)


def test_rows_are_what_their_keys_say(shared_data: Path) -> None:
    """A row found by its key has the key's day."""
    rows = read_rows(shared_data)
    listed = [key for key in rows if key.source in {"defillama", "defihacklabs"}]
    assert len(listed) == 449 + 855
    assert all(rows[key][0]["date"] == key.key.split("/")[0] for key in listed)


def test_no_pair_is_labelled_twice() -> None:
    """Two rows are labelled once, the smaller key first."""
    assert all(label.left < label.right for label in LABELS)
    assert max(Counter((label.left, label.right) for label in LABELS).values()) == 1


def test_values_are_known() -> None:
    """Each label says yes, no or unclear, on one of the two sides, and how it was decided."""
    assert {label.same for label in LABELS} == {"yes", "no", "unclear"}
    assert {label.split for label in LABELS} == {"tune", "report"}
    assert all(label.decided_by for label in LABELS)
    assert all(label.note for label in LABELS if label.same == "unclear")


def test_a_case_is_on_one_side() -> None:
    """All rows of a case are on the same side of the split, and a row is on one side only."""
    case_of = cases()
    sides: defaultdict[Key, set[str]] = defaultdict(set)
    for label in LABELS:
        for key in (label.left, label.right):
            sides[case_of.get(key, key)].add(label.split)
    assert {case: side for case, side in sides.items() if len(side) > 1} == {}


def test_labels_do_not_contradict_each_other() -> None:
    """No pair is told apart that other labels hold together, and all pairs of a case are labelled."""
    case_of = cases()
    told = {(label.left, label.right): label.same for label in LABELS}
    assert all(
        case_of.get(left, left) != case_of.get(right, right)
        for (left, right), same in told.items()
        if same != "yes"
    )
    listed: defaultdict[Key, list[Key]] = defaultdict(list)
    for key, case in case_of.items():
        if key.source != "catalogue_report":
            listed[case].append(key)
    for keys in listed.values():
        pairs = [(left, right) for left in keys for right in keys if left < right]
        assert [told.get(pair) for pair in pairs] == ["yes"] * len(pairs)


def test_sizes_are_what_the_page_says() -> None:
    """The page on matching gives the number of pairs of each kind as they are, and enough are negative."""
    rows = re.findall(
        r"^\| (yes|no|unclear) \| ([a-z: _]+) \| (\d+) \| (\d+) \|$", PAGE.read_text(), re.MULTILINE
    )
    documented = {
        (same, decided_by, split): int(number)
        for same, decided_by, tune, report in rows
        for split, number in (("tune", tune), ("report", report))
    }
    actual = Counter((label.same, label.decided_by, label.split) for label in LABELS)
    assert documented == dict(actual)
    assert sum(number for (same, _, _), number in actual.items() if same == "no") >= 3000
