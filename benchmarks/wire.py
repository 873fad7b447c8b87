"""From a frame of the venue's socket to a subscriber, through the running system, under 10 October 2025."""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any

import msgspec
import websockets

from benchmarks.data import BLOCK_SECOND, SEED, Kind, Recorder, cascade_seconds
from benchmarks.folder import own_folder
from benchmarks.measure import Claim, Report
from benchmarks.running import running_system
from benchmarks.wire_venue import name_of
from kamiyo.hyperliquid.addresses import Network, known_children

_FIRST, _LAST = BLOCK_SECOND - 45, BLOCK_SECOND + 45  # of the cascade's seconds
_BURST = timedelta(milliseconds=704)  # after its second, as the great block's
_BETWEEN_BLOCKS = timedelta(milliseconds=80)  # of ordinary trades, one to seven in each
_LEAD = timedelta(seconds=60)  # until the cascade begins: everything is made ready
_QUIET = timedelta(seconds=15)  # of it, before the cascade: ordinary trades alone
_WATCHED_SHARE = 0.9  # the part of liquidations whose counterparty is followed: the others cannot be known
_LIQUIDATORS = [each.address for each in known_children(Network.MAINNET) if each.liquidator]
_FREE_SLOTS = 10 - len(_LIQUIDATORS)
_MAKERS = [f"0x{random.Random(SEED + number).getrandbits(160):040x}" for number in range(_FREE_SLOTS)]
_WATCHED = [*_LIQUIDATORS, *_MAKERS]
_PATIENCE_SECONDS = 60
_LONGEST_LINE = 1 << 24
_NO_HASH = "0x" + "0" * 64
_BEFORE, _GREAT, _AFTER = "before the great block", "the great block", "after the great block"
_SOURCE = "KAMIYO__SOURCES__HYPERLIQUID_"


@dataclass(frozen=True, slots=True)
class _Recording:
    """What was written down: the liquidations that somebody followed takes part in, and how many more."""

    path: Path
    watched: dict[str, str] = field(default_factory=dict[str, str])  # in which part of the cascade each is
    unwatched: set[str] = field(default_factory=set[str])
    trades: list[int] = field(default_factory=list[int])  # of each block


class _Metadata(msgspec.Struct):
    hash: str | None


class _Told(msgspec.Struct):
    user: str
    asset: str
    metadata: _Metadata


class _Message(msgspec.Struct):
    channel: str
    data: msgspec.Raw = msgspec.Raw(b"[]")


_message = msgspec.json.Decoder(_Message)
_liquidations = msgspec.json.Decoder(list[_Told])


def run() -> Report:
    """The great block and 45 seconds before and after it, at the speed they happened."""
    return asyncio.run(_run())


async def _run() -> Report:
    begin = datetime.now(UTC) + _LEAD
    with own_folder() as home:
        recording = _record(home / "recording", begin)
        async with _venue(recording.path) as venue:
            url = await _line(venue)
            async with running_system(home, _settings(url)) as port:
                if await _line(venue) != "followed" or datetime.now(UTC) > begin:
                    raise AssertionError("the system was not ready in time")
                told = await _listen(port, recording.watched.keys(), _moment(begin, _LAST))
                venue.terminate()
                account = json.loads(await _line(venue))
    return _report(recording, account, told)


def _settings(url: str) -> dict[str, str]:
    return {
        f"{_SOURCE}NODE__ACTIVE": "false",
        f"{_SOURCE}API__URL": url,
        f"{_SOURCE}API__MAKERS": " ".join(_MAKERS),
        f"{_SOURCE}API__SCAN_ACCOUNTS": "0",
    }


# --- the recording ----------------------------------------------------------------------------------------


def _record(path: Path, begin: datetime) -> _Recording:
    recorder, draw, great_at = Recorder(), random.Random(SEED), _moment(begin, BLOCK_SECOND)
    recording = _Recording(path)
    with path.open("wb") as file:
        for at, kinds in sorted([*_ordinary(begin, draw), *_bursts(begin)], key=itemgetter(0)):
            block = json.loads(recorder.block(at, kinds))
            recording.trades.append(len(kinds))
            for event in block["events"]:
                if event[0] != event[1].get("liquidation", {}).get("liquidatedUser", event[0]):
                    _follow(event, draw, recording, _part(at, great_at))
            file.write(json.dumps(block, separators=(",", ":")).encode() + b"\n")
    return recording


