"""An hour of a venue where everything goes wrong, lived through by the real client, and what became of it."""

import asyncio
import gc
import sys
import time
from array import array
from collections import Counter, deque
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from random import Random
from types import FunctionType, ModuleType
from typing import Any

import msgspec

from kamiyo.aggregators._hyperliquid_api.quiet import SHORTEST
from kamiyo.aggregators.base import Session, Toolbox
from kamiyo.aggregators.hyperliquid_api import HyperliquidAPIAggregator, HyperliquidAPISettings
from kamiyo.core.errors import SourceUnavailable
from kamiyo.core.ids import Address
from kamiyo.core.modes import Mode, Showing
from kamiyo.core.money import install_context
from kamiyo.core.ports import Normalized, Raw
from kamiyo.core.time import to_millis
from kamiyo.hyperliquid.info import UserRole, body_of, largest_weight
from kamiyo.kit.clock import LapseClock, SystemClock
from kamiyo.kit.transport import WebSocket, open_session, open_websocket
from kamiyo.lab.faults import Fault, FaultKind, Faults, drawn_faults
from kamiyo.lab.meter import Meter
from kamiyo.lab.outgoing import Delivery
from kamiyo.lab.protocol import LabVenue
from kamiyo.lab.simulated import WATCHED, Cascade
from kamiyo.lab.tape_model import ModelTape
from kamiyo.lab.venue import open_lab_venue
from kamiyo.processing.orchestrator import Orchestrator
from kamiyo.storage.budgets import PostgresBudget
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.leases import PostgresLeases
from kamiyo.storage.pool import Pool, open_pool

SPEED = 60
STARTS_AT = datetime(2024, 3, 5, 12, tzinfo=UTC)
BLOCK = timedelta(milliseconds=600)
# The fall of the shipped ten minutes spread over the hour, so that faults and liquidations meet everywhere.
STORY = (
    (0, 0), (300, 60_000), (1_200, 200_000), (2_000, 260_000), (2_001, 330_000), (2_600, 400_000),
    (3_600, 640_000), (4_200, 700_000), (4_201, 930_000), (5_400, 1_000_000), (6_000, 820_000),
)  # fmt: skip
ENDS_AT = STARTS_AT + STORY[-1][0] * BLOCK
LEAD = timedelta(minutes=2)  # to connect before the tape begins
CALM = timedelta(minutes=4)  # at the end, so that what was interrupted goes on once more
AN_HOUR_OF = {
    FaultKind.DISCONNECT: 12,
    FaultKind.EXPIRED: 6,
    FaultKind.MALFORMED: 14,
    FaultKind.DUPLICATE: 30,
    FaultKind.REORDER: 30,
    FaultKind.SILENCE: 8,
    FaultKind.BUSY: 5,
    FaultKind.UNAVAILABLE: 4,
    FaultKind.SLOW: 10,
    FaultKind.SKEW: 8,
}
OUTAGES = 5  # nothing open and nothing to be opened, longer than what the venue repeats
STANDSTILLS = 2
WARM_AT = STARTS_AT + timedelta(minutes=20)
SCANS_PER_MINUTE = 120
NEIGHBOUR_EVERY = timedelta(seconds=3)
LONG = SHORTEST  # a standstill that can be taken for silence
AWAKE_AFTER = timedelta(seconds=20)  # of it what came meanwhile has been taken
_PATIENCE = 20  # seconds of the machine for what came last to be stored
_SUMS = ("trades", "duplicate_trades", "refused_trades", "rejects", "fills", "liquidated_fills")

Key = tuple[str, int, int]  # a trade: asset, number, time


class Leg(msgspec.Struct, frozen=True):
    """One account's row of a liquidation, as the tape has it."""

    user: str
    key: Key
    price: str
    size: str
    hash: str
    crossed: bool
    victim: str
    method: str

    @property
    def loser(self) -> str:
        """Who is shown as liquidated: of a deleveraging the one whose gain was taken."""
        return self.user if self.method == "adl" else self.victim

    @property
    def tells(self) -> bool:
        """Whether the row makes a fill: the losing one of a deleveraging is told by the other."""
        return self.method != "adl" or self.user != self.victim

    @property
    def sweep(self) -> tuple[str, str, str]:
        """What the public trades of one liquidation share."""
        return self.hash, self.key[0], self.victim


