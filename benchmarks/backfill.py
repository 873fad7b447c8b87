"""An archive's hours in a bucket, read by workers that are killed at random; and beside what is live."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta
from pathlib import Path

import msgspec

from benchmarks.archive import SIZE_VARIABLE, minute
from benchmarks.bucket_server import BUCKET, bucket_server
from benchmarks.folder import own_folder
from benchmarks.latency import measure
from benchmarks.measure import Claim, Report
from benchmarks.running import running_system
from benchmarks.server import Database, database, server
from kamiyo.core.backfills import BackfillPlan, BackfillRequest
from kamiyo.core.time import HOUR
from kamiyo.kit.clock import SystemClock
from kamiyo.processing.backfill import archive_of, read_object
from kamiyo.runtime.backfilling import History, open_history
from kamiyo.runtime.settings import Settings, load
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.partitions import ensure_months, month_of
from kamiyo.storage.read_backfills import BackfillText, read_backfill
from tests.services.archive_blocks import START, WrittenObject, write_hours
from tests.stored import stored_in

_SIZE = 2 << 30
_WORKERS = (1, 2, 4)
_KILLS = 5
_WORKERS_ALLOWED = 1.1
_IDLE_CPU_SECONDS = 0.1  # in a second
_LIVE_RATE = (1_000, 100, 5)  # events a second: blocks a second, trades a block
_COMPARED = ("fills", "liquidations", "rejects", "gaps", "spans", "block_hours")
_ARCHIVE = "KAMIYO__SOURCES__HYPERLIQUID_ARCHIVE__"


@dataclass(slots=True)
class _Workers:
    """Processes that read, and what they and those that were killed took."""

    environment: Mapping[str, str]
    log: Path
    _: KW_ONLY
    wanted: int
    wanted_kills: int
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    kills: int = 0
    _ended_cpu_seconds: float = 0.0

    def start_all(self) -> None:
        """Start as many as are wanted."""
        for _number in range(self.wanted):
            self.start()

    def start(self) -> None:
        """Start one more."""
        command = [sys.executable, "-m", "benchmarks.backfill_worker"]
        with self.log.open("ab") as log:
            self.running.append(subprocess.Popen(command, env=dict(self.environment), stdout=log, stderr=log))

    def kill(self, which: int) -> None:
        """End one without a warning."""
        process = self.running.pop(which)
        self._ended_cpu_seconds += _all_threads(process.pid)
        process.kill()
        process.wait()

    def end(self) -> None:
        """End all."""
        while self.running:
            self.kill(0)

    def cpu_seconds(self) -> float:
        """What all took so far."""
        return self._ended_cpu_seconds + sum(_all_threads(each.pid) for each in self.running)


@dataclass(frozen=True, slots=True)
class _Run:
    """What a backfill took, and what it left."""

    seconds: float
    cpu_seconds: float
    kills: int
    attempts: int
    stored: object


def run() -> Report:
    """The same hours: straight, by workers that are killed, and beside what is live."""
    size = int(os.environ.get(SIZE_VARIABLE, _SIZE))
    with own_folder() as folder, server() as url:
        written = write_hours(folder / BUCKET, minute(), size=size)
        with bucket_server(folder / BUCKET) as endpoint:
            return asyncio.run(_run(url, endpoint, written, folder))


async def _run(url: str, endpoint: str, written: Sequence[WrittenObject], folder: Path) -> Report:
    figures: dict[str, object] = {
        "bytes unpacked": sum(each.unpacked for each in written),
        "bytes packed": sum(each.path.stat().st_size for each in written),
        "objects": len(written),
    }
    async with _prepared(url, "bench_straight") as where:
        straight = await _straight(where, endpoint, written)
        figures["liquidated fills"] = len(straight.stored["fills"])  # type: ignore[index]
    runs = dict[str, _Run]()
    for count, kills in [(1, 0), (2, 0), *((count, _KILLS) for count in _WORKERS)]:
        name = f"{count} workers, {kills} kills"
        async with _prepared(url, f"bench_workers_{count}_{kills}") as where:
            environment = os.environ | _settings(endpoint, where.url)
            workers = _Workers(environment, folder / f"log of {name}", wanted=count, wanted_kills=kills)
            runs[name] = await _by_workers(where, endpoint, written, workers)
        if runs[name].stored != straight.stored:
            raise AssertionError(f"{name}: other rows than in a straight run")
    figures |= _told({"straight": straight} | runs)
    one, two = runs["1 workers, 0 kills"], runs["2 workers, 0 kills"]
    live = await _live(url, endpoint, written, folder)
    claims = [
        Claim("backfills with killed workers whose rows are a straight run's, of all", 1.0, (1.0,)),
        Claim(
            f"{_WORKERS_ALLOWED} times one worker's CPU for a fill allowed, by what two take",
            1.0,
            (_WORKERS_ALLOWED * one.cpu_seconds / two.cpu_seconds,),
        ),
    ]
    return Report(claims, figures | live)


def _all_threads(pid: int) -> float:
    """CPU seconds of a process: obstore reads in threads of its own."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _told(runs: Mapping[str, _Run]) -> dict[str, object]:
    return {
        f"{name}: {what}": value
        for name, each in runs.items()
        for what, value in {
            "seconds": round(each.seconds, 1),
            "CPU seconds": round(each.cpu_seconds, 1),
            "workers killed": each.kills,
            "readings begun": each.attempts,
        }.items()
    }


