"""What a text does to a case."""

from datetime import UTC, datetime

import pytest

from kamiyo.core.reports import Precision, ReportKind
from kamiyo.extraction.claims import read_claim
from kamiyo.extraction.times import Moment

PUBLISHED = datetime(2025, 11, 13, 15, tzinfo=UTC)
OLD = Moment(datetime(2025, 8, 1, tzinfo=UTC), Precision.MONTH, 0, 1)
RECENT = Moment(datetime(2025, 11, 1, tzinfo=UTC), Precision.SECOND, 0, 1)


@pytest.mark.parametrize(
    ("text", "kind", "rule"),
    [
        ("Euler was hacked", ReportKind.NEW, "asserted"),
        ("$5M lost at Euler", ReportKind.NEW, "asserted"),
        ("Trader lost $5M", None, "nothing_asserted"),
        ("Hey, you may want to take a look", ReportKind.NEW, "asserted"),
        ("Euler was not hacked", ReportKind.DENIAL, "denied"),
        ("Fake news. Somebody attacked a rumour mill", ReportKind.DENIAL, "denied"),
        ("The exploiter returned it all", ReportKind.RECOVERY, "returned"),
        ("The team hopes the stolen money is returned", ReportKind.UPDATE, "updated"),
        ("We hope it is returned", None, "nothing_asserted"),
        ("Euler will reimburse everybody", ReportKind.UPDATE, "updated"),
        ("Post-mortem: Euler was hacked", ReportKind.UPDATE, "updated"),
        ("The Euler exploiter moved 100 ETH", ReportKind.UPDATE, "updated"),
        ("Euler was hacked. The attacker moved 100 ETH", ReportKind.NEW, "asserted"),
        ("If the attacker stays silent, police follows", ReportKind.UPDATE, "updated"),
        ("It could be hacked", None, "nothing_asserted"),
        ("Was Euler hacked?", None, "nothing_asserted"),
        ("Euler hacked?", ReportKind.NEW, "asserted"),
        ("Bears attacked the level", None, "nothing_asserted"),
        ("HYPE to 100", None, "nothing_asserted"),
        ("lol Euler hacked", None, "joke"),
        ("On this day Euler was hacked", None, "recap"),
        ("We are not affected by the hack", None, "bystander"),
        ("Hacked? Our recovery experts help", None, "advertisement"),
        ("How to avoid a hack", None, "education"),
        ("Euler was hacked in that spring of 2023", None, "old_news"),
        ("Euler was hacked in 2025", ReportKind.NEW, "asserted"),
    ],
)
def test_the_kind_follows_a_named_rule(text: str, kind: ReportKind | None, rule: str) -> None:
    """Denials and returns weigh most, then the first thing said."""
    claim = read_claim(text, None, PUBLISHED, losing=True, concrete=True)
    assert (claim.kind, claim.rule) == (kind, rule)


def test_old_news_is_no_claim() -> None:
    """What happened long before the text is told again; a late update still adds something."""
    told = [
        read_claim(text, moment, PUBLISHED, losing=False, concrete=True).rule
        for text in ("Euler was hacked", "Update: Euler was hacked")
        for moment in (OLD, RECENT)
    ]
    assert told == ["old_news", "asserted", "updated", "updated"]


def test_a_claim_names_something() -> None:
    """Without a name, an amount or an address it is of no case, and without an amount nothing is lost."""
    assert read_claim("They were hacked", None, PUBLISHED, losing=True, concrete=False).kind is None
    assert read_claim("money lost", None, PUBLISHED, losing=False, concrete=True).kind is None
