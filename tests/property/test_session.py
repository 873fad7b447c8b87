"""Sessions against a venue that answers in order and dies of names it does not know."""

from collections import deque
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from random import Random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from kamiyo.hyperliquid.limits import MESSAGES_PER_MINUTE, MINUTE, SlidingWindow
from kamiyo.hyperliquid.session import Session
from kamiyo.hyperliquid.subscriptions import PING, Subscription, decode_request

NOW = datetime(2026, 9, 24, 12, tzinfo=UTC)
TRIP = timedelta(milliseconds=150)
ASSETS = [f"A{number}" for number in range(40)]

assets = st.lists(st.sampled_from(ASSETS), unique=True)
seeds = st.integers(0, 2**32)


class Venue:
    """One connection's other end; what it had not sent yet when it died is lost."""

    def __init__(self, unknown: Collection[str], random: Random) -> None:
        self.following: set[Subscription] = set()
        self.dead = False
        self.busy = True
        self._unknown = unknown
        self._random = random
        self._outgoing: deque[bytes] = deque()

    def take(self, messages: Collection[str]) -> None:
        for message in messages:
            if self.dead:
                return
            if message == PING:
                self._outgoing.append(b'{"channel":"pong"}')
            else:
                self._take(message)

    def _take(self, message: str) -> None:
        request = decode_request(message.encode())
        subscription = request.subscription
        if subscription.coin in self._unknown:
            self.dead = True
            lost = self._random.randint(0, 3)
            self._outgoing = deque([*self._outgoing][: max(0, len(self._outgoing) - lost)])
            return
        if request.method == "subscribe":
            assert subscription not in self.following, "nothing is asked for twice"
            self.following.add(subscription)
        else:
            self.following.remove(subscription)
        echo = msgspec.to_builtins(subscription) | {"dex": "", "nSigFigs": None, "fast": False}
        data = {"method": request.method, "subscription": echo}
        self._outgoing.append(msgspec.json.encode({"channel": "subscriptionResponse", "data": data}))

    def sends(self) -> Iterator[bytes]:
        """Some of what is to be sent; all of it when there is time, or no more time."""
        count = len(self._outgoing)
        for _ in range(count if self.dead or not self.busy else self._random.randint(0, count)):
            yield self._outgoing.popleft()


def feeds(names: Collection[str]) -> list[Subscription]:
    return [Subscription("trades", name) for name in names]


@given(assets, assets, seeds)
def test_exactly_the_names_the_venue_does_not_know_are_left_out(
    known: list[str], unknown: list[str], seed: int
) -> None:
    """Whatever answers are lost when it dies; every other feed is followed in the end."""
    known = [name for name in known if name not in unknown]
    random, now = Random(seed), NOW
    wanted = feeds([*known, *unknown])
    random.shuffle(wanted)
    proven: set[Subscription] = set()
    suspects: tuple[Subscription, ...] = ()
    left_out: set[Subscription] = set()
    session = Session(now=now)
    for _connection in range(2 * len(unknown) + 2):
        venue, session = Venue(unknown, random), Session(now=now, proven=proven, suspects=suspects)
        venue.take(session.want([each for each in wanted if each not in left_out], now))
        for _step in range(4 * len(wanted) + 4):
            now += TRIP
            for frame in venue.sends():
                session.received(frame, now)
            if venue.dead:
                break
            venue.take(session.tick(now))
        if not venue.dead:
            break
        ended = session.ended(now, "1006")
        suspects = ended.suspects
        left_out |= {each for each in wanted if each == ended.culprit}
    assert left_out == set(feeds(unknown))
    assert set(session.acknowledged) == set(feeds(known))


@given(st.lists(assets, max_size=8), seeds)
def test_whatever_is_wanted_when_is_followed_in_the_end(changes: list[list[str]], seed: int) -> None:
    """Feeds come and go faster than the venue answers; none is asked for twice, none forgotten."""
    random, now, wanted = Random(seed), NOW, list[str]()
    messages = SlidingWindow(MESSAGES_PER_MINUTE, MINUTE)
    messages.take(NOW, MESSAGES_PER_MINUTE - 40 - random.randint(0, 30))  # others leave little room
    venue, session = Venue((), random), Session(now=now, messages=messages)
    for wanted in changes:
        venue.take(session.want(feeds(wanted), now))
        for frame in venue.sends():
            session.received(frame, now)
        now += TRIP
    venue.busy = False
    for _ in range(20):
        now = max(session.next_tick(now), now + TRIP)
        venue.take(session.tick(now))
        for frame in venue.sends():
            session.received(frame, now)
        assert session.dead(now) is None
    assert venue.following == set(session.acknowledged) == set(feeds(wanted))
