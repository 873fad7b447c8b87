"""X as its documentation describes it: rules, filtered stream, recent search, limits and prices."""

import asyncio
import re
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from kamiyo.core.time import Clock, rfc3339
from tests.services.server import Reply, Request, Server, json_reply, open_server

TOKEN = "AAAAAAAAAAAAAAAAAAAAAcanary%2Btoken"
SEARCH = "/2/tweets/search/recent"
STREAM = "/2/tweets/search/stream"
RULES = "/2/tweets/search/stream/rules"

_FIRST_MILLISECOND = 1_288_834_974_657
_WINDOW = timedelta(minutes=15)
_REACH = timedelta(days=7)
_KEEP_ALIVE = timedelta(seconds=20)
_LIMITS = {("GET", SEARCH): 450, ("GET", STREAM): 50, ("POST", RULES): 100, ("GET", RULES): 450}
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00Z")

_FROM = re.compile(r"from:(\w+)")


@dataclass
class Tweet:
    """A post as X keeps it."""

    id: int
    handle: str
    posted_at: datetime
    found_at: datetime  # since when the search knows it
    body: dict[str, Any]


@dataclass(eq=False)
class Connection:
    """One open stream."""

    lines: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    deaf: bool = False  # what is sent is lost on the way, and nobody notices
    broken: bool = False

    async def parts(self) -> AsyncIterator[bytes]:
        while (line := await self.lines.get()) is not None:
            yield line
        if self.broken:
            raise ConnectionResetError


