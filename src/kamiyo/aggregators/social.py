"""What sources of posts share: who is believed how much, and what a post reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from kamiyo.aggregators.base import BaseAggregator, Toolbox
from kamiyo.core.errors import InvalidSettings
from kamiyo.core.ports import Counted, Event, Normalized, Reject
from kamiyo.core.reports import LONGEST_TEXT, LONGEST_TITLE, Grade, Medium, Report, ReportDeleted, ReportId
from kamiyo.core.time import Utc
from kamiyo.extraction import read_post


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """One post as its service tells it.

    ``post_id`` stays the same when the post is edited. ``author`` is who speaks, a handle or a channel as
    the service writes it, and ``repost_of`` whose words they are where the service says that they are
    another's. ``attachments`` are the titles of what is attached or linked.
    """

    post_id: str
    author: str
    text: str
    url: str
    published_at: Utc
    edited_at: datetime | None = None
    repost_of: str | None = None
    attachments: tuple[str, ...] = ()


class SocialAggregator(BaseAggregator):
    """A source of posts. Only those whom the operator listed are heard; everybody else is counted."""

    def __init__(self, authors: Mapping[str, Grade], tools: Toolbox) -> None:
        super().__init__(tools)
        self._grades = {name.casefold(): grade for name, grade in authors.items()}

    def grade_of(self, author: str) -> Grade | None:
        """How near to what happened a listed author is; None for one that is not listed."""
        return self._grades.get(author.casefold())

    def origin_of(self, author: str) -> str:
        """The one voice an author is, however its name is written."""
        return f"{self.name}:{author.casefold()}"

    def report_id_of(self, post_id: str) -> ReportId:
        """Under what a post is known: the same for each of its edits and for its deletion."""
        return ReportId(f"{self.name}:{post_id}")

    def report_of(self, post: Post, *, received_at: datetime) -> Report | None:
        """What a post claims; None if it claims nothing of any case, or its author is not listed."""
        grade = self.grade_of(post.author)
        text = "\n".join((post.text, *post.attachments))[:LONGEST_TEXT]
        reading = read_post(text, published_at=post.published_at)
        if grade is None or reading.kind is None:
            return None
        return Report(
            report_id=self.report_id_of(post.post_id),
            source=self.name,
            medium=Medium.SOCIAL,
            origin=self.origin_of(post.author),
            source_url=post.url,
            title=reading.title[:LONGEST_TITLE],
            text=text,
            grade=grade,
            kind=reading.kind,
            published_at=post.published_at,
            received_at=received_at,
            edited_at=post.edited_at,
            repost_of=None if post.repost_of is None else self.origin_of(post.repost_of),
            facts=reading.facts,
        )

    def deletion_of(self, post_id: str, deleted_at: datetime) -> ReportDeleted:
        """That its author took a post back."""
        return ReportDeleted(report_id=self.report_id_of(post_id), source=self.name, deleted_at=deleted_at)

    def normalized(
        self,
        posts: Sequence[Post],
        *,
        received_at: datetime,
        deletions: Iterable[ReportDeleted] = (),
        rejects: Sequence[Reject] = (),
    ) -> Normalized:
        """What a payload with these posts and deletions says, with everything in it counted.

        A post that was edited into one that claims nothing takes back what it had claimed.
        """
        listed = [post for post in posts if self.grade_of(post.author) is not None]
        reports: list[Event] = []
        for post in listed:
            report = self.report_of(post, received_at=received_at)
            if report is not None:
                reports.append(report)
            elif post.edited_at is not None:
                reports.append(self.deletion_of(post.post_id, post.edited_at))
        claims = sum(isinstance(each, Report) for each in reports)
        counts = {
            Counted.PAYLOADS: 1,
            Counted.REPORTS: claims,
            Counted.UNRELATED_POSTS: len(listed) - claims,
            Counted.UNLISTED_POSTS: len(posts) - len(listed),
            Counted.REJECTS: len(rejects),
        }
        return Normalized(
            events=[*reports, *deletions],
            rejects=rejects,
            counts={name: number for name, number in counts.items() if number},
            last_event_at=max((post.edited_at or post.published_at for post in listed), default=None),
        )


def read_grades(setting: str, value: str | Mapping[str, Grade]) -> Mapping[str, Grade]:
    """Who is listed, and how near to what happened: a table, or ``Name:grade`` with commas between.

    A name without a grade only claims. InvalidSettings names the ``setting``.
    """
    pairs = _pairs(setting, value) if isinstance(value, str) else value.items()
    listed = {name.strip().removeprefix("@"): grade for name, grade in pairs}
    if "" in listed:
        raise InvalidSettings(f"{setting}: a grade without a name")
    return listed


def _pairs(setting: str, text: str) -> Iterable[tuple[str, Grade]]:
    for word in text.replace(",", " ").split():
        name, separator, grade = word.rpartition(":")
        try:
            yield (name, Grade(grade)) if separator else (word, Grade.CLAIM)
        except ValueError as error:
            known = ", ".join(Grade)
            raise InvalidSettings(f"{setting}: {grade!r} is no grade; known: {known}") from error