def _follow(event: list[Any], draw: random.Random, recording: _Recording, part: str) -> None:
    """Let somebody who is followed be the counterparty, as often as is wanted."""
    if draw.random() >= _WATCHED_SHARE:
        recording.unwatched.add(name_of(*event))
        return
    event[0] = draw.choice([each for each in _WATCHED if each != event[1]["liquidation"]["liquidatedUser"]])
    recording.watched[name_of(*event)] = part


def _part(at: datetime, great_at: datetime) -> str:
    return _GREAT if at == great_at else _BEFORE if at < great_at else _AFTER


def _ordinary(begin: datetime, draw: random.Random) -> Iterator[tuple[datetime, list[Kind]]]:
    at = begin - _QUIET
    while at < _moment(begin, _LAST):
        yield at, [Kind.ORDINARY] * draw.randint(1, 7)
        at += _BETWEEN_BLOCKS


def _bursts(begin: datetime) -> Iterator[tuple[datetime, list[Kind]]]:
    for each in cascade_seconds():
        if _FIRST <= each.second <= _LAST:
            market_trades = (each.rows - each.adl_trades) // 2
            yield _moment(begin, each.second), [Kind.ADL] * each.adl_trades + [Kind.MARKET] * market_trades


def _moment(begin: datetime, second: int) -> datetime:
    return begin + timedelta(seconds=second - _FIRST) + _BURST


# --- the venue --------------------------------------------------------------------------------------------


@asynccontextmanager
async def _venue(recording: Path) -> AsyncGenerator[Process]:
    command = [sys.executable, "-m", "benchmarks.wire_venue", str(recording), *_WATCHED]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, limit=_LONGEST_LINE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _line(process: Process) -> str:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        return (await process.stdout.readline() if process.stdout else b"").decode().strip()


# --- the subscriber ---------------------------------------------------------------------------------------


async def _listen(port: int, expected: AbstractSet[str], until: datetime) -> dict[str, float]:
    """When each liquidation was told first; ends once all were, or a while after the last was written."""
    told = dict[str, float]()
    async with websockets.connect(f"ws://127.0.0.1:{port}/stream", max_size=None) as subscriber:
        await subscriber.recv()  # hello
        await subscriber.send('{"method":"subscribe","subscription":{"type":"liquidations"}}')
        await subscriber.recv()
        patience = (until - datetime.now(UTC)).total_seconds() + _PATIENCE_SECONDS
        try:
            async with asyncio.timeout(patience):
                while not expected <= told.keys():
                    frame = await subscriber.recv()
                    now = time.monotonic()
                    for name in _names(frame):
                        told.setdefault(name, now)
        except TimeoutError:
            pass  # what was not told is counted
    return told


def _names(frame: str | bytes) -> list[str]:
    message = _message.decode(frame)
    if message.channel != "liquidations":
        return []
    liquidations = _liquidations.decode(message.data)
    return [f"{each.user} {each.asset} {each.metadata.hash or _NO_HASH}" for each in liquidations]


# --- what came of it --------------------------------------------------------------------------------------


def _report(recording: _Recording, account: Mapping[str, Any], told: Mapping[str, float]) -> Report:
    written: dict[str, float] = account["written"]
    expected = recording.watched
    if unknowable := told.keys() - expected.keys():
        raise AssertionError(f"{len(unknowable)} told that nobody followed takes part in")
    waits = {name: told[name] - at for name, at in written.items() if name in told}
    figures: dict[str, object] = {
        "trades on the tape": sum(recording.trades),
        "liquidations of nobody who is followed": len(recording.unwatched),
        "liquidations in frames of userFills": len(expected),
        "of these written to the system": len(written),
        "of these told to the subscriber": len(waits),
        **_spread("all", waits.values()),
    }
    for part in (_BEFORE, _GREAT, _AFTER):
        figures |= _spread(part, [wait for name, wait in waits.items() if expected[name] == part])
    figures |= {
        "frames late at the venue by at most, ms": _millis(account["late"]),
        "connections to the venue that ended": len(account["ended"]),
    }
    share = len(waits) / len(expected)
    return Report([Claim("liquidations told, by those that could be", 1.0, (share,))], figures)


def _spread(what: str, waits: Iterable[float]) -> dict[str, object]:
    ordered = sorted(waits)
    if not ordered:
        return {}
    return {
        f"{what}: liquidations told": len(ordered),
        f"{what}: p50, ms": _millis(statistics.median(ordered)),
        f"{what}: p99, ms": _millis(ordered[int(len(ordered) * 0.99)]),
        f"{what}: the last, ms": _millis(ordered[-1]),
    }


def _millis(seconds: float) -> float:
    return round(seconds * 1000, 1)
