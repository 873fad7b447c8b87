"""Recent search: each author's posts since those that are known, page by page, the newest first."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Final

import msgspec

from kamiyo.aggregators._x.client import POST_FIELDS, SEARCH, Client
from kamiyo.aggregators._x.ids import id_at, moment_of, parse_id
from kamiyo.aggregators._x.place import Place, Stretch
from kamiyo.aggregators._x.purse import Held, Purse, midnight
from kamiyo.aggregators._x.troubles import Kind, Trouble
from kamiyo.aggregators.base import Alive, StreamItem
from kamiyo.core.events import Gap
from kamiyo.core.ids import SourceName
from kamiyo.core.ports import Raw
from kamiyo.core.time import Clock, to_millis

PAGE: Final = 10  # the smallest that is allowed: as little as can be is set aside for each
_REACH: Final = timedelta(days=7) - timedelta(
    minutes=20
)  # what is older is not found any more, or not for long
_MARGIN: Final = timedelta(minutes=10)


class _Meta(msgspec.Struct, frozen=True):
    next_token: str | None = None


class _Page(msgspec.Struct, frozen=True):
    data: tuple[msgspec.Raw, ...] = ()
    meta: _Meta = _Meta()


class _Numbered(msgspec.Struct, frozen=True):
    id: str = ""


class Searcher:
    """One author after the other: an answer does not name its author, and to ask for that would cost."""

    def __init__(
        self,
        source: SourceName,
        client: Client,
        purse: Purse,
        place: Place,
        *,
        clock: Clock,
        queries: Mapping[str, str],
    ) -> None:
        self._source = source
        self._client = client
        self._purse = purse
        self._place = place
        self._clock = clock
        self._queries = queries
        self.found_before = 0  # posts of the last round made before the moment it was given

    async def round(
        self, *, again: bool = False, lost_at: datetime | None = None
    ) -> AsyncGenerator[StreamItem, None]:
        """Everything of everybody since the place, and the gaps that cannot be closed.

        ``again`` also reads what may have come late. Posts from before ``lost_at`` are counted.
        """
        began = self._clock.now()
        self.found_before = 0
        for author, query in self._queries.items():
            async with aclosing(self._author(author, query, again=again, lost_at=lost_at)) as items:
                async for item in items:
                    yield item
        self._place.note_heard(began)
        yield Alive(self._clock.now(), self._place.cursor())

    async def _author(
        self, author: str, query: str, *, again: bool, lost_at: datetime | None
    ) -> AsyncGenerator[StreamItem, None]:
        next_token: str | None = None
        while True:
            stretch = self._place.stretch_of(author, self._clock.now(), again=again)
            gap = self._gap(author, stretch)
            if gap is not None:
                yield gap
                next_token = None
                stretch = self._place.stretch_of(author, self._clock.now(), again=again)
            page = await self._ask(query, stretch, next_token)
            numbers = [_number_of(post) for post in page.data]
            self._count(numbers, lost_at)
            next_token = page.meta.next_token
            for item in self._take(author, stretch, page, numbers):
                yield item
            if next_token is None:
                return

    def _gap(self, author: str, stretch: Stretch) -> Gap | None:
        """What of a stretch is given up: too old to be found, or so much that the present would suffer."""
        now = self._clock.now()
        reason, after = "older than what X still finds", now - _REACH + _MARGIN
        if not self._purse.may_spend_on_the_past(PAGE):
            reason, after = "more of earlier days than half of a day's budget pays for", midnight(now)
        if moment_of(stretch.after) >= after - _MARGIN:  # so that time that passes makes no more of them
            return None
        gap_end = id_at(after)
        ends = gap_end if stretch.before is None else min(gap_end, stretch.before)
        self._place.skip(author, stretch, gap_end)
        started_at, ended_at = moment_of(stretch.after), moment_of(ends)
        return Gap(
            source=self._source,
            scale="millisecond",
            scope=author,
            first=to_millis(started_at),
            after_last=max(to_millis(ended_at), to_millis(started_at) + 1),
            reason=reason,
            detected_at=now,
            started_at=started_at,
            ended_at=ended_at,
        )

    async def _ask(self, query: str, stretch: Stretch, next_token: str | None) -> _Page:
        """One page, paid for. What was not answered may have been charged: it stays spent."""
        asked = {
            "query": query,
            "max_results": str(PAGE),
            "since_id": str(stretch.after),
            "tweet.fields": POST_FIELDS,
        }
        if next_token is not None:
            asked["next_token"] = next_token
        elif stretch.before is not None:
            asked["until_id"] = str(stretch.before)
        held = await self._purse.take(PAGE)
        page = await self._answer(asked, held)
        await held.settle(len(page.data))
        return page

    async def _answer(self, asked: Mapping[str, str], held: Held) -> _Page:
        try:
            body = await self._client.ask("GET", SEARCH, asked)
        except Trouble as trouble:
            if trouble.kind is not Kind.NETWORK:
                await held.settle(0)
            raise
        try:
            return msgspec.json.decode(body, type=_Page)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Trouble("a page of posts cannot be read", Kind.HTTP) from error

    def _count(self, numbers: Sequence[int | None], lost_at: datetime | None) -> None:
        known = [number for number in numbers if number is not None]
        today = id_at(midnight(self._clock.now()))
        self._purse.spend_on_the_past(sum(number < today for number in known))
        if lost_at is not None:
            lost = id_at(lost_at)
            self.found_before += sum(number < lost and not self._place.was_read(number) for number in known)

    def _take(
        self, author: str, stretch: Stretch, page: _Page, numbers: Sequence[int | None]
    ) -> list[Raw | Alive]:
        """What a page held that is new. Only the last carries the cursor: the page is read whole or again."""
        fresh = [
            bytes(post)
            for post, number in zip(page.data, numbers, strict=True)
            if self._place.is_new(number, author)
        ]
        oldest = min((number for number in numbers if number is not None), default=None)
        self._place.note_page(author, stretch, oldest, more=page.meta.next_token is not None)
        now, cursor = self._clock.now(), self._place.cursor()
        if not fresh:
            return [Alive(now, cursor)]
        last = len(fresh) - 1
        return [
            Raw(
                source=self._source,
                stream=f"search/{author}",
                payload=post,
                received_at=now,
                cursor=cursor if at == last else None,
            )
            for at, post in enumerate(fresh)
        ]


def _number_of(post: msgspec.Raw) -> int | None:
    try:
        return parse_id(msgspec.json.decode(post, type=_Numbered).id)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
