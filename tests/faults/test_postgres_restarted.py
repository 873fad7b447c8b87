"""PostgreSQL stopped at once in the middle of the work: the source goes on by itself when it is back."""

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from io import FileIO
from pathlib import Path
from random import Random

import asyncpg
import pytest

from kamiyo.aggregators.base import Toolbox
from kamiyo.aggregators.hyperliquid_node import HyperliquidNodeAggregator, HyperliquidNodeSettings
from kamiyo.core.sources import SourceState
from kamiyo.kit.clock import SystemClock
from kamiyo.processing.orchestrator import Orchestrator
from kamiyo.processing.pipeline import Pipeline
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.leases import PostgresLeases
from kamiyo.storage.pool import open_pool
from tests.fakes import MemoryJournal, NoNetwork, Stored
from tests.integration.conftest import (
    POSTGRES_SETTINGS,
    TEMPLATE,
    Programs,
    _account,
    _database,
    _directory,
    _prepare,
    free_port,
)
from tests.replaying import payloads
from tests.stored import stored_in


class Server:
    """A PostgreSQL of the test's own that can be stopped at once and started again."""

    def __init__(self, programs: Programs, directory: Path) -> None:
        self._programs = programs
        self._directory = directory
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"postgresql://kamiyo@127.0.0.1:{self._port}/postgres"

    def create(self) -> None:
        command = (
            str(self._programs.postgres / "initdb"), "-D", str(self._directory / "data"), "--username=kamiyo",
            "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions",
        )  # fmt: skip
        subprocess.run(command, check=True, capture_output=True, cwd="/", **_account())  # type: ignore[call-overload]

    def start(self) -> None:
        # What is committed must survive the stop: only the disk itself is trusted blindly.
        settings = POSTGRES_SETTINGS | {
            "synchronous_commit": "on",
            "unix_socket_directories": str(self._directory),
            "port": str(self._port),
        }
        options = (part for name, value in settings.items() for part in ("-c", f"{name}={value}"))
        self._process = subprocess.Popen(
            (str(self._programs.postgres / "postgres"), "-D", str(self._directory / "data"), *options),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            **_account(),
        )  # type: ignore[call-overload]

    def stop_at_once(self) -> None:
        """Stop without a checkpoint and without a word to clients."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)
            self._process = None


@pytest.fixture
def server(programs: Programs) -> Iterator[Server]:
    """Give a running server with a migrated database."""
    with _directory() as directory:
        server = Server(programs, directory)
        server.create()
        server.start()
        try:
            asyncio.run(_prepare(server.url))
            yield server
        finally:
            server.stop_at_once()


@asynccontextmanager
async def ingesting(database_url: str, home: Path) -> AsyncIterator[None]:
    clock = SystemClock()
    aggregator = HyperliquidNodeAggregator(
        HyperliquidNodeSettings(path=str(home)), Toolbox(clock=clock, session=NoNetwork())
    )
    async with open_pool(database_url, size=3) as pool:
        orchestrator = Orchestrator([aggregator], PostgresJournal(pool), PostgresLeases(pool, clock), clock)
        task = asyncio.ensure_future(orchestrator.run())
        try:
            yield
        finally:
            assert not task.done()
            task.cancel()
            await asyncio.wait([task], timeout=10)
            assert task.cancelled()


async def until(database_url: str, query: str, answer: Callable[[object], bool]) -> None:
    async with asyncio.timeout(40):
        while True:
            try:
                connection = await asyncpg.connect(database_url)
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.05)
                continue
            try:
                if answer(await connection.fetchval(query)):
                    return
            finally:
                await connection.close()
            await asyncio.sleep(0.05)


async def _append(file: FileIO, lines: Sequence[bytes]) -> None:
    for line in lines:
        file.write(line + b"\n")
        await asyncio.sleep(0.005)


async def _all_read(database_url: str, written: int) -> None:
    await until(database_url, "SELECT upper(ranges) FROM spans", lambda end: end == written)


@pytest.mark.slow
@pytest.mark.timeout(150)
async def test_a_source_survives_restarts_of_the_database(server: Server, tmp_path: Path) -> None:
    """Three immediate stops while a file grows: no line is lost or counted twice, and the source is live."""
    folder = tmp_path / "node_fills_by_block" / "hourly" / "20251010"
    folder.mkdir(parents=True)
    database_url = _database(server.url, TEMPLATE)
    lines = [line for seed in range(12) for line in payloads(Random(seed))]
    quarter = len(lines) // 4
    with (folder / "21").open("wb", buffering=0) as file:
        async with ingesting(database_url, tmp_path):
            for part in range(3):
                await _append(file, lines[part * quarter : part * quarter + 9])
                server.stop_at_once()
                await _append(file, lines[part * quarter + 9 : (part + 1) * quarter])
                await asyncio.sleep(0.3)
                server.start()
                await _all_read(database_url, file.tell())
            await _append(file, lines[3 * quarter :])
            await _all_read(database_url, file.tell())
            await until(
                database_url, "SELECT state FROM sources", lambda state: state == SourceState.LIVE.value
            )
        written = file.tell()
    await _check(database_url, tmp_path, written)


async def _check(database_url: str, home: Path, written: int) -> None:
    async with open_pool(database_url, size=1) as pool:
        reached = await stored_in(pool)
    expected = await _expected(home)
    assert reached.fills == expected.fills
    assert reached.liquidations == expected.liquidations
    assert reached.gaps == expected.gaps
    [(ranges, _counts)] = reached.spans.values()
    assert ranges == ((0, written),)


async def _expected(home: Path) -> Stored:
    """What one undisturbed run over the finished file gives."""
    clock, journal = SystemClock(), MemoryJournal()
    aggregator = HyperliquidNodeAggregator(
        HyperliquidNodeSettings(path=str(home)), Toolbox(clock=clock, session=NoNetwork())
    )
    items = [item async for item in aggregator.stream(None, follow=False)]
    await Pipeline(aggregator, journal, clock).run(items)  # type: ignore[arg-type]
    return journal.stored()
