"""What one connection is sent and what it is not, with the exact account of both."""

from __future__ import annotations

import enum
import random
from collections import Counter, deque
from datetime import datetime

import msgspec

from kamiyo.lab.faults import FaultKind
from kamiyo.lab.ports import Publication

_WRONG = (b'{"channel":', b'{"channel":"trades","data":7}', b"[]", b"")


class Loss(enum.StrEnum):
    """Why a frame did not arrive."""

    SILENCE = "silence"  # the venue said nothing at that time
    MALFORMED = "malformed"  # something else arrived in its place
    ENDED = "ended"  # it was held back when the connection ended


class Lost(msgspec.Struct, frozen=True):
    """A frame that was due and did not arrive as it is."""

    publication: Publication
    why: Loss


class Delivery(msgspec.Struct, kw_only=True):
    """The account of one connection, in venue time.

    ``delivered`` is in the order of sending, a duplicate twice. A connection that ended has its ``end``:
    ``1006``, ``1000 Expired``, ``client`` or ``overflow``.
    """

    number: int
    address: str
    opened_at: datetime
    closed_at: datetime | None = None
    end: str = ""
    delivered: list[Publication] = msgspec.field(default_factory=list[Publication])
    lost: list[Lost] = msgspec.field(default_factory=list[Lost])
    sent: Counter[str] = msgspec.field(default_factory=Counter[str])  # frames by type, controls as "control"


class Outgoing:
    """The way out of the venue for one connection: it may be mute, or spoil the next frame.

    With ``keep`` the frames themselves are kept in the account, without only their number.
    """

    def __init__(self, account: Delivery, chance: random.Random, *, keep: bool) -> None:
        self.account = account
        self.last_sent_at = account.opened_at
        self._chance = chance
        self._keep = keep
        self._silent_until = account.opened_at
        self._spoilt: deque[FaultKind] = deque()
        self._held: Publication | None = None

    def silence(self, until: datetime) -> None:
        """Say nothing before ``until``."""
        self._silent_until = max(self._silent_until, until)

    def spoil(self, kind: FaultKind) -> None:
        """Do this to the next frame that has none coming to it yet."""
        self._spoilt.append(kind)

    def publish(self, publication: Publication) -> list[bytes]:
        """The frames that go out for this one, in order."""
        if publication.at < self._silent_until:
            self._lose(publication, Loss.SILENCE)
            return []
        if not self._spoilt and self._held is None:
            return [self._send(publication)]
        return self._spoil(publication)

    def control(self, at: datetime) -> bool:
        """Whether an acknowledgement, an error or a pong goes out at ``at``."""
        if at < self._silent_until:
            return False
        self.last_sent_at = at
        self.account.sent["control"] += 1
        return True

    def end(self, at: datetime, how: str) -> None:
        """The connection is over."""
        if self._held is not None:
            self._lose(self._held, Loss.ENDED)
            self._held = None
        if not self.account.end:
            self.account.end, self.account.closed_at = how, at

    def _spoil(self, publication: Publication) -> list[bytes]:
        if self._held is not None:
            held, self._held = self._held, None
            return [self._send(publication), self._send(held)]
        match self._spoilt.popleft():
            case FaultKind.DUPLICATE:
                return [self._send(publication), self._send(publication)]
            case FaultKind.REORDER:
                self._held = publication
                return []
            case _:
                self._lose(publication, Loss.MALFORMED)
                self.last_sent_at = publication.at
                cut = publication.frame[: len(publication.frame) * 2 // 3]
                return [self._chance.choice((cut, *_WRONG))]

    def _send(self, publication: Publication) -> bytes:
        self.last_sent_at = publication.at
        self.account.sent[str(publication.topic[0])] += 1
        if self._keep:
            self.account.delivered.append(publication)
        return publication.frame

    def _lose(self, publication: Publication, why: Loss) -> None:
        self.account.lost.append(Lost(publication, why))
