"""A local Discord: its REST API and its gateway over real sockets, and what can go wrong with them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from kamiyo.core.time import Clock, to_millis
from tests.services.server import Reply, Request, Server, json_reply, open_server

_EPOCH = 1_420_070_400_000
_CONTENT_INTENT = 1 << 15
_PAGE = 50


@dataclass
class Session:
    """A session: what happened since it began, as long as Discord keeps it."""

    id: str
    intents: int
    events: list[tuple[str, Any]] = field(default_factory=list)
    socket: ServerConnection | None = None


@dataclass
class Bucket:
    """So many questions in so many seconds."""

    limit: int
    seconds: float
    used: int = 0
    began: datetime | None = None


class Discord:
    """One server with its channels, one bot, and what the test wants to go wrong."""

    GUILD = 700

    def __init__(self, token: str, clock: Clock) -> None:
        self.token = token
        self.clock = clock
        self.bot = "900"
        self.messages: dict[int, dict[int, dict[str, Any]]] = {}
        self.hidden: set[int] = set()  # channels the bot may not see
        self.no_history: set[int] = set()
        self.content_allowed = True  # the MESSAGE CONTENT intent, in the portal
        self.interval = 41_250
        self.acknowledges = True
        self.remaining = 1_000
        self.reset_after = timedelta(hours=1)
        self.bucket: Bucket | None = None
        self.answers: list[Reply | Callable[[Request], Reply]] = []  # given instead of the next ones
        self.sessions: dict[str, Session] = {}
        self.identified = self.resumed = self.refused_resumes = 0
        self.invalid = 0  # answers 401, 403 and 429
        self.exceeded = 0  # questions beyond the bucket
        self.closes: list[int | None] = []  # the codes the client closed with
        self.sent: list[list[datetime]] = []  # when the client said something, by connection
        self.greetings: list[Any] = []  # what is said instead of the next Hellos
        self.refusals: list[int] = []  # the codes with which the next identifications are refused
        self.base = self.gateway = ""
        self._last_id = 0

    # --- what happens in its channels -----------------------------------------------------------------------

    async def post(self, channel: int, text: str, **more: Any) -> int:
        """Somebody writes a message."""
        number = self._last_id = max(self._last_id + 1, (to_millis(self.clock.now()) - _EPOCH) << 22)
        message = {
            "id": str(number),
            "type": 0,
            "content": text,
            "channel_id": str(channel),
            "author": {"id": "53908099506183680", "username": "mason", "global_name": None},
            "attachments": [],
            "embeds": [],
            "mentions": [],
            "timestamp": self.clock.now().isoformat(),
            "edited_timestamp": None,
            "flags": 0,
            "components": [],
        } | more
        self.messages.setdefault(channel, {})[number] = message
        await self.dispatch("MESSAGE_CREATE", message | {"guild_id": str(self.GUILD)})
        return number

    async def edit(self, channel: int, number: int, text: str) -> None:
        message = self.messages[channel][number]
        message |= {"content": text, "edited_timestamp": self.clock.now().isoformat()}
        await self.dispatch("MESSAGE_UPDATE", message | {"guild_id": str(self.GUILD)})

    async def delete(self, channel: int, *numbers: int) -> None:
        for number in numbers:
            del self.messages[channel][number]
        where = {"channel_id": str(channel), "guild_id": str(self.GUILD)}
        if len(numbers) == 1:
            await self.dispatch("MESSAGE_DELETE", {"id": str(numbers[0])} | where)
        else:
            await self.dispatch("MESSAGE_DELETE_BULK", {"ids": [str(each) for each in numbers]} | where)

    async def dispatch(self, name: str, data: Any) -> None:
        """Tell every session; those that are connected hear it now."""
        for session in self.sessions.values():
            session.events.append((name, self._shown(data, session)))
            if session.socket is not None:
                await self._tell(session, len(session.events), session.socket)

    async def say(self, text: str | bytes) -> None:
        """Say something of one's own to whoever is connected."""
        for session in self.sessions.values():
            if session.socket is not None:
                await session.socket.send(text)

    async def close(self, code: int, *, forget: bool = False) -> None:
        """Close the connections that have a session."""
        for session in list(self.sessions.values()):
            if session.socket is not None:
                socket, session.socket = session.socket, None
                await socket.close(code)
        if forget:
            self.sessions.clear()

    def cut(self) -> None:
        """Lose the connections without a word."""
        for session in self.sessions.values():
            if session.socket is not None:
                session.socket.transport.abort()
                session.socket = None

    @property
    def connected(self) -> bool:
        return any(each.socket is not None for each in self.sessions.values())

    def _shown(self, data: Any, session: Session | None) -> Any:
        """Without the intent, or without leave for it, nobody's words are shown."""
        asked = session is None or session.intents & _CONTENT_INTENT
        if "content" not in data or (asked and self.content_allowed):
            return data
        return data | {"content": "", "embeds": [], "attachments": [], "components": []}

    # --- the gateway ----------------------------------------------------------------------------------------

    async def serve_gateway(self, socket: ServerConnection) -> None:
        session: Session | None = None
        sent: list[datetime] = []
        self.sent.append(sent)
        try:
            greeting = (
                self.greetings.pop(0) if self.greetings else _frame(10, {"heartbeat_interval": self.interval})
            )
            await socket.send(greeting)
            async for text in socket:
                sent.append(self.clock.now())
                session = await self._take(msgspec.json.decode(text), socket, session)
        except ConnectionClosed:
            pass
        finally:
            received = socket.protocol.close_rcvd
            self.closes.append(None if received is None else received.code)
            if session is not None and session.socket is socket:
                session.socket = None
            if session is not None and received is not None and received.code in {1000, 1001}:
                self.sessions.pop(session.id, None)  # as Discord does

    async def _take(self, frame: Any, socket: ServerConnection, session: Session | None) -> Session | None:
        match frame["op"]:
            case 1 if self.acknowledges:
                await socket.send(_frame(11, None))
            case 2:
                return await self._identify(frame["d"], socket)
            case 6:
                return await self._resume(frame["d"], socket)
            case _:
                pass
        return session

    async def _identify(self, data: Any, socket: ServerConnection) -> Session | None:
        self.identified += 1
        self.remaining -= 1
        code = self.refusals.pop(0) if self.refusals else None
        if data["token"] != self.token:
            code = 4004
        if data["intents"] & _CONTENT_INTENT and not self.content_allowed:
            code = 4014
        if code is not None:
            await socket.close(code)
            return None
        session = Session(f"session-{self.identified}", data["intents"], socket=socket)
        self.sessions = {session.id: session}
        ready = {
            "v": 10,
            "session_id": session.id,
            "resume_gateway_url": self.gateway,
            "user": {"id": self.bot, "username": "kamiyo"},
            "guilds": [{"id": str(self.GUILD), "unavailable": True}],
        }
        session.events.append(("READY", ready))
        await self._tell(session, 1, socket)
        return session

    async def _resume(self, data: Any, socket: ServerConnection) -> Session | None:
        session = self.sessions.get(data["session_id"])
        if session is None or data["token"] != self.token or data["seq"] > len(session.events):
            self.refused_resumes += 1
            await socket.send(_frame(9, d=False))
            return None
        self.resumed += 1
        first = data["seq"] + 1
        session.events.append(("RESUMED", {}))
        for number in range(first, len(session.events) + 1):
            await self._tell(session, number, socket)
        session.socket = socket
        return session

    async def _tell(self, session: Session, number: int, socket: ServerConnection) -> None:
        name, data = session.events[number - 1]
        try:
            await socket.send(_frame(0, data, s=number, t=name))
        except ConnectionClosed:
            session.socket = None

    # --- the REST API ---------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Reply:
        if self.answers:
            given = self.answers.pop(0)
            return given if isinstance(given, Reply) else given(request)
        if request.headers.get("authorization") != f"Bot {self.token}":
            return self._refuse(401)
        if not request.headers.get("user-agent", "").startswith("DiscordBot ("):
            return self._refuse(403)
        path = request.path.removeprefix("/api/v10")
        if path == "/gateway/bot":
            limit = {
                "total": 1_000,
                "remaining": max(self.remaining, 0),
                "reset_after": self.reset_after // timedelta(milliseconds=1),
                "max_concurrency": 1,
            }
            return json_reply({"url": self.gateway, "shards": 1, "session_start_limit": limit})
        return self._channel(path.split("/"), request)

    def _channel(self, path: list[str], request: Request) -> Reply:
        number = int(path[2])
        if number in self.hidden:
            return self._refuse(403)
        if number not in self.messages:
            return json_reply({"message": "Unknown Channel", "code": 10003}, 404)
        messages = self.messages[number]
        if len(path) == 3:
            last = str(max(messages)) if messages else None
            return json_reply(
                {"id": path[2], "guild_id": str(self.GUILD), "type": 5, "last_message_id": last}
            )
        headers = self._spend()
        if headers is None:
            return self._too_much()
        shown = [] if number in self.no_history else self._page(messages, request)
        return json_reply([self._shown(each, None) for each in shown], headers=headers)

    def _page(self, messages: dict[int, dict[str, Any]], request: Request) -> list[dict[str, Any]]:
        """The ones next to ``after`` or ``before``, or the newest; in each case newest first."""
        limit = int(request.query.get("limit", _PAGE))
        after = int(request.query["after"]) if "after" in request.query else None
        numbers = sorted(each for each in messages if after is None or each > after)
        chosen = numbers[-limit:] if after is None else numbers[:limit]
        return [messages[each] for each in reversed(chosen)]

    def _spend(self) -> dict[str, str] | None:
        bucket, now = self.bucket, self.clock.now()
        if bucket is None:
            return {}
        if bucket.began is None or now - bucket.began >= timedelta(seconds=bucket.seconds):
            bucket.began, bucket.used = now, 0
        if bucket.used >= bucket.limit:
            self.exceeded += 1
            return None
        bucket.used += 1
        left = bucket.seconds - (now - bucket.began).total_seconds()
        return {
            "x-ratelimit-limit": str(bucket.limit),
            "x-ratelimit-remaining": str(bucket.limit - bucket.used),
            "x-ratelimit-reset-after": f"{left:.3f}",
            "x-ratelimit-bucket": "abcd1234",
        }

    def _too_much(self) -> Reply:
        self.invalid += 1
        return too_much(1.5)

    def _refuse(self, status: int) -> Reply:
        self.invalid += 1
        return json_reply({"message": "Missing Access", "code": 50001}, status)


def too_much(seconds: float, *, everything: bool = False) -> Reply:
    """An answer 429 as Discord's API gives it."""
    body = {"message": "You are being rate limited.", "retry_after": seconds, "global": everything}
    return json_reply(body, 429, {"retry-after": str(int(seconds) + 1), "x-ratelimit-scope": "user"})


def _frame(op: int, d: Any, s: int | None = None, t: str | None = None) -> str:
    return msgspec.json.encode({"op": op, "d": d, "s": s, "t": t}).decode()


@asynccontextmanager
async def open_discord(token: str, clock: Clock) -> AsyncIterator[tuple[Discord, Server]]:
    """Run one on free ports of this machine."""
    discord = Discord(token, clock)
    async with open_server(discord.answer) as server, serve(discord.serve_gateway, "127.0.0.1", 0) as gateway:
        discord.base = server.url
        discord.gateway = f"ws://127.0.0.1:{next(iter(gateway.sockets)).getsockname()[1]}"
        yield discord, server
