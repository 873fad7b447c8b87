"""From a line appended to a node's file to its message at a subscriber, through the running system."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import websockets

from benchmarks.data import Kind, Recorder
from benchmarks.folder import own_folder
from benchmarks.measure import Report
from benchmarks.running import running_system
from kamiyo.hyperliquid.wire import decode_fill_block

_RATES = {100: (10, 5), 1_000: (100, 5), 10_000: (100, 50)}  # events/s: blocks a second, trades a block
_SECONDS = 10
_SETTLE_SECONDS = 20
_SOURCES = "KAMIYO__SOURCES__HYPERLIQUID_"


@dataclass(frozen=True, slots=True)
class _Line:
    due: float  # seconds after the beginning
    hash: str  # of its one liquidation
    content: bytes


def run() -> Report:
    """Every block has one liquidation; its hash is looked for in what the subscriber is told."""
    return asyncio.run(_run())


async def _run() -> Report:
    figures: dict[str, object] = {}
    with own_folder() as home:
        node = home / "node"
        (node / "node_fills_by_block" / "hourly").mkdir(parents=True)
        async with running_system(home, _settings(node)) as port:
            for rate, (blocks, trades) in _RATES.items():
                figures |= {
                    f"{rate:,} events/s, {what}": value
                    for what, value in (await measure(port, node, rate, blocks, trades)).items()
                }
    return Report([], figures)


def _settings(node: Path) -> dict[str, str]:
    return {f"{_SOURCES}NODE__PATH": str(node), f"{_SOURCES}API__ACTIVE": "false"}


async def measure(port: int, node: Path, rate: int, blocks: int, trades: int) -> dict[str, object]:
    begin = datetime.now(UTC) + timedelta(seconds=1 + rate * _SECONDS / 10_000)
    lines = _lines(begin, blocks, trades, seed=rate)
    written, told = dict[str, float](), dict[str, float]()
    async with websockets.connect(f"ws://127.0.0.1:{port}/stream", max_size=None) as subscriber:
        await subscriber.recv()  # hello
        await subscriber.send('{"method":"subscribe","subscription":{"type":"liquidations"}}')
        await subscriber.recv()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_listen(subscriber, told, len(lines)))
            await asyncio.sleep(max(0.0, (begin - datetime.now(UTC)).total_seconds()))
            await _append(node, lines, written)
    waits = sorted((told[each] - written[each]) * 1000 for each in written if each in told)
    return {
        "p50, ms": round(statistics.median(waits), 1),
        "p99, ms": round(waits[int(len(waits) * 0.99)], 1),
        "liquidations written": len(written),
        "liquidations told": len(waits),
    }


async def _append(node: Path, lines: Sequence[_Line], written: dict[str, float]) -> None:
    started = time.perf_counter()
    now = datetime.now(UTC)
    folder = node / "node_fills_by_block" / "hourly" / f"{now:%Y%m%d}"
    folder.mkdir(exist_ok=True)
    with (folder / str(now.hour)).open("ab", buffering=0) as file:
        for line in lines:
            await asyncio.sleep(max(0.0, started + line.due - time.perf_counter()))
            written[line.hash] = time.perf_counter()
            file.write(line.content)


async def _listen(subscriber: websockets.ClientConnection, told: dict[str, float], expected: int) -> None:
    try:
        async with asyncio.timeout(_SECONDS * 2 + _SETTLE_SECONDS):
            while len(told) < expected:
                frame = msgspec.json.decode(await subscriber.recv())
                now = time.perf_counter()
                if frame["channel"] == "liquidations":
                    told |= {
                        each["metadata"]["hash"]: now
                        for each in frame["data"]
                        if each["metadata"]["hash"] not in told
                    }
    except TimeoutError:
        return  # what was not told is counted


def _lines(begin: datetime, blocks: int, trades: int, *, seed: int) -> list[_Line]:
    recorder, lines = Recorder(seed), list[_Line]()
    for number in range(blocks * _SECONDS):
        due = number / blocks
        kinds = [Kind.MARKET, *[Kind.ORDINARY] * (trades - 1)]
        content = recorder.block(begin + timedelta(seconds=due), kinds)
        lines.append(_Line(due, decode_fill_block(content).events[0][1].hash, content + b"\n"))
    return lines
