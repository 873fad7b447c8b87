"""Who speaks of a case, how often that is the same voice, and how much each voice weighs."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final, Generic, NamedTuple, TypeVar

from kamiyo.core.exploits import Confidence
from kamiyo.core.reports import Grade, Medium, Report, ReportId, ReportKind

V = TypeVar("V")

# From what weighs least to what weighs most; a curated report weighs more than any other.
_GRADES: Final = (
    Grade.CLAIM,
    Grade.PRESS_LOW,
    Grade.PRESS,
    Grade.REPOSITORY,
    Grade.ONCHAIN_DERIVED,
    Grade.PRIMARY,
)
_MEDIA: Final = (
    Medium.SOCIAL,
    Medium.PRESS,
    Medium.REPOSITORY,
    Medium.DATABASE,
    Medium.OBSERVATION,
    Medium.CURATED,
)
_POOR: Final = {Grade.CLAIM, Grade.PRESS_LOW}
_TWO: Final = 2
_SHORTEST_REPOST: Final = 40  # letters: shorter words are said twice by chance
_NO_WORDS: Final = re.compile(r"^rt @\w+:|https?://\S+|[\W_]+")


class Rule(enum.StrEnum):
    """Why a field of a case says what it says."""

    ONLY = "only"  # one voice alone says anything of it
    AGREED = "agreed"  # every voice that says anything of it says the same
    STANDING = "standing"  # the report of the highest standing says so
    SURENESS = "sureness"  # of those of equal standing, the one that was read most surely
    SUPPORT = "support"  # of those, the one that most independent voices agree with
    NEWEST = "newest"  # of those, the newest
    ORDER = "order"  # nothing tells them apart: the last by its id
    FINEST = "finest"  # a more precise word on the moment that stands within the decided one
    UNION = "union"  # what any believed report names
    LOWEST = "lowest"
    HIGHEST = "highest"
    LEADING = "leading"  # the report of the highest standing, the oldest of these
    CURATED = "curated"  # a person decided it when the curated report was written
    PERSON = "person"  # a person set it afterwards
    VOICES = "voices"  # weighed by how many independent voices of which grade there are
    PUBLISHED = "published"  # nobody says when it happened: it was first published then
    BIRTH = "birth"  # given when the case was opened, and kept
    NOBODY = "nobody"  # nobody says anything of it


class Statement(NamedTuple, Generic[V]):
    """What a report says of one field; ``sureness`` is how surely that was read, in tenths."""

    report: Report
    voice: str
    value: V
    sureness: int


def standing(report: Report) -> tuple[bool, int, int]:
    """How much a report weighs: curated ones most, then by grade, then by medium."""
    return (report.curated is not None, _GRADES.index(report.grade), _MEDIA.index(report.medium))


def by_standing(reports: Iterable[Report]) -> list[Report]:
    """The weightiest first, of equal ones the oldest."""
    oldest = sorted(reports, key=lambda each: (each.published_at, each.report_id))
    return sorted(oldest, key=standing, reverse=True)


def said_at(report: Report) -> datetime:
    """When its author last said what it says."""
    return report.edited_at or report.published_at


def is_heard(report: Report) -> bool:
    """Whether its author still says it."""
    return report.deleted_at is None


def affirms(report: Report) -> bool:
    """Whether it says, and still does, that something happened."""
    return is_heard(report) and report.kind is not ReportKind.DENIAL


def denies(report: Report) -> bool:
    """Whether it says, and still does, that nothing happened."""
    return is_heard(report) and report.kind is ReportKind.DENIAL


def is_good(report: Report) -> bool:
    """Whether its grade is that of the press or better."""
    return report.grade not in _POOR


def find_voices(reports: Iterable[Report]) -> dict[ReportId, str]:
    """The voice of each report: its origin, or that whose words it repeats, told or found by the text."""
    voices = {each.report_id: each.repost_of or each.origin for each in reports}
    worded = sorted(
        ((words, each) for each in reports if len(words := _words(each.text)) >= _SHORTEST_REPOST),
        key=lambda pair: (pair[0], pair[1].published_at, pair[1].report_id),
    )
    for _words_said, same in groupby(worded, key=lambda pair: pair[0]):
        first, *others = [report for _text, report in same]
        voices |= {each.report_id: voices[first.report_id] for each in others}
    return voices


def believed(reports: Sequence[Report]) -> list[Report]:
    """The good ones among those that affirm, beyond social media where there are any; else all of these."""
    affirming = [each for each in reports if affirms(each)]
    good = [each for each in affirming if is_good(each) and each.medium is not Medium.SOCIAL]
    return good or [each for each in affirming if is_good(each)] or affirming


def decide(statements: Sequence[Statement[V]], same: Callable[[V, V], bool]) -> tuple[Statement[V], Rule]:
    """Which of several statements holds, and the rule that decided it."""
    spoken = newest_of_each(statements)

    def rank(one: Statement[V]) -> tuple[object, ...]:
        support = sum(same(one.value, each.value) for each in spoken)
        return (standing(one.report), one.sureness, support, said_at(one.report), one.report.report_id)

    best, *others = sorted(spoken, key=rank, reverse=True)
    if not others:
        return best, Rule.ONLY
    rivals = [each for each in others if not same(best.value, each.value)]
    if not rivals:
        return best, Rule.AGREED
    rules = (Rule.STANDING, Rule.SURENESS, Rule.SUPPORT, Rule.NEWEST, Rule.ORDER)
    compared = zip(rules, rank(best), rank(rivals[0]), strict=True)
    return best, next(rule for rule, mine, theirs in compared if mine != theirs)


def newest_of_each(statements: Sequence[Statement[V]]) -> list[Statement[V]]:
    """What each voice says last, in its own words rather than in others' repetition of them."""

    def last(one: Statement[V]) -> tuple[object, ...]:
        return (one.voice == one.report.origin, said_at(one.report), one.report.report_id)

    ordered = sorted(statements, key=lambda each: each.voice)
    return [max(said, key=last) for _voice, said in groupby(ordered, key=lambda each: each.voice)]


def weigh(reports: Sequence[Report]) -> Confidence:
    """How sure a record of these reports is; see docs/explanation/exploits.md for how well that holds.

    Good voices are counted; each that denies outweighs one, and what only social media say is never sure.
    """
    voices = find_voices(reports)
    good = [each for each in reports if affirms(each) and is_good(each)]
    heard = len({voices[each.report_id] for each in good})
    against = len({voices[each.report_id] for each in reports if denies(each) and is_good(each)})
    only_social = all(each.medium is Medium.SOCIAL for each in good)
    if heard - against >= _TWO and not only_social:
        return Confidence.HIGH
    return Confidence.MEDIUM if heard else Confidence.LOW


def is_disproved(reports: Sequence[Report]) -> bool:
    """Whether two independent good voices deny it, one of them of the nearest, and none good affirms it."""
    voices = find_voices(reports)
    good = [each for each in reports if is_good(each) and each.medium is not Medium.SOCIAL]
    denying = [each for each in good if denies(each)]
    near = any(each.grade in {Grade.PRIMARY, Grade.ONCHAIN_DERIVED} for each in denying)
    heard = len({voices[each.report_id] for each in denying})
    return near and heard >= _TWO and not any(affirms(each) for each in good)


def _words(text: str) -> str:
    """The letters of a text, without addresses and without who repeated it."""
    return _NO_WORDS.sub("", text.strip().lower())
