"""Any interleaving of disconnects, forgotten sessions, holes and killed processes, without any I/O."""

import asyncio
import random
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kamiyo.aggregators._discord.api import Api
from kamiyo.aggregators._discord.gateway import Connection, Session
from kamiyo.aggregators._discord.history import History
from kamiyo.aggregators._discord.progress import Progress
from kamiyo.aggregators._merged import Outlet
from kamiyo.aggregators.base import Alive, Headers, Response
from kamiyo.aggregators.discord import NAME, Ear
from kamiyo.core.ids import Cursor
from kamiyo.core.ports import Raw
from kamiyo.kit.secret import Secret
from tests.fakes import ManualClock, NoNetwork

CHANNELS = (11, 12)
TOKEN = Secret("token")


class Server(NoNetwork):
    """What Discord knows: each channel's messages, and one session with all that happened in it."""

    def __init__(self) -> None:
        self.messages: dict[int, list[int]] = {each: [] for each in CHANNELS}
        self.last = 100
        self.events: list[tuple[str, Any]] | None = None
        self.sessions = 0
        self.meanwhile: Callable[[], None] = lambda: None  # happens between a question and its answer

    def post(self, channel: int) -> tuple[str, Any]:
        self.last += 1
        self.messages[channel].append(self.last)
        event = ("MESSAGE_CREATE", message(channel, self.last) | {"guild_id": "7"})
        if self.events is not None:
            self.events.append(event)
        return event

    async def request(
        self, method: str, url: str, *, body: bytes | None = None, headers: Headers | None = None
    ) -> Response:
        del method, body, headers
        path, _, query = url.partition("?")
        parts = path.split("/")
        given = self.given(parts, query)
        self.meanwhile()
        return answer(given)

    def given(self, parts: list[str], query: str) -> object:
        if parts[-1] != "messages":
            return {"id": parts[-1], "guild_id": "7", "last_message_id": None}
        channel = int(parts[-2])
        after = int(query.partition("after=")[2] or -1)
        found = [each for each in self.messages[channel] if each > after]
        page = found[:100] if after >= 0 else found[-100:]
        return [message(channel, each) for each in reversed(page)]


def message(channel: int, number: int) -> dict[str, Any]:
    return {"id": str(number), "channel_id": str(channel), "content": "words", "author": {"id": "5"}}


def answer(value: object) -> Response:
    return Response(200, {}, msgspec.json.encode(value))


def frame(number: int, event: tuple[str, Any]) -> bytes:
    return msgspec.json.encode({"op": 0, "s": number, "t": event[0], "d": event[1]})


class Roomy(Outlet):
    """Has room for everything: it is emptied only when the test says so."""

    async def room(self) -> None:
        pass


