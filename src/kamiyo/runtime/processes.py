"""Run the roles of KAMIYO in this process: reading sources, serving answers, keeping house."""

from __future__ import annotations

import asyncio
import enum
import ipaddress
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple

import structlog

from kamiyo import __version__
from kamiyo.aggregators.base import BaseAggregator, Toolbox
from kamiyo.api.app import build_app
from kamiyo.api.state import ApiState
from kamiyo.api.stream.hub import Hub
from kamiyo.api.stream.relay import run_relay
from kamiyo.api.stream.route import stream_route
from kamiyo.cache.responses import open_cache
from kamiyo.core.errors import EngineFailed, InvalidSettings, StorageUnavailable
from kamiyo.core.modes import LIVE, Showing
from kamiyo.core.money import install_context
from kamiyo.core.retention import policies_of
from kamiyo.core.sources import SourceType
from kamiyo.core.time import Clock
from kamiyo.jobs.choosing import keep_choosing
from kamiyo.jobs.housekeeping import keep_house, keep_house_once
from kamiyo.jobs.measuring import keep_measuring
from kamiyo.jobs.polling import PolledSource
from kamiyo.jobs.retaining import keep_retention
from kamiyo.jobs.worker import run_polls
from kamiyo.kit.clock import SystemClock
from kamiyo.kit.object_store import buckets_of
from kamiyo.kit.supervision import supervise
from kamiyo.kit.transport import open_session
from kamiyo.processing.matching import Matcher
from kamiyo.processing.orchestrator import Orchestrator
from kamiyo.runtime.backfilling import work_on_history
from kamiyo.runtime.embedded import RunningEngines
from kamiyo.runtime.exporting import open_exports, work_on_exports
from kamiyo.runtime.server import serve
from kamiyo.runtime.settings import Settings
from kamiyo.runtime.stopping import stop_signal
from kamiyo.runtime.wiring import build_aggregators
from kamiyo.storage.budgets import PostgresBudget, budgets_of
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.leases import PostgresLeases
from kamiyo.storage.migrate import migrate
from kamiyo.storage.polls import PostgresTimetable
from kamiyo.storage.pool import Pool, connect, open_pool
from kamiyo.storage.spending import PostgresUsdBudget
from kamiyo.storage.user_slots import PostgresUserSlots

_RETRY = timedelta(seconds=1)
_CATALOGUE_PATIENCE_SECONDS = 5
_LOOK_AFTER_ENGINES = timedelta(seconds=2)
_log = structlog.get_logger()


class Role(enum.StrEnum):
    """What a process can do. Any number of processes may share each role."""

    INGEST = "ingest"
    SERVE = "serve"
    WORK = "work"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a process plays, and in which time: the present, unless it plays a recording.

    ``clock`` is the time of what is shown, ``speed`` times as fast as the machine's. ``sources`` are the
    only ones read where not all are; ``database_url`` stands in for the engines' and ``cache_space`` keeps
    this process's answers apart.
    """

    clock: Clock = field(default_factory=SystemClock)
    speed: int = 1
    showing: Showing = LIVE
    sources: Collection[str] | None = None
    database_url: str | None = None
    cache_space: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What the roles of one process share. ``clock`` is the machine's, the stage's that of what is shown."""

    settings: Settings
    database_url: str
    redis_url: str
    pool: Pool
    clock: Clock
    catalogues_loaded: asyncio.Event
    stage: Stage
    roles: Collection[Role]


def check_host(host: str) -> None:
    """InvalidSettings unless the host is a loopback address: no API keys guard a public one yet."""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise InvalidSettings(
            f"refusing to listen on {host}: there are no API keys yet, so only loopback is allowed; "
            "listen on 127.0.0.1 and use a tunnel"
        )


