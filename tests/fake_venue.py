"""A venue within the process: sockets and answers that are scripted, in a time that only the test moves."""

import asyncio
import base64
import heapq
import random
import zlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from kamiyo.aggregators.base import Headers, NoChoice, NoNetwork, Response, StreamItem, Toolbox, Waiting
from kamiyo.aggregators.hyperliquid_api import HyperliquidAPIAggregator, HyperliquidAPISettings
from kamiyo.core.errors import SourceUnavailable
from kamiyo.core.events import Gap
from kamiyo.core.ids import Cursor
from kamiyo.core.ports import Raw, UserSlots
from kamiyo.hyperliquid.channels import WireTrade
from kamiyo.hyperliquid.info import parse_question, type_of
from tests.builders import NOW, a_trades_frame
from tests.fakes import MemoryBudget

_SETTLED = 40  # how often all tasks are let run before it is taken that nothing more happens


async def settle() -> None:
    """Let every task run until all of them wait for something."""
    for _ in range(_SETTLED):
        await asyncio.sleep(0)


class SteppedClock:
    """Time that stands still until a test moves it; who sleeps is woken in the order of time."""

    def __init__(self, now: datetime = NOW) -> None:
        self.moment = now
        self._sleeping: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._count = 0

    def now(self) -> datetime:
        return self.moment

    async def sleep(self, duration: timedelta) -> None:
        if duration <= timedelta(0):
            await asyncio.sleep(0)
            return
        self._count += 1
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleeping, (self.moment + duration, self._count, woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """Let so much time pass, and everybody do what he does in it."""
        until = self.moment + timedelta(seconds=seconds)
        await settle()
        while self._sleeping and self._sleeping[0][0] <= until:
            at, _number, woken = heapq.heappop(self._sleeping)
            self.moment = max(self.moment, at)
            if not woken.done():
                woken.set_result(None)
                await settle()
        self.moment = until
        await settle()


class ScriptedSocket:
    """One connection, whose other side is the test."""

    def __init__(self, heard: Callable[["ScriptedSocket", str], None] | None = None) -> None:
        self.sent: list[str] = []
        self.open = True
        self._heard = heard or (lambda _socket, _text: None)
        self._texts: list[bytes] = []
        self._ending: str | None = None
        self._changed = asyncio.Event()

    def say(self, *texts: bytes) -> None:
        """Let these arrive, together if nobody reads in between."""
        if self._ending is None:
            self._texts += texts
            self._changed.set()

    def end(self, reason: str = "1006 abnormal closure") -> None:
        """End the connection after what was said."""
        if self._ending is None:
            self._ending = reason
            self._changed.set()

    async def send(self, text: str) -> None:
        if self._ending is not None:
            raise SourceUnavailable(self._ending)
        self.sent.append(text)
        self._heard(self, text)

    async def receive(self) -> list[bytes]:
        while not self._texts:
            if self._ending is not None:
                raise SourceUnavailable(self._ending)
            self._changed.clear()
            await self._changed.wait()
        texts, self._texts = self._texts, []
        return texts

    async def close(self, code: int = 1000) -> None:
        self.end(f"{code} by us")


class ScriptedVenue(NoNetwork):
    """Acknowledges every subscription, says what a new subscriber gets first, and answers questions.

    ``answers`` are by the question's type: bytes, an Exception, or a function of the question. A type
    without one is answered with 500 ``null``.
    """

    def __init__(self, answers: Mapping[str, Any] | None = None) -> None:
        self.answers: dict[str, Any] = dict(answers or {})
        self.files: dict[str, Any] = {}
        self.deadly: set[str] = set()  # coins that close the socket
        self.refused: set[str] = set()  # coins and types it refuses with an error
        self.history: dict[str, list[WireTrade]] = defaultdict(list)
        self.snapshots: dict[str, list[Any]] = defaultdict(list)
        self.sockets: list[ScriptedSocket] = []
        self.asked: list[Any] = []
        self.read: list[str] = []
        self.unreachable: str | None = None
        self.deaf = False  # takes subscriptions and says nothing to them

    @asynccontextmanager
    async def connect(self, url: str) -> AsyncIterator[ScriptedSocket]:
        assert url.startswith("ws://lab/")
        await asyncio.sleep(0)
        if self.unreachable is not None:
            raise SourceUnavailable(self.unreachable)
        socket = ScriptedSocket(self._heard)
        self.sockets.append(socket)
        try:
            yield socket
        finally:
            socket.open = False
            socket.end("closed by the client")

    async def request(
        self, method: str, url: str, *, body: bytes | None = None, headers: Headers | None = None
    ) -> Response:
        assert headers is None
        await asyncio.sleep(0)
        if method == "GET":
            self.read.append(url)
            return _response(self.files.get(url.rsplit("/", 1)[-1], b""))
        assert (method, url) == ("POST", "http://lab/info")
        assert body is not None
        question = parse_question(body)
        self.asked.append(question)
        answer = self.answers.get(type_of(question))
        return _response(answer(question) if callable(answer) else answer)

    def asked_of(self, kind: str) -> list[Any]:
        """The questions of one type, in order."""
        return [each for each in self.asked if type_of(each) == kind]

    @property
    def public(self) -> ScriptedSocket:
        """The newest socket that asked for trades."""
        return self._newest("trades")

    @property
    def users(self) -> ScriptedSocket:
        """The newest socket that asked for somebody's fills."""
        return self._newest("userFills")

    def _newest(self, kind: str) -> ScriptedSocket:
        return next(
            each for each in reversed(self.sockets) if any(f'"type":"{kind}"' in text for text in each.sent)
        )

    def trade(self, *trades: WireTrade) -> None:
        """Tell the public socket of these."""
        self.public.say(a_trades_frame(*trades))

    def _heard(self, socket: ScriptedSocket, text: str) -> None:
        request = msgspec.json.decode(text)
        if request["method"] == "ping":
            socket.say(b'{"channel":"pong"}')
            return
        feed = request["subscription"]
        if feed.get("coin") in self.deadly:
            socket.end()
            return
        if self.deaf:
            return
        if {feed["type"], feed.get("coin")} & self.refused:
            told = "Invalid subscription " + msgspec.json.encode(feed).decode()
            socket.say(msgspec.json.encode({"channel": "error", "data": told}))
            return
        socket.say(b'{"channel":"subscriptionResponse","data":' + text.encode() + b"}")
        if request["method"] == "subscribe":
            socket.say(*self._first_frames(feed))

    def _first_frames(self, feed: Mapping[str, str]) -> Iterable[bytes]:
        if feed["type"] == "trades" and self.history[feed["coin"]]:
            yield a_trades_frame(*self.history[feed["coin"]])
        if feed["type"] == "userFills":
            yield user_fills_frame(feed["user"], *self.snapshots[feed["user"]], snapshot=True)


def user_fills_frame(user: str, *fills: Any, snapshot: bool = False) -> bytes:
    """A frame of an account's fills."""
    told = {"user": user, "fills": fills} | ({"isSnapshot": True} if snapshot else {})
    return msgspec.json.encode({"channel": "userFills", "data": told})


def fast_contexts_frame(**marks: str) -> bytes:
    """A frame of marks, packed as the venue packs it."""
    packing = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    content = msgspec.json.encode({asset: {"markPx": mark} for asset, mark in marks.items()})
    packed = base64.b64encode(packing.compress(content) + packing.flush()).decode()
    return msgspec.json.encode({"channel": "fastAssetCtxs", "data": packed})


def contexts_frame(**sizes: int) -> bytes:
    """A frame of contexts: so many for each dex, the first one's name being ``first``."""
    context = {"markPx": "100.0", "oraclePx": "100.0", "midPx": "100.0", "openInterest": "5.0"}
    dexes = [["" if dex == "first" else dex, [context] * size] for dex, size in sizes.items()]
    return msgspec.json.encode({"channel": "allDexsAssetCtxs", "data": {"ctxs": dexes}})


def metas(*universes: Sequence[str], delisted: Sequence[str] = ()) -> bytes:
    """The answer to ``allPerpMetas``: every dex with its assets."""
    return msgspec.json.encode(
        [
            {
                "universe": [
                    {"name": name, "szDecimals": 2, "maxLeverage": 10}
                    | ({"isDelisted": True} if name in delisted else {})
                    for name in universe
                ]
            }
            for universe in universes
        ]
    )


def dexes(*names: str) -> bytes:
    """The answer to ``perpDexs``: the first dex, and these."""
    return msgspec.json.encode([None, *({"name": name} for name in names)])


def _response(answer: Any) -> Response:
    if isinstance(answer, Exception):
        raise answer
    if isinstance(answer, Response):
        return answer
    return Response(500 if answer is None else 200, {}, b"null" if answer is None else answer)


@dataclass
class Live:
    """The source at work in a scripted venue, and everything it said so far."""

    venue: ScriptedVenue
    clock: SteppedClock
    source: HyperliquidAPIAggregator
    items: list[StreamItem] = field(default_factory=list)

    @property
    def gaps(self) -> list[Gap]:
        return [item for item in self.items if isinstance(item, Gap)]

    @property
    def waits(self) -> list[str]:
        return [item.detail for item in self.items if isinstance(item, Waiting)]

    def raws(self, stream: str) -> list[Raw]:
        return [item for item in self.items if isinstance(item, Raw) and item.stream == stream]

    @property
    def cursor(self) -> Cursor:
        """The newest cursor."""
        return next(item.cursor for item in reversed(self.items) if isinstance(item, Raw) and item.cursor)

    def tids(self) -> list[int]:
        """The trades told of, in order, with those that came twice."""
        return [trade.tid for raw in self.raws("ws/trades") for trade in self.source.normalize(raw).trades]


def a_venue(*assets: str) -> ScriptedVenue:
    """A venue with one dex and these assets, of which nothing else is known."""
    return ScriptedVenue({"perpDexs": dexes(), "allPerpMetas": metas(assets or ("BTC", "ETH"))})


@asynccontextmanager
async def living(
    venue: ScriptedVenue,
    *,
    clock: SteppedClock | None = None,
    cursor: Cursor | None = None,
    seconds: float = 3,
    user_slots: UserSlots | None = None,
    **settings: Any,
) -> AsyncIterator[Live]:
    """Let the source run for so long, then do what the test wants; it is stopped afterwards."""
    time = clock or SteppedClock()
    chosen = {"url": "http://lab", "scan_accounts": 0, "majors": ""} | settings
    tools = Toolbox(
        clock=time,
        session=venue,
        connect=venue.connect,
        budget=MemoryBudget(time),
        user_slots=user_slots or NoChoice(),
        random=random.Random(1),
    )
    live = Live(venue, time, HyperliquidAPIAggregator(msgspec.convert(chosen, HyperliquidAPISettings), tools))

    async def read() -> None:
        async with aclosing(live.source.stream(cursor)) as items:
            async for item in items:
                live.items.append(item)

    reading = asyncio.ensure_future(read())
    try:
        await time.advance(seconds)
        yield live
    finally:
        reading.cancel()
        await asyncio.wait({reading})
        if not reading.cancelled() and reading.exception() is not None:
            raise reading.exception()  # type: ignore[misc]
