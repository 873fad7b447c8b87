"""The venue: its socket's protocol, limits and quirks over whatever tape it plays."""

from __future__ import annotations

import random
from asyncio import TaskGroup
from collections.abc import Iterator
from datetime import datetime, timedelta
from http import HTTPStatus
from itertools import islice

from kamiyo.core.time import Clock
from kamiyo.hyperliquid import limits
from kamiyo.lab.faults import FaultKind, Faults
from kamiyo.lab.hub import Hub, Listener
from kamiyo.lab.meter import Meter
from kamiyo.lab.outgoing import Delivery
from kamiyo.lab.ports import Publication, Tape, Topic
from kamiyo.lab.questions import Desk
from kamiyo.lab.sockets import VenueSocket
from kamiyo.lab.subscribing import (
    GREETING,
    PONG,
    Ping,
    Post,
    Refused,
    Subscribe,
    Unsubscribe,
    acknowledgement,
    as_subscription,
    error,
    parse_message,
    post_answer,
    post_error,
    user_of,
)

ENFORCED_USERS = 14  # ten are documented; the fifteenth was refused
_LONGEST_WAIT = timedelta(milliseconds=250)
_AT_ONCE = 512
_NOTHING = timedelta(0)


class LabVenue:
    """One venue for all who connect to it. ``clock`` runs in the tape's time.

    ``patient`` makes it wait for slow readers instead of ending their connections: for measurements.
    """

    def __init__(
        self,
        tape: Tape,
        *,
        clock: Clock,
        faults: Faults | None = None,
        seed: int = 0,
        greeting: bool = True,
        keep: bool = True,
        patient: bool = False,
    ) -> None:
        self.tape = tape
        self.clock = clock
        self.faults = faults or Faults()
        self.meter = Meter()
        self.url = ""
        self._playing = tape.play(clock.now())
        self._hub = Hub(random.Random(seed), keep=keep)  # noqa: S311  # a test's dice, not a secret
        self.desk = Desk(self._playing, clock, self.faults, self.meter, self.play)
        self._greeting = greeting
        self._patient = patient
        self._due: Iterator[Publication] = iter(())
        self._tasks: TaskGroup | None = None
        self._sockets: set[VenueSocket] = set()  # also those that are over for us and not yet for the client

    @property
    def delivered(self) -> list[Delivery]:
        """The account of every connection there ever was, in the order of opening."""
        return self._hub.deliveries

    @property
    def connections(self) -> int:
        """How many are open now."""
        return len(self._hub.listeners)

    async def run(self) -> None:
        """Play the tape, until cancelled."""
        try:
            async with TaskGroup() as tasks:
                self._tasks = tasks
                while True:
                    now = self.clock.now()
                    while self._play_some(now):
                        await self._breathe()
                    self._keep_rules(now)
                    await self.clock.sleep(self._until_next())
        finally:
            self._tasks = None
            for socket in list(self._sockets):
                socket.abort()

    def play(self, now: datetime) -> None:
        """Publish all that is due; a venue that waits for its readers does so when it runs."""
        if not self._patient:
            while self._play_some(now):
                pass

    # --- the tape ---

    def _play_some(self, now: datetime) -> bool:
        """Publish some of what is due; whether there is more."""
        some = list(islice(self._due, _AT_ONCE))
        if not some:
            self._due = self._playing.advance(now, self._hub.wanted)
            some = list(islice(self._due, _AT_ONCE))
        for publication in some:
            self._carry_out_faults(publication.at)
            self._hub.publish(publication)
        if not some:
            self._carry_out_faults(now)
        self._hub.flush()
        return bool(some)

    async def _breathe(self) -> None:
        """Let others run, and wait for who cannot keep up if that is wanted."""
        await self.clock.sleep(_NOTHING)
        if self._patient:
            for listener in self._hub.listeners:
                await listener.socket.writable.wait()

    def _until_next(self) -> timedelta:
        due = self._playing.next_at(self._hub.wanted)
        wait = _LONGEST_WAIT if due is None else min(due - self.clock.now(), _LONGEST_WAIT)
        return max(wait, _NOTHING)

    def _carry_out_faults(self, now: datetime) -> None:
        for fault in self.faults.take_due(now):
            for listener, how in list(self._hub.carry_out(fault)):
                self._forget(listener, fault.at, how)

    def _keep_rules(self, now: datetime) -> None:
        for listener in self._hub.idle(now):
            self._cut(listener, now, "1006")
        for listener in () if self._patient else self._hub.overflowing():
            listener.socket.abort()
            self._forget(listener, now, "overflow")

    # --- connections ---

    def admit(self, socket: VenueSocket, address: str) -> HTTPStatus | None:
        """Whether one more connection may be opened from this address."""
        now = self.clock.now()
        self.play(now)
        usage = self.meter.addresses[address]
        if self.faults.active(FaultKind.UNAVAILABLE, now):
            return HTTPStatus.BAD_GATEWAY
        for limit, used, most in (
            ("connections", usage.connections, limits.CONNECTIONS),
            ("new connections", usage.opened.used_at(now), limits.NEW_CONNECTIONS_PER_MINUTE),
        ):
            if used >= most:
                self.meter.breach(address, now, limit)
                return HTTPStatus.TOO_MANY_REQUESTS
        usage.connections += 1
        usage.opened.add(now, "connections")
        usage.note()
        self._sockets.add(socket)
        self._hub.open(socket, address, now)
        return None

    def opened(self, socket: VenueSocket) -> None:
        """Greet, as some of the venue's servers do: in plain text."""
        listener = self._hub.find(socket)
        if listener is not None and self._greeting:
            listener.control(self.clock.now(), GREETING)

    def gone(self, socket: VenueSocket) -> None:
        """The client ended the connection, or it was ended before."""
        self._sockets.discard(socket)
        listener = self._hub.find(socket)
        if listener is not None:
            self._forget(listener, self.clock.now(), "client")

    def _cut(self, listener: Listener, now: datetime, how: str) -> None:
        listener.socket.cut()
        self._forget(listener, now, how)

    def _forget(self, listener: Listener, now: datetime, how: str) -> None:
        if self._hub.find(listener.socket) is None:
            return
        for topic in list(listener.topics):
            self._release(listener, topic)
        self.meter.addresses[listener.address].connections -= 1
        self._hub.forget(listener, now, how)

    # --- messages ---

    def heard(self, socket: VenueSocket, text: bytes) -> None:
        """A client said something."""
        now = self.clock.now()
        self.play(now)
        listener = self._hub.find(socket)
        if listener is None:
            return
        messages = self.meter.addresses[listener.address].messages
        if messages.used_at(now) >= limits.MESSAGES_PER_MINUTE:
            self.meter.breach(listener.address, now, "messages")
            self._cut(listener, now, "1006")
            return
        messages.add(now, "messages")
        self._obey(listener, text, now)

    def _obey(self, listener: Listener, text: bytes, now: datetime) -> None:
        match parse_message(text):
            case Ping():
                listener.control(now, PONG)
            case Subscribe(topic):
                self._subscribe(listener, topic, now)
            case Unsubscribe(topic):
                self._unsubscribe(listener, topic, now)
            case Post() as post:
                self._post(listener, post, now)
            case Refused(said):
                listener.control(now, error(said))

    def _subscribe(self, listener: Listener, topic: Topic, now: datetime) -> None:
        if not self._playing.exists(topic):
            # The venue says nothing to a name it does not know: it drops the connection and all it carried.
            self._cut(listener, now, "1006")
            return
        refusal = self._refusal(listener, topic, now)
        if refusal is not None:
            listener.control(now, error(refusal))
            return
        usage = self.meter.addresses[listener.address]
        usage.subscriptions += 1
        if (user := user_of(topic)) is not None:
            usage.users[user] += 1
        usage.note()
        self._hub.subscribe(listener, topic)
        listener.control(now, acknowledgement("subscribe", topic))
        for frame in self._playing.first_frames(topic, now):
            listener.tell(Publication(now, topic, frame))

    def _refusal(self, listener: Listener, topic: Topic, now: datetime) -> str | None:
        usage = self.meter.addresses[listener.address]
        if topic in listener.topics:
            return f"Already subscribed: {as_subscription(topic).decode()}"
        if usage.subscriptions >= limits.SUBSCRIPTIONS:
            self.meter.breach(listener.address, now, "subscriptions")
            return f"Cannot subscribe to more than {limits.SUBSCRIPTIONS} channels."
        user = user_of(topic)
        if user is not None and user not in usage.users and len(usage.users) >= ENFORCED_USERS:
            self.meter.breach(listener.address, now, "users")
            return f"Cannot track more than {ENFORCED_USERS + 1} total users."
        return None

    def _unsubscribe(self, listener: Listener, topic: Topic, now: datetime) -> None:
        if topic not in listener.topics:
            listener.control(now, error(f"Already unsubscribed: {as_subscription(topic).decode()}"))
            return
        self._release(listener, topic)
        listener.control(now, acknowledgement("unsubscribe", topic))

    def _release(self, listener: Listener, topic: Topic) -> None:
        usage = self.meter.addresses[listener.address]
        usage.subscriptions -= 1
        if (user := user_of(topic)) is not None:
            usage.users[user] -= 1
            if not usage.users[user]:
                del usage.users[user]
        self._hub.unsubscribe(listener, topic)

    # --- questions through the socket ---

    def _post(self, listener: Listener, post: Post, now: datetime) -> None:
        usage = self.meter.addresses[listener.address]
        if post.payload is None:
            listener.control(now, post_error(post.id, "only info requests are answered"))
        elif usage.posts >= limits.POSTS_IN_FLIGHT:
            self.meter.breach(listener.address, now, "posts")
            listener.control(now, error(f"too many pending post requests id={post.id}"))
        elif self._tasks is not None:
            usage.posts += 1
            usage.note()
            self._tasks.create_task(self._answer_post(listener, post.id, post.payload))

    async def _answer_post(self, listener: Listener, number: int, payload: bytes) -> None:
        reply = await self.desk.ask(listener.address, payload)
        self.meter.addresses[listener.address].posts -= 1
        if self._hub.find(listener.socket) is None:
            return
        frame = (
            post_answer(number, reply.kind, reply.content)
            if reply.status == HTTPStatus.OK
            else post_error(number, f"{reply.status} {reply.content.decode('utf-8', 'replace')}")
        )
        listener.control(self.clock.now(), frame)
