"""Record what a live source says, as it comes, until told to stop."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import structlog

from kamiyo import __version__
from kamiyo.aggregators.base import BaseAggregator, Toolbox, Waiting
from kamiyo.core.errors import InvalidQuery
from kamiyo.core.events import Gap
from kamiyo.core.ids import Cursor
from kamiyo.core.money import install_context
from kamiyo.core.ports import Raw
from kamiyo.core.sources import SourceType
from kamiyo.core.time import Clock, rfc3339
from kamiyo.kit.clock import SystemClock
from kamiyo.kit.supervision import supervise
from kamiyo.kit.transport import open_session
from kamiyo.lab.recorder import Recorder
from kamiyo.lab.recording import MAINNET, TESTNET, Origin, name_of
from kamiyo.runtime.processes import prepare_database
from kamiyo.runtime.settings import Settings
from kamiyo.runtime.stopping import stop_signal
from kamiyo.runtime.wiring import build_aggregators
from kamiyo.storage.budgets import PostgresBudget, budgets_of
from kamiyo.storage.pool import open_pool

_LOOK = timedelta(milliseconds=200)
_LOOKS_PER_WRITE = 10
_AS_LINES = frozenset({"hyperliquid_node"})  # its payloads are lines of files already: they stay as they are
_log = structlog.get_logger()


class Ended(enum.StrEnum):
    """Why a recording ended."""

    STOPPED = "it was told to stop"
    TIME = "the time is over"
    FULL = "it is as large as it may become"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long and how large a recording may become."""

    lasting: timedelta | None = None
    max_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """How far a recording is. ``waiting`` says why nothing comes, where that is known."""

    payloads: int = 0
    packed_bytes: int = 0
    gaps: int = 0
    duration: timedelta = timedelta(0)
    waiting: str | None = None
    ended: Ended | None = None


Told = Callable[[Recorded], None]


def check_source(settings: Settings, source: str, tools: Toolbox) -> BaseAggregator:
    """The one to record; InvalidQuery for what is no live source."""
    live = [each for each in build_aggregators(settings, tools) if each.description.type is SourceType.STREAM]
    for each in live:
        if each.name == source:
            return each
    raise InvalidQuery(f"{source} cannot be recorded: live sources are {', '.join(e.name for e in live)}")


async def record_source(
    settings: Settings, database_url: str, source: str, folder: Path, *, limits: Limits, told: Told
) -> Recorded:
    """Record a source until a signal or a limit; its weight comes from the one budget in the database."""
    install_context()
    await prepare_database(database_url, SystemClock())
    async with open_pool(database_url) as pool, open_session() as session:
        clock = SystemClock()
        tools = Toolbox(
            clock=clock,
            session=session,
            budget=PostgresBudget(pool, clock),
            budget_of=budgets_of(pool, clock),
        )
        aggregator = check_source(settings, source, tools)
        return await record(
            aggregator,
            folder,
            chain=_chain_of(settings.sources.get(source, {})),
            tools=tools,
            limits=limits,
            stopping=stop_signal(),
            told=told,
        )


def _chain_of(table: Mapping[str, object]) -> str:
    """Which chain a source with these settings tells of."""
    return str(table.get("chain") or (TESTNET if table.get("network") == "testnet" else MAINNET))


async def record(
    aggregator: BaseAggregator,
    folder: Path,
    *,
    chain: str = MAINNET,
    tools: Toolbox,
    limits: Limits,
    stopping: asyncio.Event,
    told: Told,
) -> Recorded:
    """Record one source into a new folder; ``told`` hears every two seconds how far it is."""
    as_lines = aggregator.name in _AS_LINES
    with Recorder(folder, _origin(folder, aggregator, tools, chain), as_lines=as_lines) as recorder:
        listening = _Listening(aggregator, recorder, tools)
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(listening.run(), name=aggregator.name)
            ended = await _watch(listening, limits, tools.clock, stopping, told)
            reading.cancel()
    done = replace(listening.state(), ended=ended)  # what came before the reading had ended is in it too
    told(done)
    return done


def _origin(folder: Path, aggregator: BaseAggregator, tools: Toolbox, chain: str) -> Origin:
    return Origin(
        name=name_of(folder),
        title=f"{aggregator.name}, from {rfc3339(tools.clock.now())} on",
        mode="replay",
        chain=chain,
        source=f"recorded by KAMIYO {__version__} from {aggregator.description.url}",
        source_url=aggregator.description.url,
    )


async def _watch(
    listening: _Listening, limits: Limits, clock: Clock, stopping: asyncio.Event, told: Told
) -> Ended:
    looks = 0
    while True:
        await clock.sleep(_LOOK)
        looks += 1
        due = looks % _LOOKS_PER_WRITE == 0
        state = listening.write() if due else listening.state()
        ended = _end_of(state, limits, stopped=stopping.is_set())
        if ended is not None:
            return ended
        if due:
            told(state)


def _end_of(state: Recorded, limits: Limits, *, stopped: bool) -> Ended | None:
    if stopped:
        return Ended.STOPPED
    if limits.lasting is not None and state.duration >= limits.lasting:
        return Ended.TIME
    if limits.max_bytes is not None and state.packed_bytes >= limits.max_bytes:
        return Ended.FULL
    return None


class _Listening:
    """Guards what one source said last of itself, and where it would go on."""

    def __init__(self, aggregator: BaseAggregator, recorder: Recorder, tools: Toolbox) -> None:
        self._aggregator = aggregator
        self._recorder = recorder
        self._clock = tools.clock
        self._began_at = tools.clock.now()
        self._cursor: Cursor | None = None
        self._gaps = 0
        self._waiting: str | None = None

    async def run(self) -> None:
        """Listen for ever; whatever fails is said, and listening goes on behind what was recorded."""
        await supervise(self._listen, self._failed, self._clock)

    def state(self) -> Recorded:
        """How far it is."""
        return Recorded(
            payloads=self._recorder.payloads,
            packed_bytes=self._recorder.packed_bytes,
            gaps=self._gaps,
            duration=self._clock.now() - self._began_at,
            waiting=self._waiting,
        )

    def write(self) -> Recorded:
        """Write what was heard; how far it is then."""
        self._recorder.flush()
        return self.state()

    async def _listen(self) -> None:
        async with aclosing(self._aggregator.stream(self._cursor)) as items:
            async for item in items:
                if isinstance(item, Waiting):
                    self._waiting = item.detail
                elif isinstance(item, Gap):
                    self._gaps += 1
                    self._recorder.add_gap(item, self._clock.now())
                else:
                    self._waiting = None
                    self._cursor = item.cursor or self._cursor
                    if isinstance(item, Raw):
                        self._recorder.add(item)

    async def _failed(self, error: Exception) -> None:
        detail = f"{type(error).__name__}: {error}"
        if detail != self._waiting:
            _log.warning("recording_interrupted", source=self._aggregator.name, detail=detail)
        self._waiting = detail