@asynccontextmanager
async def _prepared(url: str, name: str) -> AsyncGenerator[Database]:
    async with database(url, name) as where:
        async with where.pool.acquire() as connection:
            await ensure_months(connection, [month_of(START), month_of(START + 31 * timedelta(days=1))])
        yield where


def _settings(endpoint: str, url: str) -> dict[str, str]:
    return {
        "KAMIYO_DATABASE_URL": url,
        f"{_ARCHIVE}ACCESS_KEY_ID": "made-up",
        f"{_ARCHIVE}SECRET_ACCESS_KEY": "made-up",
        f"{_ARCHIVE}ENDPOINT": endpoint,
        f"{_ARCHIVE}REGION": "us-east-1",
        f"{_ARCHIVE}NODE_BUCKET": BUCKET,
        f"{_ARCHIVE}STREAMS": "node_fills_by_block",
    }


async def _planned(history: History, written: Sequence[WrittenObject]) -> BackfillPlan:
    [(source, aggregator)] = history.archives.items()
    archive = archive_of(aggregator)
    if archive is None:
        raise AssertionError("there is no archive")
    request = BackfillRequest(source=source, start=START, end=written[-1].hour + HOUR)
    objects = tuple(await archive.list_objects(request.start, request.end))
    if len(objects) != len(written):
        raise AssertionError(f"{len(objects)} objects listed, {len(written)} written")
    size = sum(each.size for each in objects)
    return BackfillPlan(request=request, objects=objects, cost_usd=archive.cost_usd(len(objects), size))


def _loaded(endpoint: str, url: str) -> Settings:
    return load(_settings(endpoint, url))


async def _straight(where: Database, endpoint: str, written: Sequence[WrittenObject]) -> _Run:
    """One object after the other in this process, undisturbed."""
    async with open_history(_loaded(endpoint, where.url), where.url) as history:
        plan, journal = await _planned(history, written), PostgresJournal(where.pool)
        [aggregator] = history.archives.values()
        await journal.register(aggregator.description)
        started, cpu_started = time.perf_counter(), time.process_time()
        for found in plan.objects:
            await read_object(aggregator, found, journal, SystemClock(), told=_heard)
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    return _Run(seconds, cpu_seconds, 0, len(plan.objects), await _stored(where))


async def _heard(_counts: object) -> None:
    """Nobody asks."""


