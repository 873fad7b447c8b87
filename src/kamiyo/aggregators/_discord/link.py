"""Keeps a connection to Discord's gateway: begins, resumes, begins again, and waits where it must."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from random import Random
from typing import Final, Protocol

from kamiyo.aggregators._discord.api import Api
from kamiyo.aggregators._discord.gateway import RESUMABLE, Connection, Event, Session, fatal, survives
from kamiyo.aggregators.base import Connect
from kamiyo.core.errors import (
    ConnectionEnded,
    KamiyoError,
    MalformedPayload,
    QuestionRefused,
    SourceUnavailable,
)
from kamiyo.core.time import EPOCH, Clock
from kamiyo.kit.secret import Secret
from kamiyo.kit.transport import WebSocket

_QUERY: Final = "/?v=10&encoding=json"
_BETWEEN_SESSIONS: Final = timedelta(seconds=5)
_FIRST_PAUSE: Final = timedelta(seconds=1)
_LONGEST_PAUSE: Final = timedelta(minutes=2)
_FIRST_FATAL_PAUSE: Final = timedelta(minutes=5)
_LONGEST_FATAL_PAUSE: Final = timedelta(hours=1)
_MOST_DOUBLINGS: Final = 10
_MOST_RESUMES: Final = 5  # of a session that does not get on
_LOOK_AGAIN: Final = timedelta(seconds=1)


class Listener(Protocol):
    """Whoever the connection is kept for."""

    async def room(self) -> None:
        """Wait until there is room for what will be heard next."""
        ...

    def opened(self, now: datetime) -> None:
        """A session began: what happened before was not heard."""
        ...

    def heard(self, event: Event, now: datetime) -> None:
        """Something happened."""
        ...

    def unreadable(self, payload: bytes, now: datetime) -> None:
        """Something came that is nothing."""
        ...

    def alive(self, now: datetime) -> None:
        """Discord answered that it is there, and has told everything until now."""
        ...

    def failed(self, trouble: str, now: datetime) -> None:
        """There is no connection, and why."""
        ...


class Link:
    """One connection at a time."""

    def __init__(
        self, api: Api, token: Secret, *, connect: Connect, clock: Clock, random: Random, listener: Listener
    ) -> None:
        self._api = api
        self._token = token
        self._connect = connect
        self._clock = clock
        self._random = random
        self._listener = listener
        self._session: Session | None = None
        self._fruitless = 0  # resumes of the session, one after the other, that brought nothing
        self._failures = 0
        self._refusals = 0
        self._identified_at = EPOCH
        self._shortest_pause = timedelta()

    async def run(self) -> None:
        """Keep the connection until cancelled."""
        while True:
            try:
                pause = await self._once()
            except KamiyoError as error:
                pause = max(self._after(error), self._shortest_pause)
                self._listener.failed(str(error), self._clock.now())
            await self._clock.sleep(pause)

    async def _once(self) -> timedelta:
        """One connection until it ends, as an error or with the pause before the next one."""
        if self._fruitless >= _MOST_RESUMES:
            self._forget()
        session = self._session
        self._shortest_pause = timedelta()
        self._fruitless += session is not None
        url = await self._new_url() if session is None else session.resume_url
        self._check(url)
        async with self._connect(url.rstrip("/") + _QUERY) as socket:
            connection = Connection(self._token, session, random=self._random, now=self._clock.now())
            ended = await self._converse(socket, connection)
            self._session = connection.session
            if ended is None:
                await socket.close(RESUMABLE)
        return self._ended(connection, ended)

    async def _new_url(self) -> str:
        """Where a new session may begin now."""
        await self._clock.sleep(max(self._identified_at + _BETWEEN_SESSIONS - self._clock.now(), timedelta()))
        gateway = await self._api.gateway()
        limit = gateway.session_start_limit
        if limit.remaining <= 0:
            wait = timedelta(milliseconds=max(limit.reset_after, 0))
            trouble = f"Discord lets no more sessions begin for {wait.total_seconds():.0f} s"
            self._listener.failed(trouble, self._clock.now())
            await self._clock.sleep(wait)
        self._identified_at = self._clock.now()
        return gateway.url

    def _check(self, url: str) -> None:
        """The token is sent there."""
        if not url.startswith("wss://" if self._api.is_secure else ("ws://", "wss://")):
            raise MalformedPayload("Discord's gateway is at an address that is none")

    # --- how it ended -------------------------------------------------------------------------------------

    def _ended(self, connection: Connection, ended: ConnectionEnded | None) -> timedelta:
        code = None if ended is None else ended.code
        if connection.session is None or not survives(code):
            self._forget()
        if connection.acknowledged_at is not None:
            self._failures = self._refusals = 0
        self._shortest_pause = connection.pause
        wrong = fatal(code)
        if wrong is not None:
            raise QuestionRefused(wrong)
        reason = str(ended or connection.over)
        if not connection.live:
            raise SourceUnavailable(f"Discord's gateway: {reason}")
        return max(connection.pause, self._after(SourceUnavailable(reason)))

    def _forget(self) -> None:
        self._session = None
        self._fruitless = 0

    def _after(self, error: KamiyoError) -> timedelta:
        """How long to leave Discord alone: long, where only somebody can put it right."""
        if isinstance(error, QuestionRefused):
            pause = _FIRST_FATAL_PAUSE * (1 << min(self._refusals, _MOST_DOUBLINGS))
            self._refusals += 1
            return min(pause, _LONGEST_FATAL_PAUSE)
        pause = _FIRST_PAUSE * (1 << min(self._failures, _MOST_DOUBLINGS))
        self._failures += 1
        return self._jittered(min(pause, _LONGEST_PAUSE))

    def _jittered(self, pause: timedelta) -> timedelta:
        return pause * self._random.uniform(0.5, 1.0)

    # --- while it is open ---------------------------------------------------------------------------------

    async def _converse(self, socket: WebSocket, connection: Connection) -> ConnectionEnded | None:
        # Both return how it ended and raise nothing of the sort: a task group that is cancelled while a task
        # of it fails raises the failure alone, and the cancellation would be lost.
        async with asyncio.TaskGroup() as tasks:
            both = [
                tasks.create_task(self._receive(socket, connection)),
                tasks.create_task(self._attend(socket, connection)),
            ]
            done, _running = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in both:
                task.cancel()
        return next(iter(done)).result()

    async def _receive(self, socket: WebSocket, connection: Connection) -> ConnectionEnded | None:
        while connection.over is None:
            await self._listener.room()
            try:
                texts = await socket.receive()
            except ConnectionEnded as ended:
                return ended
            now = self._clock.now()
            for text in texts:
                if connection.over is None:
                    self._take(text, connection, now)
        return None

    def _take(self, text: bytes, connection: Connection, now: datetime) -> None:
        acknowledged, fresh = connection.acknowledged_at, connection.fresh
        try:
            event = connection.heard(text, now)
        except MalformedPayload:
            # It came instead of something: what that was comes again when the session is resumed.
            connection.over = "unreadable"
            self._listener.unreadable(text, now)
            return
        if connection.fresh is not fresh:
            self._listener.opened(now)
        if event is not None:
            self._fruitless = self._fruitless if event.name == "RESUMED" else 0
            self._listener.heard(event, now)
        elif connection.acknowledged_at != acknowledged and connection.live:
            self._fruitless = 0
            self._listener.alive(now)

    async def _attend(self, socket: WebSocket, connection: Connection) -> ConnectionEnded | None:
        """Send what is due; give up what does not answer."""
        while True:
            now = self._clock.now()
            texts = connection.due(now)
            if connection.over is not None:
                return None
            try:
                for text in texts:
                    await socket.send(text)
            except ConnectionEnded as ended:
                return ended
            now = self._clock.now()
            await self._clock.sleep(min(max(connection.next_due(now) - now, timedelta()), _LOOK_AGAIN))
