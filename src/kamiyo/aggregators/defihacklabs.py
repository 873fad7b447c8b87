"""The incidents DeFiHackLabs reproduces: a list in a public repository, written by its contributors."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Final

import msgspec

from kamiyo.aggregators._defihacklabs import (
    Incident,
    Section,
    parse_incident,
    past_pages_of,
    sections_of,
)
from kamiyo.aggregators._kinds import category_of
from kamiyo.aggregators._lists import (
    Cursors,
    Found,
    Known,
    Row,
    changed_rows,
    digest,
    parse_row,
    slug_of,
    told_rows,
)
from kamiyo.aggregators._losses import read_loss
from kamiyo.aggregators._polled import Asking, PageMissing, PolledAggregator, Validators, host_of
from kamiyo.aggregators._voices import citation_of
from kamiyo.aggregators.base import AggregatorSettings, AggregatorSpec, Alive, StreamItem, Toolbox
from kamiyo.core.errors import MalformedPayload, SourceUnavailable
from kamiyo.core.ids import Cursor, SourceName
from kamiyo.core.ports import Counted, Normalized, Raw
from kamiyo.core.reports import (
    LONGEST_TEXT,
    LONGEST_TITLE,
    Citation,
    Facts,
    Grade,
    Medium,
    Precision,
    Report,
    ReportKind,
)
from kamiyo.core.sources import ANY_AGE, CoverageLabel, SourceDescription, SourceType, Subject
from kamiyo.extraction.chains import explored_chains
from kamiyo.extraction.identifiers import addresses_in, transactions_in
from kamiyo.extraction.names import identifier_of
from kamiyo.extraction.text import links_in
from kamiyo.kit.secret import Secret

_NAME: Final = SourceName("defihacklabs")
_STREAM: Final = "incidents"
_FIRST_PAGE: Final = "README.md"
_POLLS_OF_SILENCE: Final = 3
_MOST_CITATIONS: Final = 20
_LIKELY: Final = 0.9  # amounts without a unit agree with another list that often, and more
_ENDS_NO_LINK: Final = ".,;:!?)]}*`"
_SITE: Final = "https://github.com"

_Minutes = Annotated[int, msgspec.Meta(ge=5, le=1440)]


class DeFiHackLabsSettings(AggregatorSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[sources.defihacklabs]``.

    Without ``token`` GitHub answers 60 questions an hour from one address; one is asked each poll. The pages
    themselves come from ``raw_url``, only after the repository has changed.
    """

    url: str = "https://api.github.com"
    raw_url: str = "https://raw.githubusercontent.com"
    repository: str = "SunWeb3Sec/DeFiHackLabs"
    token: Secret | None = None
    poll_minutes: _Minutes = 60


class _State(msgspec.Struct, frozen=True, kw_only=True):
    """What a cursor holds: the commit whose pages were read, and what stood in them."""

    commit: str = ""
    validators: Validators = Validators()
    rows: str = ""


class _Commit(msgspec.Struct, frozen=True):
    sha: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{40,64}$")]


