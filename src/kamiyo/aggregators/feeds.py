"""News feeds, RSS or Atom: those of people who write about attacks, and any of your own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import msgspec

from kamiyo.aggregators._feed_entries import Entry, read_entries
from kamiyo.aggregators._lists import Cursors, Found, Known, changed_rows, digest, parse_row, told_rows
from kamiyo.aggregators._polled import Asking, PolledAggregator, Validators, host_of
from kamiyo.aggregators._voices import voice_of
from kamiyo.aggregators.base import AggregatorSettings, AggregatorSpec, Alive, StreamItem, Toolbox
from kamiyo.core.errors import InvalidSettings, MalformedPayload, SourceUnavailable
from kamiyo.core.ids import Cursor, SourceName
from kamiyo.core.ports import Counted, Normalized, Raw
from kamiyo.core.reports import LONGEST_TEXT, LONGEST_TITLE, Grade, Medium, Report
from kamiyo.core.sources import ANY_AGE, CoverageLabel, SourceDescription, SourceType, Subject
from kamiyo.extraction import read_post

_NAME: Final = SourceName("feeds")
_POLLS_OF_SILENCE: Final = 3
_MOST_KNOWN: Final = 1_000  # entries of one feed: more than a feed shows at once
_EARLIEST: Final = datetime(2009, 1, 3, tzinfo=UTC)
_ASKING_AS: Final = {"user-agent": "kamiyo"}

_Minutes = Annotated[int, msgspec.Meta(ge=5, le=1440)]
_FeedName = Annotated[str, msgspec.Meta(pattern="^[a-z0-9_-]{1,40}$")]


class Feed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One feed: where it is, and how near to what happened its authors are."""

    url: str
    grade: Grade = Grade.PRESS


# Free, without a key, and of people whose subject this is.
SHIPPED: Final[Mapping[str, Feed]] = {
    "web3isgoinggreat": Feed(url="https://www.web3isgoinggreat.com/feed.xml"),
    "slowmist": Feed(url="https://slowmist.medium.com/feed", grade=Grade.ONCHAIN_DERIVED),
    "blocksec": Feed(url="https://blocksecteam.medium.com/feed", grade=Grade.ONCHAIN_DERIVED),
    "peckshield": Feed(url="https://peckshield.medium.com/feed", grade=Grade.ONCHAIN_DERIVED),
    "blockthreat": Feed(url="https://newsletter.blockthreat.io/feed"),
    "chainalysis": Feed(url="https://www.chainalysis.com/blog/feed/"),
    "cointelegraph": Feed(url="https://cointelegraph.com/rss", grade=Grade.PRESS_LOW),
}


