"""What sources of posts share."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import pytest

from kamiyo.aggregators.base import Alive, StreamItem
from kamiyo.aggregators.social import Post, SocialAggregator, read_grades
from kamiyo.core.errors import InvalidSettings
from kamiyo.core.ids import Cursor, SourceName
from kamiyo.core.ports import Counted, Normalized, Raw
from kamiyo.core.reports import Grade, Medium, Report, ReportDeleted, ReportId, ReportKind
from tests.builders import NOW, a_source_description
from tests.fakes import tools

THEFT = "Euler Finance was exploited, $197M stolen"


class Square(SocialAggregator):
    """A place where people post, of which nothing is read here."""

    description = a_source_description(name="square")

    async def stream(self, cursor: Cursor | None, *, follow: bool = True) -> AsyncGenerator[StreamItem, None]:
        """Nothing."""
        yield Alive(NOW, cursor if follow else None)

    def normalize(self, raw: Raw) -> Normalized:
        """Nothing."""
        raise NotImplementedError


def a_square() -> Square:
    return Square({"PeckShieldAlert": Grade.ONCHAIN_DERIVED}, tools())


def a_post(**changes: Any) -> Post:
    told: dict[str, Any] = {
        "post_id": "7",
        "author": "peckshieldalert",
        "text": THEFT,
        "url": "https://square.test/7",
        "published_at": NOW,
    }
    return Post(**(told | changes))


def test_a_claim_of_a_listed_author_is_a_report() -> None:
    """With the author's grade, and one origin however the name is written."""
    report = a_square().report_of(a_post(author="PECKSHIELDALERT"), received_at=NOW)
    assert report is not None
    assert (report.report_id, report.origin) == ("square:7", "square:peckshieldalert")
    assert (report.grade, report.medium, report.kind) == (
        Grade.ONCHAIN_DERIVED,
        Medium.SOCIAL,
        ReportKind.NEW,
    )
    assert (report.text, report.source_url, report.published_at) == (THEFT, "https://square.test/7", NOW)
    assert report.facts.amount_usd == 197_000_000


@pytest.mark.parametrize("author", ["PeckShieIdAlert", "peckshieldalert_", "peckshield", ""])
def test_an_impostor_is_not_believed(author: str) -> None:
    """A name must be listed, and not only look like one that is."""
    assert a_square().report_of(a_post(author=author), received_at=NOW) is None


def test_titles_of_attachments_belong_to_the_text() -> None:
    """What is attached often says what happened."""
    report = a_square().report_of(a_post(text="Oh no", attachments=(THEFT,)), received_at=NOW)
    assert report is not None
    assert report.text == f"Oh no\n{THEFT}"


def test_a_repost_names_the_voice_it_repeats() -> None:
    """So that both count as one."""
    report = a_square().report_of(a_post(repost_of="ZachXBT"), received_at=NOW)
    assert report is not None
    assert report.repost_of == "square:zachxbt"


def test_everything_in_a_payload_is_counted() -> None:
    """Reports, what claims nothing, what nobody listed: together all posts."""
    posts = [a_post(), a_post(post_id="8", text="gm, BTC to the moon"), a_post(post_id="9", author="eve")]
    said = a_square().normalized(posts, received_at=NOW)
    assert said.counts == {
        Counted.PAYLOADS: 1,
        Counted.REPORTS: 1,
        Counted.UNRELATED_POSTS: 1,
        Counted.UNLISTED_POSTS: 1,
    }
    assert [type(event) for event in said.events] == [Report]
    assert said.last_event_at == NOW


def test_what_an_impostor_says_does_not_make_the_source_look_alive() -> None:
    """The newest it tells of is the newest of those who are listed."""
    said = a_square().normalized([a_post(author="eve")], received_at=NOW)
    assert said.last_event_at is None


def test_an_edit_that_takes_a_claim_back_deletes_it() -> None:
    """The same post claims nothing any more."""
    later = NOW + timedelta(minutes=1)
    said = a_square().normalized([a_post(text="gm", edited_at=later)], received_at=later)
    assert list(said.events) == [
        ReportDeleted(report_id=ReportId("square:7"), source=SourceName("square"), deleted_at=later)
    ]


def test_an_edit_keeps_its_report() -> None:
    """Under the same name, with when it was edited."""
    later = NOW + timedelta(minutes=1)
    (report,) = a_square().normalized([a_post(edited_at=later)], received_at=later).events
    assert isinstance(report, Report)
    assert (report.report_id, report.edited_at) == ("square:7", later)


def test_lists_are_texts_or_tables() -> None:
    """Commas, spaces and lines between names; a sign before a name is no part of it."""
    text = "PeckShieldAlert:onchain_derived, @HyperliquidX:primary\nzachxbt"
    table = {
        "PeckShieldAlert": Grade.ONCHAIN_DERIVED,
        "HyperliquidX": Grade.PRIMARY,
        "zachxbt": Grade.CLAIM,
    }
    assert read_grades("sources.square.authors", text) == table
    assert (
        read_grades("sources.square.authors", {f"@{name}": grade for name, grade in table.items()}) == table
    )
    assert read_grades("sources.square.authors", "") == {}


@pytest.mark.parametrize("text", ["a:certain", ":primary", "@:primary", "a:"])
def test_a_list_that_cannot_be_read_names_its_setting(text: str) -> None:
    """And what is wrong with it."""
    with pytest.raises(InvalidSettings, match=r"sources\.square\.authors"):
        read_grades("sources.square.authors", text)
