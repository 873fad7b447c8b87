"""A check-up of this installation: what is well, what is not, and what to do about it; it changes nothing."""

from __future__ import annotations

import enum
import os
import platform
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from kamiyo.aggregators.base import Toolbox
from kamiyo.aggregators.hyperliquid_node import HyperliquidNodeAggregator
from kamiyo.cache.probe import read_version
from kamiyo.core.errors import EngineFailed, InvalidSettings, SourceUnavailable, StorageUnavailable
from kamiyo.core.time import EPOCH, Clock, rfc3339
from kamiyo.kit.secret import Secret
from kamiyo.kit.transport import HttpSession, port_is_free
from kamiyo.runtime.embedded import Engines, start_engines
from kamiyo.runtime.settings import Settings
from kamiyo.runtime.wiring import build_aggregators, known_aggregators
from kamiyo.storage.pool import connect
from kamiyo.storage.probe import DatabaseFacts, read_database_facts
from kamiyo.storage.read_coverage import schema_version

OLDEST_PYTHON = (3, 11)
OLDEST_POSTGRES = 15
LITTLE_DISK, TOO_LITTLE_DISK = 10 << 30, 1 << 30
CLOCK_DRIFT, TOO_MUCH_CLOCK_DRIFT = timedelta(seconds=2), timedelta(seconds=30)
NODE_SILENCE = timedelta(seconds=60)
_EARLIEST_NOW = datetime(2025, 1, 1, tzinfo=UTC)
_STARS = "********"


class Grade(enum.IntEnum):
    """How well it is. What could not be found out is never green."""

    GREEN = 0
    AMBER = 1
    RED = 2


class Check(msgspec.Struct, frozen=True):
    """One thing looked at: what was found, and what to do unless it is green."""

    name: str
    grade: Grade
    finding: str
    remedy: str = ""


def effective_settings(settings: Settings) -> dict[str, object]:
    """Every setting in force, each secret as stars."""
    shown = msgspec.structs.asdict(settings) | {"sources": _source_tables(settings)}
    return {name: _STARS if isinstance(value, Secret) else value for name, value in shown.items()}


def _source_tables(settings: Settings) -> dict[str, dict[str, object]]:
    """The tables of the sources; what is not known to be harmless is stars."""
    known = known_aggregators()
    shown: dict[str, dict[str, object]] = {}
    for name, table in settings.sources.items():
        kinds: Mapping[str, Any] = known[name].settings.__annotations__ if name in known else {}
        shown[name] = {
            key: _STARS if "Secret" in str(kinds.get(key, Secret)) else value for key, value in table.items()
        }
    return shown


def check_python(version: tuple[int, int] = sys.version_info[:2]) -> Check:
    """Whether this Python is one we are made for."""
    found = f"Python {platform.python_version()}, {platform.platform()}"
    if version >= OLDEST_PYTHON:
        return Check("python", Grade.GREEN, found)
    return Check("python", Grade.RED, found, "install Python 3.11 or later")


def check_home(home: Path) -> Check:
    """Whether the directory of the data can be written in."""
    standing = _nearest(home)
    if not os.access(standing, os.W_OK | os.X_OK) or not standing.is_dir():
        remedy = "run kamiyo as its owner, or set KAMIYO_HOME to a directory of your own"
        return Check("home", Grade.RED, f"{standing} cannot be written in", remedy)
    if standing == home:
        return Check("home", Grade.GREEN, f"{home} can be written in")
    return Check("home", Grade.AMBER, f"{home} does not exist yet", "nothing: ./dev run makes it")


def check_disk(home: Path, free: int | None = None) -> Check:
    """Whether there is room for the data to grow."""
    standing = _nearest(home)
    left = shutil.disk_usage(standing).free if free is None else free
    found = f"{left / (1 << 30):.1f} GiB free below {standing}"
    if left >= LITTLE_DISK:
        return Check("disk", Grade.GREEN, found)
    grade = Grade.RED if left < TOO_LITTLE_DISK else Grade.AMBER
    return Check("disk", grade, found, "make room, or set KAMIYO_HOME to a larger disk")


