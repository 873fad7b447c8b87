"""What the socket is asked for, and the venue's echo of it."""

import msgspec
import pytest

from kamiyo.core.errors import MalformedPayload
from kamiyo.hyperliquid.subscriptions import (
    PING,
    Subscription,
    as_message,
    decode_request,
    decode_subscription,
    matches_ack,
)

USER = "0x" + "aB" * 20

# Each as we mean it, as it is sent, and as the venue fills it in.
FORMS = [
    (Subscription("trades", "BTC"), {"type": "trades", "coin": "BTC"}, {}),
    (
        Subscription("l2Book", coin="BTC"),
        {"type": "l2Book", "coin": "BTC"},
        {"nSigFigs": None, "mantissa": None, "fast": False},
    ),
    (
        Subscription("l2Book", coin="xyz:TSLA", n_sig_figs=5, mantissa=2, fast=True),
        {"type": "l2Book", "coin": "xyz:TSLA", "nSigFigs": 5, "mantissa": 2, "fast": True},
        {},
    ),
    (Subscription("allMids"), {"type": "allMids"}, {"dex": ""}),
    (Subscription("allMids", dex="xyz"), {"type": "allMids", "dex": "xyz"}, {}),
    (
        Subscription("candle", coin="BTC", interval="1m"),
        {"type": "candle", "coin": "BTC", "interval": "1m"},
        {},
    ),
    (
        Subscription("userFills", user=USER),
        {"type": "userFills", "user": USER.lower()},
        {"aggregateByTime": False},
    ),
    (
        Subscription("clearinghouseState", user=USER, dex=""),
        {"type": "clearinghouseState", "user": USER.lower()},
        {"dex": ""},
    ),
]


@pytest.mark.parametrize(("subscription", "sent", "_filled_in"), FORMS)
def test_only_what_was_chosen_is_sent(subscription: Subscription, sent: dict, _filled_in: dict) -> None:
    """In the venue's words, with users in lower case, to begin and to end."""
    for method in ("subscribe", "unsubscribe"):
        message = msgspec.json.decode(as_message(subscription, method))
        assert message == {"method": method, "subscription": sent}
    assert msgspec.json.decode(PING) == {"method": "ping"}


@pytest.mark.parametrize(("subscription", "sent", "filled_in"), FORMS)
def test_an_echo_with_defaults_filled_in_equals_what_was_sent(
    subscription: Subscription, sent: dict, filled_in: dict
) -> None:
    """Whatever the venue adds of what it assumes, and however it writes the user."""
    echo = msgspec.json.encode({"method": "subscribe", "subscription": sent | filled_in})
    request = decode_request(echo)
    assert request.method == "subscribe"
    assert request.subscription == subscription
    assert hash(request.subscription) == hash(subscription)
    assert matches_ack(subscription, request.subscription)


def test_what_the_venue_adds_beyond_its_defaults_still_matches() -> None:
    """Only the fields that were sent must agree, so that a new default does not make a feed unknown."""
    sent = Subscription("l2Book", "BTC")
    assert matches_ack(sent, Subscription("l2Book", "BTC", n_sig_figs=5))
    assert not matches_ack(Subscription("l2Book", "BTC", n_sig_figs=5), sent)
    assert not matches_ack(sent, Subscription("l2Book", "ETH"))
    assert not matches_ack(sent, Subscription("bbo", "BTC"))


def test_fields_we_do_not_know_are_ignored() -> None:
    """The venue may echo more than there is today."""
    assert decode_subscription(b'{"type":"trades","coin":"BTC","new":[1]}') == Subscription("trades", "BTC")


@pytest.mark.parametrize(
    "payload",
    [b"", b"{}", b"[]", b'{"method":"subscribe"}', b'{"method":"dance","subscription":{"type":"trades"}}'],
)
def test_what_is_no_request_is_refused(payload: bytes) -> None:
    """A missing part or an unknown method is not guessed."""
    with pytest.raises(MalformedPayload):
        decode_request(payload)
