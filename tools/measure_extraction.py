"""Measures how well texts and cells are read, field by field, against labels and the lists' own cells."""

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from kamiyo.core.reports import ReportKind
from kamiyo.extraction.post import Reading, read_post

REPOSITORY: Final = Path(__file__).resolve().parents[1]
POSTS: Final = REPOSITORY / "tests" / "truth" / "posts.jsonl"
TOLERANCE: Final = Decimal("0.01")
HALVES: Final = ("tune", "held", "fresh", "last")
AMOUNTS: Final = frozenset({"amount_usd", "low_high", "returned_usd"})


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """A text and what a person reads in it; what is left out is not said."""

    id: str
    half: str
    published_at: datetime
    text: str
    kind: ReportKind | None
    protocol: str | None = None
    chains: tuple[str, ...] = ()
    assets: tuple[str, ...] = ()
    amount_usd: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    amounts: tuple[tuple[str, str], ...] = ()
    returned_usd: Decimal | None = None
    addresses: tuple[str, ...] = ()
    transactions: tuple[str, ...] = ()
    occurred_at: datetime | None = None
    precision: str | None = None


@dataclass(slots=True)
class Score:
    """How many values were given, how many were to be found, and how many of both agree."""

    given: int = 0
    wanted: int = 0
    right: int = 0

    @property
    def precision(self) -> float:
        return self.right / self.given if self.given else 1

    @property
    def recall(self) -> float:
        return self.right / self.wanted if self.wanted else 1


Scores = Mapping[str, Score]
Values = Mapping[str, frozenset[object]]


def load_posts(path: Path = POSTS) -> list[Post]:
    return [
        msgspec.json.decode(line, type=Post, strict=False) for line in path.read_text("utf-8").splitlines()
    ]


def labelled(post: Post) -> Values:
    """The values a person reads, by field."""
    return {
        "kind": _set(post.kind),
        "protocol": _set(post.protocol),
        "chains": frozenset(post.chains),
        "assets": frozenset(post.assets),
        "amount_usd": _set(post.amount_usd),
        "low_high": _set((post.low, post.high) if post.low or post.high else None),
        "amounts": frozenset((Decimal(amount), asset) for amount, asset in post.amounts),
        "returned_usd": _set(post.returned_usd),
        "addresses": frozenset(post.addresses),
        "transactions": frozenset(post.transactions),
        "occurred_at": _set((post.occurred_at, post.precision) if post.occurred_at else None),
    }


def given(reading: Reading) -> Values:
    """The values the rules read, by field."""
    facts = reading.facts
    return {
        "kind": _set(reading.kind),
        "protocol": _set(facts.protocol),
        "chains": frozenset(facts.chains),
        "assets": frozenset(facts.assets),
        "amount_usd": _set(facts.amount_usd),
        "low_high": _set(
            (facts.amount_usd_low, facts.amount_usd_high)
            if facts.amount_usd_low or facts.amount_usd_high
            else None
        ),
        "amounts": frozenset((Decimal(each.amount), each.asset) for each in facts.amounts),
        "returned_usd": _set(facts.returned_usd),
        "addresses": frozenset(facts.addresses),
        "transactions": frozenset(facts.transactions),
        "occurred_at": _set((facts.occurred_at, str(facts.precision)) if facts.occurred_at else None),
    }


def _set(value: object) -> frozenset[object]:
    return frozenset() if value is None else frozenset({value})


def _agrees(field: str, left: object, right: object) -> bool:
    if field in AMOUNTS and isinstance(left, Decimal) and isinstance(right, Decimal):
        return abs(left - right) <= TOLERANCE * right
    return left == right


def measure(posts: Iterable[Post], *, told: Callable[[str], None] | None = None) -> Scores:
    """Compare field by field; ``told`` hears of every difference."""
    scores: dict[str, Score] = defaultdict(Score)
    for post in posts:
        reading = read_post(post.text, published_at=post.published_at)
        read = given(reading)
        for field, wanted in labelled(post).items():
            _count(scores[field], field, read[field], wanted)
            if told is not None and read[field] != wanted:
                told(f"{post.id} {field}: {_shown(read[field])}, wanted {_shown(wanted)} [{reading.rule}]")
                told(f"    {post.text!r}")
        claims = (_set(kind is not None or None) for kind in (reading.kind, post.kind))
        _count(scores["claims anything"], "", *claims)
    return scores


def _shown(values: frozenset[object]) -> str:
    return ", ".join(sorted(map(str, values))) or "nothing"


def _count(score: Score, field: str, read: frozenset[object], wanted: frozenset[object]) -> None:
    score.given += len(read)
    score.wanted += len(wanted)
    score.right += sum(any(_agrees(field, value, other) for other in wanted) for value in read)


def table(scores: Scores) -> Iterator[str]:
    """The scores as lines of a Markdown table."""
    yield "| field | precision | recall | wanted |"
    yield "|---|---:|---:|---:|"
    for field, score in scores.items():
        yield f"| {field} | {score.precision:.3f} | {score.recall:.3f} | {score.wanted} |"


def main(arguments: Sequence[str]) -> int:
    """Print the figures of each part and of all; with --differences every difference in one part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--differences", choices=HALVES)
    options = parser.parse_args(arguments)
    posts = load_posts()
    for half in HALVES:
        part = [post for post in posts if post.half == half]
        print(f"\n{half}: {len(part)} posts\n")
        print("\n".join(table(measure(part, told=print if options.differences == half else None))))
    print(f"\nall: {len(posts)} posts\n")
    print("\n".join(table(measure(posts))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