class DeFiHackLabsAggregator(PolledAggregator):
    """Every incident once, and again when its section says something else.

    All pages are read as they stood at one commit. A section has a day and no moment of publication, so the
    day stands for that.
    """

    def __init__(self, settings: DeFiHackLabsSettings, tools: Toolbox) -> None:
        every = timedelta(minutes=settings.poll_minutes)
        self.description = SourceDescription(
            name=_NAME,
            type=SourceType.POLLED,
            url=f"{settings.url.rstrip('/')}/repos/{settings.repository}/commits",
            priority=61,
            label=CoverageLabel.CURATED,
            silence_limit=_POLLS_OF_SILENCE * every,
            lag_limit=ANY_AGE,
            poll_every=every,
            subject=Subject.EXPLOITS,
        )
        super().__init__(tools)
        self._settings = settings
        self._asking = Asking(tools.session, tools.clock)

    async def poll(self, cursor: Cursor | None) -> AsyncGenerator[StreamItem, None]:
        """The incidents that are new or changed since the cursor."""
        state = _state(cursor)
        newest = await self._newest(state)
        if newest is None or newest.commit == state.commit:
            yield Alive(self.clock.now(), None if newest is None else _cursor(newest))
            return
        found = await self._read(newest.commit)
        now, known = self.clock.now(), Known(state.rows)
        rows = changed_rows(found, known)
        cursors = Cursors(
            halfway=lambda rows: _cursor(_State(rows=rows)),
            finished=lambda rows: _cursor(msgspec.structs.replace(newest, rows=rows)),
        )
        if not rows:
            yield Alive(now, cursors.finished(known.pack()))
        for raw in told_rows(rows, known, source=self.name, stream=_STREAM, now=now, cursors=cursors):
            yield raw

    def normalize(self, raw: Raw) -> Normalized:
        """The report a section is."""
        row = parse_row(raw.payload)
        try:
            section = _decode_text(row.content)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise MalformedPayload(str(error), rule="not_a_row") from error
        if not section:
            raise MalformedPayload(f"{row.page} is linked and not there", rule="page_missing")
        report = self._report(row, parse_incident(section), raw.received_at)
        return Normalized(
            events=(report,),
            counts={Counted.PAYLOADS: 1, Counted.REPORTS: 1},
            last_event_at=report.published_at,
        )

    async def _newest(self, state: _State) -> _State | None:
        """The newest commit, or None where nobody committed since the last poll."""
        url = f"{self.description.url}?per_page=1"
        page = await self._asking.page(url, state.validators, self._headers())
        if page is None:
            return None
        try:
            commits = _decode_commits(page.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise SourceUnavailable(
                f"{host_of(url)} answered something that is no list of commits"
            ) from error
        if not commits:
            raise SourceUnavailable(f"{host_of(url)} knows no commit of the repository")
        return _State(commit=commits[0].sha, validators=page.validators, rows=state.rows)

    def _headers(self) -> Mapping[str, str]:
        token = self._settings.token
        plain = {"accept": "application/vnd.github+json", "user-agent": "kamiyo"}
        return plain if token is None else plain | {"authorization": f"Bearer {token.reveal()}"}

    async def _read(self, commit: str) -> list[Found]:
        """Every section of every page of one commit, all of them or none; a page not there is refused."""
        first = await self._page(commit, _FIRST_PAGE)
        found = _found(first, _FIRST_PAGE)
        for path in past_pages_of(first):
            try:
                found += _found(await self._page(commit, path), path)
            except PageMissing:
                found.append(Found(f"{_NAME}:missing/{path}", b"", msgspec.Raw(b'""'), path))
        if not found:
            raise SourceUnavailable(f"{host_of(self._settings.raw_url)}: no page lists an incident")
        return found

    async def _page(self, commit: str, path: str) -> str:
        url = f"{self._settings.raw_url.rstrip('/')}/{self._settings.repository}/{commit}/{path}"
        page = await self._asking.page(url, headers={"user-agent": "kamiyo"})
        return "" if page is None else page.body.decode("utf-8", "replace")

    def _report(self, row: Row, incident: Incident, received_at: datetime) -> Report:
        page = f"{_SITE}/{self._settings.repository}/blob/main/{row.page}"
        title = f"{incident.name} - {incident.cause}" if incident.cause else incident.name
        links = _links(incident.words)
        own = Citation(title="DeFiHackLabs", source_url=page, grade=Grade.REPOSITORY)
        cited = [each for each in map(citation_of, links) if each is not None]
        return Report(
            report_id=row.report_id,
            source=_NAME,
            medium=Medium.REPOSITORY,
            origin=_NAME,
            source_url=page,
            title=title[:LONGEST_TITLE],
            text=incident.words[:LONGEST_TEXT],
            grade=Grade.REPOSITORY,
            kind=ReportKind.NEW,
            published_at=incident.day,
            received_at=received_at,
            edited_at=received_at if row.edited else None,
            facts=_facts(incident, links),
            citations=(own, *cited[:_MOST_CITATIONS]),
        )


_decode_commits = msgspec.json.Decoder(list[_Commit]).decode
_decode_state = msgspec.json.Decoder(_State).decode
_decode_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode


def _state(cursor: Cursor | None) -> _State:
    try:
        return _decode_state(cursor or "")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _State()


def _cursor(state: _State) -> Cursor:
    return Cursor(_encode(state).decode())


def _found(page: str, path: str) -> list[Found]:
    return [_found_section(each, path) for each in sections_of(page)]


def _found_section(section: Section, path: str) -> Found:
    """The section under its day and name; one that has none is known by what it says."""
    # Blank lines and rules come and go with the neighbours of a section.
    lines = (line.strip() for line in section.text.splitlines())
    meaning = "\n".join(line for line in lines if line.strip("-")).encode()
    try:
        incident = parse_incident(section.text)
        slug = slug_of(incident.name) or digest(incident.name.encode())
        key = f"{_NAME}:{incident.day:%Y-%m-%d}/{slug}"
    except MalformedPayload:
        key = f"{_NAME}:unreadable/{digest(meaning)}"
    return Found(key, meaning, msgspec.Raw(_encode(section.text)), path)


def _facts(incident: Incident, links: tuple[str, ...]) -> Facts:
    loss = read_loss(incident.lost)
    shown = "\n".join(links)
    told = {"amount_usd": loss.usd, "amount_usd_low": loss.low, "amount_usd_high": loss.high}
    return Facts(
        name=incident.name[:LONGEST_TITLE],
        protocol=identifier_of(incident.name),
        chains=explored_chains(shown),
        amount_usd=loss.usd,
        amount_usd_low=loss.low,
        amount_usd_high=loss.high,
        amounts=loss.amounts,
        assets=tuple(dict.fromkeys(each.asset for each in loss.amounts)),
        addresses=addresses_in(shown),
        transactions=transactions_in(shown),
        occurred_at=incident.day,
        precision=Precision.DAY,
        category=category_of(incident.cause),
        confidence={} if loss.sure else {name: _LIKELY for name, usd in told.items() if usd is not None},
    )


def _links(words: str) -> tuple[str, ...]:
    """Every link, without what ends the sentence or the Markdown it stands in."""
    spaced = words.replace("](", "] ").replace("|", " ").replace(")", " ")
    found = (link.rstrip(_ENDS_NO_LINK) for link in links_in(spaced))
    return tuple(dict.fromkeys(link for link in found if link.startswith(("http://", "https://"))))


AGGREGATOR = AggregatorSpec(name=_NAME, settings=DeFiHackLabsSettings, build=DeFiHackLabsAggregator)
