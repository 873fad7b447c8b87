"""The filtered stream: one connection after another, each begun by reading what the last one missed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Final

import msgspec

from kamiyo.aggregators._x.client import Client
from kamiyo.aggregators._x.ids import parse_id
from kamiyo.aggregators._x.place import LATE, Place
from kamiyo.aggregators._x.purse import Meter
from kamiyo.aggregators._x.rules import reconcile
from kamiyo.aggregators._x.search import Searcher
from kamiyo.aggregators._x.troubles import Kind, Trouble
from kamiyo.aggregators.base import Alive, StreamItem
from kamiyo.core.ids import SourceName
from kamiyo.core.ports import Raw
from kamiyo.core.time import Clock

_UNLISTED: Final = ""
_KEEP_ALIVE: Final = timedelta(seconds=25)  # every 20 seconds, and a little late


class _Match(msgspec.Struct, frozen=True):
    id: str = ""


class _Post(msgspec.Struct, frozen=True):
    id: str = ""


class _Line(msgspec.Struct, frozen=True):
    data: _Post | None = None
    matching_rules: tuple[_Match, ...] = ()
    connection_issue: str = ""
    title: str = ""


class Live:
    """What one connection after another tells."""

    def __init__(
        self,
        source: SourceName,
        client: Client,
        searcher: Searcher,
        meter: Meter,
        place: Place,
        *,
        clock: Clock,
        silence: timedelta,
        queries: Mapping[str, str],
        heard: Callable[[], None],
    ) -> None:
        self._source = source
        self._client = client
        self._searcher = searcher
        self._meter = meter
        self._place = place
        self._clock = clock
        self._silence = silence
        self._queries = queries
        self._heard = heard
        self._lost_at: datetime | None = None  # when the last connection was
        self._look_again_at: datetime | None = None
        self._told_until: datetime | None = None

    async def connection(self) -> AsyncGenerator[StreamItem, None]:
        """All of one connection, until it ends in Trouble."""
        authors = await reconcile(self._client, self._queries)
        await self._meter.fill()
        async with self._client.open_stream(self._silence) as lines:
            try:
                async with aclosing(self._told(lines, authors)) as items:
                    async for item in items:
                        yield item
            finally:
                self._lost_at = self._clock.now()
        raise Trouble("the stream ended", Kind.NETWORK)

    async def _told(
        self, lines: AsyncGenerator[bytes], authors: Mapping[str, str]
    ) -> AsyncGenerator[StreamItem, None]:
        """What was missed, then every line; once also what the search did not find yet at first."""
        self._look_again_at, self._told_until = self._clock.now() + LATE, None
        async with aclosing(self._missed()) as missed:
            async for item in missed:
                yield item
        async for line in lines:
            for item in self._read(line, authors):
                yield item
            self._heard()
            await self._meter.fill()
            if self._look_again_at is not None and self._clock.now() >= self._look_again_at:
                self._look_again_at, self._told_until = None, self._clock.now()
                async with aclosing(self._missed()) as missed:
                    async for item in missed:
                        yield item

    async def _missed(self) -> AsyncGenerator[StreamItem, None]:
        """What came while there was no connection, or was sent on one that was lost."""
        async with aclosing(self._searcher.round(again=True, lost_at=self._lost_at)) as items:
            async for item in items:
                yield item
        self._meter.count(self._searcher.found_before)  # what never arrived was charged all the same
        self._meter.trust()
        await self._meter.fill()

    def _read(self, line: bytes, authors: Mapping[str, str]) -> Iterator[StreamItem]:
        now = self._clock.now()
        if not line.strip():
            self._note_keep_alive(now)
            yield Alive(now, self._place.cursor())
            return
        self._meter.count(1)  # whatever it is: one that cannot be read may be a post that is charged
        try:
            read = msgspec.json.decode(line, type=_Line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            yield self._raw("stream", line, now)
            raise Trouble("a line of the stream cannot be read", Kind.NETWORK) from error
        if read.data is None:
            raise _ended(read)
        author = next((authors[rule.id] for rule in read.matching_rules if rule.id in authors), _UNLISTED)
        if not self._place.is_new(parse_id(read.data.id), author):
            yield Alive(now)
            return
        raw = self._raw(f"stream/{author}" if author else "stream", line, now)
        yield msgspec.structs.replace(raw, cursor=self._place.cursor())

    def _note_keep_alive(self, now: datetime) -> None:
        """Everything before it is known: it was sent now, or long ago if this process stood still since.

        One is sent every few seconds, so this one no later than that after the one before it.
        """
        if self._told_until is not None:
            self._told_until = min(now, self._told_until + _KEEP_ALIVE)
            self._place.note_heard(self._told_until)

    def _raw(self, stream: str, line: bytes, now: datetime) -> Raw:
        return Raw(source=self._source, stream=stream, payload=line, received_at=now)


def _ended(line: _Line) -> Trouble:
    """What a line that is no post says: always that the connection ends, and mostly why."""
    if line.connection_issue or line.title == "ConnectionException":
        return Trouble("another connection holds the stream of this token", Kind.LIMITED)
    return Trouble("X ended the stream", Kind.NETWORK)
