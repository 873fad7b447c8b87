"""Which question is asked when, and what is said of those that get no answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from kamiyo.aggregators._coinglass.asking import Asking
from kamiyo.aggregators._coinglass.client import Garbled, KeyRefused, PlanLacks
from kamiyo.aggregators._coinglass.listening import Listener
from kamiyo.aggregators._coinglass.questions import Question
from kamiyo.aggregators._merged import Outlet
from kamiyo.aggregators.base import Alive, Waiting
from kamiyo.core.errors import QuestionRefused, SourceUnavailable
from kamiyo.core.ids import Cursor
from kamiyo.core.time import Clock

_FIRST_WAIT: Final = timedelta(seconds=15)
_LONGEST_WAIT: Final = timedelta(minutes=10)
_REFUSED_FOR: Final = timedelta(hours=6)  # a plan can be changed, and an asset be listed
_KEY_REFUSED_FOR: Final = timedelta(minutes=10)
_SHORTEST_SLEEP: Final = timedelta(milliseconds=50)
_HEARD_WITHIN: Final = timedelta(minutes=3)


class _Standing:
    """How it stands with one question."""

    def __init__(self, question: Question, due: datetime) -> None:
        self.question = question
        self.due = due
        self.failures = 0
        self.problem = ""
        self.more = False

    def refused(self, problem: str, until: datetime) -> None:
        """It is asked again only then."""
        self.problem, self.due, self.more = problem, until, False


class Polling:
    """Asks every question when it is due; one that fails is asked later, and the others go on."""

    def __init__(
        self,
        asking: Asking,
        questions: Sequence[Question],
        *,
        outlet: Outlet,
        cursor: Callable[[], Cursor],
        clock: Clock,
        listener: Listener | None = None,
    ) -> None:
        self._asking = asking
        self._outlet = outlet
        self._cursor = cursor
        self._clock = clock
        self._listener = listener
        self._standings = [_Standing(each, clock.now()) for each in questions]
        self._answered_at: datetime | None = None
        self._lacking = ""
        self._log = structlog.get_logger().bind(source="coinglass")

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await self.round()
            due = min(each.due for each in self._standings)
            await self._clock.sleep(max(due - self._clock.now(), _SHORTEST_SLEEP))

    async def once(self) -> None:
        """Ask everything until there is no more."""
        await self.round()
        while any(each.more for each in self._standings):
            await self.round()

    async def round(self) -> None:
        """Ask all that is due, once, and say how it went."""
        began = self._clock.now()
        asked = False
        for standing in self._standings:
            if standing.due <= self._clock.now():
                asked = True
                await self._ask(standing)
        if asked:
            self._say(began)

    async def _ask(self, standing: _Standing) -> None:
        try:
            more = await self._asking.turn(standing.question)
        except QuestionRefused as error:
            self._refuse(standing, error)
        except SourceUnavailable as error:
            if isinstance(error, Garbled):
                self._asking.put_garbled(standing.question, error.body)
            wait = min(_FIRST_WAIT * (1 << min(standing.failures, 8)), _LONGEST_WAIT)
            standing.refused(str(error), self._clock.now() + wait)
            standing.failures += 1
        else:
            now = self._answered_at = self._clock.now()
            standing.refused("", now if more else now + standing.question.every)
            standing.failures, standing.more = 0, more

    def _refuse(self, standing: _Standing, error: QuestionRefused) -> None:
        """Leave alone all that this refusal is of: everything, an endpoint, or this question."""
        lasting = _KEY_REFUSED_FOR if isinstance(error, KeyRefused) else _REFUSED_FOR
        endpoint = standing.question.endpoint
        for each in self._standings:
            same_endpoint = isinstance(error, PlanLacks) and each.question.endpoint is endpoint
            if isinstance(error, KeyRefused) or same_endpoint or each is standing:
                each.refused(str(error), self._clock.now() + lasting)

    def _say(self, began: datetime) -> None:
        problems = _distinct([*(each.problem for each in self._standings), self._unheard()])
        heard, answered = self._heard_since(began), self._answered_at
        if heard is not None:
            self._outlet.put(Alive(heard, self._cursor(), lacking=problems))
        elif (
            all(each.problem for each in self._standings)
            or answered is None
            or self._clock.now() - answered > _HEARD_WITHIN
        ):
            self._outlet.put(Waiting(problems))
        if problems and problems != self._lacking:
            self._log.warning("source_lacks", detail=problems)
        self._lacking = problems

    def _heard_since(self, began: datetime) -> datetime | None:
        answered = self._answered_at
        if answered is not None and answered >= began:
            return answered
        return None if self._listener is None else self._listener.heard_at

    def _unheard(self) -> str:
        return "" if self._listener is None else self._listener.problem


def _distinct(problems: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(each for each in problems if each))
