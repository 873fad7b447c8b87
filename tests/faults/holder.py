"""A worker that reads one stream while it holds its lease, and stops itself at one stage of one batch."""

import argparse
import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path

from kamiyo.aggregators.base import StreamItem
from kamiyo.core.ids import Cursor
from kamiyo.core.money import install_context
from kamiyo.core.ports import Batch, Written
from kamiyo.kit import logging
from kamiyo.kit.clock import SystemClock
from kamiyo.processing.orchestrator import Orchestrator
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.leases import PostgresLeases
from kamiyo.storage.pool import open_pool
from tests.builders import NODE, a_raw
from tests.fakes import ScriptedAggregator
from tests.watched import watched

LOOK_AGAIN_SECONDS = 0.02
LATER = timedelta(seconds=3)


class Standstill:
    """Stops this process, as nothing in it can notice, when a stage is passed for the n-th time."""

    def __init__(self, stage: str, nth: int) -> None:
        self.over = False
        self._stage = stage
        self._left = nth

    def at(self, stage: str) -> None:
        if stage == self._stage:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGSTOP)
                self.over = True


class LateClock(SystemClock):
    """A clock by which a lease is looked after late once this process goes on: its batch comes first."""

    def __init__(self, standstill: Standstill) -> None:
        self._standstill = standstill

    async def sleep(self, duration: timedelta) -> None:
        await super().sleep(duration)
        if self._standstill.over:
            await super().sleep(LATER)


class StoppingJournal(PostgresJournal):
    """A journal that passes a stage of its own before each write."""

    standstill: Standstill

    async def write(self, batch: Batch) -> Written:
        self.standstill.at("write")
        return await super().write(batch)


class Lines(ScriptedAggregator):
    """A stream of the lines of a file that grows; a cursor is the number of lines before it."""

    path: Path

    async def stream(self, cursor: Cursor | None, *, follow: bool = True) -> AsyncGenerator[StreamItem, None]:
        number = int(cursor or "0")
        while follow:
            lines = self.path.read_bytes().split(b"\n")[:-1]
            for line in lines[number:]:
                number += 1
                yield a_raw(source=NODE, payload=line, cursor=Cursor(str(number)))
            await asyncio.sleep(LOOK_AGAIN_SECONDS)


async def work(database: str, path: Path, standstill: Standstill) -> None:
    clock = SystemClock()
    lines = Lines()
    lines.path = path
    async with open_pool(database, size=2) as pool, open_pool(database, size=1) as own:
        journal = StoppingJournal(watched(pool, standstill.at))
        journal.standstill = standstill
        leases = PostgresLeases(own, LateClock(standstill))
        await Orchestrator([lines], journal, leases, clock).run()


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("database", "path", "stage"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--nth", required=True, type=int)
    given = parser.parse_args()
    install_context()
    logging.configure(json=True)
    asyncio.run(work(given.database, Path(given.path), Standstill(given.stage, given.nth)))


if __name__ == "__main__":
    main()
