"""How one question is asked from where it was left: windows of time, each taken only when it is whole."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from kamiyo.aggregators._coinglass.client import Client, Content
from kamiyo.aggregators._coinglass.marks import Marks
from kamiyo.aggregators._coinglass.payloads import Asked, exchange, moments_of
from kamiyo.aggregators._coinglass.plans import INTERVALS, Endpoint
from kamiyo.aggregators._coinglass.questions import Question
from kamiyo.aggregators._merged import Outlet
from kamiyo.core.events import Gap
from kamiyo.core.ids import SourceName
from kamiyo.core.ports import Raw, Span
from kamiyo.core.time import Clock, from_millis, to_millis

MOST_ORDERS: Final = 200
MOST_ALERTS: Final = 200
_MILLISECOND: Final = timedelta(milliseconds=1)
_REACH: Final = timedelta(days=7) - timedelta(minutes=5)  # how far back orders are told of
_TOLD_LATE: Final = timedelta(minutes=2)  # an order may be told of after a later one was
_MOST_BUCKETS: Final = 900  # of the thousand in one answer
_MOST_CALLS: Final = 50  # in one turn, so that the other questions are not kept waiting


class Asking:
    """Asks questions, and puts what comes with the marks that cover it."""

    def __init__(
        self,
        source: SourceName,
        client: Client,
        outlet: Outlet,
        marks: Marks,
        *,
        clock: Clock,
        history: timedelta,
    ) -> None:
        self._source = source
        self._client = client
        self._outlet = outlet
        self._marks = marks
        self._clock = clock
        self._history = history
        self._widths: dict[str, int] = {}
        self._catching_up: set[str] = set()
        self._scope = f"answers/{to_millis(clock.now())}"
        self._answers = 0

    async def turn(self, question: Question) -> bool:
        """Ask all there is to ask now; whether there is more, which is asked in the next turn."""
        match question.endpoint:
            case Endpoint.ORDERS:
                return await self._orders(question)
            case Endpoint.HISTORY:
                return await self._buckets(question)
            case Endpoint.WHALE_ALERT:
                await self._alerts(question)
            case _:
                await self._put(question, question.asked())
        return False

    def put_garbled(self, question: Question, body: bytes) -> None:
        """Let an answer that is none be refused, with its bytes, and nothing be covered by it."""
        self._put_body(question, question.asked(), body)

    async def _orders(self, question: Question) -> bool:
        """Windows from the mark to now, each small enough that its answer is not cut off.

        Whether the bounds belong to a window is not documented: windows overlap by a millisecond, and what
        is told of twice is one claim.
        """
        now = to_millis(self._clock.now())
        first = self._first_order(question, now)
        width = self._widths.setdefault(question.name, now - first)
        for _call in range(_MOST_CALLS):
            if first >= now:
                break
            last = min(first + max(width, 1), now)
            asked = question.asked(start_time=first - 1, end_time=last)
            content = await self._client.ask(question.endpoint, asked)
            whole = len(content.rows) < MOST_ORDERS
            if not whole and last - first > 1:
                width = (last - first) // 2
                continue
            if not whole:
                self._gap(question.name, first, last, "more orders in a millisecond than one answer holds")
            self._marks.move(question.name, last)
            await self._put_content(question, asked, content)
            first, width = last, 2 * width
            self._widths[question.name] = width
        (self._catching_up.add if first < now else self._catching_up.discard)(question.name)
        return first < now

    def _first_order(self, question: Question, now: int) -> int:
        mark = self._marks.get(question.name)
        if mark is None:
            return now - self._history // _MILLISECOND
        oldest = now - _REACH // _MILLISECOND
        # In the middle of catching up nothing is late yet, and going back each time could be for ever.
        first = mark if question.name in self._catching_up else mark - _TOLD_LATE // _MILLISECOND
        if mark < oldest:
            self._gap(question.name, mark, oldest, "older than what is still told of")
            self._marks.move(question.name, oldest)
        return max(first, oldest)

    async def _buckets(self, question: Question) -> bool:
        """From the last interval that had not ended, which has grown since."""
        length, now = _length_of(question), to_millis(self._clock.now())
        mark = self._marks.get(question.name)
        first = now - self._history // _MILLISECOND if mark is None else mark
        first -= first % length + length  # the one before, too: it may have been told of late
        for _call in range(_MOST_CALLS):
            last = min(first + _MOST_BUCKETS * length, now)
            asked = question.asked(start_time=first, end_time=last, limit=1_000)
            content = await self._client.ask(question.endpoint, asked)
            self._marks.move(question.name, last - last % length)
            await self._put_content(question, asked, content)
            first = last
            if last >= now:
                return False
        return True

    async def _alerts(self, question: Question) -> None:
        """The newest ones. Where all of an answer's are new, older ones may have been cut off."""
        content = await self._client.ask(question.endpoint, question.asked())
        moments = moments_of(content.rows, "create_time")
        mark = self._marks.get(question.name)
        if moments:
            oldest, newest = to_millis(moments[0]), to_millis(moments[-1])
            if mark is not None and len(content.rows) >= MOST_ALERTS and oldest > mark:
                self._gap(question.name, mark, oldest, "more alerts than one answer holds")
            self._marks.move(question.name, newest)
        await self._put_content(question, question.asked(), content)

    async def _put(self, question: Question, asked: Mapping[str, str]) -> None:
        await self._put_content(question, asked, await self._client.ask(question.endpoint, asked))

    async def _put_content(self, question: Question, asked: Mapping[str, str], content: Content) -> None:
        """The item and the marks that cover it, together; then wait until there is room for more."""
        self._put_body(question, asked, content.body)
        await self._outlet.room()

    def _put_body(self, question: Question, asked: Mapping[str, str], body: bytes) -> None:
        self._outlet.put(
            Raw(
                source=self._source,
                stream=question.endpoint.rpartition("/")[2],
                payload=exchange(Asked(question.endpoint, asked), body),
                received_at=self._clock.now(),
                cursor=self._marks.cursor(),
                span=Span(self._scope, self._answers, self._answers + 1),
            )
        )
        self._answers += 1

    def _gap(self, scope: str, first: int, last: int, reason: str) -> None:
        self._outlet.put(
            Gap(
                source=self._source,
                scale="millisecond",
                scope=scope,
                first=first,
                after_last=last + 1,
                reason=reason,
                detected_at=self._clock.now(),
                started_at=from_millis(first),
                ended_at=from_millis(last),
            )
        )


def _length_of(question: Question) -> int:
    """The length of its intervals, in milliseconds."""
    return INTERVALS[dict(question.parameters)["interval"]] // _MILLISECOND
