"""Load the history of the lists of hacks, from their services or from downloaded copies."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from kamiyo.aggregators.base import BaseAggregator, Session, Toolbox, Waiting
from kamiyo.core.errors import InvalidQuery, SourceUnavailable, Transient
from kamiyo.core.money import install_context
from kamiyo.core.ports import Counted, Journal, Raw
from kamiyo.core.reports import Report, ReportId
from kamiyo.core.time import Clock
from kamiyo.jobs.housekeeping import keep_house_once
from kamiyo.kit.clock import SystemClock
from kamiyo.kit.supervision import failure_of
from kamiyo.kit.transport import open_session
from kamiyo.processing.matching import Matcher
from kamiyo.processing.normalizer import normalize
from kamiyo.processing.pipeline import Item, Outcome, Pipeline
from kamiyo.processing.telling import first_cause
from kamiyo.runtime.processes import prepare_database
from kamiyo.runtime.seed_files import DEFIHACKLABS, DEFILLAMA, Copy, CopySession, FileClock, read_copy
from kamiyo.runtime.settings import Settings
from kamiyo.runtime.wiring import build_aggregators
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.known_reports import known_reports
from kamiyo.storage.leases import PostgresLeases
from kamiyo.storage.pool import Pool, open_pool

SEEDED: Final = (DEFILLAMA, DEFIHACKLABS)
_BATCH: Final = 100
_LOOK_AGAIN: Final = timedelta(milliseconds=500)
_LOOKS: Final = 120  # for a poll of the same source to end: a minute


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeded:
    """What loading one source came to: every row is new, changed, known, unrelated or refused.

    A row of which a cell is refused counts as what the rest of it is. ``unreachable`` says why nothing, or
    not all, was loaded; it is empty where all was.
    """

    source: str
    rows: int = 0
    new: int = 0
    changed: int = 0
    known: int = 0
    unrelated: int = 0
    refused: Mapping[str, int] = field(default_factory=dict[str, int])
    unreachable: str = ""


@dataclass(frozen=True, slots=True)
class Position:
    """How far one source is: so many of its rows are stored."""

    source: str
    done: int
    rows: int


Told = Callable[[Position], None]


def check_sources(sources: Sequence[str]) -> None:
    """InvalidQuery for one that has no history to load."""
    for source in sources:
        if source not in SEEDED:
            raise InvalidQuery(f"{source} has no history to load; there are: {', '.join(SEEDED)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seeding:
    """What loading needs, whatever is loaded."""

    settings: Settings
    pool: Pool
    leases: PostgresLeases
    journal: PostgresJournal
    clock: Clock
    told: Told


async def seed_sources(
    settings: Settings, database_url: str, sources: Sequence[str], files: Sequence[Path], told: Told
) -> list[Seeded]:
    """Load these sources, or these copies, one after the other; the account of each.

    What was loaded before is known and changes nothing. A source that cannot be reached stops no other.
    """
    install_context()
    copies = [read_copy(file) for file in files]  # before the database is asked for anything
    clock = SystemClock()
    await prepare_database(database_url, clock)
    async with open_pool(database_url) as pool, open_pool(database_url, size=1) as pool_of_leases:
        await keep_house_once(pool, clock)
        seeding = _Seeding(
            settings=settings,
            pool=pool,
            leases=PostgresLeases(pool_of_leases, clock),
            journal=PostgresJournal(pool, clock, matching=Matcher()),
            clock=clock,
            told=told,
        )
        if copies:
            return [await _seed_copy(seeding, copy) for copy in copies]
        async with open_session() as session:
            return [await _seed(seeding, _built(seeding, each, session, clock)) for each in sources]


async def _seed_copy(seeding: _Seeding, copy: Copy) -> Seeded:
    return await _seed(seeding, _built(seeding, copy.source, CopySession(copy), FileClock(copy.written_at)))


def _built(seeding: _Seeding, source: str, session: Session, clock: Clock) -> BaseAggregator:
    tools = Toolbox(clock=clock, session=session)
    return build_aggregators(seeding.settings, tools, only=[source])[0]


async def _seed(seeding: _Seeding, aggregator: BaseAggregator) -> Seeded:
    loading = _Loading(seeding, aggregator)
    error = await failure_of(loading.run)
    if error is None:
        return loading.account
    cause = first_cause(error)
    if not isinstance(cause, Transient):
        raise cause
    return replace(loading.account, unreachable=str(cause))


class _Loading:
    """Guards the account of one source while it is loaded: what was stored before a failure stays in it."""

    def __init__(self, seeding: _Seeding, aggregator: BaseAggregator) -> None:
        self.account = Seeded(source=aggregator.name)
        self._seeding = seeding
        self._aggregator = aggregator

    async def run(self) -> None:
        """Load what is new; SourceUnavailable where it cannot be read or is switched off."""
        if not self._aggregator.active:
            raise SourceUnavailable("switched off by its settings")
        if not await self._seeding.journal.register(self._aggregator.description):
            raise SourceUnavailable("switched off")
        async with _held(self._seeding, self._aggregator) as journal:
            items = await _read(self._aggregator, journal)
            rows = sum(isinstance(each, Raw) for each in items)
            self.account = replace(self.account, rows=rows)
            pipeline = Pipeline(self._aggregator, journal, self._seeding.clock)
            for start in range(0, len(items), _BATCH):
                await self._store(pipeline, items[start : start + _BATCH])
                self._seeding.told(Position(self._aggregator.name, min(start + _BATCH, rows), rows))

    async def _store(self, pipeline: Pipeline, batch: Sequence[Item]) -> None:
        told = {report.report_id for report in _reports_of(self._aggregator, batch)}
        known = await known_reports(self._seeding.pool, told)
        for outcome in await pipeline.run(batch):
            self.account = _added(self.account, outcome, known)


@asynccontextmanager
async def _held(seeding: _Seeding, aggregator: BaseAggregator) -> AsyncGenerator[Journal]:
    """The journal under the source's lease; SourceUnavailable where another process goes on reading it."""
    for _look in range(_LOOKS):
        async with seeding.leases.hold(f"source/{aggregator.name}") as lease:
            if lease is not None:
                yield seeding.journal.under(lease)
                return
        await seeding.clock.sleep(_LOOK_AGAIN)
    raise SourceUnavailable("another process is reading it")


