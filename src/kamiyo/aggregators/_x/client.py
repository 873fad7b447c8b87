"""Questions to the API of X: within its limits, and no word of the token wherever it answers with it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from datetime import datetime, timedelta
from typing import Final

import msgspec

from kamiyo.aggregators._x.troubles import Kind, Trouble
from kamiyo.aggregators.base import Response, Session
from kamiyo.core.errors import SourceUnavailable
from kamiyo.core.time import EPOCH, Clock, rfc3339
from kamiyo.kit.secret import Secret
from kamiyo.kit.urls import url_with_query

SEARCH: Final = "/2/tweets/search/recent"
STREAM: Final = "/2/tweets/search/stream"
RULES: Final = "/2/tweets/search/stream/rules"
POST_FIELDS: Final = (
    "created_at,author_id,edit_history_tweet_ids,entities,note_tweet,referenced_tweets,public_metrics"
)

_SUCCESS: Final = range(200, 300)
_UNPAID, _TOO_MANY = 402, 429
_STANDING: Final = {
    401: "the token is refused: set sources.x.token",
    403: "the token may not ask this",
}
_WINDOW: Final = timedelta(minutes=16)  # what is told of a later moment is no limit of this service
_CREDITS: Final = ("credits", "usagecap", "usage-cap", "usage cap")
_STARS: Final = b"********"


class _Problem(msgspec.Struct):
    """How an answer that is no success says why; every word of it may be missing."""

    title: str = ""
    type: str = ""
    connection_issue: str = ""


class Client:
    """One token's questions."""

    def __init__(self, url: str, token: Secret, *, session: Session, clock: Clock) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._session = session
        self._clock = clock
        self._not_before: dict[str, datetime] = {}  # by method and path: each has a limit of its own

    async def ask(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> bytes:
        """What it answers; Trouble for everything but a success."""
        self._check_limit(method, path)
        url = url_with_query(f"{self._url}{path}", query or {})
        try:
            answer = await self._session.request(method, url, body=body, headers=self._headers())
        except SourceUnavailable as error:
            raise Trouble(str(error), Kind.NETWORK) from error
        self._check_answer(answer, method, path)
        return self._scrubbed(answer.body)

    async def reach(self) -> None:
        """Ask what costs nothing; Trouble only where nobody answers."""
        try:
            await self.ask("GET", RULES)
        except Trouble as trouble:
            if trouble.kind is Kind.NETWORK:
                raise

    @asynccontextmanager
    async def open_stream(self, silence: timedelta) -> AsyncGenerator[AsyncGenerator[bytes]]:
        """The lines of the filtered stream; Trouble where it is not opened, falls silent or is lost."""
        self._check_limit("GET", STREAM)
        url = url_with_query(f"{self._url}{STREAM}", {"tweet.fields": POST_FIELDS})
        try:
            opening = self._session.open_lines(url, headers=self._headers(), silence=silence)
            async with opening as stream:
                self._check_answer(stream.answer, "GET", STREAM)
                async with aclosing(self._scrubbed_lines(stream.lines)) as lines:
                    yield lines
        except Trouble:
            raise
        except SourceUnavailable as error:
            raise Trouble(str(error), Kind.NETWORK) from error

    async def _scrubbed_lines(self, lines: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
        async with aclosing(lines):
            async for line in lines:
                yield self._scrubbed(line)

    def _scrubbed(self, content: bytes) -> bytes:
        """Without the token: a server may repeat what it was sent, and what it says is kept."""
        return content.replace(self._token.reveal().encode(), _STARS)

    def _headers(self) -> Mapping[str, str]:
        return {"authorization": f"Bearer {self._token.reveal()}"}

    def _check_limit(self, method: str, path: str) -> None:
        until = self._not_before.get(f"{method} {path}")
        if until is not None and until > self._clock.now():
            raise Trouble(
                f"no more is allowed of {path}; goes on at {rfc3339(until)}", Kind.PAUSE, until=until
            )

    def _check_answer(self, answer: Response, method: str, path: str) -> None:
        reset = self._reset_of(answer)
        if reset is not None and answer.headers.get("x-rate-limit-remaining") == "0":
            self._not_before[f"{method} {path}"] = reset
        if answer.status not in _SUCCESS:
            raise _trouble_of(answer, path, reset)

    def _reset_of(self, answer: Response) -> datetime | None:
        """When the window of a limit ends, where that is said and can be."""
        told = answer.headers.get("x-rate-limit-reset")
        if told is None or not (told.isascii() and told.isdecimal() and len(told) <= 11):  # noqa: PLR2004 -- until the year 5138
            return None
        reset, now = EPOCH + timedelta(seconds=int(told)), self._clock.now()
        return reset if now < reset < now + _WINDOW else None


def _trouble_of(answer: Response, path: str, reset: datetime | None) -> Trouble:
    """Why, in our own words: those of the answer may repeat what it was asked with."""
    problem = _problem_of(answer.body)
    said = f"{problem.title} {problem.type}".lower()
    if answer.status == _UNPAID or any(word in said for word in _CREDITS):
        return Trouble(f"the credits of the account are used up ({answer.status} of {path})", Kind.STANDING)
    if problem.connection_issue or problem.title == "ConnectionException":
        return Trouble("another connection holds the stream of this token", Kind.LIMITED, until=reset)
    if answer.status == _TOO_MANY:
        return Trouble(f"asked too much of {path} ({answer.status})", Kind.LIMITED, until=reset)
    standing = _STANDING.get(answer.status)
    if standing is not None:
        return Trouble(f"{standing} ({answer.status} of {path})", Kind.STANDING)
    return Trouble(f"an error ({answer.status} of {path})", Kind.HTTP)


def _problem_of(body: bytes) -> _Problem:
    try:
        return msgspec.json.decode(body, type=_Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Problem()
