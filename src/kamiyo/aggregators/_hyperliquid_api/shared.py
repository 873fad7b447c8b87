"""What all tasks of the source share: where they put what they hear, what was heard, whom they ask."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple

import structlog

from kamiyo.aggregators._hyperliquid_api.coverage import Coverage
from kamiyo.aggregators._hyperliquid_api.outlet import Numbered, Outlet
from kamiyo.aggregators._hyperliquid_api.payloads import INFO, exchange
from kamiyo.aggregators._hyperliquid_api.questions import Inquirer
from kamiyo.aggregators._hyperliquid_api.weights import TaskWeight
from kamiyo.core.errors import KamiyoError
from kamiyo.core.ids import Chain, SourceName
from kamiyo.core.time import Clock
from kamiyo.hyperliquid.info import Question, body_of, type_of

# What the venue traded a moment ago it may not have sent yet: frames of trades come up to once a second.
SENT_WITHIN = timedelta(seconds=1)


class Lag:
    """How far what is heard is behind the clock; below zero where the venue's clock is ahead of ours."""

    def __init__(self) -> None:
        self.millis = 0

    @property
    def behind(self) -> timedelta:
        """How much older than now the newest heard may be."""
        return timedelta(milliseconds=max(0, self.millis)) + SENT_WITHIN

    @property
    def ahead(self) -> timedelta:
        """How much later than our clock the venue's may be."""
        return timedelta(milliseconds=max(0, -self.millis))


class Routine(NamedTuple):
    """A step that is taken again and again, at most once ``every`` so long."""

    name: str
    every: timedelta
    step: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Shared:
    """What every task may use. ``up`` is set while the public socket is heard."""

    source: SourceName
    chain: Chain
    clock: Clock
    outlet: Outlet
    coverage: Coverage
    inquirer: Inquirer
    log: structlog.stdlib.BoundLogger
    answers: Numbered
    lag: Lag = field(default_factory=Lag)
    up: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, row: TaskWeight, question: Question) -> bytes:
        """The answer to a task's question, which is also put among what was heard."""
        content = await self.inquirer.ask(row, question)
        payload = exchange(body_of(question), content)
        self.outlet.put_payload(INFO + type_of(question), payload, self.clock.now(), self.answers)
        await self.outlet.room()
        return content

    async def repeat(self, routine: Routine) -> None:
        """Take the step again and again while the socket is heard; log once that it fails or works again.

        Where the venue answers but its socket does not, its answers would make the source look alive.
        """
        failing = False
        while True:
            await self.up.wait()
            started = self.clock.now()
            try:
                await routine.step()
            except KamiyoError as error:
                if not failing:
                    self.log.warning("task_failing", task=routine.name, detail=str(error)[:500])
                failing = True
            else:
                if failing:
                    self.log.info("task_works_again", task=routine.name)
                failing = False
            await self.clock.sleep(max(started + routine.every - self.clock.now(), timedelta(0)))
