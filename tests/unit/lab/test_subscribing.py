"""Messages of the socket as the venue reads them, and the topics they become."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamiyo.hyperliquid.subscriptions import Subscription, as_message, decode_request, matches_ack
from kamiyo.lab.subscribing import (
    FIELDS,
    Refused,
    Subscribe,
    acknowledgement,
    as_subscription,
    field_of,
    parse_message,
    user_of,
)

_EVERY_FIELD = {"coin": "BTC", "user": "0x" + "A" * 40, "interval": "1h"}


@pytest.mark.parametrize("kind", FIELDS)
def test_every_type_can_be_asked_for_with_what_it_needs(kind: str) -> None:
    """With its required fields alone a subscription is understood, and its echo asks for the same again."""
    wanted = {field.name: _EVERY_FIELD[field.name] for field in FIELDS[kind] if field.required}
    understood = parse_message(
        msgspec.json.encode({"method": "subscribe", "subscription": {"type": kind, **wanted}})
    )
    assert isinstance(understood, Subscribe)
    again = b'{"method":"subscribe","subscription":%s}' % as_subscription(understood.topic)
    assert parse_message(again) == understood


@pytest.mark.parametrize(
    "kind", [kind for kind, fields in FIELDS.items() if any(each.required for each in fields)]
)
def test_no_type_can_be_asked_for_without_what_it_needs(kind: str) -> None:
    """Without its required fields a subscription cannot be read."""
    message = msgspec.json.encode({"method": "subscribe", "subscription": {"type": kind}})
    assert isinstance(parse_message(message), Refused)


def test_our_client_recognises_our_acknowledgements() -> None:
    """What the product's own client sends is what it finds in the venue's echo."""
    sent = Subscription("userFills", user="0x" + "A" * 40)
    understood = parse_message(as_message(sent).encode())
    assert isinstance(understood, Subscribe)
    echoed = msgspec.json.decode(acknowledgement("subscribe", understood.topic))["data"]
    assert matches_ack(sent, decode_request(msgspec.json.encode(echoed)).subscription)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_whatever_is_sent_is_answered(text: bytes) -> None:
    """No text makes the venue fail: it is understood or refused."""
    assert parse_message(text) is not None


def test_a_deep_nesting_is_refused() -> None:
    """Brackets by the thousand are an error frame, not the end of the venue."""
    assert isinstance(parse_message(b"[" * 100_000), Refused)


def test_a_topic_tells_its_user_and_its_fields() -> None:
    """Only topics of accounts have a user, and a field that a type lacks is None."""
    assert user_of(("trades", "BTC")) is None
    assert user_of(("userFills", "0xa", False)) == "0xa"
    assert field_of(("candle", "BTC", "1h"), "coin") == "BTC"
    assert field_of(("allMids", "xyz"), "dex") == "xyz"
    assert field_of(("allMids", "xyz"), "coin") is None
