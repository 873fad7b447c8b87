"""Fakes of the ports: a manual clock, a journal and leases in memory, a source that is scripted."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec

from kamiyo.aggregators import base
from kamiyo.aggregators._node_payloads import normalize
from kamiyo.aggregators.base import Alive, BaseAggregator, Headers, Response, StreamItem, Toolbox, Waiting
from kamiyo.core.archives import BlockRun
from kamiyo.core.cases import Matching, NoMatching
from kamiyo.core.claims import Claim, Claims
from kamiyo.core.codec import to_json
from kamiyo.core.errors import LeaseLost, StorageRefused
from kamiyo.core.events import AccountLiquidation, Gap, LedgerMovement, LiquidatedFill
from kamiyo.core.exploits import HonestCase
from kamiyo.core.ids import Cursor, LiquidationId, SourceName
from kamiyo.core.liquidations import (
    FillKey,
    Liquidation,
    ObservedFill,
    fill_key,
    fold,
    liquidation_id,
    merge,
    observe,
)
from kamiyo.core.ports import Batch, Counted, Event, Lease, Normalized, Raw, Reject, Tally, Written
from kamiyo.core.sources import SourceDescription, SourceState
from kamiyo.core.time import Clock, hour_of
from kamiyo.storage.claims import claim_json
from tests.builders import CHAIN, NOW, a_source_description
from tests.fake_casebook import MemoryCases
from tests.fake_claims import changes as claim_changes
from tests.fake_claims import newest_claims
from tests.fake_states import Row, State, changes, newest

KEPT_BYTES = 1 << 20  # of a refused payload


class ManualClock:
    """Time that moves by what is slept, and lets other tasks run meanwhile."""

    def __init__(self, now: datetime = NOW) -> None:
        self.moment = now
        self.slept: list[timedelta] = []

    def now(self) -> datetime:
        return self.moment

    async def sleep(self, duration: timedelta) -> None:
        self.slept.append(duration)
        self.moment += duration
        await asyncio.sleep(0)


class HastyClock(ManualClock):
    """Sleeps a twentieth of a second at the most: whoever holds a lease renews it all the time."""

    async def sleep(self, duration: timedelta) -> None:
        await asyncio.sleep(min(0.05, duration.total_seconds()))


class StoppedError(Exception):
    """A scripted end of the process."""


class NoNetwork(base.NoNetwork):
    """A session nothing may use: who does has failed, not waited."""

    async def request(
        self, method: str, url: str, *, body: bytes | None = None, headers: Headers | None = None
    ) -> Response:
        raise AssertionError(f"the network was asked: {method} {url} {body!r} {headers}")


def tools(clock: ManualClock | None = None) -> Toolbox:
    return Toolbox(clock=clock or ManualClock(), session=NoNetwork())


class ScriptedAggregator(BaseAggregator):
    """A source whose items are written down; a cursor is the number of items before it.

    An exception in the script is raised where it stands, a callable is awaited. Payloads are read as those
    of a node.
    """

    def __init__(
        self,
        script: Sequence[StreamItem | Exception | Callable[[], Awaitable[None]]] = (),
        *,
        ends: bool = True,
        clock: ManualClock | None = None,
        normalize: Callable[[Raw], Normalized] | None = None,
        **description: object,
    ) -> None:
        self.description = a_source_description(**description)
        super().__init__(tools(clock))
        self.script = list(script)
        self.ends = ends
        self.read: list[Cursor | None] = []  # the cursors the stream was started from
        self.given = 0
        self.kept: list[Cursor] = []  # the cursors it was told are stored
        self._normalize = normalize or node_normalize

    async def stream(self, cursor: Cursor | None, *, follow: bool = True) -> AsyncGenerator[StreamItem, None]:
        self.read.append(cursor)
        for item in self.script[int(cursor or "0") :]:
            if isinstance(item, Exception):
                self.script.remove(item)
                raise item
            if isinstance(item, Raw | Gap | Alive | Waiting):
                self.given += 1
                yield item
            else:
                await item()
        if not self.ends and follow:
            await asyncio.Event().wait()

    def stored(self, cursor: Cursor) -> None:
        self.kept.append(cursor)

    def normalize(self, raw: Raw) -> Normalized:
        return self._normalize(raw)


def node_normalize(raw: Raw) -> Normalized:
    return normalize(raw, CHAIN)


BlockHour = tuple[str, str, datetime]  # source, chain, hour
BlocksOfHour = tuple[tuple[tuple[int, int], ...], datetime, datetime]  # half-open ranges, first and last time


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """What a journal holds, in one form whatever keeps it; without when it was recorded."""

    fills: Mapping[FillKey, ObservedFill]
    liquidations: Mapping[LiquidationId, Liquidation]
    accounts: frozenset[tuple[object, ...]]
    movements: frozenset[tuple[object, ...]]
    exploits: Mapping[str, tuple[bytes, int]]  # as JSON, and the version
    honest_cases: Mapping[str, bytes]
    rejects: frozenset[tuple[object, ...]]  # source, stream, rule, detail, kept payload, length
    gaps: frozenset[tuple[object, ...]]  # source, scale, scope, first, after_last
    spans: Mapping[tuple[str, str], tuple[tuple[tuple[int, int], ...], Mapping[Counted, int]]]
    block_hours: Mapping[BlockHour, BlocksOfHour]
    cursors: Mapping[str, tuple[object, ...]]  # cursor, newest block, heard at, last event at
    published: tuple[tuple[str, bytes], ...]  # channel and message, in the order of publication
    states: Mapping[Row, Row]  # what tests.fake_states.newest() makes of all words
    claims: Mapping[Row, Row]  # what tests.fake_claims.newest_claims() makes of them


@dataclass
class _Tables:
    """What a transaction may change."""

    fills: dict[FillKey, ObservedFill] = field(default_factory=dict)
    liquidations: dict[LiquidationId, Liquidation] = field(default_factory=dict)
    accounts: dict[tuple[object, ...], tuple[object, ...]] = field(default_factory=dict)
    movements: dict[tuple[object, ...], tuple[object, ...]] = field(default_factory=dict)
    cases: MemoryCases = field(default_factory=MemoryCases)
    honest_cases: dict[str, bytes] = field(default_factory=dict)
    rejects: dict[tuple[object, ...], tuple[object, ...]] = field(default_factory=dict)
    gaps: dict[tuple[object, ...], Gap] = field(default_factory=dict)
    spans: dict[tuple[str, str], tuple[list[tuple[int, int]], Counter[Counted]]] = field(default_factory=dict)
    block_hours: dict[BlockHour, BlocksOfHour] = field(default_factory=dict)
    published: list[tuple[str, bytes]] = field(default_factory=list)
    cursors: dict[str, tuple[object, ...]] = field(default_factory=dict)
    words: set[State] = field(default_factory=set)
    claims: set[Claims] = field(default_factory=set)

    def copy(self) -> "_Tables":
        copied = _Tables(
            **{name: getattr(self, name).copy() for name in self.__dataclass_fields__ if name != "spans"}
        )
        copied.spans = {key: (list(ranges), counts.copy()) for key, (ranges, counts) in self.spans.items()}
        return copied


class MemoryJournal:
    """A journal in memory, of which each write is all or nothing.

    ``at`` is called with the name of every stage a write passes (``write``, ``commit``, ``committed``) and
    may raise: that is how a test ends the process in between.
    """

    def __init__(
        self,
        *,
        inactive: Iterable[str] = (),
        refuses: Callable[[Batch], bool] = lambda _batch: False,
        leases: "MemoryLeases | None" = None,
        matching: Matching | None = None,
    ) -> None:
        self.tables = _Tables()
        self.first_states: dict[str, SourceState] = {}
        self.matching = matching or NoMatching()
        self.inactive = set(inactive)
        self.refuses = refuses
        self.batches: list[Batch] = []
        self.states: list[tuple[str, SourceState, str]] = []
        self.at: Callable[[str], None] = lambda _stage: None
        self.unavailable: list[Exception] = []  # raised by the next calls, one each
        self.known_priorities: dict[SourceName, int] = {}
        self.leases = leases

    def under(self, lease: Lease) -> "MemoryJournal":
        return self if self.leases is None else _Fenced(self, self.leases, lease)

    def quiet(self) -> "MemoryJournal":
        return _Quiet(self)

    async def priorities(self) -> Mapping[SourceName, int]:
        self._answer()
        return self.known_priorities

    async def until_switched(self, source: SourceName, *, active: bool) -> None:
        while (source not in self.inactive) is not active:
            await asyncio.sleep(0)

    async def write(self, batch: Batch) -> Written:
        await asyncio.sleep(0)
        self._answer()
        self.at("write")
        if self.refuses(batch):
            raise StorageRefused("refused by the script")
        tables = self.tables.copy()
        written = _write(tables, batch, self.matching)
        self.at("commit")
        self.tables = tables
        self.batches.append(batch)
        self.at("committed")
        return written

    async def cursor(self, source: SourceName) -> Cursor | None:
        self._answer()
        text = self.tables.cursors[source][0] if source in self.tables.cursors else None
        return None if text is None else Cursor(str(text))

    async def newest_block(self, source: SourceName) -> int | None:
        self._answer()
        block = self.tables.cursors[source][1] if source in self.tables.cursors else None
        return None if block is None else int(str(block))

    async def register(
        self, description: SourceDescription, state: SourceState = SourceState.STARTING
    ) -> bool:
        self._answer()
        if description.name not in self.tables.cursors:
            self.tables.cursors[description.name] = (None, None, None, None)
            self.first_states[description.name] = state
        return description.name not in self.inactive

    async def report_state(self, source: SourceName, state: SourceState, detail: str) -> None:
        self._answer()
        self.states.append((source, state, detail))

    def states_of(self, source: str) -> list[SourceState]:
        return [state for name, state, _detail in self.states if name == source]

    def stored(self) -> Stored:
        tables = self.tables
        return Stored(
            fills=dict(tables.fills),
            liquidations=dict(tables.liquidations),
            accounts=frozenset(tables.accounts.values()),
            movements=frozenset(tables.movements.values()),
            exploits=dict(tables.cases.exploits),
            honest_cases=dict(tables.honest_cases),
            rejects=frozenset(tables.rejects.values()),
            gaps=frozenset(tables.gaps),
            spans={
                key: (tuple(ranges), dict(+counts)) for key, (ranges, counts) in sorted(tables.spans.items())
            },
            block_hours=dict(tables.block_hours),
            cursors=dict(tables.cursors),
            published=tuple(tables.published),
            states=newest(tables.words),
            claims=newest_claims(tables.claims),
        )

    def _answer(self) -> None:
        if self.unavailable:
            raise self.unavailable.pop(0)


class _Fenced(MemoryJournal):
    """Another journal, whose writes and reports are refused once somebody else holds the lease."""

    def __init__(self, journal: MemoryJournal, leases: "MemoryLeases", lease: Lease) -> None:
        super().__init__()
        self._journal = journal
        self._leases = leases
        self._lease = lease
        self.inactive = journal.inactive

    async def write(self, batch: Batch) -> Written:
        self._hold_fast()
        return await self._journal.write(batch)

    async def report_state(self, source: SourceName, state: SourceState, detail: str) -> None:
        self._hold_fast()
        await self._journal.report_state(source, state, detail)

    async def cursor(self, source: SourceName) -> Cursor | None:
        return await self._journal.cursor(source)

    async def newest_block(self, source: SourceName) -> int | None:
        return await self._journal.newest_block(source)

    def _hold_fast(self) -> None:
        if self._leases.tokens.get(self._lease.name) != self._lease.token:
            raise LeaseLost(f"{self._lease.name} was given to another worker")


class _Quiet(MemoryJournal):
    """Another journal, of whose writes nobody is told and which move no cursor."""

    def __init__(self, journal: MemoryJournal) -> None:
        super().__init__()
        self._journal = journal
        self.inactive = journal.inactive

    def under(self, lease: Lease) -> "MemoryJournal":
        return _Quiet(self._journal.under(lease))

    async def write(self, batch: Batch) -> Written:
        told = list(self.told_by.tables.published)
        written = await self._journal.write(msgspec.structs.replace(batch, cursor=None, newest_block=None))
        self.told_by.tables.published[:] = told
        return written

    @property
    def told_by(self) -> MemoryJournal:
        """The journal that keeps the rows."""
        journal = self._journal
        return journal._journal if isinstance(journal, _Fenced) else journal


def _write(tables: _Tables, batch: Batch, matching: Matching) -> Written:
    new_fills, changed = _store_fills(tables, [e for e in batch.events if isinstance(e, LiquidatedFill)])
    rows, told = tables.cases.store(batch.events, matching)
    tables.published += [("exploits", each) for each in told]
    rows += sum(_store_event(tables, event) for event in batch.events)
    rows += _store_states(tables, [e for e in batch.events if isinstance(e, State)])
    rows += _store_claims(tables, [e for e in batch.events if isinstance(e, Claims)])
    for reject in batch.rejects:
        tables.rejects.setdefault(*reject_row(reject))
    for gap in batch.gaps:
        tables.gaps.setdefault((gap.source, gap.scale, gap.scope, gap.first, gap.after_last), gap)
    for tally in batch.tallies:
        _count(tables, batch.source, tally)
    for run in batch.block_runs:
        for hour in {hour_of(run.first_at), hour_of(run.last_at)}:
            _add_blocks(tables, (batch.source, batch.chain, hour), run)
    _advance(tables, batch)
    return Written(new_fills=new_fills, changed_liquidations=len(changed), new_rows=rows)


def _store_event(tables: _Tables, event: Event) -> bool:
    new = False
    match event:
        case AccountLiquidation():
            key, row = account_row(event)
            new = key not in tables.accounts
            tables.accounts.setdefault(key, row)
        case LedgerMovement():
            key, row = movement_row(event)
            new = key not in tables.movements
            tables.movements.setdefault(key, row)
        case HonestCase():
            new = tables.honest_cases.get(event.case_id) != to_json(event)
            tables.honest_cases[event.case_id] = to_json(event)
        case _:
            pass
    return new


def _store_states(tables: _Tables, states: Sequence[State]) -> int:
    before = newest(tables.words) if states else {}
    tables.words.update(states)
    return changes(before, newest(tables.words)) if states else 0


def _store_claims(tables: _Tables, claims: Sequence[Claims]) -> int:
    before = newest_claims(tables.claims) if claims else {}
    told = {each.claim_id: each for each in claims if isinstance(each, Claim)}
    new = [each for key, each in told.items() if ("claims", key) not in before]
    tables.published += [("claims", claim_json(each)) for each in new]
    tables.claims.update(claims)
    return claim_changes(before, newest_claims(tables.claims)) if claims else 0


def _store_fills(tables: _Tables, fills: Sequence[LiquidatedFill]) -> tuple[int, set[LiquidationId]]:
    new, changed = 0, set[LiquidationId]()
    for fill in fills:
        identity = liquidation_id(fill)
        key, seen = fill_key(identity, fill), observe(fill)
        known = tables.fills.get(key)
        new += known is None
        if known is None or not set(seen.observations) <= set(known.observations):
            changed.add(identity)
        tables.fills[key] = seen if known is None else merge(known, seen)
    for identity in sorted(changed):
        folded = fold(identity, [each for key, each in tables.fills.items() if key[0] == identity])
        tables.liquidations[identity] = folded
        tables.published.append(("liquidations", to_json(folded)))
    return new, changed


def account_row(event: AccountLiquidation) -> tuple[tuple[object, ...], tuple[object, ...]]:
    key = (event.chain, event.timestamp, event.user, event.hash or "", event.digest)
    rest = (event.amount_usd, event.account_value, event.margin_mode, to_json(event.positions), event.source)
    return key, (*key, *rest)


def movement_row(event: LedgerMovement) -> tuple[tuple[object, ...], tuple[object, ...]]:
    key = (event.chain, event.timestamp, event.hash or "", event.type, event.digest)
    return key, (*key, event.users, event.delta, event.source)


def reject_row(reject: Reject) -> tuple[tuple[object, ...], tuple[object, ...]]:
    key = (reject.source, reject.stream, reject.rule, reject.payload)
    detail = reject.detail.replace("\0", "\\0")[:500]
    kept, length = reject.payload[:KEPT_BYTES], len(reject.payload)
    return key, (reject.source, reject.stream, reject.rule, detail, kept, length)


def _count(tables: _Tables, source: str, tally: Tally) -> None:
    ranges, counts = tables.spans.setdefault((source, tally.span.scope), ([], Counter()))
    start, end = tally.span.start, tally.span.end
    if any(low <= start and end <= high for low, high in ranges):
        return
    counts.update(tally.counts)
    ranges[:] = _joined([*ranges, (start, end)])


def _add_blocks(tables: _Tables, key: BlockHour, run: BlockRun) -> None:
    before = ((), run.first_at, run.last_at)
    ranges, first_at, last_at = tables.block_hours.get(key, before)
    joined = tuple(_joined([*ranges, (run.first, run.last + 1)]))
    tables.block_hours[key] = (joined, min(first_at, run.first_at), max(last_at, run.last_at))


def _joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Half-open ranges as the fewest that hold the same numbers."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if joined and low <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], high))
        else:
            joined.append((low, high))
    return joined


def _advance(tables: _Tables, batch: Batch) -> None:
    if batch.source not in tables.cursors:
        return
    cursor, *clocks = tables.cursors[batch.source]
    new = (batch.newest_block, batch.heard_at, batch.last_event_at)
    tables.cursors[batch.source] = (
        batch.cursor or cursor,
        *(_greatest(old, now) for old, now in zip(clocks, new, strict=True)),
    )


def _greatest(one: object, other: object) -> object:
    known = [each for each in (one, other) if each is not None]
    return max(known, default=None)  # type: ignore[type-var]


class MemoryLeases:
    """Exclusive rights within one process, which ``steal`` gives to somebody else."""

    def __init__(self, *, held_elsewhere: Iterable[str] = ()) -> None:
        self.held = set(held_elsewhere)
        self.asked: list[str] = []
        self.tokens: dict[str, int] = {}
        self._lost: dict[str, asyncio.Event] = {}

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[Lease | None]:
        self.asked.append(name)
        if name in self.held:
            yield None
            return
        self.held.add(name)
        token = self.tokens[name] = self.tokens.get(name, 0) + 1
        lost = self._lost[name] = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as tasks:
                watch = tasks.create_task(_until_lost(name, lost))
                yield Lease(name, token)
                watch.cancel()
        finally:
            if self.tokens[name] == token:
                self.held.discard(name)

    def steal(self, name: str) -> None:
        """Give it to somebody else, as when its holder stood still."""
        self.held.add(name)
        self.tokens[name] = self.tokens.get(name, 0) + 1

    def notice(self, name: str) -> None:
        """Let its former holder learn that it lost it."""
        self._lost[name].set()


async def _until_lost(name: str, lost: asyncio.Event) -> None:
    await lost.wait()
    raise LeaseLost(f"{name} was given to another worker")


class MemoryAccount:
    """What was spent of one address's minute, in the one time of all its budgets."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.counting: list[MemorySpending] = []
        self.paused_until = clock.now()


