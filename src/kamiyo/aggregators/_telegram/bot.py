"""Asks Telegram's Bot API for what happened in the channels a bot is in, and confirms only what is stored.

What was confirmed Telegram forgets. So an update is confirmed only once the cursor it was given with is known
to be stored; until then it is sent again, and known again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import msgspec

from kamiyo.aggregators._telegram.standing import Standing, parse_cursor
from kamiyo.aggregators._telegram.updates import Numbered, Result, decode
from kamiyo.aggregators.base import Session
from kamiyo.core.errors import KamiyoError, MalformedPayload, QuestionRefused, RateLimited, SourceUnavailable
from kamiyo.core.ids import Cursor
from kamiyo.core.time import Clock
from kamiyo.kit.secret import Secret

WAY: Final = "the bot"
UPDATE: Final = "update"
UNREADABLE: Final = "unreadable"
_LONG: Final = 15  # seconds that Telegram keeps a question without an answer; the session gives up at 20
_MOST: Final = 100
_ALLOWED: Final = "%5B%22channel_post%22%2C%22edited_channel_post%22%5D"
_LOOK_AGAIN: Final = timedelta(milliseconds=250)
_LOOKS: Final = 4  # before it is asked again though nothing is stored
_FIRST_PAUSE: Final = timedelta(seconds=1)
_LONGEST_PAUSE: Final = timedelta(minutes=1)
_REFUSED_PAUSE: Final = timedelta(minutes=5)
_LONGEST_WAIT: Final = timedelta(days=1)
_CONFLICT: Final = 409
_TOO_MANY: Final = 429
_OK: Final = 200
_UNKNOWN: Final = frozenset({401, 404})  # 404 where the token is not even in the form of one


class Bot:
    """One bot's updates."""

    def __init__(
        self, url: str, token: Secret, standing: Standing, *, session: Session, clock: Clock
    ) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._standing = standing
        self._session = session
        self._clock = clock
        self._known = standing.update  # the last one of an earlier process that is stored
        self._pending: list[int] = []  # given, and not yet confirmed, in their order
        self._stored = 0  # how many of these are stored
        self._pause = timedelta()
        self._wait = timedelta()  # as told by Telegram

    def stored(self, cursor: Cursor) -> None:
        """All that was given up to this cursor is stored."""
        update = parse_cursor(cursor).update
        if update in self._pending:
            self._stored = max(self._stored, self._pending.index(update) + 1)

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            for _ in range(_LOOKS):
                if self._pending and not self._stored:
                    await self._clock.sleep(_LOOK_AGAIN)
            await self.once(long=True)
            await self._clock.sleep(max(self._pause, self._wait))

    async def once(self, *, long: bool = False) -> None:
        """Ask once."""
        self._wait = timedelta()
        try:
            new = await self._ask(_LONG if long and len(self._pending) == self._stored else 0)
        except KamiyoError as error:
            self._put_off(error)
            return
        self._pause = timedelta()
        for number, payload in new:
            self._pending.append(number)
            self._standing.update = number
            self._standing.put(UPDATE, payload, self._clock.now())
        self._standing.well(WAY, self._clock.now())
        await self._standing.outlet.room()

    def _put_off(self, error: KamiyoError) -> None:
        longest = _REFUSED_PAUSE if isinstance(error, QuestionRefused) else _LONGEST_PAUSE
        first = _REFUSED_PAUSE if isinstance(error, QuestionRefused) else _FIRST_PAUSE
        self._pause = min(max(2 * self._pause, first), longest)
        self._standing.ill(WAY, str(error), self._clock.now())

    async def _ask(self, seconds: int) -> list[tuple[int, bytes]]:
        """What is new. Where something is stored, asking confirms it."""
        stored = self._pending[: self._stored]
        # Without anything to confirm no number is sent: after a quiet week Telegram begins with another one,
        # and all that are lower than a number that is sent are forgotten.
        offset = f"&offset={stored[-1] + 1}" if stored else ""
        query = f"?limit={_MOST}&timeout={seconds}&allowed_updates={_ALLOWED}{offset}"
        url = f"{self._url}/bot{self._token.reveal()}/getUpdates{query}"
        answer = await self._session.request("GET", url)
        updates = self._content(answer.status, answer.body)
        # More may have been stored while it was asked: that the next question confirms.
        self._pending, self._stored = self._pending[len(stored) :], self._stored - len(stored)
        given = {*stored, *self._pending}
        found = [numbered for each in updates for numbered in self._numbered(each)]
        return [each for each in self._after_known(found) if each[0] not in given]

    def _content(self, status: int, body: bytes) -> tuple[msgspec.Raw, ...]:
        try:
            result = decode(body, Result)
        except MalformedPayload as error:
            raise SourceUnavailable(f"Telegram answered {status} and nothing that can be read") from error
        if status != _OK or not result.ok:
            raise self._error(result.error_code or status, result)
        return result.result

    def _numbered(self, update: msgspec.Raw) -> list[tuple[int, bytes]]:
        try:
            return [(decode(update, Numbered).update_id, bytes(update))]
        except MalformedPayload:
            self._standing.put(UNREADABLE, bytes(update), self._clock.now())
            return []

    def _after_known(self, found: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
        """Without those an earlier process has stored and not confirmed, which are confirmed now.

        Only if the last of these is among them: by then another count may have begun.
        """
        numbers = [number for number, _ in found]
        if self._known not in numbers:
            return found
        place = numbers.index(self._known) + 1
        self._pending = numbers[:place]
        self._stored = place
        self._known = None
        return found[place:]

    def _error(self, code: int, result: Result) -> KamiyoError:
        if code in _UNKNOWN:
            return QuestionRefused("Telegram does not know the token: set sources.telegram.token")
        if code == _CONFLICT:
            return SourceUnavailable(
                "another program reads this bot's updates, or it has a webhook: end that, or use another bot"
            )
        if code == _TOO_MANY:
            self._wait = min(timedelta(seconds=max(result.parameters.retry_after or 0, 1)), _LONGEST_WAIT)
            return RateLimited(f"Telegram wants to be left alone for {self._wait.total_seconds():.0f} s")
        return SourceUnavailable(f"Telegram answered {code}")