class FeedsSettings(AggregatorSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[sources.feeds]``.

    ``shipped`` names the shipped feeds that are read: leave one out to switch it off. A feed of your own is a
    table ``[sources.feeds.own.NAME]`` with its ``url`` and, unless it is ``press``, its ``grade``.
    """

    shipped: str = " ".join(SHIPPED)
    own: dict[_FeedName, Feed] = msgspec.field(default_factory=dict[str, Feed])
    poll_minutes: _Minutes = 15


class _FeedState(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of one feed."""

    validators: Validators = Validators()
    rows: str = ""


_States = dict[str, _FeedState]


class FeedsAggregator(PolledAggregator):
    """Each entry once, and again when it says something else; those that tell of no case are counted.

    Every feed is asked whether anything changed before it is read. One that cannot be read stops no other:
    the source says which it lacks, and is unreachable only when it lacks all.
    """

    def __init__(self, settings: FeedsSettings, tools: Toolbox) -> None:
        self._feeds = _chosen(settings)
        every = timedelta(minutes=settings.poll_minutes)
        self.description = SourceDescription(
            name=_NAME,
            type=SourceType.POLLED,
            url=f"feeds:{','.join(self._feeds)}",
            priority=62,
            label=CoverageLabel.SAMPLE,
            silence_limit=_POLLS_OF_SILENCE * every,
            lag_limit=ANY_AGE,
            poll_every=every,
            subject=Subject.EXPLOITS,
        )
        super().__init__(tools)
        self._asking = Asking(tools.session, tools.clock)

    async def poll(self, cursor: Cursor | None) -> AsyncGenerator[StreamItem, None]:
        """The entries that are new or changed since the cursor, feed by feed."""
        states = {name: state for name, state in _states(cursor).items() if name in self._feeds}
        failed: list[str] = []
        for name in self._feeds:
            try:
                raws = await self._ask(name, states)
            except (SourceUnavailable, MalformedPayload) as error:
                failed.append(f"{name}: {error}")
                continue
            for raw in raws:
                yield raw
        lacking = f"{len(failed)} of {len(self._feeds)} feeds cannot be read: {'; '.join(failed)}"
        if failed and len(failed) == len(self._feeds):
            raise SourceUnavailable(lacking)
        yield Alive(self.clock.now(), _cursor(states), lacking if failed else "")

    def normalize(self, raw: Raw) -> Normalized:
        """The report an entry is, if it tells of a case."""
        row = parse_row(raw.payload)
        entry = _parse_entry(row.content)
        published_at = _published(entry, raw.received_at)
        text = f"{entry.title}\n{entry.text}".strip()[:LONGEST_TEXT]
        reading = read_post(text, published_at=published_at)
        if reading.kind is None:
            return Normalized(counts={Counted.PAYLOADS: 1, Counted.UNRELATED_POSTS: 1})
        feed = self._feeds.get(row.page)
        report = Report(
            report_id=row.report_id,
            source=_NAME,
            medium=Medium.PRESS,
            origin=_origin(entry, feed),
            source_url=entry.link,
            title=(entry.title or reading.title)[:LONGEST_TITLE],
            text=text,
            grade=Grade.PRESS_LOW if feed is None else feed.grade,
            kind=reading.kind,
            published_at=published_at,
            received_at=raw.received_at,
            edited_at=raw.received_at if row.edited else None,
            facts=reading.facts,
        )
        counts = {Counted.PAYLOADS: 1, Counted.REPORTS: 1}
        return Normalized(events=(report,), counts=counts, last_event_at=published_at)

    async def _ask(self, name: str, states: _States) -> Iterator[Raw]:
        """What a feed has that is new; ``states`` moves on as it is taken."""
        state = states.get(name) or _FeedState()
        page = await self._asking.page(self._feeds[name].url, state.validators, _ASKING_AS)
        if page is None:
            return iter(())
        entries = await asyncio.to_thread(read_entries, page.body)
        known = Known(state.rows)
        rows = changed_rows([_found(each, name) for each in entries], known)
        known.keep_newest(_MOST_KNOWN)

        def halfway(packed: str) -> Cursor:
            states[name] = _FeedState(rows=packed)
            return _cursor(states)

        def finished(packed: str) -> Cursor:
            states[name] = _FeedState(validators=page.validators, rows=packed)
            return _cursor(states)

        if not rows:
            finished(known.pack())
        return told_rows(
            rows,
            known,
            source=self.name,
            stream=name,
            now=self.clock.now(),
            cursors=Cursors(halfway=halfway, finished=finished),
        )


_decode_states = msgspec.json.Decoder(_States).decode
_decode_entry = msgspec.json.Decoder(Entry).decode
_encode = msgspec.json.Encoder().encode


def _chosen(settings: FeedsSettings) -> dict[str, Feed]:
    """The feeds to read, by name; InvalidSettings for a name without a feed or a feed without an address."""
    names = settings.shipped.split()
    unknown = [name for name in names if name not in SHIPPED]
    if unknown:
        raise InvalidSettings(
            f"sources.feeds: no feed {unknown[0]!r} is shipped; known: {', '.join(SHIPPED)}"
        )
    chosen = {name: SHIPPED[name] for name in names} | settings.own
    for name, feed in chosen.items():
        try:
            host_of(feed.url)
        except SourceUnavailable as error:
            raise InvalidSettings(f"sources.feeds.own.{name}: its url must begin with https://") from error
    return chosen


def _states(cursor: Cursor | None) -> _States:
    try:
        return _decode_states(cursor or "")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}


def _cursor(states: _States) -> Cursor:
    return Cursor(_encode(states).decode())


def _found(entry: Entry, feed: str) -> Found:
    meaning = f"{entry.title}\0{entry.text}\0{entry.link}".encode()
    name = entry.guid or f"{entry.title}\0{entry.published_at}"
    return Found(f"{_NAME}:{feed}/{digest(name.encode())}", meaning, msgspec.Raw(_encode(entry)), feed)


def _parse_entry(content: msgspec.Raw) -> Entry:
    try:
        return _decode_entry(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedPayload(str(error), rule="not_a_row") from error


def _published(entry: Entry, received_at: datetime) -> datetime:
    """When it was published, as far as that can be true; else when we read it."""
    told = entry.published_at
    return told if told is not None and _EARLIEST <= told <= received_at else received_at


def _origin(entry: Entry, feed: Feed | None) -> str:
    """The feed's host, or who writes there if many do; the entry's own where the feed is gone."""
    voice = voice_of(entry.link)
    if feed is None:
        return voice or str(_NAME)
    host = host_of(feed.url).removeprefix("www.")
    return voice if voice is not None and voice.partition("/")[0] == host else host


AGGREGATOR = AggregatorSpec(name=_NAME, settings=FeedsSettings, build=FeedsAggregator)