class MemoryBudget:
    """The weight of one address within one process."""

    MINUTE = timedelta(minutes=1)
    LONGEST_REQUEST = timedelta(minutes=2)

    def __init__(
        self, clock: Clock, *, limit_per_minute: int = 1_200, account: MemoryAccount | None = None
    ) -> None:
        self.spent: list[tuple[str, int]] = []  # what each task was granted, in order
        self._clock = clock
        self._limit = limit_per_minute
        self._account = account or MemoryAccount(clock)
        self._turn = asyncio.Lock()

    async def spend(self, task: str, weight: int) -> "MemorySpending":
        if not 0 <= weight <= self._limit:
            raise ValueError(f"{task} asks for a weight of {weight}, of {self._limit}")
        async with self._turn:
            while not self._fits(weight):
                await self._clock.sleep(timedelta(seconds=1))
            counts_until = self._account.clock.now() + self.LONGEST_REQUEST + self.MINUTE
            spending = MemorySpending(self._account, weight, counts_until)
            self._account.counting.append(spending)
        self.spent.append((task, weight))
        return spending

    async def pause(self, until: datetime) -> None:
        lasting = until - self._clock.now()
        self._account.paused_until = max(self._account.paused_until, self._account.clock.now() + lasting)

    def _fits(self, weight: int) -> bool:
        account = self._account
        now = account.clock.now()
        account.counting = [each for each in account.counting if each.counts_until >= now]
        spent = sum(each.weight for each in account.counting)
        return now >= account.paused_until and spent + weight <= self._limit


