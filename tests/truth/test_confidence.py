"""How well the confidence that rules give agrees with that of the people who collected the shared cases."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from kamiyo.core.case_rules import build_exploit
from kamiyo.core.exploits import Confidence, exploit_id
from kamiyo.core.ids import SourceName
from kamiyo.core.reports import Grade, Medium, Report, ReportId
from tests.builders import a_report

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "explanation" / "exploits.md"
GRADES = {"onchain-derived": "onchain_derived", "press-low": "press_low", "repo": "repository"}
MEDIA = {
    Grade.CLAIM: Medium.SOCIAL,
    Grade.REPOSITORY: Medium.REPOSITORY,
    Grade.ONCHAIN_DERIVED: Medium.OBSERVATION,
}
ORDER = list(Confidence)


@pytest.fixture(scope="module")
def judged() -> "list[tuple[Confidence, Confidence]]":
    """Give what the collectors and what the rules say of each case, of the same graded sources."""
    data = Path(os.environ.get("KAMIYO_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    file = data.parent / "incidents" / "incidents.json"
    if not file.is_file():
        pytest.skip(f"needs the collected incidents: {file} does not exist")
    return [(Confidence(case["confidence"]), by_rules(case)) for case in json.loads(file.read_text())]


def by_rules(case: dict[str, Any]) -> Confidence:
    reports = [report_of(case["id"], number, source) for number, source in enumerate(case["sources"])]
    return build_exploit(exploit_id(case["id"]), reports).confidence


def report_of(case: str, number: int, source: dict[str, str]) -> Report:
    """A source of a case as a report; who speaks is its host, or the owner of a repository."""
    grade = Grade(GRADES.get(source["grade"], source["grade"]))
    address = urlsplit(source["url"])
    owner = address.path.split("/")[1] if address.netloc == "github.com" else ""
    return a_report(
        report_id=ReportId(f"feeds:{case}:{number}"),
        source=SourceName("feeds"),
        origin=f"{address.netloc}/{owner}" if address.netloc else source["title"],
        text="",
        grade=grade,
        medium=MEDIA.get(grade, Medium.PRESS),
    )


def kappa(judged: "list[tuple[Confidence, Confidence]]") -> float:
    """Cohen's: how far the agreement goes beyond what chance would give."""
    total, agreed = len(judged), sum(one is other for one, other in judged)
    people, rules = Counter(one for one, _ in judged), Counter(other for _, other in judged)
    chance = sum(people[each] * rules[each] for each in Confidence) / total**2
    return (agreed / total - chance) / (1 - chance)


def test_rules_agree_with_people_as_the_page_says(judged) -> None:
    """The figures of the page are those measured, and no case is judged at the other end."""
    agreed = sum(one is other for one, other in judged)
    assert all(abs(ORDER.index(one) - ORDER.index(other)) <= 1 for one, other in judged)
    share = f"{100 * agreed / len(judged):.0f} %, Cohen's kappa {kappa(judged):.2f}"
    measured = f"{agreed} of {len(judged)} cases ({share})"
    assert measured in " ".join(PAGE.read_text().split()), measured


def test_the_table_of_the_page_is_what_was_measured(judged) -> None:
    """Which of the people's words became which of the rules'."""
    counted = Counter(judged)
    rows = [
        f"| {people} | {' | '.join(str(counted[people, rules]) for rules in Confidence)} |"
        for people in Confidence
    ]
    text = PAGE.read_text()
    assert [row for row in rows if row not in text] == [], "\n".join(rows)
