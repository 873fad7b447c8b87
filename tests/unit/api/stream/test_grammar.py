"""What callers may say to the stream, and what it answers."""

import contextlib
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamiyo.api.stream import grammar
from kamiyo.api.stream.grammar import (
    Claims,
    Coverage,
    Exploits,
    Liquidations,
    Ping,
    Refused,
    Sources,
    Subscribe,
    Unsubscribe,
)
from kamiyo.core.errors import CursorExpired, StorageUnavailable
from kamiyo.core.events import LiquidationMethod
from kamiyo.core.exploits import ExploitStatus
from kamiyo.core.margin import Direction

USER = "0x" + "Ab" * 20


def _subscribe(**subscription: object) -> str:
    return msgspec.json.encode({"method": "subscribe", "subscription": subscription}).decode()


def test_a_subscription_is_read_with_every_filter() -> None:
    """Each filter of each type ends as the value it means."""
    text = _subscribe(
        type="liquidations",
        asset="xyz:TSLA",
        protocol="xyz",
        side="long",
        method="adl",
        user=USER,
        min_usd="10.50",
    )
    expected = Liquidations(
        asset="xyz:TSLA",
        protocol="xyz",
        side=Direction.LONG,
        method=LiquidationMethod.ADL,
        user=USER.lower(),
        min_usd="10.5",
    )
    assert grammar.parse_request(text) == Subscribe(subscription=expected)
    exploits = _subscribe(type="exploits", status="confirmed", category="oracle manipulation", min_usd="0")
    assert grammar.parse_request(exploits) == Subscribe(
        subscription=Exploits(status=ExploitStatus.CONFIRMED, category="oracle manipulation", min_usd="0")
    )
    sources = _subscribe(type="sources", source="hyperliquid_node")
    assert grammar.parse_request(sources) == Subscribe(subscription=Sources(source="hyperliquid_node"))
    coverage = _subscribe(type="coverage", source="hyperliquid_api")
    assert grammar.parse_request(coverage) == Subscribe(subscription=Coverage(source="hyperliquid_api"))


def test_ping_unsubscribe_and_resume_are_read() -> None:
    """The other requests have their own forms."""
    assert grammar.parse_request('{"method":"ping"}') == Ping()
    claims = _subscribe(type="claims", asset="1000PEPE", exchange="Binance", side="short", min_usd="5.0")
    assert grammar.parse_request(claims) == Subscribe(
        subscription=Claims(asset="1000PEPE", exchange="binance", side=Direction.SHORT, min_usd="5")
    )
    request = grammar.parse_request('{"method":"unsubscribe","subscription":{"type":"exploits"}}')
    assert request == Unsubscribe(subscription=Exploits())
    resumed = grammar.parse_request(
        '{"method":"subscribe","subscription":{"type":"exploits"},"resume":{"cursor":"1:2"}}'
    )
    assert isinstance(resumed, Subscribe)
    assert resumed.resume is not None
    assert resumed.resume.cursor == "1:2"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"method":"shout"}',
        '{"method":"ping","more":1}',
        '{"method":"subscribe"}',
        "[" * 4_000,
        _subscribe(type="weather"),
        _subscribe(type="liquidations", coin="BTC"),
        _subscribe(type="liquidations", asset=""),
        _subscribe(type="liquidations", asset=None),
        _subscribe(type="liquidations", side="buy"),
        _subscribe(type="liquidations", user="0x12"),
        _subscribe(type="liquidations", min_usd=10),
        _subscribe(type="liquidations", min_usd="-1"),
        _subscribe(type="liquidations", min_usd="NaN"),
        _subscribe(type="liquidations", min_usd="1e9"),
        _subscribe(type="liquidations", protocol='x"},{'),
        _subscribe(type="exploits", asset="BTC"),
        _subscribe(type="claims", user=USER),
        _subscribe(type="claims", exchange="b\n"),
        _subscribe(type="exploits", status="sure"),
    ],
)
def test_what_is_outside_the_grammar_is_refused(text: str) -> None:
    """A frame with anything unknown or malformed in it is refused whole."""
    with pytest.raises(Refused) as refused:
        grammar.parse_request(text)
    assert refused.value.code == "invalid_frame"


@given(st.text(max_size=200))
def test_no_text_breaks_the_parser(text: str) -> None:
    """Whatever a stranger sends is understood or refused."""
    with contextlib.suppress(Refused):
        grammar.parse_request(text)


def test_one_meaning_has_one_text() -> None:
    """Defaults written out, zeros and letter case make no other subscription."""
    one = _subscribe(type="liquidations", asset="*", user=USER, min_usd="10.0")
    other = _subscribe(type="liquidations", user=USER.lower(), protocol="*", min_usd="10", side=None)
    texts = set()
    for text in (one, other):
        request = grammar.parse_request(text)
        assert isinstance(request, Subscribe)
        texts.add(grammar.subscription_text(request.subscription))
    assert texts == {f'{{"type":"liquidations","user":"{USER.lower()}","min_usd":"10"}}'}


@pytest.mark.parametrize("as_of", [None, datetime(2025, 10, 10, 21, 16, 4, 831_000, tzinfo=UTC)])
def test_a_data_frame_is_json_with_its_messages_unchanged(as_of: datetime | None) -> None:
    """The frame is put together from text and still parses; an unknown moment is null."""
    text = grammar.data_text(
        channel="liquidations",
        subscription='{"type":"liquidations"}',
        seq=7,
        cursor="1:9",
        replayed=True,
        as_of=as_of,
        coverage=None if as_of is None else "sample <1 % (7 days, 2025-10-10)",
        body='{"price":"100.50"},{"price":"1"}',
    )
    assert msgspec.json.decode(text) == {
        "channel": "liquidations",
        "seq": 7,
        "cursor": "1:9",
        "is_snapshot": False,
        "replayed": True,
        "as_of": as_of and "2025-10-10T21:16:04.831Z",
        "coverage": as_of and "sample <1 % (7 days, 2025-10-10)",
        "subscription": {"type": "liquidations"},
        "data": [{"price": "100.50"}, {"price": "1"}],
    }


def test_only_frames_of_liquidations_say_how_much_of_them_is_known() -> None:
    """Of exploits and sources the label of liquidations says nothing."""
    text = grammar.data_text(
        channel="exploits",
        subscription='{"type":"exploits"}',
        seq=1,
        cursor="1:9",
        replayed=False,
        as_of=None,
        coverage="complete",
        body="{}",
    )
    assert "coverage" not in msgspec.json.decode(text)


def test_answers_have_the_documented_shape() -> None:
    """Responses, heartbeats and errors say what they are about."""
    response: Any = msgspec.json.decode(grammar.response_text("subscribe", '{"type":"sources"}', "1:2"))
    assert response == {
        "channel": "subscriptionResponse",
        "data": {"method": "subscribe", "subscription": {"type": "sources"}, "cursor": "1:2"},
    }
    beat: Any = msgspec.json.decode(grammar.heartbeat_text("1:2", None))
    assert beat == {"channel": "heartbeat", "cursor": "1:2", "as_of": None}
    for error, code in (
        (Refused("no", code="not_subscribed"), "not_subscribed"),
        (CursorExpired("no"), "cursor_expired"),
        (StorageUnavailable("no"), "storage_unavailable"),
    ):
        answer: Any = msgspec.json.decode(grammar.error_text(error))
        assert answer == {"channel": "error", "data": {"code": code, "detail": "no"}}
