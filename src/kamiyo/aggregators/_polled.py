"""What sources that are asked now and then share: polls, and questions no server need refuse."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

from kamiyo.aggregators.base import Alive, BaseAggregator, Session, StreamItem, Waiting
from kamiyo.core.errors import RateLimited, SourceUnavailable
from kamiyo.core.ids import Cursor
from kamiyo.core.ports import Raw
from kamiyo.core.time import EPOCH, Clock
from kamiyo.kit.transport import Answer

_WAITED_FOR: Final = timedelta(minutes=2)  # in the same poll; longer waits are the next poll's
_UNTOLD_WAIT: Final = timedelta(minutes=1)
_LONGEST_WAIT: Final = timedelta(days=1)
_SUCCESS: Final = range(200, 300)
_MOVED: Final = range(300, 400)
_NOT_MODIFIED: Final = 304
_FORBIDDEN: Final = 403
_MISSING: Final = (404, 410)
_TOO_MANY: Final = 429
_SECONDS: Final = re.compile(r"[0-9]{1,10}", re.ASCII)


class PolledAggregator(BaseAggregator):
    """A source that answers and is left alone until the next poll."""

    @abstractmethod
    def poll(self, cursor: Cursor | None) -> AsyncGenerator[StreamItem, None]:
        """Everything after ``cursor``, and then the end; ``Alive`` where there is nothing."""

    async def stream(self, cursor: Cursor | None, *, follow: bool = True) -> AsyncGenerator[StreamItem, None]:
        """One poll, or with ``follow`` one after the other: why one failed is said, and the next is made."""
        pause = self.description.poll_every or _LONGEST_WAIT
        while True:
            try:
                async with aclosing(self.poll(cursor)) as items:
                    async for item in items:
                        if isinstance(item, (Raw, Alive)):
                            cursor = item.cursor or cursor
                        yield item
            except SourceUnavailable as error:
                if not follow:
                    raise
                yield Waiting(str(error))
            if not follow:
                return
            await self.clock.sleep(pause)


class PageMissing(SourceUnavailable):
    """A server has no page of that name."""


class Validators(msgspec.Struct, frozen=True):
    """What an answer is known by; empty where its server names nothing."""

    etag: str = ""
    modified: str = ""


class Page(msgspec.Struct, frozen=True):
    """An answer that is new. ``kind`` is what its server calls it, as ``text/csv``; empty for nothing."""

    validators: Validators
    body: bytes
    kind: str = ""


class Asking:
    """Asks for pages, and guards until when each host wants to be left alone."""

    def __init__(self, session: Session, clock: Clock) -> None:
        self._session = session
        self._clock = clock
        self._until: dict[str, datetime] = {}

    async def page(
        self, url: str, known: Validators | None = None, headers: Mapping[str, str] | None = None
    ) -> Page | None:
        """The page, or None where it is still the ``known`` one.

        RateLimited while the host wants to be left alone, SourceUnavailable for any other failure.
        """
        host = host_of(url)
        known = known or Validators()
        answer = await self._ask(url, host, _conditions(known) | dict(headers or {}))
        if answer.status == _NOT_MODIFIED and known != Validators():
            return None
        if answer.status in _MISSING:
            raise PageMissing(f"{host} answered {answer.status}")
        if answer.status not in _SUCCESS:
            raise SourceUnavailable(f"{host} answered {answer.status}{_moved(answer)}")
        validators = Validators(_header(answer, "etag"), _header(answer, "last-modified"))
        kind = _header(answer, "content-type").partition(";")[0].strip().lower()
        return Page(validators, answer.body, kind)

    async def _ask(self, url: str, host: str, headers: Mapping[str, str]) -> Answer:
        """An answer that is no plea to wait; a short wait is waited here, once."""
        answer = await self._ask_once(url, host, headers)
        if _is_plea(answer) and self._wait(host) <= _WAITED_FOR:
            await self._clock.sleep(self._wait(host))
            answer = await self._ask_once(url, host, headers)
        if _is_plea(answer):
            raise RateLimited(self._refusal(host))
        return answer

    async def _ask_once(self, url: str, host: str, headers: Mapping[str, str]) -> Answer:
        if self._wait(host) > timedelta(0):
            raise RateLimited(self._refusal(host))
        answer = await self._session.request("GET", url, headers=headers)
        until = _left_alone_until(answer, self._clock.now())
        if until is not None:
            self._until[host] = until
        return answer

    def _wait(self, host: str) -> timedelta:
        return max((self._until.get(host) or EPOCH) - self._clock.now(), timedelta(0))

    def _refusal(self, host: str) -> str:
        return f"{host} wants to be left alone until {self._until[host]:%Y-%m-%d %H:%M:%S} UTC"


def host_of(url: str) -> str:
    """The host alone: all of a URL that may be shown. SourceUnavailable for what has none."""
    scheme, separator, rest = url.partition("://")
    place = re.split(r"[/?#\\]", rest, maxsplit=1)[0].rpartition("@")[2]
    host = place.partition("]")[0].removeprefix("[") if place.startswith("[") else place.partition(":")[0]
    if not separator or scheme.lower() not in {"http", "https"} or not host:
        raise SourceUnavailable("a URL that is none was asked for")
    return host.lower()


def _header(answer: Answer, name: str) -> str:
    """What a header says; nothing where there is none."""
    return (answer.headers.get(name) or "").strip()


def _conditions(known: Validators) -> dict[str, str]:
    wanted = {"if-none-match": known.etag, "if-modified-since": known.modified}
    return {name: value for name, value in wanted.items() if value}


def _moved(answer: Answer) -> str:
    if answer.status not in _MOVED:
        return ""
    try:
        return f": moved to {host_of(_header(answer, 'location'))}"
    except SourceUnavailable:
        return ": moved"


def _is_plea(answer: Answer) -> bool:
    """Whether it says that we asked too much: 429, or 403 with the headers of a limit that is used up."""
    if answer.status == _TOO_MANY:
        return True
    return answer.status == _FORBIDDEN and (_is_used_up(answer) or "retry-after" in answer.headers)


def _is_used_up(answer: Answer) -> bool:
    return _header(answer, "x-ratelimit-remaining") == "0"


def _left_alone_until(answer: Answer, now: datetime) -> datetime | None:
    """Until when nothing more may be asked, as an answer of any status says."""
    told = [_retry_after(_header(answer, "retry-after"), now) if _is_plea(answer) else None]
    if _is_used_up(answer):
        told.append(_reset(_header(answer, "x-ratelimit-reset")))
    known = [each for each in told if each is not None]
    if not known:
        return now + _UNTOLD_WAIT if _is_plea(answer) else None
    return min(max(known), now + _LONGEST_WAIT)


def _retry_after(text: str, now: datetime) -> datetime | None:
    """Seconds or a date, as HTTP has both."""
    if _SECONDS.fullmatch(text):
        return now + timedelta(seconds=int(text))
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _reset(text: str) -> datetime | None:
    """Seconds since the epoch; one more, as it counts whole ones."""
    return EPOCH + timedelta(seconds=int(text) + 1) if _SECONDS.fullmatch(text) else None
