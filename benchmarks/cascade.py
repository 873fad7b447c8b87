"""10 October 2025: its greatest block against a naive pipeline, and whether what came after it was late."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import msgspec

from benchmarks.data import BLOCK_SECOND, BLOCK_TRADES, CASCADE_START, Kind, Recorder, cascade
from benchmarks.measure import Claim, Report, claim, medians, take_turns_at_server
from benchmarks.naive import store_block
from benchmarks.server import Database, database, server, version_of
from benchmarks.sources import node_aggregator
from kamiyo.core.ports import Raw
from kamiyo.kit.clock import SystemClock
from kamiyo.processing.pipeline import Pipeline
from kamiyo.storage.journal import PostgresJournal

_ROUNDS = 5
_STORED = "SELECT count(*) FROM liquidation_fills"
_FOLDED = "SELECT count(*) FROM liquidations"
_TOLD = "SELECT messages FROM outbox WHERE channel = 'liquidations' ORDER BY xid, id"


def run() -> Report:
    """The block's rounds one second apart, so that each is new; then the whole cascade."""
    with server() as url:
        return asyncio.run(_run(url))


async def _run(url: str) -> Report:
    blocks = [_great_block(number) for number in range(_ROUNDS + 1)]
    walls: dict[str, list[float]] = {"KAMIYO": [], "naive": []}
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(database(url, "bench_ours"))
        naive = await stack.enter_async_context(database(url, "bench_naive"))
        pipeline = _pipeline(ours)

        async def run_ours(number: int) -> int:
            started = time.perf_counter()
            await pipeline.run([_raw(blocks[number])])
            walls["KAMIYO"].append(time.perf_counter() - started)
            return 2 * BLOCK_TRADES

        async def run_naive(number: int) -> int:
            started = time.perf_counter()
            async with naive.pool.acquire() as connection:
                done = await store_block(connection, blocks[number])
            walls["naive"].append(time.perf_counter() - started)
            return done

        rates = await take_turns_at_server(
            {"KAMIYO": run_ours, "naive": run_naive},
            {"KAMIYO": ours.backend, "naive": naive.backend},
            _ROUNDS,
        )
        stored = [await _counts(each) for each in (ours, naive)]
        expected = (_ROUNDS + 1) * BLOCK_TRADES
        if any(each[0] != expected for each in stored) or stored[0] != stored[1]:
            raise AssertionError(f"stored {stored}, expected {expected} fills")
        waits = await _whole_cascade(await stack.enter_async_context(database(url, "bench_cascade")))
    wall = tuple(b / a for a, b in zip(walls["KAMIYO"][1:], walls["naive"][1:], strict=True))
    return Report(
        [
            claim("the great block, bytes to stored and published, by naive", rates, "KAMIYO", "naive", 4),
            Claim("the same by the clock on the wall", None, wall),
            Claim("the great block's length, by the worst lateness after it", 1.0, waits.ratios),
        ],
        medians(rates)
        | {"unit": "rows", "PostgreSQL": await version_of(url)}
        | {f"{name}, seconds a block": round(statistics.median(each[1:]), 3) for name, each in walls.items()}
        | {"fills, liquidations, messages stored by each": stored[0]}
        | waits.figures,
    )


class _Waits(msgspec.Struct):
    ratios: tuple[float, ...]
    figures: dict[str, object]


async def _whole_cascade(where: Database) -> _Waits:
    """Each block is stored once it has come and the one before is done; nobody waits for time between."""
    pipeline, lines = _pipeline(where), cascade()
    free, late, great = 0.0, list[tuple[int, float]](), 0.0
    for second, line in lines:
        started = time.perf_counter()
        await pipeline.run([_raw(line)])
        took = time.perf_counter() - started
        free = max(float(second), free) + took
        late.append((second, free - second))
        great = took if second == BLOCK_SECOND else great
    after = max(wait for second, wait in late if second > BLOCK_SECOND)
    versions = await _check_order(where)
    return _Waits(
        (great / after,),
        {
            "the great block took, seconds": round(great, 3),
            "worst lateness after it, seconds": round(after, 3),
            "blocks of the cascade": len(lines),
            "liquidations told in the cascade": versions,
        },
    )


async def _check_order(where: Database) -> int:
    """Messages come in the order of their blocks, and no liquidation is missing from them."""
    async with where.pool.acquire() as connection:
        told = [each for row in await connection.fetch(_TOLD) for each in msgspec.json.decode(row[0])]
        stored = await connection.fetchval(_FOLDED)
    identities = [each["liquidation_id"] for each in told]
    if len(set(identities)) != stored:
        raise AssertionError(f"{len(set(identities))} told, {stored} stored")
    moments = [identity[:13] for identity in identities]
    if moments != sorted(moments):
        raise AssertionError("told in another order than it happened")
    return len(told)


def _pipeline(where: Database) -> Pipeline:
    return Pipeline(node_aggregator(), PostgresJournal(where.pool), SystemClock())


async def _counts(where: Database) -> tuple[int, int, int]:
    async with where.pool.acquire() as connection:
        messages = await connection.fetchval("SELECT sum(message_count) FROM outbox")
        return (await connection.fetchval(_STORED), await connection.fetchval(_FOLDED), messages)


def _great_block(number: int) -> bytes:
    at = CASCADE_START + timedelta(seconds=BLOCK_SECOND + number, milliseconds=704)
    return Recorder(random.Random(number).getrandbits(32)).block(at, [Kind.ADL] * BLOCK_TRADES)


def _raw(line: bytes) -> Raw:
    return Raw(
        source=node_aggregator().name,
        stream="node_fills_by_block",
        payload=line,
        received_at=datetime.now(UTC),
    )