class Truth:
    """What the tape says, read from its lines by nothing but a JSON decoder."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self.places: dict[Key, int] = {}  # every trade anybody may follow: those of perpetuals
        self.legs: dict[tuple[str, Key], Leg] = {}
        for line in lines:
            for user, row in msgspec.json.decode(line)["events"]:
                key = (row["coin"], row["tid"], row["time"])
                if not row["coin"].startswith("@"):
                    self.places.setdefault(key, len(self.places))
                if "liquidation" in row:
                    self.legs[user, key] = _leg(user, key, row)

    @cached_property
    def sweeps(self) -> dict[tuple[str, str, str], set[Key]]:
        """The trades of each liquidation into the book."""
        found: dict[tuple[str, str, str], set[Key]] = {}
        for leg in self.legs.values():
            if leg.method == "market":
                found.setdefault(leg.sweep, set()).add(leg.key)
        return found


def _leg(user: str, key: Key, row: Mapping[str, Any]) -> Leg:
    named = row["liquidation"]
    return Leg(
        user=user,
        key=key,
        price=row["px"],
        size=row["sz"],
        hash=row["hash"],
        crossed=row["crossed"],
        victim=named["liquidatedUser"],
        method="adl" if row["dir"] == "Auto-Deleveraging" else named["method"],
    )


class Ears:
    """What reached the pipeline; of trades in room that is there from the beginning."""

    def __init__(self, truth: Truth) -> None:
        self.truth = truth
        self._places = truth.places
        self.trades = array("H", bytes(2 * len(truth.places)))  # how often each was heard
        self.foreign: list[Key] = []
        # Rows of liquidations, by account and trade, and when each was told first.
        self.told: dict[tuple[str, Key], datetime] = {}
        # By minute, the most a quote was late, and the most we ourselves were, in milliseconds.
        self.quotes_late: Counter[int] = Counter()
        self.stood_still: Counter[int] = Counter()
        self._standstill = STARTS_AT - LEAD, STARTS_AT - LEAD  # the long one it is waking from

    def hear(self, raw: Raw, normalized: Normalized) -> None:
        """One payload and what it said."""
        for trade in normalized.trades:
            key = (str(trade.asset), trade.tid, trade.time)
            if key in self._places:
                self.trades[self._places[key]] += 1
            else:
                self.foreign.append(key)
        match raw.stream:
            case "ws/bbo":
                heard = to_millis(raw.received_at)
                behind = heard - msgspec.json.decode(raw.payload)["data"]["time"]
                _note_most(self.quotes_late, heard, behind)
            case "ws/userFills":
                told = msgspec.json.decode(raw.payload)["data"]
                self._hear_fills(told["user"], told["fills"], raw.received_at)
            case "info/userFillsByTime":
                exchanged = msgspec.json.decode(raw.payload)
                self._hear_fills(exchanged["question"]["user"], exchanged["answer"], raw.received_at)
            case _:
                pass

    def note_standstill(self, before: datetime, after: datetime) -> None:
        """The process meant to go on at the first of these moments; it does not wake up from all at once."""
        since, until = self._standstill
        waking = after - until < AWAKE_AFTER
        if after - before >= (max(LONG, until - since) if waking else LONG):
            self._standstill = before, after
        elif waking:
            before = since
        _note_most(self.stood_still, to_millis(after), to_millis(after) - to_millis(before))

    def _hear_fills(self, user: str, fills: Iterable[Mapping[str, Any]], at: datetime) -> None:
        for fill in fills:
            if fill.get("liquidation"):
                self.told.setdefault((user, (fill["coin"], fill["tid"], fill["time"])), at)


def _note_most(most: Counter[int], millis: int, behind: int) -> None:
    most[millis // 60_000] = max(most[millis // 60_000], behind)


class OverheardAggregator(HyperliquidAPIAggregator):
    """The source itself; what the pipeline makes of its payloads is noted on the way."""

    ears: Ears
    attempts: list[datetime]

    def normalize(self, raw: Raw) -> Normalized:
        normalized = super().normalize(raw)
        self.ears.hear(raw, normalized)
        return normalized


_SHARED = (ModuleType, type, asyncio.AbstractEventLoop, LabVenue, Ears)


@dataclass(frozen=True, kw_only=True)
class Hour:
    """All that is known after the hour: what was so, what the venue did, what is stored."""

    truth: Truth
    schedule: Sequence[Fault]
    ears: Ears
    deliveries: Sequence[Delivery]
    meter: Meter
    attempts: Sequence[datetime]
    gaps: Sequence[Mapping[str, Any]]
    rejects: Sequence[Mapping[str, Any]]
    spans: Mapping[str, int]
    socket_rejects: int
    fills: Sequence[Mapping[str, Any]]
    liquidations: Sequence[Mapping[str, Any]]
    heard_until: Mapping[str, int]
    grown: int  # bytes held at the end more than after twenty minutes


def schedule_of(seed: int) -> list[Fault]:
    """Faults of every kind, at moments only the seed knows."""
    since, until = STARTS_AT + timedelta(minutes=1), ENDS_AT - CALM
    chance = Random(seed)
    drawn = drawn_faults(AN_HOUR_OF, since=since, until=until, seed=seed)
    for _ in range(OUTAGES):
        at = since + (until - since) * chance.random()
        lasts = timedelta(seconds=chance.randint(20, 120))
        drawn += [Fault(FaultKind.DISCONNECT, at), Fault(FaultKind.UNAVAILABLE, at, lasts)]
    # Who finds the venue silent then connects anew, and would hear the end again while it is counted.
    drawn.append(Fault(FaultKind.UNAVAILABLE, ENDS_AT, timedelta(hours=1)))
    return sorted(drawn, key=lambda fault: fault.at)


async def live_through(seed: int, database_url: str) -> Hour:
    """Let the hour pass: a minute of the machine's."""
    install_context()
    encode = msgspec.json.Encoder().encode
    lines = [encode(block) for block in Cascade(seed, STARTS_AT, every=BLOCK, story=STORY).blocks()]
    tape = ModelTape(Showing(Mode.SIMULATED, "hour"), "an hour", "made up", lines=[lambda: lines])
    schedule, clock = schedule_of(seed), LapseClock(STARTS_AT - LEAD, SPEED)
    async with (
        _last_words(),
        open_lab_venue(tape, clock=clock, faults=Faults(schedule), seed=seed) as venue,
        open_pool(database_url, size=8) as pool,
        open_session() as session,
    ):
        source = _source(seed, venue.url, Truth(lines), session=session, pool=pool, clock=clock)
        async with (
            _ingesting(source, pool, clock) as ingesting,
            _neighbour(f"{venue.url}/info", session, pool, clock),
            _standstills(seed, clock),
            _looking_out(source.ears, clock),
        ):
            await clock.sleep(WARM_AT - clock.now())
            before = held_by(ingesting)
            await clock.sleep(ENDS_AT - clock.now())
            await _all_is_stored(pool, source.ears)
            grown = held_by(ingesting) - before
        return await _told(venue, source, pool, schedule, grown)