async def run(
    settings: Settings,
    engines: RunningEngines,
    roles: Collection[Role],
    *,
    stage: Stage | None = None,
    stopping: asyncio.Event | None = None,
) -> None:
    """Run these roles until the process is told to stop, by a signal or by ``stopping``."""
    check_host(settings.host)
    install_context()
    stage = stage or Stage()
    if not stage.showing.live:
        structlog.contextvars.bind_contextvars(
            mode=stage.showing.mode.value, recording=stage.showing.recording
        )
    clock, urls = SystemClock(), engines.engines
    database_url = stage.database_url or urls.database_url
    await prepare_database(database_url, clock)
    async with AsyncExitStack() as resources:
        pool = await resources.enter_async_context(open_pool(database_url, size=settings.database_pool_size))
        await keep_house_once(pool, clock)  # nothing can be stored, nor told, without today's partitions
        loaded = asyncio.Event()
        if Role.INGEST not in roles:
            loaded.set()  # another process loads them: nothing to wait for
        running = Running(
            settings=settings,
            database_url=database_url,
            redis_url=urls.redis_url,
            pool=pool,
            clock=clock,
            catalogues_loaded=loaded,
            stage=stage,
            roles=roles,
        )
        stopping = stopping or stop_signal()
        async with asyncio.TaskGroup() as tasks:
            started = [tasks.create_task(_ROLES[role](running, stopping), name=role) for role in roles]
            started.append(tasks.create_task(_look_after(engines, clock), name="engines"))
            await stopping.wait()
            _log.info("process_stopping")
            if Role.SERVE in roles:
                await started[list(roles).index(Role.SERVE)]  # lets open answers finish
            for task in started:
                task.cancel()


async def prepare_database(database_url: str, clock: Clock) -> None:
    """Wait for the database and bring its schema up to date."""
    told = False
    while True:
        try:
            async with connect(database_url) as connection:
                for name in await migrate(connection):
                    _log.info("migration_applied", migration=name)
        except StorageUnavailable as error:
            if not told:
                _log.warning("database_unreachable", detail=str(error))
            told = True
            await clock.sleep(_RETRY)
        else:
            return


class _Sources(NamedTuple):
    """The sources of one role, and what they are read with."""

    aggregators: list[BaseAggregator]
    journal: PostgresJournal
    leases: PostgresLeases


@asynccontextmanager
async def _open_sources(running: Running, kinds: Collection[SourceType]) -> AsyncGenerator[_Sources]:
    stage = running.stage
    async with open_session() as session, open_pool(running.database_url, size=1) as pool_of_leases:
        tools = Toolbox(
            clock=stage.clock,
            session=session,
            budget=PostgresBudget(running.pool, stage.clock, speed=stage.speed),
            budget_of=budgets_of(running.pool, stage.clock, speed=stage.speed),
            money=PostgresUsdBudget(running.pool, stage.clock),
            user_slots=PostgresUserSlots(running.pool, stage.clock),
            open_store=buckets_of(session),
        )
        built = build_aggregators(running.settings, tools, only=stage.sources, speed=stage.speed)
        yield _Sources(
            aggregators=[each for each in built if each.description.type in kinds],
            journal=PostgresJournal(running.pool, running.clock, shown_clock=stage.clock, matching=Matcher()),
            leases=PostgresLeases(pool_of_leases, running.clock),
        )


async def _ingest(running: Running, _stopping: asyncio.Event) -> None:
    async with _open_sources(running, set(SourceType) - {SourceType.POLLED}) as (sources, journal, leases):
        orchestrator = Orchestrator(sources, journal, leases, running.stage.clock)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(orchestrator.run(), name="orchestrator")
            await orchestrator.catalogues_loaded.wait()
            running.catalogues_loaded.set()


