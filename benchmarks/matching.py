"""Are two reports the same case: how often that is right, how fast it is told; reposts by datasketch."""

from __future__ import annotations

import gc
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from unittest.mock import patch

from datasketch import MinHash, MinHashLSH

from benchmarks.data import shared_data
from benchmarks.measure import Claim, Report, claim, medians, take_turns
from benchmarks.posts import Post, make_posts, make_reports
from kamiyo.core import reports
from kamiyo.core.cases import birth_id
from kamiyo.processing._matching import names
from kamiyo.processing._matching.texts import is_repost, text_keys, words_of
from kamiyo.processing.matching import Matcher
from kamiyo.processing.report_index import ReportIndex
from tests.truth.labels import read_labels
from tests.truth.measuring import Measured, decide_alone, in_time, list_by_list, measure, wilson
from tests.truth.reports import read_reports

_TEXTS = 100_000
_ROUNDS = 2
_REPORTS = 100_000
_SLICE = 20_000
_RATE = 2_000
_KNOWN = 1_000_000
_ADDED = 1_000
_MOST_MILLISECONDS = 5.0
_BUCKET = 8  # of texts with one key; a key of more tells nothing
_WORTH = [0, *(720_720 // size for size in range(1, _BUCKET + 1))]
_COMPARED = 3
_PERMUTATIONS = 64

Found = tuple[int, int, int]  # reposts found, missed, and texts wrongly called one


def run() -> Report:
    """Truth first, where its rows are at hand; everything else is made up."""
    claims: list[Claim] = []
    figures: dict[str, object] = {}
    for part in (_truth, _reposts, _whole_reports, _adding):
        report = part()
        claims += report.claims
        figures |= report.figures
    return Report(claims, figures)


def _truth() -> Report:
    if not (shared_data() / "exploits").is_dir():
        return Report([], {"truth": "its rows are not at hand"})
    made, labels = read_reports(shared_data()), read_labels()
    figures: dict[str, object] = {}
    reported = [label for label in labels if label.split == "report"]
    for split in ("tune", "report"):
        half = [label for label in labels if label.split == split]
        for order in (in_time, list_by_list):
            measured = measure(half, made, Matcher(), order(made))
            figures[f"{split}, {order.__name__}"] = _told(measured)
    alone = decide_alone(reported, made, Matcher())
    counted = Counter(f"{label.same}: {outcome}" for label, outcome in alone.items())
    figures["report, each pair alone"] = {each: counted[each] for each in sorted(counted)}
    figures["report, in_time, without aliases"] = _without_aliases(
        lambda: _told(measure(reported, made, Matcher(), in_time(made)))
    )
    measured = measure(reported, made, Matcher(), in_time(made))
    return Report(
        [
            Claim("precision on the reporting half", 0.995, (measured.precision,)),
            Claim("recall on the reporting half", 0.95, (measured.recall,)),
            Claim("3 % of reports to review allowed, by those it asks for", 1, (0.03 / measured.review,)),
        ],
        figures,
    )


def _told(measured: Measured) -> dict[str, object]:
    right, wrong, missed = len(measured.right), len(measured.wrong), len(measured.missed)
    return {
        "right, wrong, missed": [right, wrong, missed],
        "precision": [round(each, 4) for each in (measured.precision, *wilson(right, right + wrong))],
        "recall": [round(each, 4) for each in (measured.recall, *wilson(right, right + missed))],
        "review": [round(each, 4) for each in (measured.review, *wilson(len(measured.asked), measured.rows))],
        "unclear pairs put together": len(measured.unclear_joined),
        "cited pages found": [measured.citations_right, measured.citations],
    }


def _without_aliases(work: Callable[[], dict[str, object]]) -> dict[str, object]:
    names.read_name.cache_clear()
    with patch.object(names, "NAMED_TWICE", {}):
        told = work()
    names.read_name.cache_clear()
    return told


def _reposts() -> Report:
    posts = make_posts(_TEXTS)
    found, missed, wrong = _find(posts)
    rates = take_turns(
        {
            "KAMIYO, reposts": lambda: sum(_find(posts)) and len(posts),
            "datasketch": lambda: _find_by_peer(posts),
        },
        rounds=_ROUNDS,
    )
    return Report(
        [
            claim(
                "reposts found among 100,000 texts, by datasketch", rates, "KAMIYO, reposts", "datasketch", 10
            ),
            Claim("recall of reposts among 100,000 texts", 0.99, (found / (found + missed),)),
            Claim("texts of 100,000 not wrongly called a repost", 1, (1 - wrong / len(posts),)),
        ],
        medians(rates) | {"reposts found, missed, wrong": [found, missed, wrong]},
    )


def _find(posts: Sequence[Post]) -> Found:
    """Each text is compared with the three that share its rarest keys, then remembered by its own."""
    words_of.cache_clear()
    buckets: dict[str, int | list[int]] = {}
    found = missed = wrong = 0
    for number, post in enumerate(posts):
        text = post.text
        for each in _near(buckets, number, text):
            if is_repost(text, posts[each].text):
                if posts[each].repeats == post.repeats:
                    found += 1
                else:
                    wrong += 1
                break
        else:
            missed += post.repeats != number
    return found, missed, wrong


def _near(buckets: dict[str, int | list[int]], number: int, text: str) -> list[int]:
    rarity: dict[int, int] = {}
    for key in text_keys(text):
        bucket = buckets.setdefault(key, number)
        if not isinstance(bucket, list):
            if bucket != number:
                rarity[bucket] = rarity.get(bucket, 0) + _WORTH[1]
                buckets[key] = [bucket, number]
            continue
        size = len(bucket)
        if size <= _BUCKET:
            worth = _WORTH[size]
            for each in bucket:
                rarity[each] = rarity.get(each, 0) + worth
        elif size > 2 * _BUCKET:
            del bucket[:_BUCKET]
        bucket.append(number)
    if len(rarity) <= _COMPARED:
        return [*rarity]
    return sorted(rarity, key=rarity.__getitem__, reverse=True)[:_COMPARED]


def _find_by_peer(posts: Sequence[Post]) -> int:
    """The same texts, as many permutations: what shares a band is called alike, without a second look."""
    words_of.cache_clear()
    index = MinHashLSH(threshold=0.5, num_perm=_PERMUTATIONS)
    for number, post in enumerate(posts):
        sketch = MinHash(num_perm=_PERMUTATIONS)
        sketch.update_batch([f"{one} {other}".encode() for one, other in pairwise(words_of(post.text).words)])
        index.query(sketch)
        index.insert(number, sketch)
    return len(posts)


def _whole_reports() -> Report:
    """Keys, candidates, decision and placing of each report, in slices that show whether it slows down."""
    made = list(make_reports(_REPORTS))
    index, rates = ReportIndex(Matcher()), list[float]()
    for at in range(0, _REPORTS, _SLICE):
        gc.collect()
        gc.freeze()
        started = time.process_time()
        for report in made[at : at + _SLICE]:
            index.place(report)
        rates.append(_SLICE / (time.process_time() - started))
    gc.unfreeze()
    return Report(
        [Claim("whole reports a second of CPU, by 2,000", 1, tuple(rate / _RATE for rate in rates))],
        {
            "whole reports, per CPU-second": round(statistics.median(rates)),
            "cases made of 100,000": len(index),
        },
    )


def _adding() -> Report:
    """A million reports are known, each a case of its own; what placing one more takes by the clock."""
    index = ReportIndex(Matcher())
    made = make_reports(_KNOWN + _ADDED)
    for _number in range(_KNOWN):
        report = next(made)
        index.add(report, birth_id(report))
    taken = sorted(_milliseconds(index, report) for report in made)
    p99 = taken[len(taken) * 99 // 100]
    return Report(
        [Claim("5 ms allowed, by the p99 of adding one to 1,000,000", 1, (_MOST_MILLISECONDS / p99,))],
        {
            "adding one to 1,000,000, ms (median, p99, most)": [
                round(taken[len(taken) // 2], 3),
                round(p99, 3),
                round(taken[-1], 3),
            ]
        },
    )


def _milliseconds(index: ReportIndex, report: reports.Report) -> float:
    started = time.perf_counter()
    index.place(report)
    return (time.perf_counter() - started) * 1_000
