"""Whatever reports say: keys and decisions do not depend on order, and both of two reports judge alike."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from kamiyo.core.cases import Candidate
from kamiyo.core.ids import ExploitId
from kamiyo.core.money import Usd
from kamiyo.core.reports import AssetAmount, Facts, Precision, Report
from kamiyo.processing.matching import Matcher, is_repost
from tests.claims import a_claim, a_curated_claim, a_row

NAMES = st.sampled_from(
    ["Euler", "EulerFinance", "Cream", "Hyperliquid", "unverified", "SSS", "Super Sushi Samurai"]
)
MOMENTS = st.integers(0, 4_000).map(lambda day: datetime(2016, 1, 1, tzinfo=UTC) + timedelta(hours=6 * day))
AMOUNTS = st.integers(0, 10**9).map(lambda dollars: Usd(Decimal(dollars)))
WORDS = ("euler", "took", "$5m", "0xab", "of", "the", "vault", "https://a.io/b-c-d", "RT @a:", "now")
TEXTS = st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join)


def tuples(*values: str) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(values), unique=True, max_size=3).map(tuple)


FACTS = st.builds(
    Facts,
    name=st.none() | NAMES,
    protocol=st.none() | st.sampled_from(["euler", "hyperliquid_hlp"]),
    chains=tuples("bsc", "hyperevm", "solana"),
    assets=tuples("ETH", "JELLY", "xyz:TSLA"),
    amount_usd=st.none() | AMOUNTS,
    amounts=st.lists(
        st.builds(AssetAmount, st.sampled_from(["0", "752", "1.5"]), st.just("ETH")), max_size=1
    ).map(tuple),
    addresses=tuples("0xaa", "0xbb"),
    transactions=tuples("0x" + "ab" * 32, "0x" + "cd" * 32),
    occurred_at=st.none() | MOMENTS,
    precision=st.none() | st.sampled_from(Precision),
    category=st.none() | st.sampled_from(["reentrancy", "oracle_failure"]),
)


def curated(**changes: Any) -> Report:
    return a_curated_claim("case", "https://a.io/b-c-d", **changes)


def reported(kind: int, facts: Facts, moment: datetime, text: str) -> Report:
    told = (a_claim, a_row, curated)[kind](text=text, title=text[:20], published_at=moment)
    return msgspec.structs.replace(told, facts=facts)


REPORTS = st.builds(reported, st.integers(0, 2), FACTS, MOMENTS, TEXTS)


@given(REPORTS, REPORTS)
def test_both_of_two_reports_judge_alike(left: Report, right: Report) -> None:
    """Whichever of two reports is new, outcome and probability are the same."""
    forwards = Matcher().decide(left, [Candidate(ExploitId("case"), (right,))])
    backwards = Matcher().decide(right, [Candidate(ExploitId("case"), (left,))])
    assert (forwards.outcome, forwards.probability) == (backwards.outcome, backwards.probability)
    assert [reason.weight for reason in forwards.reasons] == [reason.weight for reason in backwards.reasons]


@given(REPORTS, st.lists(REPORTS, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_candidates_and_reports_does_not_matter(
    report: Report, others: list[Report], draw: Random
) -> None:
    """Candidates in another order, their reports in another order: the same decision."""
    candidates = [Candidate(ExploitId(f"case{number}"), tuple(others)) for number in range(2)]
    turned = [
        Candidate(each.tx_hash, tuple(draw.sample(others, len(others)))) for each in reversed(candidates)
    ]
    first, second = Matcher().decide(report, candidates), Matcher().decide(report, turned)
    assert (first.outcome, first.tx_hash, first.probability) == (
        second.outcome,
        second.tx_hash,
        second.probability,
    )


@given(REPORTS)
def test_keys_are_few_and_stable(report: Report) -> None:
    """A report has the same keys each time, none twice and not too many."""
    keys = Matcher().keys(report)
    assert keys == Matcher().keys(report)
    assert len(set(keys)) == len(keys) <= 200


@given(TEXTS, TEXTS)
def test_a_repost_is_one_from_both_sides(text: str, other: str) -> None:
    """If one text repeats another, the other repeats the one."""
    assert is_repost(text, other) == is_repost(other, text)