def _source(
    seed: int, url: str, truth: Truth, *, session: Session, pool: Pool, clock: LapseClock
) -> OverheardAggregator:
    """The product's own source, which notes when it opens a socket and what it hears."""
    attempts = list[datetime]()

    def connect(address: str) -> AbstractAsyncContextManager[WebSocket]:
        attempts.append(clock.now())
        return open_websocket(address)

    tools = Toolbox(
        clock=clock,
        session=session,
        connect=connect,
        budget=PostgresBudget(pool, clock, speed=SPEED),
        random=Random(seed),
    )
    settings = HyperliquidAPISettings(
        url=url, makers=" ".join(WATCHED), majors="BTC ETH", scan_per_minute=SCANS_PER_MINUTE
    )
    source = OverheardAggregator(settings, tools)
    source.ears, source.attempts = Ears(truth), attempts
    return source


async def _told(
    venue: LabVenue, source: OverheardAggregator, pool: Pool, schedule: Sequence[Fault], grown: int
) -> Hour:
    """Everything that was told of the hour, by everybody."""
    return Hour(
        truth=source.ears.truth,
        schedule=schedule,
        ears=source.ears,
        deliveries=venue.delivered,
        meter=venue.meter,
        attempts=source.attempts,
        gaps=await _rows(pool, "SELECT * FROM gaps ORDER BY scope, first"),
        rejects=await _rows(pool, "SELECT * FROM rejects"),
        spans=await _sums(pool),
        socket_rejects=await pool.fetchval("SELECT sum(rejects) FROM spans WHERE scope LIKE 'ws/%'"),
        fills=await _rows(pool, "SELECT * FROM liquidation_fills"),
        liquidations=await _rows(pool, "SELECT * FROM liquidations"),
        heard_until=msgspec.json.decode(await pool.fetchval("SELECT cursor FROM sources")),
        grown=grown,
    )


