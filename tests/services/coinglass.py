"""A local CoinGlass: its REST API and its socket over real sockets, with plans, limits and faults."""

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request as Handshake
from websockets.http11 import Response

from kamiyo.core.time import Clock, to_millis
from tests.services.server import Reply, Request, Server, json_reply, open_server

MINUTE = timedelta(minutes=1)
_PLANS = ("hobbyist", "startup", "standard", "professional")
_PER_MINUTE = dict(zip(_PLANS, (30, 80, 300, 1_200), strict=True))
_INTERVALS = {"1m": 60_000, "30m": 1_800_000, "1h": 3_600_000, "4h": 14_400_000}
_SHORTEST = dict(zip(_PLANS, ("4h", "30m", "1m", "1m"), strict=True))
_LEAST = {
    "/api/futures/liquidation/order": "standard",
    "/api/futures/liquidation/coin-list": "startup",
    "/api/futures/liquidation/exchange-list": "hobbyist",
    "/api/futures/liquidation/aggregated-history": "hobbyist",
    "/api/hyperliquid/whale-alert": "startup",
    "/api/hyperliquid/whale-position": "startup",
}
_REACH = 7 * 86_400_000
_MOST_ORDERS = 200


@dataclass(frozen=True)
class Order:
    """A liquidation order as everybody there knows it."""

    time: int
    exchange: str = "Binance"
    pair: str = "ETHUSDT"
    asset: str = "ETH"
    price: float = 3000.5
    usd: float = 20_000.25
    side: int = 2

    def row(self) -> dict[str, Any]:
        """As the REST API tells of it."""
        return {
            "exchange_name": self.exchange.upper(),
            "symbol": self.pair,
            "base_asset": self.asset,
            "price": self.price,
            "usd_value": self.usd,
            "side": self.side,
            "time": self.time,
        }

    def frame_row(self) -> dict[str, Any]:
        """As the socket tells of it."""
        return {
            "baseAsset": self.asset,
            "exName": self.exchange,
            "price": self.price,
            "side": self.side,
            "symbol": self.pair,
            "time": self.time,
            "volUsd": self.usd,
        }