class World:
    """A server, a client in all its parts, and the frames between them."""

    def __init__(self) -> None:
        self.server = Server()
        self.server.meanwhile = self.meanwhile
        self.actions: deque[tuple[str, int]] = deque()
        self.clock = ManualClock()
        self.random = random.Random(0)
        self.cursor: Cursor | None = None
        self.told: dict[int, list[int]] = defaultdict(list)
        self.start()

    def start(self) -> None:
        """A process begins: all it knows is the cursor."""
        self.outlet = Roomy()
        self.progress = Progress(CHANNELS, self.cursor)
        api = Api("https://discord.test", TOKEN, session=self.server, clock=self.clock)
        self.history = History(NAME, api, self.progress, self.outlet, clock=self.clock)
        self.ear = Ear(NAME, self.progress, self.outlet)
        self.session: Session | None = None
        self.connection: Connection | None = None
        self.frames: deque[bytes] = deque()

    async def play(self, actions: Iterable[tuple[str, int]]) -> None:
        self.actions.extend(actions)
        while self.actions:
            action, number = self.actions.popleft()
            if action == "fill":
                await self.fill()
            elif action == "take":
                await self.take()
            elif action == "kill":
                self.start()  # what was not taken is gone
            else:
                self.happen(action, number)

    def happen(self, action: str, number: int) -> None:
        {
            "post": lambda: self.post(CHANNELS[number % 2]),
            "burst": lambda: self.post(CHANNELS[number % 2], 110),
            "connect": self.connect,
            "deliver": lambda: self.deliver(number),
            "drop": self.drop,
            "forget": self.forget,
        }[action]()

    def meanwhile(self) -> None:
        """Up to the next thing that takes time, everything happens before an answer arrives."""
        while self.actions and self.actions[0][0] not in {"fill", "take", "kill"}:
            self.happen(*self.actions.popleft())

    def forget(self) -> None:
        """Discord ends the session."""
        self.drop()
        self.server.events = None

    def post(self, channel: int, number: int = 1) -> None:
        for _ in range(number):
            event = self.server.post(channel)
            if self.connection is not None and self.server.events is not None:
                self.frames.append(frame(len(self.server.events), event))

    def connect(self) -> None:
        if self.connection is not None:
            return
        now = self.clock.now()
        self.connection = Connection(TOKEN, self.session, random=self.random, now=now)
        self.connection.heard(b'{"op":10,"d":{"heartbeat_interval":41250}}', now)
        (text,) = self.connection.due(now)
        greeting = msgspec.json.decode(text)
        self.frames.extend(self.identify() if greeting["op"] == 2 else self.resume(greeting["d"]))

    def identify(self) -> list[bytes]:
        self.server.sessions += 1
        ready = {
            "session_id": f"s{self.server.sessions}",
            "resume_gateway_url": "wss://discord.test",
            "user": {"id": "9"},
        }
        self.server.events = [("READY", ready)]
        return [frame(1, self.server.events[0])]

    def resume(self, data: Mapping[str, Any]) -> list[bytes]:
        events = self.server.events
        if events is None or data["session_id"] != f"s{self.server.sessions}":
            return [b'{"op":9,"d":false}']
        missed = [frame(place + 1, events[place]) for place in range(data["seq"], len(events))]
        events.append(("RESUMED", {}))
        return [*missed, frame(len(events), events[-1])]

    def deliver(self, number: int) -> None:
        for _ in range(min(number, len(self.frames))):
            connection, now = self.connection, self.clock.now()
            assert connection is not None
            fresh = connection.fresh
            event = connection.heard(self.frames.popleft(), now)
            if connection.fresh is not fresh:
                self.ear.opened(now)
            if event is not None:
                self.ear.heard(event, now)
            if connection.over is not None:
                self.drop()
                return

    def drop(self) -> None:
        if self.connection is not None:
            self.session = self.connection.session
        self.connection = None
        self.frames.clear()

    async def fill(self) -> None:
        for channel in self.progress.channels.values():
            if channel.hole:
                await self.history._try(channel)

    async def take(self) -> None:
        self.outlet.put(self.progress.standing(self.clock.now()))
        for item in await self.outlet.take():
            if isinstance(item, Raw):
                found = msgspec.json.decode(item.payload)
                self.told[int(found["channel_id"])].append(int(found["id"]))
            assert isinstance(item, Raw | Alive)
            self.cursor = item.cursor or self.cursor
            self.check_cursor()

    def check_cursor(self) -> None:
        """Nothing up to the cursor is missing: whoever begins there has lost nothing."""
        reached = msgspec.json.decode(self.cursor or b"{}", type=dict[int, int], strict=False)
        for channel, number in reached.items():
            expected = {each for each in self.server.messages[channel] if each <= number}
            assert expected <= set(self.told[channel])


ACTIONS = st.tuples(
    st.sampled_from(["post", "burst", "connect", "deliver", "drop", "forget", "fill", "take", "kill"]),
    st.sampled_from([1, 2, 10_000]),
)


# While a hole is filled, a session ends, a message is written, and another session begins: another hole.
AGAIN: Final = ("connect", "deliver") * 2  # the first time the old session is refused
DURING: Final = ("forget", "connect", "deliver", "fill", "drop", "post", "forget", *AGAIN)


@pytest.mark.slow
@settings(max_examples=200)
@example([(each, 2) for each in DURING])
@given(st.lists(ACTIONS, min_size=10, max_size=80))
def test_no_interleaving_loses_or_doubles_anything(actions: list[tuple[str, int]]) -> None:
    """Each message is told, once by each process at most, and no cursor is ever before its time."""

    async def play() -> World:
        world = World()
        await world.fill()
        await world.take()
        await world.play(actions)
        for _ in range(3):  # a session may be refused first
            world.connect()
            world.deliver(10_000)
        await world.fill()
        await world.take()
        return world

    world = asyncio.run(play())
    kills = sum(action == "kill" for action, _ in actions)
    for channel in CHANNELS:
        assert set(world.told[channel]) == set(world.server.messages[channel])
        assert max(map(world.told[channel].count, set(world.told[channel])), default=0) <= 1 + kills
