"""A process that reads a node's files into PostgreSQL and kills itself at one stage of one batch."""

import argparse
import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing

from kamiyo.aggregators.base import BaseAggregator, Toolbox
from kamiyo.aggregators.hyperliquid_node import HyperliquidNodeAggregator, HyperliquidNodeSettings
from kamiyo.core.money import install_context
from kamiyo.core.ports import Batch, Journal, Normalized, Raw, Written
from kamiyo.kit.clock import SystemClock
from kamiyo.processing.pipeline import Pipeline
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.pool import open_pool
from tests.fakes import NoNetwork
from tests.watched import watched


class Death:
    """Kills this process, as nothing can stop, when a stage is passed for the n-th time."""

    def __init__(self, stage: str, nth: int) -> None:
        self._stage = stage
        self._left = nth

    def at(self, stage: str) -> None:
        if stage == self._stage:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


class DeadlyJournal(PostgresJournal):
    """A journal that passes stages of its own before and after each write."""

    death: Death

    async def write(self, batch: Batch) -> Written:
        self.death.at("before_write")
        written = await super().write(batch)
        self.death.at("before_remember")
        return written


class DeadlyAggregator(HyperliquidNodeAggregator):
    """A node's files, with stages at reading and understanding each payload."""

    death: Death

    def normalize(self, raw: Raw) -> Normalized:
        self.death.at("normalize")
        return super().normalize(raw)


async def batches(
    aggregator: BaseAggregator, journal: Journal, death: Death, size: int
) -> AsyncIterator[list]:
    cursor = await journal.cursor(aggregator.name)
    batch = []
    async with aclosing(aggregator.stream(cursor, follow=False)) as items:
        async for item in items:
            death.at("read")
            batch.append(item)
            if len(batch) == size:
                yield batch
                batch = []
    if batch:
        yield batch


async def drive(database: str, home: str, size: int, death: Death) -> None:
    clock = SystemClock()
    aggregator = DeadlyAggregator(
        HyperliquidNodeSettings(path=home), Toolbox(clock=clock, session=NoNetwork())
    )
    aggregator.death = death
    async with open_pool(database, size=2) as pool:
        journal = DeadlyJournal(watched(pool, death.at))
        journal.death = death
        await journal.register(aggregator.description)
        newest = await journal.newest_block(aggregator.name)
        pipeline = Pipeline(aggregator, journal, clock, newest_block=newest)
        async for batch in batches(aggregator, journal, death, size):
            await pipeline.run(batch)
            death.at("between_batches")


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("database", "home", "stage"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("nth", "size"):
        parser.add_argument(f"--{name}", required=True, type=int)
    given = parser.parse_args()
    install_context()
    asyncio.run(drive(given.database, given.home, given.size, Death(given.stage, given.nth)))


if __name__ == "__main__":
    main()