async def _read(aggregator: BaseAggregator, journal: Journal) -> list[Item]:
    """All there is after what was read before; SourceUnavailable where it says that it cannot be read."""
    cursor = await journal.cursor(aggregator.name)
    found: list[Item] = []
    async with aclosing(aggregator.stream(cursor, follow=False)) as items:
        async for item in items:
            if isinstance(item, Waiting):
                raise SourceUnavailable(item.detail)
            found.append(item)
    return found


def _reports_of(aggregator: BaseAggregator, items: Sequence[Item]) -> Iterator[Report]:
    for raw in items:
        if isinstance(raw, Raw):
            events = normalize(aggregator.normalize, raw).events
            yield from (each for each in events if isinstance(each, Report))


def _added(account: Seeded, outcome: Outcome, known: Collection[ReportId]) -> Seeded:
    """The account with one batch more: the journal says how many reports it changed, new ones among them."""
    told = {each.report_id for each in outcome.batch.events if isinstance(each, Report)}
    new = len(told.difference(known))
    changed = outcome.written.new_rows - new
    return replace(
        account,
        new=account.new + new,
        changed=account.changed + changed,
        known=account.known + len(told) - new - changed,
        unrelated=account.unrelated + outcome.counts[Counted.UNRELATED_POSTS],
        refused=Counter(account.refused) + Counter(each.rule for each in outcome.batch.rejects),
    )
