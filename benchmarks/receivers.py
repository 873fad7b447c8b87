"""One client of the frame server, in a process of its own.

``python -m benchmarks.receivers NAME URL TRADES`` prints the CPU seconds it spent from the first frame to the
last, and how many trades it was told of.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import ccxt.pro
import picows
import uvloop
from hyperliquid.websocket_manager import WebsocketManager

from benchmarks.data import assets
from benchmarks.path import set_markets
from benchmarks.sources import api_aggregator
from kamiyo.aggregators._hyperliquid_api.payloads import joined
from kamiyo.aggregators._hyperliquid_api.public import FRAMES_IN_A_PAYLOAD
from kamiyo.core.money import install_context
from kamiyo.core.ports import Raw
from kamiyo.hyperliquid.channels import Frame, decode_trades_frame
from kamiyo.hyperliquid.session import Session
from kamiyo.hyperliquid.subscriptions import Subscription
from kamiyo.kit.transport import open_websocket
from kamiyo.processing.deduplicator import Deduplicator
from kamiyo.processing.normalizer import normalize
from kamiyo.processing.validator import validate

_FRAMES_A_BATCH: Final = 500
_DATA: Final = b'{"channel":"trades"'


class Count:
    """What was told, and the CPU seconds since the first of it."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.told = 0
        self.started: float | None = None
        self.spent = 0.0
        self.done = threading.Event()

    def begin(self) -> None:
        """The first frame is here."""
        if self.started is None:
            gc.collect()
            gc.freeze()
            self.started = time.process_time()

    def add(self, trades: int) -> bool:
        """Whether that was all."""
        self.told += trades
        if self.told >= self.expected and self.started is not None:
            self.spent = time.process_time() - self.started
            self.done.set()
        return self.done.is_set()


async def thrown_away(url: str, count: Count) -> None:
    """The limit: whole frames arrive, and nobody reads them. Counts frames."""
    finished = asyncio.Event()

    class Listener(picows.WSListener):
        def on_ws_frame(self, _transport: picows.WSTransport, frame: picows.WSFrame) -> None:
            if frame.get_payload_as_memoryview()[12] != ord("t"):  # an acknowledgement
                return
            count.begin()
            if count.add(1):
                finished.set()

    transport, _listener = await picows.ws_connect(Listener, url)
    for asset in assets():
        transport.send(picows.WSMsgType.TEXT, json.dumps(_request(asset)).encode())
    await finished.wait()
    transport.disconnect()


async def decoded(url: str, count: Count) -> None:
    """KAMIYO's receiving and decoding."""
    async for frames in _frames(url, count):
        trades = 0
        for payload, _frame in frames:
            trades += len(decode_trades_frame(payload))
        if count.add(trades):
            return


async def validated(url: str, count: Count) -> None:
    """KAMIYO's way from the socket to validated facts: what arrived together is judged together."""
    aggregator, deduplicator, batch = api_aggregator(), Deduplicator(), 0
    async for frames in _frames(url, count):
        trades, now = 0, datetime.now(UTC)
        payloads = [payload for payload, _frame in frames]
        for start in range(0, len(payloads), FRAMES_IN_A_PAYLOAD):
            payload = joined(payloads[start : start + FRAMES_IN_A_PAYLOAD])
            raw = Raw(source=aggregator.name, stream="ws/trades", payload=payload, received_at=now)
            normalized = validate(deduplicator.fresh(normalize(aggregator.normalize, raw)), raw, now)
            trades += len(normalized.trades)
            if normalized.rejects:
                raise AssertionError(normalized.rejects)
        batch += len(frames)
        if batch >= _FRAMES_A_BATCH:
            deduplicator.remember_batch()
            batch = 0
        if count.add(trades):
            return


async def _frames(url: str, count: Count) -> AsyncGenerator[list[tuple[bytes, Frame]]]:
    """The frames of data, as the product hears them: through the session that knows the protocol."""
    session = Session(now=datetime.now(UTC))
    async with open_websocket(url) as socket:
        wanted = [Subscription(type="trades", coin=asset) for asset in assets()]
        for message in session.want(wanted, datetime.now(UTC)):
            await socket.send(message)
        while True:
            arrived, now = await socket.receive(), datetime.now(UTC)
            heard = [(payload, session.received(payload, now)) for payload in arrived]
            data = [(payload, frame) for payload, frame in heard if frame is not None]
            if data:
                count.begin()
                yield data


async def ccxt_pro(url: str, count: Count) -> None:
    """The trades of every asset watched; counted where ccxt has handled them, so that no watcher costs it."""

    class Counting(ccxt.pro.hyperliquid):
        def handle_trades(self, client: Any, message: Any) -> None:  # noqa: ANN401  (ccxt's own signature)
            count.begin()
            super().handle_trades(client, message)
            count.add(len(message["data"]))

    exchange = Counting()
    set_markets(exchange)
    exchange.urls["api"]["ws"]["public"] = url
    async with asyncio.TaskGroup() as tasks:
        symbols = [f"{each}/USDC:USDC" for each in assets()]
        for symbol in symbols:
            tasks.create_task(exchange.watch_trades(symbol))
    await asyncio.to_thread(count.done.wait)
    await exchange.close()


async def sdk(url: str, count: Count) -> None:
    """The official SDK, its callback doing nothing but count."""

    def told(message: Mapping[str, Any]) -> None:
        count.begin()
        count.add(len(message["data"]))

    manager = WebsocketManager(url.replace("ws://", "http://").removesuffix("/ws"))
    manager.start()
    for asset in assets():
        manager.subscribe({"type": "trades", "coin": asset}, told)
    await asyncio.to_thread(count.done.wait)
    manager.stop()


def _request(asset: str) -> dict[str, object]:
    return {"method": "subscribe", "subscription": {"type": "trades", "coin": asset}}


RECEIVERS: Mapping[str, Callable[[str, Count], Coroutine[None, None, None]]] = {
    "thrown away": thrown_away,
    "decoded": decoded,
    "validated": validated,
    "ccxt.pro": ccxt_pro,
    "SDK": sdk,
}

if __name__ == "__main__":
    install_context()
    counted = Count(int(sys.argv[3]))
    uvloop.run(RECEIVERS[sys.argv[1]](sys.argv[2], counted))
    print(json.dumps({"seconds": counted.spent, "told": counted.told}))
