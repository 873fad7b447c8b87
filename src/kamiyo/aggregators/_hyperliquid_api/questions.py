"""Asking the venue: within a task's share and the address's budget, silent for a minute when told."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Final

from kamiyo.aggregators._hyperliquid_api.weights import WEIGHTS, TaskWeight
from kamiyo.aggregators.base import Session
from kamiyo.core.errors import RateLimited
from kamiyo.core.ports import WeightBudget
from kamiyo.core.time import Clock
from kamiyo.hyperliquid.info import (
    Question,
    body_of,
    interpret,
    largest_rows,
    largest_weight,
    rows_in,
    weight_of,
)
from kamiyo.hyperliquid.limits import MINUTE, SlidingWindow

PAUSE: Final = timedelta(seconds=60)
_LARGEST_JITTER: Final = timedelta(seconds=10)


@dataclass(slots=True)
class _Share:
    """What one task used of the last minute.

    Where answers weigh differently it asks one at a time, and what it weighed is known before the next.
    """

    window: SlidingWindow
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Inquirer:
    """Everybody of the source who asks the venue something asks through it."""

    def __init__(
        self, url: str, *, session: Session, budget: WeightBudget, clock: Clock, random: Random
    ) -> None:
        self._url = url
        self._session = session
        self._budget = budget
        self._clock = clock
        self._random = random
        self._shares = {row.task: _Share(_window(row)) for row in WEIGHTS}

    async def ask(self, row: TaskWeight, question: Question) -> bytes:
        """The JSON of a usable answer; errors as from ``interpret``."""
        share, largest = self._shares[row.task], largest_weight(question)
        async with share.turn:
            # Again after waking: a timer of whole milliseconds may end a little early.
            while (ready := share.window.ready_at(now := self._clock.now(), largest)) > now:
                await self._clock.sleep(ready - now)
            if largest_rows(question):
                return await self._ask(row.task, question, share.window)
            share.window.take(self._clock.now(), largest)
        return await self._ask(row.task, question, None)

    async def _ask(self, task: str, question: Question, window: SlidingWindow | None) -> bytes:
        spending = await self._budget.spend(task, largest_weight(question))
        rows = largest_rows(question)
        try:
            answer = await self._session.request("POST", self._url, body=body_of(question))
            content = interpret(question, answer.status, answer.body)
            rows = rows_in(question, content)
        except RateLimited:
            jitter = _LARGEST_JITTER * self._random.random()
            await self._budget.pause(self._clock.now() + PAUSE + jitter)
            raise
        finally:
            weight = weight_of(question, rows)
            if window is not None:
                window.take(self._clock.now(), weight)
            await spending.settle(weight)
        return content


def _window(row: TaskWeight) -> SlidingWindow:
    """What the row promises, in any minute; in any of its own times where that is longer."""
    period = max(row.every, MINUTE)
    return SlidingWindow(row.weight * (period // row.every), period)
