"""A worker of backfills whose archive is slow enough to be killed in the middle of an object."""

import argparse
import asyncio
from collections.abc import Collection
from datetime import timedelta

import structlog

from kamiyo.core.archives import ArchiveObject
from kamiyo.core.money import install_context
from kamiyo.jobs.backfilling import ObjectReader, run_backfills
from kamiyo.kit import logging
from kamiyo.kit.clock import SystemClock
from kamiyo.kit.supervision import supervise
from kamiyo.storage.backfills import PostgresBackfills
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.leases import PostgresLeases
from kamiyo.storage.pool import open_pool
from tests.archives import MemoryArchive, lines_of_hour

HOURS = 6
BLOCKS = 200  # more than three transactions of each object
HEARTBEAT = timedelta(seconds=2)


class SlowArchive(MemoryArchive):
    """An archive that takes its time for each line."""

    pause_seconds = 0.0

    async def read_object(self, found: ArchiveObject, *, assets: Collection[str] = ()):
        async for item in super().read_object(found, assets=assets):
            await asyncio.sleep(self.pause_seconds)
            yield item


def an_archive(pause_seconds: float) -> SlowArchive:
    """Give the archive every worker sees, with one object that is cut off and one line that is bad."""
    archive = SlowArchive(clock=SystemClock())
    archive.pause_seconds = pause_seconds
    for number in range(HOURS):
        archive.keep(number, lines_of_hour(number, blocks=BLOCKS))
    archive.keep(HOURS, [*lines_of_hour(HOURS, blocks=BLOCKS)[:70], b"CORRUPT"])
    archive.keep(HOURS + 1, [b"no block", *lines_of_hour(HOURS + 1, blocks=BLOCKS)])
    return archive


async def work(database: str, pause_seconds: float) -> None:
    clock, archive = SystemClock(), an_archive(pause_seconds)
    async with open_pool(database, size=5) as pool, open_pool(database, size=1) as own:
        backfills = PostgresBackfills(pool, clock)
        leases = PostgresLeases(own, clock)
        reader = ObjectReader({archive.name: archive}, backfills, PostgresJournal(pool), leases, clock)

        async def run() -> None:
            await run_backfills(reader, backfills, pool, clock, heartbeat=HEARTBEAT)

        await supervise(run, failed, clock)


async def failed(error: Exception) -> None:
    structlog.get_logger().warning("task_failed", detail=str(error))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", required=True)
    parser.add_argument("--pause", required=True, type=float)
    given = parser.parse_args()
    install_context()
    logging.configure(json=True)
    asyncio.run(work(given.database, given.pause))


if __name__ == "__main__":
    main()
