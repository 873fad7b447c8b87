"""What every source is made of: a stream of raw payloads and one pure function of a payload."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Generic, Protocol, TypeVar, runtime_checkable

import msgspec
import structlog

from kamiyo.core.archives import ArchiveObject
from kamiyo.core.case_rules import build_exploit
from kamiyo.core.cases import birth_id
from kamiyo.core.errors import MalformedPayload, SourceUnavailable
from kamiyo.core.events import Gap
from kamiyo.core.exploits import Exploit
from kamiyo.core.ids import MAINNET, Address, Chain, Cursor, SourceName
from kamiyo.core.ports import Normalized, Raw, Spending, UsdBudget, UsdSpending, UserSlots, WeightBudget
from kamiyo.core.reports import Report
from kamiyo.core.slots import HeldSlot
from kamiyo.core.sources import SourceDescription
from kamiyo.core.time import Clock, Utc
from kamiyo.kit.object_store import BucketAccess, ObjectStore, OpenStore
from kamiyo.kit.transport import Answer, LineStream, WebSocket, open_websocket

Response = Answer
Headers = Mapping[str, str]
Connect = Callable[[str], AbstractAsyncContextManager[WebSocket]]
BudgetOf = Callable[[str, int], WeightBudget]


class Session(Protocol):
    """The network, as far as an aggregator may use it. Raises SourceUnavailable for what may work later."""

    async def request(
        self, method: str, url: str, *, body: bytes | None = None, headers: Headers | None = None
    ) -> Response:
        """Send one request and wait for the whole answer."""
        ...

    def open_lines(
        self, url: str, *, headers: Headers | None = None, silence: timedelta
    ) -> AbstractAsyncContextManager[LineStream]:
        """An answer that has no end, line by line; SourceUnavailable after a silence of that length."""
        ...


class Waiting(msgspec.Struct, frozen=True):
    """The source cannot be read now, and why; the stream goes on trying by itself."""

    detail: str


class NotConfigured(Waiting, frozen=True):
    """The source lacks what only its operator can give, and nobody said that there is any.

    ``detail`` names the setting.
    """


class Alive(msgspec.Struct, frozen=True):
    """The source answered and had nothing new; ``cursor`` is where it goes on, if that moved.

    ``lacking`` says what it does not give though it is heard, such as what a plan does not include.
    """

    heard_at: Utc
    cursor: Cursor | None = None
    lacking: str = ""


StreamItem = Raw | Gap | Alive | Waiting


class NoNetwork:
    """The session of what must not ask anybody."""

    async def request(
        self, method: str, url: str, *, body: bytes | None = None, headers: Headers | None = None
    ) -> Response:
        """Refuse."""
        del body, headers
        raise SourceUnavailable(f"{method} {url}: this process has no network")

    def open_lines(
        self, url: str, *, headers: Headers | None = None, silence: timedelta
    ) -> AbstractAsyncContextManager[LineStream]:
        """Refuse."""
        del headers, silence
        raise SourceUnavailable(f"{url}: this process has no network")


class NoBudget:
    """The budget of a process that must not ask the venue."""

    async def spend(self, task: str, weight: int) -> Spending:
        """Refuse."""
        raise SourceUnavailable(f"{task} needs a weight of {weight}, but this process has no budget")

    async def pause(self, until: datetime) -> None:
        """Nothing: nobody spends here."""


def no_budget_of(_name: str, _limit_per_minute: int) -> WeightBudget:
    """Nobody may be asked anything."""
    return NoBudget()


def no_store(access: BucketAccess) -> ObjectStore:
    """No bucket may be read."""
    raise SourceUnavailable(f"s3://{access.bucket}: this process reads no buckets")


class NoMoney:
    """The purse of a process that has none."""

    async def set_aside(
        self, source: SourceName, amount_usd: Decimal, *, daily_limit_usd: Decimal
    ) -> UsdSpending | None:
        """Nothing is left."""
        del source, amount_usd, daily_limit_usd
        return None  # an answer, not the lack of one


class NoChoice:
    """The choice of a process in which nobody chose who is worth a slot."""

    async def chosen(self, chain: Chain) -> Sequence[Address]:
        """Nobody."""
        del chain
        return ()

    async def tell(self, source: SourceName, chain: Chain, held: Sequence[HeldSlot]) -> None:
        """Nothing: nobody asks here."""


@dataclass(frozen=True, slots=True)
class Toolbox:
    """All that an aggregator is handed. What is not here, it may not use.

    ``budget`` is that of the venue; ``budget_of`` gives that of another service, by its name and by how much
    may be asked of it in a minute. ``user_slots`` tells who is worth following.
    """

    clock: Clock
    session: Session = field(default_factory=NoNetwork)
    connect: Connect = open_websocket
    budget: WeightBudget = field(default_factory=NoBudget)
    budget_of: BudgetOf = no_budget_of
    money: UsdBudget = field(default_factory=NoMoney)
    user_slots: UserSlots = field(default_factory=NoChoice)
    open_store: OpenStore = no_store
    random: random.Random = field(default_factory=random.Random)


@runtime_checkable
class Archive(Protocol):
    """A source whose past can be asked for, object by object."""

    @property
    def daily_limit_usd(self) -> Decimal:
        """What may be spent of it in a UTC day without a person being asked; 0 where nothing may."""
        ...

    async def list_objects(self, start: datetime, end: datetime) -> Sequence[ArchiveObject]:
        """What it keeps of the time from ``start`` up to ``end``, in order; SourceUnavailable as always."""
        ...

    def read_object(
        self, found: ArchiveObject, *, assets: Collection[str] = ()
    ) -> AsyncGenerator[StreamItem, None]:
        """Everything one object says, once, with no cursor.

        Where ``assets`` are named, what concerns none of them may be left out.
        SourceUnavailable for what may work later; CorruptObject for an object that never can be read.
        """
        ...

    def cost_usd(self, objects: int, size: int) -> Decimal:
        """What reading so many objects, of so many bytes in all, costs whoever asks."""
        ...


class AggregatorSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every aggregator's own table of settings: ``[sources.NAME]`` in kamiyo.toml."""

    active: bool = True


