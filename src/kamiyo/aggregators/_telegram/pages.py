"""Polls the public previews of channels: what is new, what was edited, what is gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Final

import msgspec

from kamiyo.aggregators._telegram.preview import Shown, posts_in
from kamiyo.aggregators._telegram.standing import Known, Standing
from kamiyo.aggregators.base import Session
from kamiyo.core.errors import (
    KamiyoError,
    MalformedPayload,
    QuestionRefused,
    RateLimited,
    SourceUnavailable,
)
from kamiyo.core.time import EPOCH, Clock

NEW: Final = "preview"
EDITED: Final = "preview/edited"
GONE: Final = "preview/gone"
PAGE: Final = "preview/page"
POLL_EVERY: Final = timedelta(seconds=45)
_JITTER: Final = 0.2
_BETWEEN_PAGES: Final = timedelta(seconds=1)
_LONGEST_PAUSE: Final = timedelta(hours=1)
_LONGEST_WAIT: Final = timedelta(days=1)
_LONGEST_LOOK: Final = timedelta(seconds=5)
_REMEMBERED: Final = 60  # posts of a channel: three pages
_LONGEST_PAGE: Final = 256 << 10  # of a page that is kept as refused
_OK: Final = 200
_NOT_MODIFIED: Final = 304
_TOO_MANY: Final = 429
_MOVED: Final = range(300, 400)


class Gone(msgspec.Struct, frozen=True):
    """A post that stood in a channel's preview and does no longer."""

    channel: str
    number: int