async def _by_workers(
    where: Database, endpoint: str, written: Sequence[WrittenObject], workers: _Workers
) -> _Run:
    """What they take counts from when they are ready: loading a process is no work on history."""
    try:
        workers.start_all()
        await _ready(workers)
        async with open_history(_loaded(endpoint, where.url), where.url) as history:
            number = await history.backfills.plan(await _planned(history, written))
        started, cpu_started = time.perf_counter(), workers.cpu_seconds()
        await _until_over(where, number, workers)
        seconds, cpu_spent = time.perf_counter() - started, workers.cpu_seconds() - cpu_started
    finally:
        workers.end()
    attempts = await where.pool.fetchval("SELECT sum(attempts) FROM backfill_objects")
    await _demand_told_once(where, len(written))
    return _Run(seconds, cpu_spent, workers.kills, attempts, await _stored(where))


async def _ready(workers: _Workers) -> None:
    """Wait until they take next to nothing any more."""
    before = -1.0
    while workers.cpu_seconds() - before > _IDLE_CPU_SECONDS:
        before = workers.cpu_seconds()
        await asyncio.sleep(1)


async def _until_over(where: Database, number: int, workers: _Workers) -> None:
    """Kill whoever reads, at moments nobody chose, until it was often enough; another takes its place."""
    chance = random.Random(len(workers.running))
    found = await _known(where, number)
    while found.state == "running":
        await asyncio.sleep(chance.uniform(0.2, 1.5))
        if workers.kills < workers.wanted_kills and found.objects_running:
            workers.kill(chance.randrange(len(workers.running)))
            workers.kills += 1
            workers.start()
        found = await _known(where, number)
    if found.state != "done" or found.objects_failed:
        raise AssertionError(f"the backfill ended {found.state}, {found.objects_failed} objects failed")


async def _known(where: Database, number: int) -> BackfillText:
    async with where.pool.acquire() as connection:
        found = await read_backfill(connection, number)
    if found is None:
        raise AssertionError("there is no backfill")
    return found


async def _demand_told_once(where: Database, objects: int) -> None:
    """Of each object is told once, and of no liquidation: that is no news."""
    rows = await where.pool.fetch("SELECT channel, messages FROM outbox")
    told = Counter((row[0], each["object_id"]) for row in rows for each in msgspec.json.decode(row[1]))
    if (
        len(told) != objects
        or set(told.values()) != {1}
        or {channel for channel, _id in told} != {"backfills"}
    ):
        raise AssertionError(f"told {sum(told.values())} times of {len(told)} objects, {objects} read")


async def _stored(where: Database) -> dict[str, object]:
    stored = await stored_in(where.pool)
    return {name: getattr(stored, name) for name in _COMPARED}


async def _live(url: str, endpoint: str, written: Sequence[WrittenObject], folder: Path) -> dict[str, object]:
    """From a node's file to a subscriber, with and without a backfill beside it."""
    figures: dict[str, object] = {}
    node = folder / "node"
    (node / "node_fills_by_block" / "hourly").mkdir(parents=True)
    (folder / "live").mkdir()
    (folder / "live").chmod(0o755)
    async with _prepared(url, "bench_live") as where:
        others = dict.fromkeys((f"KAMIYO__SOURCES__{name}__ACTIVE" for name in _OTHERS), "false")
        settings = (
            _settings(endpoint, where.url) | others | {"KAMIYO__SOURCES__HYPERLIQUID_NODE__PATH": str(node)}
        )
        async with (
            running_system(folder / "live", settings) as port,
            open_history(_loaded(endpoint, where.url), where.url) as history,
        ):
            figures |= _named("alone", await measure(port, node, *_LIVE_RATE))
            number = await history.backfills.plan(await _planned(history, written))
            await _until_reading(where, number)
            figures |= _named("beside a backfill", await measure(port, node, *_LIVE_RATE))
            still = (await _known(where, number)).state == "running"
            figures["live: the backfill was not over when that was"] = still
    return figures


def _named(name: str, found: Mapping[str, object]) -> dict[str, object]:
    return {f"live, {name}: {what}": value for what, value in found.items()}


_OTHERS = ("HYPERLIQUID_API", "DEFILLAMA", "DEFIHACKLABS", "FEEDS", "HYPERLIQUID_STATS", "GITHUB_HISTORICAL")


async def _until_reading(where: Database, number: int) -> None:
    async with asyncio.timeout(60):
        while True:
            if (await _known(where, number)).bytes_read:
                return
            await asyncio.sleep(0.1)
