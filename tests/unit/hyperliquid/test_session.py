"""One connection to the venue's socket: every trap of its protocol, without a socket."""

from datetime import UTC, datetime, timedelta
from random import Random

import msgspec
import pytest

from kamiyo.core.errors import MalformedPayload
from kamiyo.hyperliquid.limits import MESSAGES_PER_MINUTE, MINUTE, NEW_CONNECTIONS_PER_MINUTE, SlidingWindow
from kamiyo.hyperliquid.session import (
    LONGEST_BACK_OFF,
    LOOK_AGAIN,
    PING_EVERY,
    RIGHT_AFTER,
    SILENCE,
    STEADY,
    Reconnecting,
    Session,
)
from kamiyo.hyperliquid.subscriptions import PING, Subscription, as_message

NOW = datetime(2026, 9, 24, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
KEPT_FOR_PINGS = 40

BTC, ETH, SOL = (Subscription("trades", coin) for coin in ("BTC", "ETH", "SOL"))
MIDS, MIDS_OF_XYZ = Subscription("allMids"), Subscription("allMids", dex="xyz")
BOOK, FAST_BOOK = Subscription("l2Book", "BTC"), Subscription("l2Book", "BTC", fast=True)


def user(number: int) -> Subscription:
    return Subscription("userFills", user=f"0x{number:040x}")


def frame(channel: str, data: object) -> bytes:
    return msgspec.json.encode({"channel": channel, "data": data})


def ack(subscription: Subscription, method: str = "subscribe", **filled_in: object) -> bytes:
    echo = msgspec.to_builtins(subscription) | filled_in
    return frame("subscriptionResponse", {"method": method, "subscription": echo})


def error(text: str) -> bytes:
    return frame("error", text)


def opened(*wanted: Subscription, **options) -> Session:
    """A connection whose subscriptions were sent at once."""
    session = Session(now=NOW, **options)
    session.want(wanted, NOW)
    return session


# --- asking -----------------------------------------------------------------------------------------------


def test_what_is_wanted_is_asked_for_once() -> None:
    """A feed named twice, or wanted again while it is followed, is one subscription."""
    session = Session(now=NOW)
    assert session.want([BTC, MIDS, BTC], NOW) == [as_message(BTC), as_message(MIDS)]
    session.received(ack(BTC), NOW)
    assert session.want([MIDS, BTC], NOW) == []
    assert session.want([MIDS, BTC, ETH], NOW) == [as_message(ETH)]


def test_what_is_wanted_no_more_is_ended_first() -> None:
    """Answered or not, so that there is room for what is new."""
    session = opened(BTC, ETH, SOL)
    session.received(ack(BTC), NOW)
    messages = session.want([SOL, MIDS], NOW)
    assert messages == [as_message(BTC, "unsubscribe"), as_message(ETH, "unsubscribe"), as_message(MIDS)]
    assert session.acknowledged == {}
    assert session.ended(NOW, "1006").suspects == (SOL,)


def test_the_answer_to_an_unsubscription_is_no_subscription() -> None:
    """Nor is a late answer to what was ended in the meantime."""
    session = opened(BTC)
    session.want([], NOW)
    for late in (ack(BTC), ack(BTC, "unsubscribe")):
        assert session.received(late, NOW) is None
    assert session.acknowledged == {}


def test_messages_are_paced_over_any_minute() -> None:
    """No more than the limit leaves, the rest follows, and there is always room to ping."""
    messages = SlidingWindow(MESSAGES_PER_MINUTE, MINUTE)
    messages.take(NOW, MESSAGES_PER_MINUTE - KEPT_FOR_PINGS - 2)  # by other connections of the address
    session = Session(now=NOW, messages=messages)
    assert session.want([BTC, ETH, SOL], NOW + SECOND) == [as_message(BTC), as_message(ETH)]
    assert session.next_tick(NOW + SECOND) == NOW + PING_EVERY
    assert session.tick(NOW + PING_EVERY) == [PING]
    assert session.tick(NOW + 2 * PING_EVERY) == [PING]
    assert session.next_tick(NOW + 55 * SECOND) == NOW + MINUTE
    session.received(b'{"channel":"pong"}', NOW + 55 * SECOND)
    assert session.tick(NOW + MINUTE) == [PING, as_message(SOL)]


def test_a_ping_is_a_message_too() -> None:
    """It counts, as the venue counts it."""
    messages = SlidingWindow(100, MINUTE)
    assert Session(now=NOW, messages=messages).tick(NOW + PING_EVERY) == [PING]
    assert messages.room(NOW + PING_EVERY) == 99


def test_a_connection_without_messages_of_its_own_counts_its_own() -> None:
    """A thousand subscriptions go out at once, as two thousand messages a minute allow."""
    wanted = [Subscription("trades", f"A{number}") for number in range(1_000)]
    assert len(Session(now=NOW).want(wanted, NOW)) == 1_000


def test_what_is_beyond_the_limits_is_not_even_asked_for() -> None:
    """A thousand subscriptions of ten users: what is more is refused here, not by the venue."""
    feeds = [Subscription("trades", f"A{number}") for number in range(1_001)]
    users = [user(number) for number in range(11)]
    session = Session(now=NOW)
    assert len(session.want([*users, *feeds], NOW)) == 1_000
    assert session.refused[users[10]] == "Cannot track more than 10 total users."
    assert session.refused[feeds[990]] == "Cannot subscribe to more than 1000 channels."
    assert len(session.refused) == 12


def test_a_second_feed_of_a_tracked_user_is_no_further_user() -> None:
    """Users are counted, not their feeds."""
    users = [user(number) for number in range(10)]
    session = Session(now=NOW)
    fundings = Subscription("userFundings", user=users[0].user)
    assert len(session.want([*users, fundings], NOW)) == 11
    assert session.refused == {}


def test_what_was_beyond_a_limit_is_tried_anew_when_there_is_room() -> None:
    """Whether we refused it or the venue did; its place is given back before another takes it."""
    users = [user(number) for number in range(11)]
    session = opened(*users[:10])
    for each in users[:9]:
        session.received(ack(each), NOW)
    session.received(error("Cannot track more than 15 total users."), NOW)
    assert list(session.refused) == [users[9]]
    assert session.want(users[1:], NOW) == [
        as_message(users[0], "unsubscribe"),
        as_message(users[9]),
        as_message(users[10]),
    ]
    assert session.refused == {}


def test_a_followed_feed_that_is_pushed_beyond_the_limit_is_ended() -> None:
    """The first ten users of the list are followed, whoever was before."""
    users = [user(number) for number in range(11)]
    session = opened(*users[1:])
    assert session.want(users, NOW) == [as_message(users[10], "unsubscribe"), as_message(users[0])]
    assert list(session.refused) == [users[10]]


# --- answers ----------------------------------------------------------------------------------------------


def test_the_plain_greeting_is_swallowed() -> None:
    """Some servers begin with a text that is no JSON."""
    session = Session(now=NOW)
    assert session.received(b"Websocket connection established.", NOW + SECOND) is None
    assert session.heard_at == NOW + SECOND


def test_an_answer_with_defaults_filled_in_is_of_what_was_sent() -> None:
    """Null, false and empty fields, and the user in lower case."""
    mixed = Subscription("userFills", user="0x" + "aB" * 20)
    session = opened(BOOK, mixed, MIDS)
    session.received(ack(BOOK, nSigFigs=None, mantissa=None, fast=False), NOW + SECOND)
    session.received(ack(mixed, aggregateByTime=False), NOW + SECOND)
    session.received(ack(MIDS, dex=""), NOW + 2 * SECOND)
    assert session.acknowledged == {BOOK: NOW + SECOND, mixed: NOW + SECOND, MIDS: NOW + 2 * SECOND}


def test_feeds_that_differ_in_one_field_are_told_apart() -> None:
    """Each answer is of the feed that names most of it, in whatever order they come."""
    session = opened(MIDS, MIDS_OF_XYZ, BOOK, FAST_BOOK)
    session.received(ack(FAST_BOOK, nSigFigs=None), NOW)
    session.received(ack(MIDS_OF_XYZ), NOW)
    assert list(session.acknowledged) == [FAST_BOOK, MIDS_OF_XYZ]
    session.received(ack(BOOK, fast=False), NOW)
    session.received(ack(MIDS, dex=""), NOW)
    assert list(session.acknowledged) == [FAST_BOOK, MIDS_OF_XYZ, BOOK, MIDS]


def test_a_default_we_do_not_know_does_not_hide_the_answer() -> None:
    """What was sent is what must agree; of several the most exact is meant."""
    book_of_five = Subscription("l2Book", "BTC", n_sig_figs=5)
    session = opened(BOOK, book_of_five)
    session.received(ack(BOOK, nSigFigs=5, mantissa=2), NOW)
    assert list(session.acknowledged) == [book_of_five]


def test_data_is_handed_on() -> None:
    """Channels that are not the connection's own, known or not, with the whole frame."""
    session = Session(now=NOW)
    for channel in ("trades", "bbo", "post", "aChannelOfTomorrow"):
        handed_on = session.received(frame(channel, [1]), NOW)
        assert handed_on is not None
        assert (handed_on.channel, bytes(handed_on.data)) == (channel, b"[1]")


@pytest.mark.parametrize(
    "damaged", [b"", b"{", b"\xff", b"[]", b"{}", b'{"channel":1}', error("x")[:-2], b'{"channel":"error"}']
)
def test_a_frame_that_cannot_be_read_was_heard_nevertheless(damaged: bytes) -> None:
    """It is refused by itself; the connection lives."""
    session = Session(now=NOW)
    with pytest.raises(MalformedPayload):
        session.received(damaged, NOW + SECOND)
    assert session.heard_at == NOW + SECOND


# --- complaints -------------------------------------------------------------------------------------------


def test_already_subscribed_means_it_is_followed() -> None:
    """The venue says so of the feed it quotes, and sends no other answer."""
    session = opened(BTC, ETH)
    text = 'Already subscribed: {"type":"trades","coin":"ETH"}'
    assert session.received(error(text), NOW) is None
    assert list(session.acknowledged) == [ETH]
    assert session.refused == {}
    assert list(session.complaints) == [text]


@pytest.mark.parametrize(
    "text",
    [
        'Invalid subscription {"type":"trades","coin":"ETH"}',
        'Invalid subscription: {"type":"trades","coin":"ETH","new":null} (nothing of that kind)',
        (
            "Error parsing JSON into valid websocket request: "
            '{"method": "subscribe", "subscription": {"type": "trades", "coin": "ETH"}}'
        ),
    ],
)
def test_a_complaint_that_quotes_a_feed_refuses_that_feed(text: str) -> None:
    """Though the frame names no request; and it is not asked for again."""
    session = opened(BTC, ETH, SOL)
    session.received(error(text), NOW)
    assert session.refused == {ETH: text}
    assert session.want([BTC, ETH, SOL], NOW) == []
    assert session.want([BTC, SOL], NOW) == []
    assert session.refused == {}
    assert session.ended(NOW, "1006").suspects == (SOL, BTC)


def test_too_many_users_refuses_the_oldest_unanswered_user() -> None:
    """The text names nobody: it can only be of a feed with a user, and answers come in order."""
    session = opened(BTC, user(1), user(2))
    session.received(error("Cannot track more than 15 total users."), NOW)
    assert session.refused == {user(1): "Cannot track more than 15 total users."}


def test_too_many_channels_refuses_the_oldest_unanswered() -> None:
    """Whatever it is of."""
    session = opened(BTC, ETH)
    session.received(ack(BTC), NOW)
    session.received(error("Cannot subscribe to more than 1000 channels."), NOW)
    assert list(session.refused) == [ETH]


@pytest.mark.parametrize(
    "text",
    [
        'Already unsubscribed: {"type":"trades","coin":"BTC"}',
        'Already subscribed: {"type":"trades","coin":"SOL"}',
        'Invalid subscription {"type":"trades","coin":"SOL"}',
        "Invalid subscription",
        "Error parsing JSON into valid websocket request: {",
        "too many pending post requests id=7",
        "",
    ],
)
def test_a_complaint_that_names_no_feed_we_wait_for_is_kept_as_told(text: str) -> None:
    """Nothing is guessed from it."""
    session = opened(BTC, ETH)
    assert session.received(error(text), NOW) is None
    assert list(session.complaints) == [text]
    assert (session.acknowledged, session.refused) == ({}, {})


@pytest.mark.parametrize(
    "text", ["Cannot track more than 15 total users.", "Cannot subscribe to more than 9."]
)
def test_a_limit_told_while_nothing_is_unanswered_refuses_nothing(text: str) -> None:
    """What was acknowledged stays followed."""
    session = opened(BTC)
    session.received(ack(BTC), NOW)
    session.received(error(text), NOW)
    assert (list(session.acknowledged), session.refused) == ([BTC], {})


def test_complaints_take_no_memory_without_end() -> None:
    """The newest hundred are kept."""
    session = Session(now=NOW)
    for number in range(1_000):
        session.received(error(str(number)), NOW)
    assert (len(session.complaints), session.complaints[0]) == (100, "900")


# --- silence ----------------------------------------------------------------------------------------------


def test_a_ping_leaves_every_twenty_seconds() -> None:
    """The venue closes a connection to which it has sent nothing for sixty: the pong is what it sends."""
    session, now, pings = Session(now=NOW), NOW, []
    for _ in range(9):
        now = session.next_tick(now)
        pings += [(message, now - NOW) for message in session.tick(now)]
        session.received(b'{"channel":"pong"}', now)
        assert session.dead(now) is None
    assert pings == [(PING, number * PING_EVERY) for number in range(1, 10)]


def test_sixty_seconds_of_silence_are_death() -> None:
    """Counted from the last frame of any kind, and looked for just then."""
    session = Session(now=NOW)
    session.received(frame("bbo", {}), NOW + 30 * SECOND)
    session.tick(NOW + 80 * SECOND)
    silent = NOW + 30 * SECOND + SILENCE
    assert session.next_tick(NOW + 81 * SECOND) == silent
    assert session.dead(silent - timedelta(microseconds=1)) is None
    assert session.dead(silent) == "silent for 60 s"
    assert session.next_tick(silent + SECOND) == silent + SECOND


def test_a_ping_without_room_waits_for_room() -> None:
    """When somebody else has used up every message, we neither send nor spin."""
    messages = SlidingWindow(1, MINUTE)
    messages.take(NOW + SECOND)
    session = Session(now=NOW, messages=messages)
    session.received(b'{"channel":"pong"}', NOW + 19 * SECOND)
    assert session.tick(NOW + 20 * SECOND) == []
    assert session.next_tick(NOW + 20 * SECOND) == NOW + 61 * SECOND
    assert session.tick(NOW + 61 * SECOND) == [PING]


# --- the socket that dies on a bad name -------------------------------------------------------------------


def test_a_socket_that_dies_after_one_subscription_names_its_culprit() -> None:
    """An unknown coin closes the socket without a word: the only one unanswered did it."""
    session = opened(BTC)
    session.received(ack(BTC), NOW)
    session.want([BTC, ETH], NOW + 30 * SECOND)
    ended = session.ended(NOW + 31 * SECOND, "1006")
    assert (ended.reason, ended.last_heard_at) == ("1006", NOW)
    assert (ended.suspects, ended.culprit) == ((ETH,), ETH)


def test_several_unanswered_are_suspects_and_none_is_the_culprit_yet() -> None:
    """Nobody is left out on suspicion; answers come in order, so the likeliest is last."""
    session = opened(BTC, ETH, SOL)
    session.received(ack(BTC), NOW)
    ended = session.ended(NOW + SECOND, "1006")
    assert (ended.suspects, ended.culprit) == ((SOL, ETH), None)


def test_suspects_are_asked_for_one_by_one_after_all_others() -> None:
    """So that the next death has one culprit; the innocent are followed a moment later."""
    session = Session(now=NOW, suspects=(SOL, ETH))
    assert session.want([SOL, ETH, BTC], NOW) == [as_message(BTC)]
    assert session.next_tick(NOW) == NOW + LOOK_AGAIN
    assert session.tick(NOW + LOOK_AGAIN) == []
    session.received(ack(BTC), NOW + LOOK_AGAIN)
    assert session.tick(NOW + LOOK_AGAIN) == [as_message(SOL)]
    session.received(ack(SOL), NOW + SECOND)
    assert session.tick(NOW + SECOND) == [as_message(ETH)]
    assert session.ended(NOW + 2 * SECOND, "1006").culprit == ETH


def test_a_suspect_does_not_wait_for_an_answer_that_never_comes() -> None:
    """What was not answered right away does not hold up the rest."""
    session = Session(now=NOW, suspects=(ETH,))
    session.want([BTC, ETH], NOW)
    assert session.tick(NOW + RIGHT_AFTER) == []
    assert session.tick(NOW + RIGHT_AFTER + SECOND) == [as_message(ETH)]
    assert session.ended(NOW + RIGHT_AFTER + 2 * SECOND, "1006").culprit == ETH


def test_a_suspect_that_is_ended_needs_no_turn() -> None:
    """Only what is asked for can close a socket."""
    session = Session(now=NOW, suspects=(BTC,))
    assert session.want([BTC, SOL], NOW) == [as_message(SOL)]
    assert session.want([], NOW) == [as_message(SOL, "unsubscribe")]
    assert session.next_tick(NOW) == NOW + PING_EVERY


def test_what_was_acknowledged_once_is_not_suspect() -> None:
    """Also by an earlier connection: the venue knew the name."""
    proven: set[Subscription] = set()
    first = opened(BTC, proven=proven)
    first.received(ack(BTC), NOW)
    second = opened(BTC, ETH, proven=proven)
    assert second.ended(NOW + SECOND, "1006").suspects == (ETH,)
    second.received(error('Already subscribed: {"type":"trades","coin":"ETH"}'), NOW)
    assert opened(BTC, ETH, proven=proven).ended(NOW + SECOND, "1006").suspects == ()


def test_what_the_venue_may_have_forgotten_is_suspect_once_it_is_the_only_explanation() -> None:
    """A coin may be gone since: dying twice right after asking for known ones alone is no accident."""
    proven = {BTC, ETH}
    assert opened(BTC, ETH, proven=proven).ended(NOW + SECOND, "1006").suspects == ()
    second = opened(BTC, ETH, proven=proven)
    assert second.ended(NOW + SECOND, "1006").suspects == (ETH, BTC)
    third = opened(BTC, ETH, proven=proven, suspects=(ETH, BTC))
    third.received(ack(BTC), NOW)
    assert third.tick(NOW) == [as_message(ETH)]
    assert third.ended(NOW + SECOND, "1006").culprit == ETH
    assert proven == {BTC}


def test_feeds_without_a_coin_are_never_suspect() -> None:
    """Only a coin's name closes a socket; a user's or a dex's is refused by an error."""
    assert opened(MIDS_OF_XYZ, user(1)).ended(NOW + SECOND, "1006").suspects == ()


def test_a_subscription_long_unanswered_did_not_close_the_socket() -> None:
    """The venue closes it right after, not later."""
    session = opened(BTC)
    assert session.ended(NOW + RIGHT_AFTER, "1006").suspects == (BTC,)
    assert session.ended(NOW + RIGHT_AFTER + SECOND, "1006").suspects == ()


def test_a_clean_close_has_no_culprit() -> None:
    """Servers rotate and say ``Expired``, at any moment."""
    assert opened(BTC).ended(NOW + SECOND, "closed: 1000 Expired").suspects == ()


def test_silence_has_no_culprit() -> None:
    """A dead line is nobody's bad name, even if something was asked for just before."""
    session = Session(now=NOW)
    session.want([BTC], NOW + 55 * SECOND)
    assert session.ended(NOW + SILENCE, "silent for 60 s").suspects == ()


# --- reconnecting -----------------------------------------------------------------------------------------


class NoChance(Random):
    """Chance that always says the same."""

    def __init__(self, said: float) -> None:
        super().__init__()
        self.said = said

    def random(self) -> float:
        return self.said


def test_the_first_connections_need_not_wait() -> None:
    """Nothing has failed yet."""
    reconnecting = Reconnecting(Random(1))
    assert [reconnecting.next_attempt(NOW) for _ in range(10)] == [NOW] * 10


def test_the_thirty_first_connection_waits_a_minute() -> None:
    """Though none failed; each that is asked for is counted when it is due."""
    reconnecting = Reconnecting(Random(1))
    assert {reconnecting.next_attempt(NOW) for _ in range(30)} == {NOW}
    assert reconnecting.next_attempt(NOW + SECOND) == NOW + MINUTE
    assert reconnecting.next_attempt(NOW + 2 * SECOND) == NOW + MINUTE


@pytest.mark.parametrize("said", [0.0, 0.5, 1.0])
def test_attempts_back_off_to_thirty_seconds(said: float) -> None:
    """One, two, four and so on seconds, and up to a quarter more so that not all come at once."""
    reconnecting, now, waits = Reconnecting(NoChance(said)), NOW, []
    for _ in range(8):
        reconnecting.failed(now)
        at = reconnecting.next_attempt(now)
        waits.append((at - now).total_seconds())
        now = at
    expected = [1, 2, 4, 8, 16, 30, 30, 30]
    assert waits == [each * (1 + said / 4) for each in expected]
    assert timedelta(seconds=max(expected)) == LONGEST_BACK_OFF


def test_connections_that_end_together_are_one_failure() -> None:
    """Ten sockets of one server do not count as ten failures in a row."""
    reconnecting = Reconnecting(NoChance(0))
    for number in range(10):
        reconnecting.failed(NOW + number * timedelta(milliseconds=50))
    assert reconnecting.next_attempt(NOW) == NOW + SECOND


def test_a_connection_that_lasted_starts_the_waits_anew() -> None:
    """One that ended at once does not, or a server that hangs up would be called every second."""
    reconnecting = Reconnecting(NoChance(0))
    reconnecting.failed(NOW)
    reconnecting.opened(NOW + SECOND)
    reconnecting.failed(NOW + SECOND + STEADY - timedelta(microseconds=1))
    assert reconnecting.next_attempt(NOW) == NOW + 3 * SECOND + STEADY - timedelta(microseconds=1)
    later = NOW + 10 * MINUTE
    reconnecting.opened(later)
    reconnecting.failed(later + STEADY)
    assert reconnecting.next_attempt(later + STEADY) == later + STEADY + SECOND
    reconnecting.failed(later + 2 * STEADY)
    assert reconnecting.next_attempt(later + 2 * STEADY) == later + 2 * STEADY + 2 * SECOND


@pytest.mark.parametrize("seed", range(5))
def test_no_minute_sees_more_than_thirty_new_connections(seed: int) -> None:
    """Over all sockets of the address, however they open and fail, and whoever asks."""
    random = Random(seed)
    reconnecting, now, attempts = Reconnecting(random), NOW, []
    for _ in range(400):
        at = reconnecting.next_attempt(now)
        assert at >= now
        attempts.append(at)
        now += random.choice([0, 0, 1]) * (at - now)
        random.choice([reconnecting.opened, reconnecting.failed])(now)
    assert attempts == sorted(attempts)
    for index, at in enumerate(attempts):
        within = [each for each in attempts[index:] if each - at < MINUTE]
        assert len(within) <= NEW_CONNECTIONS_PER_MINUTE