def _nearest(path: Path) -> Path:
    return next(each for each in (path, *path.absolute().parents) if each.exists())


async def check_port(settings: Settings, session: HttpSession) -> Check:
    """Whether the API can listen where it should, or does already."""
    where = f"{settings.host}:{settings.port}"
    if port_is_free(settings.host, settings.port):
        return Check("port", Grade.GREEN, f"{where} is free")
    try:
        # Whatever its state, a KAMIYO answers for what it does not have with a problem of its own.
        answer = await session.request("GET", f"http://{where}/doctor")
    except SourceUnavailable:
        answer = None
    if answer is not None and b"urn:kamiyo:problem:" in answer.body:
        return Check("port", Grade.GREEN, f"KAMIYO answers at {where}")
    remedy = "stop that program, or choose another port with --port or KAMIYO_PORT"
    return Check("port", Grade.RED, f"another program listens on {where}", remedy)


def check_sources(settings: Settings, tools: Toolbox) -> list[Check]:
    """Whether the sources' settings are usable, and a node's files are there and fresh."""
    try:
        sources = build_aggregators(settings, tools)
    except InvalidSettings as error:
        return [Check("sources", Grade.RED, str(error), "correct the settings of that source")]
    names = ", ".join(each.name for each in sources)
    nodes = [each for each in sources if isinstance(each, HyperliquidNodeAggregator)]
    return [
        Check("sources", Grade.GREEN, f"settings are usable: {names}"),
        *(check_node(node.root, tools.clock) for node in nodes),
    ]


def check_node(root: Path, clock: Clock) -> Check:
    """Whether a node writes its files now."""
    remedy = "run a node that writes them, or set KAMIYO__SOURCES__HYPERLIQUID_NODE__PATH to its directory"
    try:
        written = _last_written(root)
    except OSError as error:
        return Check("node", Grade.RED, f"{root} cannot be read: {error.strerror}", "let this user read it")
    if written is None:
        found = f"no fills of a node in {root}: without one, liquidations are not heard"
        return Check("node", Grade.AMBER, found, remedy)
    found = f"{root} was last written to at {rfc3339(written)}"
    if abs(clock.now() - written) <= NODE_SILENCE:
        return Check("node", Grade.GREEN, found)
    return Check("node", Grade.RED, found, "look why the node has stopped writing")