@dataclass(eq=False)
class MemorySpending:
    """Weight taken for one request."""

    account: MemoryAccount
    weight: int
    counts_until: datetime

    async def settle(self, weight: int) -> None:
        self.weight = weight
        self.counts_until = self.account.clock.now() + MemoryBudget.MINUTE
        if self not in self.account.counting:
            self.account.counting.append(self)


class MemoryUsdBudget:
    """What sources may spend in a UTC day, within one process; budgets that share ``spent`` are one."""

    def __init__(self, clock: Clock, spent: dict[tuple[date, SourceName], Decimal] | None = None) -> None:
        self.spent = {} if spent is None else spent
        self._clock = clock

    async def set_aside(
        self, source: SourceName, amount_usd: Decimal, *, daily_limit_usd: Decimal
    ) -> "MemoryUsdSpending | None":
        if amount_usd < 0:
            raise ValueError(f"{source} would set aside {amount_usd} USD")
        key = self._clock.now().astimezone(UTC).date(), source
        after = self.spent.get(key, Decimal(0)) + amount_usd
        if after > daily_limit_usd:
            return None
        self.spent[key] = after
        return MemoryUsdSpending(self.spent, key, amount_usd)


@dataclass(eq=False)
class MemoryUsdSpending:
    """Money set aside on one day."""

    spent: dict[tuple[date, SourceName], Decimal]
    key: tuple[date, SourceName]
    amount: Decimal
    settled: bool = False

    async def settle(self, amount_usd: Decimal) -> None:
        if self.settled or amount_usd < 0:
            raise ValueError(f"{self.key} would settle {amount_usd} USD, {self.settled=}")
        self.settled = True
        self.spent[self.key] += amount_usd - self.amount
