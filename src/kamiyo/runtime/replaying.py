"""Play a recording through the whole system: the lab venue, its own clock, and a database that is dropped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from kamiyo.core.modes import Showing
from kamiyo.core.money import install_context
from kamiyo.core.time import Clock
from kamiyo.kit.clock import LapseClock, SystemClock
from kamiyo.lab.ports import Tape
from kamiyo.lab.recording import TESTNET, Origin, find_recording
from kamiyo.lab.tape import open_tape
from kamiyo.lab.venue import open_lab_venue
from kamiyo.runtime.embedded import RunningEngines
from kamiyo.runtime.processes import Role, Stage, check_host, run
from kamiyo.runtime.settings import Settings
from kamiyo.runtime.stopping import stop_signal
from kamiyo.storage.throwaway import throwaway_database

SOURCE = "hyperliquid_api"
_SOURCES = (SOURCE, "catalogue")
_LOOK_EVERY = timedelta(milliseconds=200)
_LEAD = timedelta(seconds=2)  # the machine's: to connect before the recording begins
_DRAIN = timedelta(seconds=2)  # the machine's: for what came last to be heard and stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """What is played: ``speed`` seconds of it in each second."""

    showing: Showing
    title: str
    starts_at: datetime
    ends_at: datetime
    speed: int
    url: str


@dataclass(frozen=True, slots=True)
class Position:
    """How far it is."""

    at: datetime
    share: int  # of a hundred
    ended: bool


Told = Callable[[Play, Position], None]


async def play(
    settings: Settings,
    engines: RunningEngines,
    name_or_path: str,
    *,
    speed: int | None,
    exit_at_end: bool,
    told: Told,
) -> None:
    """Play a recording until told to stop or, with ``exit_at_end``, until it has ended.

    Only the venue's public API, played by the lab, and the shipped catalogue are read. ``speed`` is the
    recording's own where none is given.
    """
    check_host(settings.host)
    install_context()
    stopping = stop_signal()
    origin = find_recording(name_or_path).origin
    tape = open_tape(name_or_path)  # reads all of it, or makes it: up to a few seconds
    playing = Play(
        showing=tape.showing,
        title=tape.title,
        starts_at=tape.starts_at,
        ends_at=tape.ends_at,
        speed=speed or origin.speed,
        url=f"http://{settings.host}:{settings.port}",
    )
    async with throwaway_database(engines.engines.database_url) as database_url:
        clock = LapseClock(playing.starts_at - playing.speed * _LEAD, playing.speed)
        stage = Stage(
            clock=clock,
            speed=playing.speed,
            showing=playing.showing,
            sources=_SOURCES,
            database_url=database_url,
            cache_space=database_url.rpartition("/")[2],
        )
        async with asyncio.TaskGroup() as tasks:
            address, ended = asyncio.get_running_loop().create_future(), asyncio.Event()
            venue = tasks.create_task(_keep_venue(tape, clock, address, ended), name="venue")
            follower = tasks.create_task(
                _follow(playing, clock, told, ended, stopping if exit_at_end else None), name="position"
            )
            lab_settings = _settings_for(settings, await address, origin)
            await run(lab_settings, engines, list(Role), stage=stage, stopping=stopping)
            follower.cancel()
            venue.cancel()


async def _keep_venue(tape: Tape, clock: Clock, address: asyncio.Future[str], ended: asyncio.Event) -> None:
    """The venue is there until its recording has ended: then there is nobody to hear from."""
    async with open_lab_venue(tape, clock=clock, keep=False) as venue:
        address.set_result(venue.url)
        await ended.wait()


def _settings_for(settings: Settings, url: str, origin: Origin) -> Settings:
    """Nothing of the real venue's settings stays: no address of it may be asked."""
    network = "testnet" if origin.chain == TESTNET else "mainnet"
    table: dict[str, object] = {"network": network, "url": url, "makers": " ".join(origin.watch)}
    return msgspec.structs.replace(settings, sources=settings.sources | {SOURCE: table})


async def _follow(
    playing: Play, clock: Clock, told: Told, ended: asyncio.Event, stopping: asyncio.Event | None
) -> None:
    machine = SystemClock()
    while not (position := position_of(playing, clock.now())).ended:
        told(playing, position)
        await machine.sleep(_LOOK_EVERY)
    await machine.sleep(_DRAIN)
    told(playing, position)
    (stopping or ended).set()


def position_of(playing: Play, now: datetime) -> Position:
    """Where a moment is in what is played, never outside of it."""
    at = min(max(now, playing.starts_at), playing.ends_at)
    length = playing.ends_at - playing.starts_at
    share = 100 * (at - playing.starts_at) // length if length else 100
    return Position(at, share, ended=now >= playing.ends_at)
