"""An application on a real database, with a clock that stands still, and facts to find in it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import uvicorn
from starlette.types import ASGIApp

from kamiyo.api.app import build_app
from kamiyo.api.state import ApiState
from kamiyo.cache.responses import open_cache
from kamiyo.core.sources import CoverageLabel, SourceState, SourceType
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.pool import Pool
from tests.builders import a_source_description

STARTED = datetime(2025, 10, 10, 21, 0, tzinfo=UTC)


class FixedClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.moment = datetime(2025, 10, 10, 21, 16, 5, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def advance(self, **lengths: float) -> None:
        self.moment += timedelta(**lengths)

    async def sleep(self, duration: timedelta) -> None:
        self.moment += duration


@pytest.fixture
def clock() -> FixedClock:
    """Give the application's clock, a few seconds after the facts of tests.builders."""
    return FixedClock()


@pytest.fixture
async def state(pool: Pool, clock: FixedClock) -> AsyncIterator[ApiState]:
    """Give what the application is built from, without a shared cache."""
    async with open_cache(None, clock=clock) as cache:
        yield ApiState(pool=pool, cache=cache, clock=clock, version="1.2.3", started_at=STARTED)


@pytest.fixture
async def client(state: ApiState) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of the whole application: boundary, cache and routes."""
    transport = httpx.ASGITransport(app=build_app(state))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as opened:
        yield opened


@pytest.fixture
def journal(pool: Pool, clock: FixedClock) -> PostgresJournal:
    """Give the journal the ingest writes to."""
    return PostgresJournal(pool, clock)


@pytest.fixture
async def node(journal: PostgresJournal) -> PostgresJournal:
    """Make the node a known source that has never been heard."""
    await journal.register(a_source_description())
    return journal


@pytest.fixture
async def catalogue(journal: PostgresJournal) -> PostgresJournal:
    """Make the catalogue a loaded source."""
    description = a_source_description(
        name="catalogue", type=SourceType.CATALOGUE, url="package:catalogue", label=CoverageLabel.CURATED
    )
    await journal.register(description)
    await journal.report_state(description.name, SourceState.LOADED, "")
    return journal


@asynccontextmanager
async def _serve(app: ASGIApp) -> AsyncIterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", ws="none"))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve([listener]))
        while not server.started:
            await asyncio.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True


@pytest.fixture
def serve() -> Callable[[ASGIApp], AbstractAsyncContextManager[str]]:
    """Serve an application on a real socket; the context gives its address."""
    return _serve