@dataclass
class CoinGlass:
    """What it knows, which key it takes, and what the test wants to go wrong."""

    key: str
    clock: Clock
    plan: str = "standard"
    orders: list[Order] = field(default_factory=list)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    positions: list[dict[str, Any]] = field(default_factory=list)
    coins: list[dict[str, Any]] = field(default_factory=list)
    exchanges: list[dict[str, Any]] = field(default_factory=list)
    without: set[str] = field(default_factory=set)  # endpoints the plan turns out not to have
    per_minute: int | None = None  # where it is not what the plan says
    ends_belong: tuple[bool, bool] = (True, True)  # whether the bounds belong to a window
    answers: deque[Callable[[Request], Reply] | None] = field(default_factory=deque)  # instead of the next
    socket_refuses: HTTPStatus | None = None
    socket_answers: bool = True  # pings, that is
    exceeded: int = 0
    pings: int = 0
    most_in_a_minute: int = 0
    url: str = ""
    websocket_url: str = ""
    _asked: deque[Any] = field(default_factory=deque)
    _listeners: set[ServerConnection] = field(default_factory=set)

    @property
    def limit(self) -> int:
        """How often it may be asked in any minute."""
        return self.per_minute or _PER_MINUTE[self.plan]

    # --- what happens ---------------------------------------------------------------------------------------

    async def happen(self, *orders: Order, told: bool = True) -> None:
        """Positions are liquidated, and whoever listens is told unless the frame is lost."""
        self.orders += orders
        if told:
            rows = [each.frame_row() for each in orders]
            await self.say(msgspec.json.encode({"channel": "liquidationOrders", "data": rows}).decode())

    async def say(self, text: str) -> None:
        """Say something to all who listen."""
        for each in list(self._listeners):
            await each.send(text)

    async def cut(self) -> None:
        """Lose every connection."""
        for each in list(self._listeners):
            each.transport.abort()
            await each.wait_closed()

    @property
    def listeners(self) -> int:
        """How many have subscribed."""
        return len(self._listeners)

    # --- the REST API ---------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Reply:
        """What it answers, and within which limits."""
        now = self.clock.now()
        while self._asked and now - self._asked[0] >= MINUTE:
            self._asked.popleft()
        self._asked.append(now)
        self.most_in_a_minute = max(self.most_in_a_minute, len(self._asked))
        if len(self._asked) > self.limit:
            self.exceeded += 1
            return self._limited(_refusal("429", "Too Many Requests", HTTPStatus.TOO_MANY_REQUESTS))
        scripted = self.answers.popleft() if self.answers else None
        return self._limited(self._answer(request) if scripted is None else scripted(request))

    def slow(self, request: Request) -> Reply:
        """What it answers, and that late."""
        return changed(self._answer(request), delay=0.05)

    def _limited(self, reply: Reply) -> Reply:
        used = {"API-KEY-MAX-LIMIT": str(self.limit), "API-KEY-USE-LIMIT": str(len(self._asked))}
        return changed(reply, headers={**reply.headers, **used})

    def _answer(self, request: Request) -> Reply:
        if request.headers.get("cg-api-key") != self.key:
            # As the service does: the status says that all is well, and the envelope that it is not.
            return _refusal("401", f"Invalid API key {request.headers.get('cg-api-key')}", HTTPStatus.OK)
        least = _LEAST.get(request.path)
        if least is None:
            return _refusal("404", "Not Found", HTTPStatus.NOT_FOUND)
        if request.path in self.without or _PLANS.index(self.plan) < _PLANS.index(least):
            return _refusal("40001", "Upgrade plan", HTTPStatus.OK)
        return self._rows(request.path, request.query)

    def _rows(self, path: str, query: Any) -> Reply:
        match path.rpartition("/")[2]:
            case "order":
                return self._orders(query)
            case "aggregated-history":
                return self._history(query)
            case "exchange-list":
                return _good(self.exchanges) if query.get("range") else _refusal("400", "range is missing")
            case name:
                alerts = sorted(self.alerts, key=lambda each: -each["create_time"])[:200]
                rows = {"coin-list": self.coins, "whale-alert": alerts, "whale-position": self.positions}
                return _good(rows[name])

    def _orders(self, query: Any) -> Reply:
        needed = ("exchange", "symbol", "min_liquidation_amount")
        if any(not query.get(name) for name in needed):
            return _refusal("400", "a parameter is missing")
        now = to_millis(self.clock.now())
        start = max(int(query.get("start_time", now - _REACH)), now - _REACH)
        end = int(query.get("end_time", now))
        first, last = self.ends_belong
        found = [
            each
            for each in self._of(query["exchange"], query["symbol"])
            if each.usd >= float(query["min_liquidation_amount"])
            and (start <= each.time if first else start < each.time)
            and (each.time <= end if last else each.time < end)
        ]
        newest = sorted(found, key=lambda each: -each.time)[:_MOST_ORDERS]
        return _good([each.row() for each in newest])

    def _history(self, query: Any) -> Reply:
        length = _INTERVALS.get(query.get("interval", ""))
        if length is None or length < _INTERVALS[_SHORTEST[self.plan]]:
            return _refusal("422", "interval", HTTPStatus.UNPROCESSABLE_ENTITY)
        start = int(query["start_time"]) // length * length
        sums: dict[int, list[float]] = {}
        for each in self._of(query["exchange_list"], query["symbol"]):
            bucket = each.time // length * length
            if start <= bucket <= int(query["end_time"]):
                sums.setdefault(bucket, [0.0, 0.0])[each.side % 2] += each.usd
        rows = [
            {
                "time": bucket,
                "aggregated_long_liquidation_usd": lost[0],
                "aggregated_short_liquidation_usd": lost[1],
            }
            for bucket, lost in sorted(sums.items())[: int(query.get("limit", 1_000))]
        ]
        return _good(rows)

    def _of(self, exchange: str, asset: str) -> Iterable[Order]:
        told = [each for each in self.orders if each.time <= to_millis(self.clock.now())]
        return [each for each in told if (each.exchange.lower(), each.asset) == (exchange.lower(), asset)]

    # --- the socket -----------------------------------------------------------------------------------------

    def check(self, connection: ServerConnection, request: Handshake) -> Response | None:
        """Refuse a socket before it is open."""
        given = parse_qs(urlsplit(request.path).query).get("cg-api-key", [""])[0]
        if self.socket_refuses is not None:
            return connection.respond(self.socket_refuses, f"no socket for {given}\n")
        return None if given == self.key else connection.respond(HTTPStatus.UNAUTHORIZED, f"{given}\n")

    async def listen(self, connection: ServerConnection) -> None:
        """Hear one who listens."""
        try:
            async for text in connection:
                if text == "ping":
                    self.pings += 1
                    if self.socket_answers:
                        await connection.send("pong")
                elif msgspec.json.decode(text)["channels"] == ["liquidationOrders"]:
                    self._listeners.add(connection)
        except ConnectionClosed:
            pass
        finally:
            self._listeners.discard(connection)


def changed(reply: Reply, **changes: Any) -> Reply:
    """The same with some of it changed."""
    return Reply(**{name: getattr(reply, name) for name in Reply.__dataclass_fields__} | changes)


@asynccontextmanager
async def open_coinglass(key: str, clock: Clock, **knows: Any) -> AsyncIterator[tuple[CoinGlass, Server]]:
    """Run one on this machine."""
    service = CoinGlass(key, clock, **knows)
    async with (
        open_server(service.answer) as server,
        serve(service.listen, "127.0.0.1", 0, process_request=service.check, close_timeout=1) as sockets,
    ):
        service.url = server.url
        service.websocket_url = f"ws://127.0.0.1:{sockets.sockets[0].getsockname()[1]}/ws-api"
        yield service, server


def _good(rows: list[Any]) -> Reply:
    return json_reply({"code": "0", "msg": "success", "data": rows})


def _refusal(code: str, message: str, status: HTTPStatus = HTTPStatus.OK) -> Reply:
    return json_reply({"code": code, "msg": message, "data": None}, status)
