"""``python -m benchmarks.matching_weights``: what each level weighs by the tuning half of the truth set.

Counts how often each level is found in pairs of one case and in all other pairs of the half, adds half a pair
to either so that nothing is impossible, and prints the logarithm of the ratio beside the weight in use. The
weights in use are these, rounded to half a bit, but where their comment says why not.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterable
from itertools import combinations

from benchmarks.data import shared_data
from kamiyo.core.money import install_context
from kamiyo.processing._matching.comparing import compare
from kamiyo.processing._matching.views import View, view_of
from kamiyo.processing._matching.weights import WEIGHTS
from tests.truth.labels import read_labels
from tests.truth.reports import read_reports

_SEEN_ONLY = frozenset({"transaction", "address", "document", "text"})  # not found speaks for nothing


def main() -> int:
    """Print one line for each level that was found."""
    install_context()
    views = {key: view_of(report) for key, report in read_reports(shared_data()).items()}
    labels = [label for label in read_labels() if label.split == "tune" and label.decided_by != "catalogue"]
    same = {(label.left, label.right) for label in labels if label.same == "yes"}
    unclear = {(label.left, label.right) for label in labels if label.same == "unclear"}
    listed = {key for label in labels for key in (label.left, label.right) if key.source != "catalogue"}
    others = [pair for pair in combinations(sorted(listed), 2) if pair not in same and pair not in unclear]
    print(f"{len(same)} pairs of one case, {len(others)} others")
    of_same = _count((views[left], views[right]) for left, right in same)
    of_others = _count((views[left], views[right]) for left, right in others)
    for feature, level in sorted(of_same | of_others):
        total, other_total = (
            (len(same), len(others))
            if feature in _SEEN_ONLY
            else (_total(of_same, feature), _total(of_others, feature))
        )
        bits = math.log2(
            (of_same[feature, level] + 0.5)
            / (total + 2.5)
            * (other_total + 2.5)
            / (of_others[feature, level] + 0.5)
        )
        print(
            f"{feature:<12}{level:<14}{of_same[feature, level]:>5} of {total:<5}"
            f"{of_others[feature, level]:>8} of {other_total:<8}{bits:+6.1f}{WEIGHTS[feature][level]:+7.1f}"
        )
    return 0


def _count(pairs: Iterable[tuple[View, View]]) -> Counter[tuple[str, str]]:
    return Counter(found for left, right in pairs for found in compare(left, right))


def _total(counted: Counter[tuple[str, str]], feature: str) -> int:
    return sum(number for (name, _level), number in counted.items() if name == feature)


if __name__ == "__main__":
    sys.exit(main())
