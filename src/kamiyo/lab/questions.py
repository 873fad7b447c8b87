"""Questions to the venue, over HTTP or the socket: charged, refused, delayed and answered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus

import msgspec

from kamiyo.core.errors import MalformedPayload
from kamiyo.core.time import Clock, to_millis
from kamiyo.hyperliquid.info import (
    ExchangeStatus,
    Question,
    UserRateLimit,
    base_weight,
    parse_question,
    rows_in,
    type_of,
    weight_of,
)
from kamiyo.hyperliquid.limits import REST_WEIGHT_PER_MINUTE
from kamiyo.lab.faults import FaultKind, Faults
from kamiyo.lab.meter import Meter
from kamiyo.lab.ports import Playing, Unanswerable

_JSON, _TEXT, _HTML = "application/json", "text/plain; charset=utf-8", "text/html"
_NO_QUESTION = b"Failed to deserialize the JSON body into the target type"
_NO_JSON = b"Failed to parse the request body as JSON"
_GATEWAY = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
_RATE_LIMIT = b'{"cumVlm":"0.0","nRequestsUsed":0,"nRequestsCap":10000,"nRequestsSurplus":0}'


class Reply(msgspec.Struct, frozen=True):
    """An answer as HTTP gives it; ``kind`` is the question's type where there was one."""

    status: int
    content: bytes
    content_type: str = _JSON
    kind: str = ""


class Desk:
    """Where questions are asked. It refuses more than an address may ask in a minute of venue time."""

    def __init__(
        self,
        playing: Playing,
        clock: Clock,
        faults: Faults,
        meter: Meter,
        play: Callable[[datetime], None],
    ) -> None:
        self._playing = playing
        self._clock = clock
        self._faults = faults
        self._meter = meter
        self._play = play

    async def ask(self, address: str, body: bytes) -> Reply:
        """Answer the question in a body."""
        now = self._clock.now()
        if self._faults.active(FaultKind.UNAVAILABLE, now):
            return Reply(HTTPStatus.BAD_GATEWAY, _GATEWAY, _HTML)
        if self._faults.active(FaultKind.BUSY, now):
            return Reply(HTTPStatus.TOO_MANY_REQUESTS, b"null")
        try:
            question = parse_question(body)
        except MalformedPayload as error:
            if error.rule == "unknown_question":
                return Reply(HTTPStatus.UNPROCESSABLE_ENTITY, _NO_QUESTION, _TEXT)
            return Reply(HTTPStatus.BAD_REQUEST, _NO_JSON, _TEXT)
        return await self._answer(address, question, now)

    async def _answer(self, address: str, question: Question, now: datetime) -> Reply:
        kind, weight = type_of(question), base_weight(question)
        used = self._meter.addresses[address].weight.used_at(now)
        if used + weight > REST_WEIGHT_PER_MINUTE:
            self._meter.breach(address, now, "weight")
            return Reply(HTTPStatus.TOO_MANY_REQUESTS, b"null", kind=kind)
        self._meter.charge(address, now, kind, weight)
        self._meter.addresses[address].asked[kind] += 1
        if (slow := self._faults.active(FaultKind.SLOW, now)) is not None:
            await self._clock.sleep(slow.amount)
            now = self._clock.now()
        self._play(now)
        reply = self._reply(question, kind, now)
        rows = rows_in(question, reply.content) if reply.status == HTTPStatus.OK else 0
        if surcharge := weight_of(question, rows) - weight:
            self._meter.charge(address, now, kind, surcharge)
        return reply

    def _reply(self, question: Question, kind: str, now: datetime) -> Reply:
        shown = now + self._skew(now)
        match question:
            case ExchangeStatus():
                return Reply(
                    HTTPStatus.OK, b'{"specialStatuses":null,"time":%d}' % to_millis(shown), kind=kind
                )
            case UserRateLimit():
                return Reply(HTTPStatus.OK, _RATE_LIMIT, kind=kind)
            case _:
                pass
        try:
            return Reply(HTTPStatus.OK, self._playing.answer(question, shown), kind=kind)
        except Unanswerable as refusal:
            text = _JSON if refusal.body == b"null" else _TEXT
            return Reply(refusal.status, refusal.body, text, kind)

    def statistics(self, name: str) -> Reply:
        """A statistics file; any other name is forbidden."""
        self._play(self._clock.now())
        content = self._playing.statistics(name)
        return Reply(HTTPStatus.FORBIDDEN, b"", _TEXT) if content is None else Reply(HTTPStatus.OK, content)

    def _skew(self, now: datetime) -> timedelta:
        skewed = self._faults.active(FaultKind.SKEW, now)
        return timedelta(0) if skewed is None else skewed.amount