class BaseAggregator(ABC):
    """One source. Subclasses say how to read it; nobody else knows its shapes.

    One that is not ``active`` by its settings is known and never read. ``chain`` is what it tells of.
    """

    description: SourceDescription
    active: bool = True
    chain: Chain = MAINNET

    def __init__(self, tools: Toolbox) -> None:
        self.clock = tools.clock
        self.session = tools.session
        self.logger: structlog.stdlib.BoundLogger = structlog.get_logger().bind(source=self.name)

    @property
    def name(self) -> SourceName:
        """The source's name, as it stands in every row it is the origin of."""
        return self.description.name

    @abstractmethod
    def stream(self, cursor: Cursor | None, *, follow: bool = True) -> AsyncGenerator[StreamItem, None]:
        """Everything after ``cursor``, in order; without ``follow``, end where the source has no more."""

    @abstractmethod
    def normalize(self, raw: Raw) -> Normalized:
        """What a payload says. Pure; MalformedPayload if nothing of it can be understood."""

    def stored(self, cursor: Cursor) -> None:  # noqa: B027 -- most sources need not know
        """All that was given up to this cursor is kept, and need not be given again."""

    def normalize_exploit(self, raw: Raw) -> tuple[Exploit, ...]:
        """The cases a payload reports, each as its one report tells it: nothing is matched here."""
        return tuple(
            build_exploit(birth_id(event), (event,))
            for event in self.normalize(raw).events
            if isinstance(event, Report)
        )

    def validate_exploit(self, raw: Raw) -> bool:
        """Whether a payload can be understood at all."""
        try:
            self.normalize(raw)
        except MalformedPayload:
            return False
        return True

    async def fetch_exploits(self) -> list[Exploit]:
        """Drain the source once and return the cases it reports; malformed payloads are left out."""
        found: list[Exploit] = []
        async with aclosing(self.stream(None, follow=False)) as items:
            async for item in items:
                if isinstance(item, Raw) and self.validate_exploit(item):
                    found.extend(self.normalize_exploit(item))
        return found

    async def make_request(
        self, method: str, url: str, *, body: bytes | None = None, headers: Headers | None = None
    ) -> Response:
        """One request through the session; SourceUnavailable for an answer that is not a success."""
        response = await self.session.request(method, url, body=body, headers=headers)
        if response.status not in _SUCCESS:  # the session follows no redirect, so that is none either
            raise SourceUnavailable(f"{self.name} answered {response.status}")
        return response


_SUCCESS = range(200, 300)

S = TypeVar("S", bound=AggregatorSettings)


@dataclass(frozen=True, slots=True)
class AggregatorSpec(Generic[S]):
    """How an aggregator introduces itself: the one constant of its module."""

    name: SourceName
    settings: type[S]
    build: Callable[[S, Toolbox], BaseAggregator]