def _last_written(root: Path) -> datetime | None:
    days = [max(hourly.iterdir(), default=None) for hourly in root.glob("node_fills*/hourly")]
    files = [file for day in days if day is not None for file in day.iterdir()]
    newest = max((file.stat().st_mtime_ns for file in files), default=None)
    return None if newest is None else EPOCH + timedelta(microseconds=newest // 1000)


async def check_engines(settings: Settings, clock: Clock) -> list[Check]:
    """Whether database and cache work; engines of our own are started for it and stopped afterwards."""
    database, cache = settings.database_url, settings.redis_url
    home = settings.home_path
    made = (home / "engines").exists() or (home / "engines.location").exists()
    if not made and (database is None or cache is None):
        found = "the embedded engines were never started here, so nothing is known of them"
        unknown = [Check("engines", Grade.AMBER, found, "nothing: ./dev run makes them")]
        given = Engines(
            database.reveal() if database else "", cache.reveal() if cache else "", postgres=None, valkey=None
        )
        return [*unknown, *await _check_servers(given, clock)]
    try:
        with start_engines(
            home,
            database_url=database.reveal() if database else None,
            redis_url=cache.reveal() if cache else None,
        ) as running:
            engines = running.engines
            return [_describe(engines), *await _check_servers(engines, clock)]
    except (InvalidSettings, EngineFailed) as error:
        return [Check("engines", Grade.RED, str(error), "do what it says; without them nothing is stored")]


def _describe(engines: Engines) -> Check:
    kinds = {"PostgreSQL": engines.postgres, "cache": engines.valkey}
    found = ", ".join(
        f"{name} {'external' if server is None else 'embedded'}" for name, server in kinds.items()
    )
    return Check("engines", Grade.GREEN, found)


async def _check_servers(engines: Engines, clock: Clock) -> list[Check]:
    """Check each server that has an address."""
    checks = await check_database(engines.database_url, clock) if engines.database_url else []
    return [*checks, await check_cache(engines.redis_url)] if engines.redis_url else checks


async def check_database(database_url: str, clock: Clock) -> list[Check]:
    """Whether the database answers, is recent enough, has our schema and agrees on the time."""
    try:
        async with connect(database_url) as connection:
            before = clock.now()
            facts = await read_database_facts(connection)
    except StorageUnavailable as error:
        remedy = "start it, or correct KAMIYO_DATABASE_URL"
        return [Check("database", Grade.RED, f"does not answer: {error}", remedy)]
    return [judge_version(facts), judge_schema(facts), judge_clock(facts.now, before)]


def judge_version(facts: DatabaseFacts) -> Check:
    """Whether the server can do what we ask of it."""
    if facts.major >= OLDEST_POSTGRES:
        return Check("database", Grade.GREEN, f"PostgreSQL {facts.version} answers")
    remedy = f"use PostgreSQL {OLDEST_POSTGRES} or later"
    return Check("database", Grade.RED, f"PostgreSQL {facts.version} is too old", remedy)


def judge_schema(facts: DatabaseFacts, ours: int | None = None) -> Check:
    """Whether the tables are those of this version."""
    shipped = schema_version() if ours is None else ours
    if facts.schema_current:
        return Check("schema", Grade.GREEN, f"step {facts.schema_version} of {shipped}")
    if facts.schema_version is None or facts.schema_version < shipped:
        found = f"step {facts.schema_version or 0} of {shipped}"
        return Check("schema", Grade.AMBER, found, "nothing: ./dev run brings it forward")
    found = f"step {facts.schema_version} is not what this version ships as its step {shipped}"
    return Check("schema", Grade.RED, found, "upgrade KAMIYO to the version that made it")


def judge_clock(theirs: datetime, ours: datetime) -> Check:
    """Whether our clock can be right and the database's agrees with it."""
    drift = abs(theirs - ours)
    found = f"{rfc3339(ours)} here, {rfc3339(theirs)} in the database"
    remedy = "set the clocks right (NTP): what is fresh is judged by them"
    if ours < _EARLIEST_NOW or drift > TOO_MUCH_CLOCK_DRIFT:
        return Check("clock", Grade.RED, found, remedy)
    if drift > CLOCK_DRIFT:
        return Check("clock", Grade.AMBER, found, remedy)
    return Check("clock", Grade.GREEN, found)


async def check_cache(redis_url: str) -> Check:
    """Whether the cache answers; everything works without, a little slower."""
    try:
        return Check("cache", Grade.GREEN, f"{await read_version(redis_url)} answers")
    except StorageUnavailable as error:
        return Check(
            "cache", Grade.AMBER, f"does not answer: {error}", "start it, or correct KAMIYO_REDIS_URL"
        )


async def examine(settings: Settings, clock: Clock, session: HttpSession) -> list[Check]:
    """Every check."""
    return [
        check_python(),
        check_home(settings.home_path),
        check_disk(settings.home_path),
        *await check_engines(settings, clock),
        *check_sources(settings, Toolbox(clock=clock, session=session)),
        await check_port(settings, session),
    ]


def worst(checks: Sequence[Check]) -> Grade:
    """The grade of the whole."""
    return max((check.grade for check in checks), default=Grade.AMBER)
