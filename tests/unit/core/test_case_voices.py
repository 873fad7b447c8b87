"""Who speaks, how often that is one voice, and how much each weighs."""

import operator
from datetime import timedelta

import msgspec
import pytest

from kamiyo.core.case_voices import (
    Rule,
    Statement,
    believed,
    by_standing,
    decide,
    find_voices,
    is_disproved,
    newest_of_each,
    weigh,
)
from kamiyo.core.exploits import Confidence
from kamiyo.core.reports import Grade, Medium, Report, ReportId, ReportKind
from tests.builders import NOW, a_record, a_report

LONG = "The bridge was emptied of 4.9M USD this morning, says its own team."


def said(number: int, **changes) -> Report:
    return a_report(**{"report_id": ReportId(f"r:{number}"), "origin": f"o{number}", "text": ""} | changes)


def stated(value: str, report: Report, *, voice: str | None = None, sureness: int = 10) -> Statement[str]:
    return Statement(report, voice or report.origin, value, sureness)


def test_the_curated_report_weighs_most_then_grade_then_medium_then_age() -> None:
    """The order of reports is one whatever order they come in."""
    ordered = [
        a_record(),
        said(1, grade=Grade.PRIMARY, medium=Medium.SOCIAL),
        said(2, grade=Grade.PRESS, medium=Medium.DATABASE),
        said(3, grade=Grade.PRESS),
        said(4, grade=Grade.PRESS, published_at=NOW + timedelta(days=1)),
        said(5, grade=Grade.CLAIM, medium=Medium.SOCIAL),
    ]
    assert by_standing(reversed(ordered)) == ordered


def test_a_repetition_is_the_voice_it_repeats() -> None:
    """Told by the source or found by equal words, whatever addresses and signs stand around them."""
    first = said(1, text=LONG)
    told = said(2, text="", repost_of="o1")
    copied = said(3, text=f"RT @o1: {LONG.upper()} https://example.org/x", published_at=NOW + timedelta(1))
    own = said(4, text=LONG.replace("4.9M", "5.1M"))
    assert find_voices([copied, own, told, first]) == {
        "r:1": "o1",
        "r:2": "o1",
        "r:3": "o1",
        "r:4": "o4",
    }


def test_short_words_are_said_twice_by_chance() -> None:
    """Equal texts of a few letters are two voices."""
    voices = find_voices([said(1, text="Bridge hacked!"), said(2, text="Bridge hacked!")])
    assert set(voices.values()) == {"o1", "o2"}


@pytest.mark.parametrize(
    ("first", "second", "rule"),
    [
        (("a", said(1), 10), ("a", said(2), 10), Rule.AGREED),
        (("a", said(1, grade=Grade.PRIMARY), 5), ("b", said(2), 10), Rule.STANDING),
        (("a", said(1), 10), ("b", said(2), 9), Rule.SURENESS),
        (("a", said(1, published_at=NOW + timedelta(1)), 10), ("b", said(2), 10), Rule.NEWEST),
        (("a", said(1, edited_at=NOW + timedelta(1)), 10), ("b", said(2), 10), Rule.NEWEST),
        (("a", said(2), 10), ("b", said(1), 10), Rule.ORDER),
    ],
)
def test_the_first_rule_that_tells_statements_apart_decides(first, second, rule) -> None:
    """Standing, then sureness, then support, then age, and at last the id."""
    statements = [stated(value, report, sureness=sure) for value, report, sure in (second, first)]
    found, decided_by = decide(statements, operator.eq)
    assert (found.value, decided_by) == ("a", rule)


def test_one_voice_alone_is_only_one() -> None:
    """A statement nobody else makes is called that."""
    assert decide([stated("a", said(1))], operator.eq)[1] is Rule.ONLY


def test_independent_support_outweighs_a_newer_single_voice() -> None:
    """Two voices that agree stand against one that is newer; ten repetitions of one do not."""
    newer = said(9, published_at=NOW + timedelta(1))
    agreeing = [stated("a", said(1)), stated("a", said(2)), stated("b", newer)]
    assert decide(agreeing, operator.eq)[0].value == "a"
    assert decide(agreeing, operator.eq)[1] is Rule.SUPPORT
    repeated = [stated("a", said(number), voice="o1") for number in range(1, 9)]
    assert decide([*repeated, stated("b", newer)], operator.eq)[0].value == "b"


def test_a_voice_speaks_with_its_last_own_word() -> None:
    """A correction replaces what it corrects, and a late repetition of the old words changes nothing."""
    old, new = said(1, origin="o"), said(2, origin="o", published_at=NOW + timedelta(1))
    repeated = said(3, origin="p", published_at=NOW + timedelta(2))
    statements = [stated("old", old), stated("new", new), stated("old", repeated, voice="o")]
    assert [each.value for each in newest_of_each(statements)] == ["new"]


def test_what_is_believed_is_the_best_there_is() -> None:
    """Good reports beyond social media, else good ones, else all; never a denial or what was taken back."""
    press, primary = said(1), said(2, medium=Medium.SOCIAL, grade=Grade.PRIMARY)
    claim = said(3, medium=Medium.SOCIAL, grade=Grade.CLAIM)
    silent = [said(4, kind=ReportKind.DENIAL), said(5, deleted_at=NOW)]
    assert believed([press, primary, claim, *silent]) == [press]
    assert believed([primary, claim, *silent]) == [primary]
    assert believed([claim, *silent]) == [claim]
    assert believed(silent) == []


SOCIAL = {"medium": Medium.SOCIAL}


@pytest.mark.parametrize(
    ("reports", "confidence"),
    [
        ([], Confidence.LOW),
        ([said(1, grade=Grade.CLAIM), said(2, grade=Grade.PRESS_LOW)], Confidence.LOW),
        ([said(1)], Confidence.MEDIUM),
        ([said(1), said(2, repost_of="o1")], Confidence.MEDIUM),
        ([said(1), said(2, grade=Grade.CLAIM)], Confidence.MEDIUM),
        ([said(1), said(2)], Confidence.HIGH),
        ([said(1), said(2, deleted_at=NOW)], Confidence.MEDIUM),
        ([said(1), said(2), said(3, kind=ReportKind.DENIAL)], Confidence.MEDIUM),
        ([said(1), said(2), said(3, kind=ReportKind.DENIAL, grade=Grade.CLAIM)], Confidence.HIGH),
        ([said(1), said(2), said(3), said(4, kind=ReportKind.DENIAL)], Confidence.HIGH),
        ([said(number, grade=Grade.PRIMARY, **SOCIAL) for number in range(9)], Confidence.MEDIUM),
        ([said(1, grade=Grade.PRIMARY, **SOCIAL), said(2)], Confidence.HIGH),
    ],
)
def test_confidence_counts_good_independent_voices(reports, confidence) -> None:
    """None is low, one is medium, two more than deny it are high, unless all are social."""
    assert weigh(reports) is confidence


def test_only_good_independent_denials_disprove() -> None:
    """Two voices, one of them near, against none: less than that refutes nothing."""
    near = said(1, kind=ReportKind.DENIAL, grade=Grade.PRIMARY)
    press = said(2, kind=ReportKind.DENIAL)
    claim = said(3, medium=Medium.SOCIAL, grade=Grade.PRIMARY)
    assert is_disproved([near, press, claim])
    assert not is_disproved([near, claim])
    assert not is_disproved([press, said(4, kind=ReportKind.DENIAL), claim])
    assert not is_disproved([near, press, said(5)])
    assert not is_disproved([msgspec.structs.replace(each, medium=Medium.SOCIAL) for each in (near, press)])
