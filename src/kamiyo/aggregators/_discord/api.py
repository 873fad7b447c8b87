"""Questions to Discord's REST API: within its limits, and not again and again what it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from kamiyo.aggregators._discord.limits import FORBIDDEN, OK, TOO_MANY, UNAUTHORIZED, Limits
from kamiyo.aggregators._discord.wire import Channel, Gateway, decode
from kamiyo.aggregators.base import Response, Session
from kamiyo.core.errors import QuestionRefused, RateLimited, SourceUnavailable
from kamiyo.core.time import EPOCH, Clock
from kamiyo.kit.secret import Secret

PAGE: Final = 100
_NOT_FOUND: Final = 404
_WAITED_FOR: Final = timedelta(seconds=5)  # where it is asked; longer waits are the asker's
_TOKEN_RETRY: Final = timedelta(minutes=15)
_USER_AGENT: Final = "DiscordBot (kamiyo, 1.0)"  # another form of name is refused before it is looked at
_GATEWAY: Final = "/gateway/bot"
_REFUSED: Final = {
    UNAUTHORIZED: "does not know the token: set sources.discord.token",
    FORBIDDEN: "does not let the bot in: invite it to the server, and give it View Channel and "
    "Read Message History there",
    _NOT_FOUND: "does not know this channel",
}


class Api:
    """One bot's questions."""

    def __init__(self, url: str, token: Secret, *, session: Session, clock: Clock) -> None:
        self.is_secure = url.startswith("https://")
        self._url = f"{url.rstrip('/')}/api/v10"
        self._token = token
        self._session = session
        self._clock = clock
        self._limits = Limits()
        self._unauthorized_until = EPOCH

    async def gateway(self) -> Gateway:
        """Where the gateway is; errors as those of ``messages``."""
        return decode(await self._ask(_GATEWAY), Gateway)

    async def channel(self, channel: int) -> Channel:
        """What a channel says of itself; errors as those of ``messages``."""
        return decode(await self._ask(f"/channels/{channel}"), Channel)

    async def messages(self, channel: int, *, after: int | None = None) -> Sequence[msgspec.Raw]:
        """The newest messages of a channel, or the first ones after an id: as they come, newest first.

        QuestionRefused for what somebody has to allow first, RateLimited while Discord wants to be left
        alone, SourceUnavailable for any other failure, MalformedPayload for an answer that is none.
        """
        place = "" if after is None else f"&after={after}"
        return decode(await self._ask(_messages(channel), f"?limit={PAGE}{place}"), tuple[msgspec.Raw, ...])

    def ready_at(self, channel: int) -> datetime:
        """When a channel's messages may be asked for."""
        now = self._clock.now()
        return max(self._limits.ready_at(_messages(channel), now), self._unauthorized_until)

    async def _ask(self, path: str, query: str = "") -> bytes:
        await self._wait(path)
        self._limits.asked(self._clock.now())
        headers = {"authorization": f"Bot {self._token.reveal()}", "user-agent": _USER_AGENT}
        answer = await self._session.request("GET", self._url + path + query, headers=headers)
        self._limits.answered(path, answer.status, answer.headers, answer.body, now=self._clock.now())
        return self._content(path, answer)

    async def _wait(self, path: str) -> None:
        now = self._clock.now()
        if now < self._unauthorized_until:
            raise QuestionRefused(_refusal(UNAUTHORIZED))
        while (wait := self._limits.ready_at(path, now) - now) > timedelta():
            if wait > _WAITED_FOR:
                raise RateLimited(f"Discord wants to be left alone for {wait.total_seconds():.0f} s")
            await self._clock.sleep(wait)
            now = self._clock.now()

    def _content(self, path: str, answer: Response) -> bytes:
        if answer.status == OK:
            return answer.body
        if answer.status == UNAUTHORIZED:
            self._unauthorized_until = self._clock.now() + _TOKEN_RETRY
        if answer.status in _REFUSED and (path != _GATEWAY or answer.status == UNAUTHORIZED):
            raise QuestionRefused(_refusal(answer.status))
        if answer.status == TOO_MANY:
            raise RateLimited("Discord was asked too much")
        raise SourceUnavailable(f"Discord answered {answer.status}")


def _messages(channel: int) -> str:
    return f"/channels/{channel}/messages"


def _refusal(status: int) -> str:
    return f"Discord {_REFUSED[status]} ({status})"
