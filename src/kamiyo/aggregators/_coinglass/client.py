"""One question to the service: the key, the limits of its plan, and what its answers mean."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import msgspec

from kamiyo.aggregators._coinglass.plans import Endpoint
from kamiyo.aggregators.base import BudgetOf, Response, Session
from kamiyo.core.errors import QuestionRefused, RateLimited, SourceUnavailable
from kamiyo.core.ports import WeightBudget
from kamiyo.core.time import Clock
from kamiyo.kit.secret import Secret

BUDGET: Final = "coinglass"
_TASK: Final = "coinglass"
_MINUTE: Final = timedelta(minutes=1)
_LONGEST_WAIT_SECONDS: Final = 3_600
_LONGEST_MESSAGE: Final = 120
_GOOD: Final = "0"
_SUCCESS: Final = 200
_KEY_REFUSED: Final = frozenset({"401", "403"})
_QUESTION_REFUSED: Final = frozenset({"400", "404", "405", "422"})
_TOO_MUCH: Final = "429"


class KeyRefused(QuestionRefused):
    """The service does not accept the key."""


class PlanLacks(QuestionRefused):
    """The plan of the key does not include what was asked."""


class Garbled(SourceUnavailable):
    """An answer that was to be good is no envelope."""

    def __init__(self, detail: str, body: bytes) -> None:
        super().__init__(detail)
        self.body = body


class _Envelope(msgspec.Struct):
    code: str | int
    msg: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"null")


_envelope = msgspec.json.Decoder(_Envelope)
_rows = msgspec.json.Decoder(list[msgspec.Raw] | None)


class Content(msgspec.Struct, frozen=True):
    """A good answer: its bytes, and each of its rows."""

    body: bytes
    rows: tuple[bytes, ...]


class Client:
    """Asks as often as the plan, the service and all other processes with this key leave room for."""

    def __init__(
        self, url: str, key: Secret, *, session: Session, clock: Clock, budget_of: BudgetOf, per_minute: int
    ) -> None:
        self._url = url.rstrip("/")
        self._key = key
        self._session = session
        self._clock = clock
        self._budget_of = budget_of
        self._per_minute = per_minute
        self._budget: WeightBudget = budget_of(BUDGET, per_minute)

    async def ask(self, endpoint: Endpoint, parameters: Mapping[str, str]) -> Content:
        """The answer to a question.

        QuestionRefused where it would be refused again, SourceUnavailable where it may be answered later.
        """
        spending = await self._budget.spend(_TASK, 1)
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        url = f"{self._url}{endpoint}?{query}".rstrip("?")
        headers = {"CG-API-KEY": self._key.reveal(), "accept": "application/json"}
        try:
            answer = await self._session.request("GET", url, headers=headers)
        finally:
            await spending.settle(1)
        await self._obey(answer)
        return self._read(answer, endpoint)

    def clean(self, text: str) -> str:
        """What may be shown of a text the service sent: it may repeat the key."""
        shown = text.replace(self._key.reveal(), repr(self._key))
        return "".join(letter if letter.isprintable() else "?" for letter in shown[:_LONGEST_MESSAGE])

    async def _obey(self, answer: Response) -> None:
        """Take the limit that the service names where it is lower, and wait where it is reached."""
        most, used = (_number(answer, f"api-key-{name}-limit") for name in ("max", "use"))
        if most and most < self._per_minute:
            self._per_minute = most
            self._budget = self._budget_of(BUDGET, most)
        if _is_plea(answer):
            told = _number(answer, "retry-after")
            seconds = min(told, _LONGEST_WAIT_SECONDS) if told else _MINUTE.total_seconds()
            await self._budget.pause(self._clock.now() + timedelta(seconds=seconds))
        elif most and used is not None and used >= most:
            await self._budget.pause(self._clock.now() + _MINUTE)

    def _read(self, answer: Response, endpoint: Endpoint) -> Content:
        name = endpoint.rpartition("/")[2]
        envelope = _decoded(answer.body)
        if answer.status != _SUCCESS or envelope is None or str(envelope.code) != _GOOD:
            raise self._error(answer, envelope, name)
        try:
            rows = tuple(map(bytes, _rows.decode(envelope.data) or ()))
        except msgspec.DecodeError as error:
            raise self._garbled(name, answer) from error
        return Content(self._body(answer), rows)

    def _error(self, answer: Response, envelope: _Envelope | None, name: str) -> Exception:
        codes = {str(answer.status)} if envelope is None else {str(answer.status), str(envelope.code)}
        message = self.clean((envelope and envelope.msg) or "")
        said = f"{name} answered {'/'.join(sorted(codes - {_GOOD}))} {message}".rstrip()
        if "upgrade" in message.lower():
            return PlanLacks(f"{name} is not in the plan of the key: {message}")
        if codes & _KEY_REFUSED:
            return KeyRefused(f"the key is refused: {said}")
        if _TOO_MUCH in codes:
            return RateLimited(said)
        if codes & _QUESTION_REFUSED:
            return QuestionRefused(said)
        return self._garbled(name, answer) if codes == {str(_SUCCESS)} else SourceUnavailable(said)

    def _garbled(self, name: str, answer: Response) -> Garbled:
        return Garbled(f"{name} answered what is no answer", self._body(answer))

    def _body(self, answer: Response) -> bytes:
        return answer.body.replace(self._key.reveal().encode(), repr(self._key).encode())


def _decoded(body: bytes) -> _Envelope | None:
    try:
        return _envelope.decode(body)
    except msgspec.DecodeError:
        return None


def _is_plea(answer: Response) -> bool:
    envelope = _decoded(answer.body) if answer.status == _SUCCESS else None
    return str(answer.status) == _TOO_MUCH or (envelope is not None and str(envelope.code) == _TOO_MUCH)


def _number(answer: Response, header: str) -> int | None:
    text = (answer.headers.get(header) or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None  # noqa: PLR2004
