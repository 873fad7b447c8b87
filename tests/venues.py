"""The lab venue for tests, on recordings or on blocks written down, with a client that reads frames."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import websockets

from kamiyo.core.modes import Mode, Showing
from kamiyo.core.time import EPOCH, Clock
from kamiyo.kit.clock import LapseClock
from kamiyo.lab.faults import Fault, Faults
from kamiyo.lab.ports import Tape
from kamiyo.lab.protocol import LabVenue
from kamiyo.lab.tape_model import ModelTape
from kamiyo.lab.venue import open_lab_venue

BLOCKS = Path("hl-node-fills-2025-10-27", "node_fills_by_block_20251027_1700.jsonl.zst")
START = EPOCH + timedelta(days=20_000)
ALICE, BOB, CAROL = ("0x" + each * 40 for each in "abc")
_PATIENCE = 5


def a_recorded_fill(**changes: Any) -> dict[str, object]:
    """A fill as a node writes it."""
    fill = {
        "coin": "BTC",
        "px": "100.5",
        "sz": "0.25",
        "side": "B",
        "time": millis(START),
        "startPosition": "0.0",
        "dir": "Open Long",
        "closedPnl": "0.0",
        "hash": "0x" + "1" * 64,
        "oid": 11,
        "crossed": True,
        "fee": "0.01",
        "tid": 1,
        "cloid": "0x00000000000000000000000000000001",
        "feeToken": "USDC",
        "twapId": None,
    }
    return fill | changes


def a_trade(buyer: str = ALICE, seller: str = BOB, **changes: Any) -> list[tuple[str, dict[str, object]]]:
    """Both rows of a trade; the buyer is the aggressor unless ``side`` is the seller's."""
    bought = changes.pop("side", "B") == "B"
    return [
        (buyer, a_recorded_fill(side="B", crossed=bought, **changes)),
        (seller, a_recorded_fill(side="A", crossed=not bought, oid=12, **changes)),
    ]


def a_block(
    seconds: float, *trades: Iterable[tuple[str, dict[str, object]]], number: int | None = None
) -> bytes:
    """One line of a node's file: trades so many seconds after the start."""
    moment = START + timedelta(seconds=seconds)
    events = [(user, fill | {"time": millis(moment)}) for trade in trades for user, fill in trade]
    block = {
        "local_time": node_time(moment),
        "block_time": node_time(moment),
        "block_number": number or round(seconds * 10),
        "events": events,
    }
    return msgspec.json.encode(block)


def a_tape(*lines: bytes) -> ModelTape:
    """A tape of blocks written down."""
    return ModelTape(Showing(Mode.SIMULATED, "test"), "test", "a test", lines=[lambda: lines])


def millis(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)


def node_time(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "000"


class Client:
    """A WebSocket client that keeps what it was told."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket

    async def say(self, message: object) -> None:
        text = message if isinstance(message, str) else msgspec.json.encode(message).decode()
        await self.socket.send(text)

    async def subscribe(self, kind: str, **fields: object) -> None:
        await self.say({"method": "subscribe", "subscription": {"type": kind, **fields}})

    async def hear(self) -> Any:
        """The next frame, decoded; plain text as it is."""
        async with asyncio.timeout(_PATIENCE):
            frame = await self.socket.recv()
        try:
            return msgspec.json.decode(frame)
        except msgspec.DecodeError:
            return frame

    async def hear_of(self, channel: str) -> Any:
        """The data of the next frame of a channel."""
        while True:
            frame = await self.hear()
            if isinstance(frame, dict) and frame["channel"] == channel:
                return frame.get("data")

    async def end(self) -> int | None:
        """The code the connection is closed with, after all frames; 1006 means without a close frame."""
        with suppress(websockets.ConnectionClosedError):
            async with asyncio.timeout(_PATIENCE):
                async for _frame in self.socket:
                    pass
        return self.socket.close_code


class HandClock:
    """Time that is moved by hand; who sleeps wakes when his moment has come."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._sleepers: list[tuple[datetime, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._now

    async def sleep(self, duration: timedelta) -> None:
        if duration <= timedelta(0):
            await asyncio.sleep(0)
            return
        waking = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._now + duration, waking))
        await waking

    def move_to(self, moment: datetime) -> None:
        self._now = max(self._now, moment)
        due = [waking for at, waking in self._sleepers if at <= self._now]
        self._sleepers = [each for each in self._sleepers if each[0] > self._now]
        for waking in due:
            if not waking.done():
                waking.set_result(None)


class OpenVenue:
    """A venue that runs, and ways to reach it."""

    def __init__(self, venue: LabVenue, clock: Clock, session: httpx.AsyncClient) -> None:
        self.venue = venue
        self.clock = clock
        self.session = session

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[Client]:
        address = self.venue.url.replace("http", "ws") + "/ws"
        async with websockets.connect(
            address, ping_interval=None, compression=None, max_queue=None
        ) as socket:
            yield Client(socket)

    async def ask(self, kind: str, **fields: object) -> httpx.Response:
        return await self.session.post(self.venue.url + "/info", json={"type": kind, **fields})

    async def answer(self, kind: str, **fields: object) -> Any:
        response = await self.ask(kind, **fields)
        assert response.status_code == 200, response.text
        return response.json()

    def move_to(self, seconds: float) -> None:
        """Let it be so many seconds after the start."""
        assert isinstance(self.clock, HandClock)
        self.clock.move_to(START + timedelta(seconds=seconds))


@asynccontextmanager
async def open_by_hand(
    tape: Tape, *, at: float = -1, faults: Iterable[Fault] = (), **options: Any
) -> AsyncGenerator[OpenVenue]:
    """The venue so many seconds after the start, where time stands still until it is moved."""
    clock = HandClock(START + timedelta(seconds=at))
    async with (
        httpx.AsyncClient(trust_env=False) as session,
        open_lab_venue(tape, clock=clock, faults=Faults(faults), **options) as venue,
    ):
        yield OpenVenue(venue, clock, session)


@asynccontextmanager
async def open_venue(
    tape: Tape,
    *,
    speed: int = 20,
    since: datetime | None = None,
    faults: Iterable[Fault] = (),
    **options: Any,
) -> AsyncGenerator[OpenVenue]:
    """The venue at ``since``, by default ten of its seconds before the tape begins."""
    clock = LapseClock(since or tape.starts_at - timedelta(seconds=10), speed)
    async with (
        httpx.AsyncClient(trust_env=False) as session,
        open_lab_venue(tape, clock=clock, faults=Faults(faults), **options) as venue,
    ):
        yield OpenVenue(venue, clock, session)