class Preview:
    """One channel's preview, read again and again."""

    def __init__(self, url: str, channel: str, standing: Standing, *, session: Session, clock: Clock) -> None:
        self.channel = channel
        self.next_at = EPOCH
        self._key = channel.casefold()
        self._url = f"{url.rstrip('/')}/s/{channel}"
        self._standing = standing
        self._session = session
        self._clock = clock
        self._pause = timedelta()
        self._wait = timedelta()  # as told by the host
        self._validators: Mapping[str, str] = {}
        self._missing: frozenset[int] = frozenset()

    async def poll(self, random: Random) -> None:
        """Read it once, and say when to read it next."""
        self._wait = timedelta()
        way = f"the preview of {self.channel}"
        try:
            await self._read(way)
        except KamiyoError as error:
            self._pause = min(max(2 * self._pause, POLL_EVERY), _LONGEST_PAUSE)
            self._standing.ill(way, str(error), self._clock.now())
        else:
            self._pause = timedelta()
            self._standing.well(way, self._clock.now())
        every = POLL_EVERY * random.uniform(1 - _JITTER, 1 + _JITTER)
        self.next_at = self._clock.now() + max(every, self._pause, self._wait)
        await self._standing.outlet.room()

    async def _read(self, way: str) -> None:
        validators = self._validators
        page = await self._page("", validators)
        if page is None:
            return
        try:
            posts = posts_in(page, self.channel)
            self._check(posts)
            older = await self._older(posts)
        except MalformedPayload as error:
            self._validators = {}
            if self._standing.ill(way, str(error), self._clock.now()):
                self._standing.put(PAGE, page[:_LONGEST_PAGE], self._clock.now())
            raise
        except KamiyoError:
            self._validators = {}
            raise
        self._keep(self._known)  # from now on it was read before, even if nothing stood there
        self._tell_new([*older, *posts])
        self._tell_changes(posts)

    def _check(self, posts: Sequence[Shown]) -> None:
        """A channel that had posts has none only where the page has another form."""
        if not posts and self._known.posts:
            raise MalformedPayload("the preview shows no post any more", rule="not_a_preview")

    @property
    def _known(self) -> Known:
        return self._standing.previews.get(self._key) or Known()

    # --- pages ----------------------------------------------------------------------------------------------

    async def _older(self, posts: Sequence[Shown]) -> list[Shown]:
        """The posts between what is known and the newest page, oldest first."""
        newest = self._known.newest
        found: list[Shown] = []
        if self._key not in self._standing.previews:
            return found  # read for the first time: its newest page is a beginning
        first = posts[0].number if posts else 0
        while first > newest + 1:
            await self._clock.sleep(_BETWEEN_PAGES)
            page = posts_in(await self._page(f"?before={first}", {}) or b"", self.channel)
            page = [each for each in page if each.number < first]
            if not page:
                break
            found = [*(each for each in page if each.number > newest), *found]
            first = page[0].number
        return found

    async def _page(self, query: str, validators: Mapping[str, str]) -> bytes | None:
        """The page, or None where it is the one that was read last."""
        answer = await self._session.request("GET", self._url + query, headers=validators)
        if answer.status == _NOT_MODIFIED and validators:
            return None
        if answer.status in _MOVED:
            raise QuestionRefused("no public preview: its readers are sent elsewhere")
        if answer.status == _TOO_MANY:
            self._wait = _seconds(answer.headers.get("retry-after") or "")
            raise RateLimited("asked too much")
        if answer.status != _OK:
            raise SourceUnavailable(f"answered {answer.status}")
        if not query:
            told = {
                "if-none-match": answer.headers.get("etag"),
                "if-modified-since": answer.headers.get("last-modified"),
            }
            self._validators = {name: value for name, value in told.items() if value}
        return answer.body

    # --- what is said of them -------------------------------------------------------------------------------

    def _tell_new(self, posts: Sequence[Shown]) -> None:
        now = self._clock.now()
        for each in posts:
            if each.number > self._known.newest:
                self._remember(each, newest=each.number)
                self._standing.put(NEW, each.payload, now)

    def _tell_changes(self, posts: Sequence[Shown]) -> None:
        now, known = self._clock.now(), self._known.posts
        for each in posts:
            before = known.get(each.number)
            if before is not None and before != each.digest:
                self._remember(each)
                self._standing.put(EDITED, each.payload, now)
            elif before is None:  # one so old that it was forgotten, or never told
                self._remember(each)
        self._tell_gone(posts, now)

    def _tell_gone(self, posts: Sequence[Shown], now: datetime) -> None:
        """What should stand in the page, and does not for the second time: one alone may be an old page."""
        there = {each.number for each in posts}
        first = posts[0].number if posts else 0
        missing = {each for each in self._known.posts if each > first and each not in there}
        for number in sorted(missing & self._missing):
            posts_left = {each: said for each, said in self._known.posts.items() if each != number}
            self._keep(Known(self._known.newest, posts_left))
            self._standing.put(GONE, msgspec.json.encode(Gone(self.channel, number)), now)
        self._missing = frozenset(missing)
        if missing:
            self._validators = {}  # to see it again

    def _remember(self, post: Shown, *, newest: int | None = None) -> None:
        posts = dict(self._known.posts) | {post.number: post.digest}
        kept = sorted(posts)[-_REMEMBERED:]
        self._keep(Known(newest or self._known.newest, {each: posts[each] for each in kept}))

    def _keep(self, known: Known) -> None:
        self._standing.previews[self._key] = known


class Previews:
    """All previews, one page at a time."""

    def __init__(self, previews: Sequence[Preview], *, clock: Clock, random: Random) -> None:
        self._previews = previews
        self._clock = clock
        self._random = random

    async def run(self) -> None:
        """Read each when it is due, until cancelled."""
        while True:
            due = min(self._previews, key=lambda each: each.next_at)
            wait = due.next_at - self._clock.now()
            if wait > timedelta():
                await self._clock.sleep(min(wait, _LONGEST_LOOK))
            else:
                await due.poll(self._random)

    async def once(self) -> None:
        """Read each once."""
        for each in self._previews:
            await each.poll(self._random)


def _seconds(text: str) -> timedelta:
    """How long to wait, as a header tells it."""
    known = text.isascii() and text.isdecimal() and len(text) < len("1000000")
    return min(timedelta(seconds=int(text)), _LONGEST_WAIT) if known else timedelta()
