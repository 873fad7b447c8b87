"""Who listens to what: each frame goes to all who want it, and is made once."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from kamiyo.lab.faults import ONCE, Fault, FaultKind
from kamiyo.lab.outgoing import Delivery, Outgoing
from kamiyo.lab.ports import Publication, Topic
from kamiyo.lab.sockets import VenueSocket, wire_form

SILENT_FOR = timedelta(seconds=60)
_EXPIRED = (1000, "Expired")
MOST_WAITING = 64 << 20


class Listener:
    """A connection with its subscriptions."""

    def __init__(self, socket: VenueSocket, outgoing: Outgoing) -> None:
        self.socket = socket
        self.outgoing = outgoing
        self.topics: set[Topic] = set()

    @property
    def number(self) -> int:
        """The how-manyeth connection it is."""
        return self.outgoing.account.number

    @property
    def address(self) -> str:
        """Where it comes from."""
        return self.outgoing.account.address

    def tell(self, publication: Publication) -> None:
        """Send one frame to this connection alone."""
        for frame in self.outgoing.publish(publication):
            self.socket.send(wire_form(frame))
        self.socket.flush()

    def control(self, at: datetime, frame: bytes) -> None:
        """Send an answer of the protocol's own."""
        if self.outgoing.control(at):
            self.socket.send(wire_form(frame))
            self.socket.flush()


class Hub:
    """All open connections, and the account of these and of all that were."""

    def __init__(self, chance: random.Random, *, keep: bool) -> None:
        self.deliveries: list[Delivery] = []
        self._chance = chance
        self._keep = keep
        self._listeners: dict[VenueSocket, Listener] = {}
        self._wanted: dict[str, dict[Topic, dict[Listener, None]]] = {}

    @property
    def wanted(self) -> Mapping[str, Collection[Topic]]:
        """The topics somebody listens to, by type."""
        return self._wanted

    @property
    def listeners(self) -> list[Listener]:
        """Every open connection, the oldest first."""
        return list(self._listeners.values())

    def open(self, socket: VenueSocket, address: str, now: datetime) -> Listener:
        """One more connection."""
        account = Delivery(number=len(self.deliveries), address=address, opened_at=now)
        self.deliveries.append(account)
        listener = Listener(socket, Outgoing(account, self._chance, keep=self._keep))
        self._listeners[socket] = listener
        return listener

    def find(self, socket: VenueSocket) -> Listener | None:
        """The connection, if it is open."""
        return self._listeners.get(socket)

    def forget(self, listener: Listener, now: datetime, how: str) -> None:
        """The connection is over."""
        self._listeners.pop(listener.socket, None)
        for topic in list(listener.topics):
            self.unsubscribe(listener, topic)
        listener.outgoing.end(now, how)

    def subscribe(self, listener: Listener, topic: Topic) -> None:
        """Let the connection hear of the topic."""
        listener.topics.add(topic)
        self._wanted.setdefault(str(topic[0]), {}).setdefault(topic, {})[listener] = None

    def unsubscribe(self, listener: Listener, topic: Topic) -> None:
        """Let the connection hear no more of the topic."""
        listener.topics.discard(topic)
        of_type = self._wanted[str(topic[0])]
        of_type[topic].pop(listener, None)
        if not of_type[topic]:
            del of_type[topic]
        if not of_type:
            del self._wanted[str(topic[0])]

    def publish(self, publication: Publication) -> None:
        """Send one frame to all who listen to its topic; ``flush`` writes it."""
        listeners = self._wanted.get(str(publication.topic[0]), {}).get(publication.topic)
        if not listeners:
            return
        wire = wire_form(publication.frame)
        for listener in listeners:
            for frame in listener.outgoing.publish(publication):
                listener.socket.send(wire if frame is publication.frame else wire_form(frame))

    def flush(self) -> None:
        """Write what was published."""
        for listener in self._listeners.values():
            listener.socket.flush()

    def carry_out(self, fault: Fault) -> Iterable[tuple[Listener, str]]:
        """Let a fault hit who is connected; which connections it ended, and how."""
        hit = [each for each in self.listeners if fault.connection in {None, each.number}]
        for listener in hit:
            match fault.kind:
                case FaultKind.DISCONNECT:
                    listener.socket.cut()
                    yield listener, "1006"
                case FaultKind.EXPIRED:
                    listener.socket.close(*_EXPIRED)
                    yield listener, "1000 Expired"
                case FaultKind.SILENCE:
                    listener.outgoing.silence(fault.ends_at)
                case kind if kind in ONCE:
                    listener.outgoing.spoil(kind)
                case _:
                    pass  # the desk and the door see it by themselves

    def idle(self, now: datetime) -> list[Listener]:
        """The connections that were told nothing for sixty seconds."""
        return [each for each in self.listeners if now - each.outgoing.last_sent_at >= SILENT_FOR]

    def overflowing(self) -> list[Listener]:
        """The connections whose client has stopped reading."""
        return [each for each in self.listeners if each.socket.waiting > MOST_WAITING]