@asynccontextmanager
async def _last_words() -> AsyncGenerator[None]:
    """A transport that was closed is gone only some rounds of the loop later."""
    yield
    await asyncio.sleep(0.2)


@asynccontextmanager
async def _ingesting(
    source: OverheardAggregator, pool: Pool, clock: LapseClock
) -> AsyncGenerator[asyncio.Task[None]]:
    """The source under its supervisor, wired as the product wires it."""
    machine = SystemClock()
    journal = PostgresJournal(pool, machine, shown_clock=clock)
    orchestrator = Orchestrator([source], journal, PostgresLeases(pool, machine), clock)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(orchestrator.run())
        yield running
        running.cancel()


@asynccontextmanager
async def _neighbour(url: str, session: Session, pool: Pool, clock: LapseClock) -> AsyncGenerator[None]:
    """Somebody else behind the address who asks whatever the common account has room for."""
    budget, question = PostgresBudget(pool, clock, speed=SPEED), UserRole(user=Address(WATCHED[0]))
    weight = largest_weight(question)

    async def ask() -> None:
        while True:
            spending = await budget.spend("neighbour", weight)
            try:
                await session.request("POST", url, body=body_of(question))
            except SourceUnavailable:
                pass
            finally:
                await spending.settle(weight)
            await clock.sleep(NEIGHBOUR_EVERY)

    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(ask())
        yield
        asking.cancel()


@asynccontextmanager
async def _standstills(seed: int, clock: LapseClock) -> AsyncGenerator[None]:
    """The process does not run for a while, as when a laptop sleeps; here the venue sleeps with it."""
    chance = Random(seed)
    moments = sorted(STARTS_AT + (ENDS_AT - CALM - STARTS_AT) * chance.random() for _ in range(STANDSTILLS))

    async def stand_still() -> None:
        for moment in moments:
            await clock.sleep(moment - clock.now())
            time.sleep(chance.randint(20, 100) / SPEED)  # on purpose: all must stand still

    async with asyncio.TaskGroup() as tasks:
        sleeping = tasks.create_task(stand_still())
        yield
        sleeping.cancel()


@asynccontextmanager
async def _looking_out(ears: Ears, clock: LapseClock) -> AsyncGenerator[None]:
    """Measures for how long the process stands still, by itself or on a machine that has too much to do."""
    step = timedelta(seconds=1)

    async def look() -> None:
        while True:
            until = clock.now() + step
            await clock.sleep(step)
            ears.note_standstill(until, clock.now())

    async with asyncio.TaskGroup() as tasks:
        looking = tasks.create_task(look())
        yield
        looking.cancel()


def held_by(*roots: object) -> int:
    """How many bytes are reachable from these, by way of tasks, coroutines and closures too.

    Not what all share: modules, types, the globals of functions, the event loop.
    """
    seen, size = {id(root) for root in roots}, 0
    waiting = deque(roots)
    while waiting:
        each = waiting.popleft()
        size += sys.getsizeof(each)
        inner = each.__closure__ or () if isinstance(each, FunctionType) else gc.get_referents(each)
        for other in inner:
            if id(other) not in seen and not isinstance(other, _SHARED):
                seen.add(id(other))
                waiting.append(other)
    return size


async def _all_is_stored(pool: Pool, ears: Ears) -> None:
    """Wait until all that was heard is in the database, and nothing more comes."""
    before = -1
    async with asyncio.timeout(_PATIENCE):
        while not (await _sums(pool))["trades"] == sum(ears.trades) == before:
            before = sum(ears.trades)
            await asyncio.sleep(0.5)


async def _sums(pool: Pool) -> dict[str, int]:
    sums = ", ".join(f"coalesce(sum({name}), 0) AS {name}" for name in _SUMS)
    [row] = await pool.fetch(f"SELECT {sums} FROM spans")
    return {name: int(row[name]) for name in _SUMS}


async def _rows(pool: Pool, query: str) -> list[dict[str, Any]]:
    return [dict(row) for row in await pool.fetch(query)]


def peak(moments: Sequence[datetime], period: timedelta) -> int:
    """The most of these moments in any such period."""
    counted: Counter[datetime] = Counter()
    first = 0
    for number, moment in enumerate(moments):
        while moment - moments[first] >= period:
            first += 1
        counted[moment] = number - first + 1
    return max(counted.values(), default=0)