@dataclass
class X:
    """The service. ``charged`` are the posts that were paid for on each day, by its own clock."""

    clock: Clock
    index_lag: timedelta = timedelta(0)
    url: str = ""
    server: Server | None = None
    tweets: list[Tweet] = field(default_factory=list)
    rules: dict[str, tuple[str, str]] = field(default_factory=dict)  # by id: value and tag
    charged: Counter[date] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)  # how often somebody came too often
    faults: dict[str, deque[Reply]] = field(default_factory=lambda: defaultdict(deque))  # next answers
    connections: set[Connection] = field(default_factory=set)
    connected: int = 0
    _asked: dict[tuple[str, str], tuple[datetime, int]] = field(default_factory=dict)
    keeps_alive: bool = True
    limits: dict[tuple[str, str], int] = field(default_factory=lambda: dict(_LIMITS))
    _count: int = 1_000

    # --- what happens there ---

    def post(self, handle: str, text: str, **more: Any) -> str:
        """Somebody posts; the id."""
        now, self._count = self.clock.now(), self._count + 1
        millis = (now - _EPOCH) // timedelta(milliseconds=1) - _FIRST_MILLISECOND
        number = (millis << 22) | (self._count & 0x3FFFFF)
        body = {
            "id": str(number),
            "text": text,
            "created_at": rfc3339(now),
            "author_id": str(abs(hash(handle)) % 10**9),
            "edit_history_tweet_ids": [str(number)],
        } | more
        tweet = Tweet(number, handle, now, now + self.index_lag, body)
        self.tweets.append(tweet)
        self._deliver(tweet)
        return str(number)

    def send(self, line: bytes) -> None:
        """Bytes on every open stream."""
        for each in self.connections:
            each.lines.put_nowait(line)

    def cut(self, *, clean: bool = False, after: bytes = b"") -> None:
        """Every stream ends, in the middle of a line or cleanly."""
        for each in self.connections:
            each.broken = not clean
            if after:
                each.lines.put_nowait(after)
            each.lines.put_nowait(None)
        self.connections.clear()

    def fall_silent(self) -> None:
        """Every stream stays open and nothing arrives any more; what is sent is charged."""
        for each in self.connections:
            each.deaf = True

    def disconnect(self) -> None:
        """Every stream is ended as X does it when it restarts a server."""
        problem = {"title": "operational-disconnect", "disconnect_type": "UpstreamOperationalDisconnect"}
        self.cut(clean=True, after=msgspec.json.encode({"errors": [problem]}) + b"\r\n")

    def _deliver(self, tweet: Tweet) -> None:
        matching = [
            {"id": number, "tag": tag}
            for number, (value, tag) in self.rules.items()
            if tweet.handle in _handles(value)
        ]
        if not matching:
            return
        line = msgspec.json.encode({"data": tweet.body, "matching_rules": matching}) + b"\r\n"
        for each in self.connections:
            self._charge(1)
            if not each.deaf:
                each.lines.put_nowait(line)

    def _charge(self, posts: int) -> None:
        self.charged[self.clock.now().date()] += posts

    # --- what it answers ---

    async def keep_alive(self) -> None:
        """An empty line now and then on every stream that is heard."""
        while True:
            await self.clock.sleep(_KEEP_ALIVE)
            for each in self.connections if self.keeps_alive else ():
                if not each.deaf:
                    each.lines.put_nowait(b"\r\n")

    def answer(self, request: Request) -> Reply:
        """What is answered to whom, within the limits."""
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return json_reply({"title": "Unauthorized", "status": 401}, 401)
        headers, refused = self._limit(request)
        if refused:
            return json_reply({"title": "Too Many Requests", "status": 429}, 429, headers)
        if self.faults[request.path]:
            return self.faults[request.path].popleft()
        answers: Mapping[tuple[str, str], Callable[[Request], Reply]] = {
            ("GET", SEARCH): self._search,
            ("GET", STREAM): self._stream,
            ("GET", RULES): self._rules,
            ("POST", RULES): self._change_rules,
        }
        reply = answers[request.method, request.path](request)
        return Reply(reply.status, reply.body, dict(reply.headers) | headers, parts=reply.parts)

    def _limit(self, request: Request) -> tuple[dict[str, str], bool]:
        key, now = (request.method, request.path), self.clock.now()
        began, asked = self._asked.get(key, (now, 0))
        if now - began >= _WINDOW:
            began, asked = now, 0
        self._asked[key] = began, asked + 1
        allowed = self.limits[key]
        reset = began + _WINDOW
        headers = {
            "x-rate-limit-limit": str(allowed),
            "x-rate-limit-remaining": str(max(0, allowed - asked - 1)),
            "x-rate-limit-reset": str(-(-(reset - _EPOCH) // timedelta(seconds=1))),
        }
        self.refused[request.path] += asked >= allowed
        return headers, asked >= allowed

    def _search(self, request: Request) -> Reply:
        query, now = request.query, self.clock.now()
        size, since = int(query["max_results"]), int(query["since_id"])
        oldest = ((now - _REACH - _EPOCH) // timedelta(milliseconds=1) - _FIRST_MILLISECOND) << 22
        if not 10 <= size <= 100 or len(query["query"]) > 512 or since < oldest:
            return json_reply({"title": "Invalid Request", "errors": [{"message": str(query)}]}, 400)
        below = min(int(query.get(name, "9" * 19).removeprefix("b")) for name in ("until_id", "next_token"))
        found = sorted(
            (
                tweet
                for tweet in self.tweets
                if tweet.handle in _handles(query["query"])
                and since < tweet.id < below
                and tweet.found_at <= now
            ),
            key=lambda tweet: -tweet.id,
        )
        page = found[:size]
        self._charge(len(page))
        if not page:
            return json_reply({"meta": {"result_count": 0}})
        meta: dict[str, Any] = {
            "newest_id": str(page[0].id),
            "oldest_id": str(page[-1].id),
            "result_count": len(page),
        }
        if len(found) > size:
            meta["next_token"] = f"b{page[-1].id}"
        return json_reply({"data": [tweet.body for tweet in page], "meta": meta})

    def _stream(self, _request: Request) -> Reply:
        if self.connections:
            problem = {"title": "ConnectionException", "connection_issue": "TooManyConnections"}
            return json_reply(problem, 429)
        connection = Connection()
        self.connections.add(connection)
        self.connected += 1
        return Reply(parts=self._parts(connection))

    async def _parts(self, connection: Connection) -> AsyncIterator[bytes]:
        try:
            async for part in connection.parts():
                yield part
        finally:
            self.connections.discard(connection)

    def _rules(self, _request: Request) -> Reply:
        data = [{"id": number, "value": value, "tag": tag} for number, (value, tag) in self.rules.items()]
        return json_reply({"data": data, "meta": {"result_count": len(data)}} if data else {"meta": {}})

    def _change_rules(self, request: Request) -> Reply:
        change = msgspec.json.decode(request.body)
        for number in change.get("delete", {}).get("ids", []):
            del self.rules[number]
        errors: list[dict[str, str]] = []
        for rule in change.get("add", []):
            if rule["value"] in {value for value, _tag in self.rules.values()}:
                errors.append({"title": "DuplicateRule", "value": rule["value"]})
                continue
            self._count += 1
            self.rules[str(self._count)] = rule["value"], rule.get("tag", "")
        return json_reply({"meta": {"sent": rfc3339(self.clock.now())}, "errors": errors}, 201)


def _handles(query: str) -> list[str]:
    return _FROM.findall(query)


@asynccontextmanager
async def open_x(clock: Clock, *, index_lag: timedelta = timedelta(0)) -> AsyncIterator[X]:
    """Run the service on a free port."""
    service = X(clock, index_lag)
    async with open_server(service.answer) as server, asyncio.TaskGroup() as tasks:
        service.url, service.server = server.url, server
        beat = tasks.create_task(service.keep_alive())
        try:
            yield service
        finally:
            beat.cancel()
            service.cut()