async def _serve(running: Running, stopping: asyncio.Event) -> None:
    stage = running.stage
    async with open_cache(running.redis_url, clock=stage.clock, space=stage.cache_space) as cache:
        hub = Hub(running.database_url, running.pool, running.clock, shown_clock=stage.clock)
        state = ApiState(
            pool=running.pool,
            cache=cache,
            clock=stage.clock,
            version=__version__,
            started_at=stage.clock.now(),
            showing=stage.showing,
            exports=open_exports(running.settings, running.pool, running.clock)
            if stage.showing.live
            else None,
        )
        app = build_app(state, stream_routes=[stream_route(hub, showing=stage.showing)])
        async with asyncio.TaskGroup() as tasks:
            helpers = [
                tasks.create_task(_supervised("hub", hub.run, running.clock)),
                tasks.create_task(
                    _supervised(
                        "relay", lambda: run_relay(running.database_url, running.clock), running.clock
                    )
                ),
            ]
            helpers.append(tasks.create_task(_send_away(hub, stopping)))
            with suppress(TimeoutError):  # what ships with the product is there from the first answer on
                await asyncio.wait_for(running.catalogues_loaded.wait(), _CATALOGUE_PATIENCE_SECONDS)
            await serve(app, running.settings.host, running.settings.port, stopping)
            for helper in helpers:
                helper.cancel()


async def _send_away(hub: Hub, stopping: asyncio.Event) -> None:
    """Before the server stops, so that every subscriber learns where to resume and nobody holds it up."""
    await stopping.wait()
    hub.shut_down()


async def _work(running: Running, _stopping: asyncio.Event) -> None:
    clock, pool = running.clock, running.pool
    policies = policies_of(running.settings.retention)
    async with _open_sources(running, {SourceType.POLLED}) as (sources, journal, leases):
        timetable = PostgresTimetable(pool)
        polled = [PolledSource(each, journal, leases, timetable, running.stage.clock) for each in sources]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_supervised("housekeeping", lambda: keep_house(pool, clock), clock))
            shown = running.stage.clock
            tasks.create_task(_supervised("measuring", lambda: keep_measuring(pool, clock, shown), clock))
            tasks.create_task(_supervised("choosing", lambda: keep_choosing(pool, clock, shown), clock))
            if polled:
                tasks.create_task(_supervised("polls", lambda: run_polls(polled, pool), clock))
            if running.stage.showing.live:  # a recording has no other past, and is old as a whole
                tasks.create_task(
                    _supervised("retention", lambda: keep_retention(pool, policies, clock), clock)
                )
                tasks.create_task(_supervised("history", lambda: _work_on_history(running), clock))
                tasks.create_task(_supervised("exports", lambda: _work_on_exports(running), clock))


# Beside what is live, unless this process does nothing but work.
async def _work_on_history(running: Running) -> None:
    await work_on_history(running.settings, running.database_url, beside=set(running.roles) != {Role.WORK})


async def _work_on_exports(running: Running) -> None:
    exports = open_exports(running.settings, running.pool, running.clock)
    beside = set(running.roles) != {Role.WORK}
    await work_on_exports(running.settings, running.database_url, exports, running.clock, beside=beside)


async def _look_after(engines: RunningEngines, clock: Clock) -> None:
    """Start embedded engines again when they end, whoever had started them."""
    while True:
        await clock.sleep(_LOOK_AFTER_ENGINES)
        if not engines.alive():
            _log.warning("engine_ended", detail="starting it again")
            before = engines.engines
            after = engines.ensure()  # blocks for a moment; nothing can be served without it
            if (after.database_url, after.redis_url) != (before.database_url, before.redis_url):
                raise EngineFailed("an engine came back at another address: start KAMIYO again")


async def _supervised(name: str, task: Callable[[], Awaitable[None]], clock: Clock) -> None:
    told: list[str] = []

    async def failed(error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"
        if text not in told:
            _log.warning("task_failed", task=name, detail=text)
        told[:] = [text]

    await supervise(task, failed, clock)


_ROLES: dict[Role, Callable[[Running, asyncio.Event], Coroutine[None, None, None]]] = {
    Role.INGEST: _ingest,
    Role.SERVE: _serve,
    Role.WORK: _work,
}
