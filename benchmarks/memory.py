"""One million events through the pipeline into PostgreSQL: what the process grows by in the second half."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.data import ORDINARY_DAY, Kind, Recorder
from benchmarks.measure import Claim, Report
from benchmarks.server import database, server
from benchmarks.sources import node_aggregator
from kamiyo.core.ports import Raw, Span
from kamiyo.kit.clock import SystemClock
from kamiyo.processing.pipeline import Pipeline
from kamiyo.storage.journal import PostgresJournal

_EVENTS = 1_000_000
_TRADES_A_BLOCK = 5
_BLOCKS_A_BATCH = 200
_LIQUIDATED_EVERY = 20  # blocks
_MEGABYTE = 1 << 20
# Flat: a leak of one small object an event would be 30 MB and more.
_ALLOWED_MEGABYTES = 8.0


def run() -> Report:
    """The deduplicator's memory is full long before the half, so that nothing may grow after it."""
    with server() as url:
        return asyncio.run(_run(url))


async def _run(url: str) -> Report:
    async with database(url, "bench_memory") as where:
        pipeline = Pipeline(node_aggregator(), PostgresJournal(where.pool), SystemClock())
        sizes, events, batch = dict[int, float](), 0, list[Raw]()
        for raw in _raws():
            batch.append(raw)
            events += 2 * _TRADES_A_BLOCK
            if len(batch) == _BLOCKS_A_BATCH:
                await pipeline.run(batch)
                batch = []
            if events % (_EVENTS // 4) == 0:
                sizes[events] = _resident_megabytes()
        async with where.pool.acquire() as connection:
            stored = await connection.fetchval("SELECT sum(fills) FROM spans")
    if stored != _EVENTS:
        raise AssertionError(f"{stored} fills accounted for")
    growth = sizes[_EVENTS] - sizes[_EVENTS // 2]
    figures = {f"resident after {at:,} events, MB": round(size, 1) for at, size in sizes.items()}
    allowed = Claim(
        f"{_ALLOWED_MEGABYTES:.0f} MB allowed, by growth between 500,000 and 1,000,000 events",
        1.0,
        (_ALLOWED_MEGABYTES / max(growth, 0.1),),
    )
    return Report([allowed], figures | {"growth, MB": round(growth, 2)})


def _raws() -> Iterator[Raw]:
    recorder, aggregator, offset = Recorder(), node_aggregator(), 0
    for number in range(_EVENTS // (2 * _TRADES_A_BLOCK)):
        first = Kind.MARKET if number % _LIQUIDATED_EVERY == 0 else Kind.ORDINARY
        at = ORDINARY_DAY + timedelta(milliseconds=80 * number)
        line = recorder.block(at, [first, *[Kind.ORDINARY] * (_TRADES_A_BLOCK - 1)])
        yield Raw(
            source=aggregator.name,
            stream="node_fills_by_block",
            payload=line,
            received_at=datetime.now(UTC),
            span=Span("hourly/20251101/12#made-up", offset, offset + len(line)),
        )
        offset += len(line)


def _resident_megabytes() -> float:
    gc.collect()
    resident_pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return resident_pages * os.sysconf("SC_PAGE_SIZE") / _MEGABYTE
