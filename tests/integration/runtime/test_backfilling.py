"""History that is read beside what is live: in a process of its own, there only while it is needed."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import lz4.frame
import pytest

from kamiyo.core.backfills import BackfillPlan, BackfillRequest
from kamiyo.core.sources import SourceType
from kamiyo.kit.clock import SystemClock
from kamiyo.runtime.asked_history import make_offer, read_progress
from kamiyo.runtime.backfilling import open_history
from kamiyo.runtime.settings import Settings, load
from kamiyo.storage.backfills import PostgresBackfills
from kamiyo.storage.pool import Pool
from tests.archives import BLOCKS, FIRST_HOUR, hour, lines_of_hour
from tests.builders import ARCHIVE
from tests.conftest import REPOSITORY
from tests.services.s3 import Buckets, open_buckets

BUCKET = "hl-mainnet-node-data"
PREFIX = "KAMIYO__SOURCES__HYPERLIQUID_ARCHIVE__"


@pytest.fixture(scope="module")
def buckets() -> Iterator[Buckets]:
    """Serve two hours."""
    with open_buckets() as opened:
        opened.create(BUCKET)
        for number in range(2):
            key = f"node_fills_by_block/hourly/{hour(number):%Y%m%d}/{hour(number).hour}.lz4"
            opened.put(BUCKET, key, lz4.frame.compress(b"\n".join(lines_of_hour(number)) + b"\n"))
        yield opened


@pytest.fixture
def environment(buckets: Buckets, database_url: str) -> dict[str, str]:
    """Give what names the archive and the database."""
    return {
        "KAMIYO_DATABASE_URL": database_url,
        f"{PREFIX}ENDPOINT": buckets.url,
        f"{PREFIX}ACCESS_KEY_ID": "key",
        f"{PREFIX}SECRET_ACCESS_KEY": "secret",
        f"{PREFIX}STREAMS": "node_fills_by_block",
    }


@contextmanager
def working(environment: dict[str, str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.runtime.history_child"],
            cwd=REPOSITORY,
            env=os.environ | environment,
            stderr=said,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


def readers(parent: int) -> dict[int, int]:
    """Give the processes that read history for this one, each with how willingly it waits."""
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            command = (folder / "cmdline").read_bytes()
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if b"spawn_main" in command and int(fields[1]) == parent:
            found[int(folder.name)] = int(fields[16])  # niceness
    return found


def exists(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def until(condition, seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.05)


async def plan(pool: Pool, settings: Settings, database_url: str) -> int:
    async with open_history(settings, database_url) as history:
        offer = await make_offer(history, BackfillRequest(source=ARCHIVE, start=FIRST_HOUR, end=hour(2)))
        assert (offer.listed, offer.known, offer.uncovered) == (2, 0, {})
        return await PostgresBackfills(pool, SystemClock()).plan(offer.plan)


@pytest.mark.timeout(90)
async def test_history_is_read_by_a_process_that_is_there_while_it_is_needed(
    pool: Pool, environment: dict[str, str], database_url: str, tmp_path: Path
) -> None:
    """With less claim to the processor than what is live, and gone once nothing is left to read."""
    settings = load(environment)
    with working(environment, tmp_path / "log") as process:
        number = await plan(pool, settings, database_url)
        seen: set[int] = set()

        async def is_over() -> bool:
            seen.update(readers(process.pid).values())
            return await pool.fetchval("SELECT state <> 'running' FROM backfills") is True

        await until(is_over)
        async with open_history(settings, database_url) as history:
            found = await read_progress(history, number)
        assert (found.state, found.new_fills) == ("done", 2 * BLOCKS)
        assert 10 in seen

        async def is_gone() -> bool:
            return not readers(process.pid)

        await until(is_gone, 20)


@pytest.mark.timeout(90)
async def test_a_reader_ends_with_who_started_it(
    pool: Pool, environment: dict[str, str], tmp_path: Path
) -> None:
    """However that ended; what it had in its hands is the next one's."""
    nothing = {f"{PREFIX}ENDPOINT": "http://127.0.0.1:9"}  # nobody answers, and it is asked again and again
    objects = (await _objects(environment))[:1]
    request = BackfillRequest(source=ARCHIVE, start=FIRST_HOUR, end=hour(2))
    wanted = BackfillPlan(request=request, objects=tuple(objects), cost_usd=Decimal(0))
    await PostgresBackfills(pool, SystemClock()).plan(wanted)
    with working(environment | nothing, tmp_path / "log") as process:

        async def reads() -> bool:
            return await pool.fetchval("SELECT state = 'running' FROM backfill_objects")

        await until(reads)
        (reader,) = readers(process.pid)
        process.kill()

        async def is_gone() -> bool:
            return not exists(reader)

        await until(is_gone, 20)
    rows = await pool.fetch("SELECT state, attempts, failures FROM backfill_objects")
    assert [tuple(row) for row in rows] == [("queued", 0, 0)]


async def test_gaps_of_the_same_chain_are_looked_after(
    environment: dict[str, str], database_url: str
) -> None:
    """Of what tells of the venue, and not those of the archives themselves."""
    async with open_history(load(environment), database_url) as history:
        filler = history.gap_filler(timedelta(hours=3))
        assert set(filler.sources) == {ARCHIVE}
        named = set(filler.sources[ARCHIVE])
        assert {"hyperliquid_api", "hyperliquid_node"} <= named
        assert not named & {ARCHIVE, "feeds", "coinglass"}
        assert filler.delay == timedelta(hours=3)
        types = {each.description.type for each in history.aggregators if each.name in named}
        assert SourceType.STREAM in types


async def test_gaps_of_another_chain_are_not(environment: dict[str, str], database_url: str) -> None:
    """A testnet's blocks say nothing of those of the venue."""
    settings = load(environment | {f"{PREFIX}CHAIN": "hyperliquid-testnet"})
    async with open_history(settings, database_url) as history:
        assert "hyperliquid_node" not in history.gap_filler(timedelta(0)).sources[ARCHIVE]


async def _objects(environment: dict[str, str]):
    async with open_history(load(environment), environment["KAMIYO_DATABASE_URL"]) as history:
        offer = await make_offer(history, BackfillRequest(source=ARCHIVE, start=FIRST_HOUR, end=hour(2)))
    return offer.plan.objects
