import random
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from kamiyo.aggregators._discord.gateway import (
    HELLO_WITHIN,
    SENDS_PER_MINUTE,
    Connection,
    Event,
    Session,
    fatal,
    survives,
)
from kamiyo.core.errors import MalformedPayload
from kamiyo.kit.secret import Secret
from tests.builders import NOW

SECOND = timedelta(seconds=1)
INTERVAL = timedelta(milliseconds=41_250)
SESSION = Session("s1", "wss://resume.example", 7)
READY = {"session_id": "s2", "resume_gateway_url": "wss://resume.example", "user": {"id": "9"}}


def frame(op: int, d: object = None, s: int | None = None, t: str | None = None) -> bytes:
    return msgspec.json.encode({"op": op, "d": d, "s": s, "t": t})


HELLO = frame(10, {"heartbeat_interval": 41_250})


def opened(session: Session | None = None, *, greeted: bool = True) -> Connection:
    connection = Connection(Secret("token"), session, random=random.Random(1), now=NOW)
    if greeted:
        assert connection.heard(HELLO, NOW) is None
    return connection


def sent(connection: Connection, at: Any = NOW) -> list[Mapping[str, Any]]:
    return [msgspec.json.decode(each) for each in connection.due(at)]


def test_a_new_session_is_identified_with_its_intents() -> None:
    """After the greeting the token and the three intents are sent, once, and nothing before it."""
    connection = opened(greeted=False)
    assert connection.due(NOW) == []
    connection.heard(HELLO, NOW)
    (identify,) = sent(connection)
    assert (identify["op"], identify["d"]["token"]) == (2, "token")
    assert identify["d"]["intents"] == 1 << 0 | 1 << 9 | 1 << 15
    assert sent(connection) == []


def test_a_known_session_is_resumed_where_it_was() -> None:
    """Session and number are sent instead, and every event moves the number on."""
    connection = opened(SESSION)
    (resume,) = sent(connection)
    assert resume == {"op": 6, "d": {"token": "token", "session_id": "s1", "seq": 7}}
    event = connection.heard(frame(0, {"id": "1"}, 8, "MESSAGE_CREATE"), NOW)
    assert event == Event("MESSAGE_CREATE", b'{"id":"1"}')
    before = connection.live
    connection.heard(frame(0, {}, 9, "RESUMED"), NOW)
    assert (before, connection.live, connection.fresh) == (False, True, False)
    assert connection.session == Session("s1", "wss://resume.example", 9)


def test_a_session_begins_with_ready() -> None:
    """From then on it can be resumed, at the address it names, and what was before was not heard."""
    connection = opened()
    connection.heard(frame(0, READY, 1, "READY"), NOW)
    assert connection.session == Session("s2", "wss://resume.example", 1)
    assert connection.fresh
    assert connection.live


def test_the_first_heartbeat_comes_at_a_random_moment_of_the_interval() -> None:
    """Then one comes every interval, with the number of the last event."""
    connection = opened(SESSION)
    sent(connection)
    first = connection.next_due(NOW)
    assert NOW < first < NOW + INTERVAL
    assert first - NOW == INTERVAL * random.Random(1).random()
    assert sent(connection, first - SECOND / 100) == []
    assert sent(connection, first) == [{"op": 1, "d": 7}]
    connection.heard(frame(11), first)
    assert connection.acknowledged_at == first
    assert connection.next_due(first) == first + INTERVAL
    assert sent(connection, first + INTERVAL) == [{"op": 1, "d": 7}]
    assert connection.over is None


def test_a_heartbeat_without_an_answer_ends_the_connection() -> None:
    """The session stays, to be resumed by another one."""
    connection = opened(SESSION)
    sent(connection)
    first = connection.next_due(NOW)
    sent(connection, first)
    assert sent(connection, first + INTERVAL) == []
    assert connection.over == "a heartbeat was not answered"
    assert connection.session == SESSION


def test_a_heartbeat_is_sent_when_asked_for() -> None:
    """At once, whenever the last one was."""
    connection = opened(SESSION)
    sent(connection)
    connection.heard(frame(1), NOW + SECOND)
    assert sent(connection, NOW + SECOND) == [{"op": 1, "d": 7}]


@pytest.mark.parametrize(
    ("told", "kept", "paused"),
    [(frame(7), True, False), (frame(9, d=True), True, False), (frame(9, d=False), False, True)],
)
def test_a_request_to_begin_again_ends_the_connection(told: bytes, kept: bool, paused: bool) -> None:
    """Discord says whether the session is worth resuming; if not, a new one waits one to five seconds."""
    connection = opened(SESSION)
    assert connection.heard(told, NOW) is None
    assert connection.over is not None
    assert (connection.session is not None) is kept
    assert (SECOND <= connection.pause <= 5 * SECOND) is paused


def test_a_connection_that_is_not_greeted_is_over() -> None:
    """After twenty seconds it is given up."""
    connection = opened(greeted=False)
    assert connection.next_due(NOW) == NOW + HELLO_WITHIN
    connection.due(NOW + HELLO_WITHIN - SECOND)
    assert connection.over is None
    connection.due(NOW + HELLO_WITHIN)
    assert connection.over == "no greeting"


def test_no_more_is_sent_than_discord_allows() -> None:
    """A server that asks for signs of life without end is answered 120 times a minute."""
    connection = opened()
    times: list[Any] = []
    now = NOW
    while now < NOW + timedelta(minutes=3):
        connection.heard(frame(1), now)
        times += [now] * len(connection.due(now))
        now += SECOND / 10
    for place, at in enumerate(times):
        assert sum(at <= each < at + timedelta(minutes=1) for each in times[place:]) <= SENDS_PER_MINUTE
    assert len(times) >= 3 * SENDS_PER_MINUTE
    assert connection.next_due(now) >= now


@pytest.mark.parametrize(
    "nonsense",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"op":"0"}',
        frame(0, {}, None, "MESSAGE_CREATE"),
        frame(0, {}, 8, None),
        frame(0, {}, 8, "READY"),
        frame(9, "perhaps"),
        frame(10, {}),
        frame(10, {"heartbeat_interval": 0}),
        frame(10, {"heartbeat_interval": 10**12}),
    ],
)
def test_nonsense_does_not_move_a_session_on(nonsense: bytes) -> None:
    """It is refused, and resuming brings what it came instead of."""
    connection = opened(SESSION)
    with pytest.raises(MalformedPayload):
        connection.heard(nonsense, NOW)
    assert connection.session == SESSION


@pytest.mark.parametrize(
    ("code", "resumes", "says"),
    [
        (None, True, None),
        (1000, True, None),
        (1006, True, None),
        (4000, True, None),
        (4003, False, None),
        (4007, False, None),
        (4009, False, None),
        (4004, False, "sources.discord.token"),
        (4013, False, "intents"),
        (4014, False, "MESSAGE CONTENT intent is off"),
    ],
)
def test_a_code_says_what_is_left_of_a_session(code: int | None, resumes: bool, says: str | None) -> None:
    """Some end it, and some say what only the operator can put right."""
    assert survives(code) is resumes
    told = fatal(code)
    assert (told is None) is (says is None)
    assert says is None or says in (told or "")
