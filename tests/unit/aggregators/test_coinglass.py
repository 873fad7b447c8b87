"""What may be set of CoinGlass, and what its payloads say."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from kamiyo.aggregators._coinglass.marks import Marks
from kamiyo.aggregators._coinglass.payloads import SOCKET, Asked, exchange
from kamiyo.aggregators._coinglass.plans import TERMS, Endpoint, Plan
from kamiyo.aggregators.coinglass import AGGREGATOR, CoinGlassAggregator, CoinGlassSettings
from kamiyo.core.claims import ClaimedTotal
from kamiyo.core.errors import InvalidSettings, MalformedPayload
from kamiyo.core.ids import Cursor
from kamiyo.core.margin import Direction
from kamiyo.core.ports import Counted, Normalized, Raw
from kamiyo.core.sources import CoverageLabel, SourceType, Subject
from kamiyo.kit.secret import Secret
from tests.builders import MILLIS, NOW
from tests.fakes import tools

ORDER = {
    "exchange_name": "BINANCE",
    "symbol": "ETHUSDT",
    "base_asset": "ETH",
    "price": 3000.5,
    "usd_value": 20_000.25,
    "side": 2,
    "time": MILLIS,
}
POSITION = {"user": "0x" + "1" * 40, "symbol": "ETH", "update_time": MILLIS}


def a_source(**settings: Any) -> CoinGlassAggregator:
    return AGGREGATOR.build(CoinGlassSettings(**settings), tools())  # type: ignore[return-value]


def answered(endpoint: Endpoint, row: Any, asked: Mapping[str, str] | None = None) -> Normalized:
    """Give what a source that keeps orders of all amounts reads of an answer with one row."""
    body = msgspec.json.encode({"code": "0", "data": [row]})
    payload = exchange(Asked(endpoint, asked or {}), body)
    raw = Raw(source=AGGREGATOR.name, stream="x", payload=payload, received_at=NOW)
    return a_source(min_usd=0).normalize(raw)


def test_it_is_a_stream_of_claims_whose_coverage_nobody_knows() -> None:
    """However much it tells of: no liquidation is fresher for it."""
    said = a_source().description
    assert (said.type, said.subject) == (SourceType.STREAM, Subject.CLAIMS)
    assert said.label is CoverageLabel.NOT_MEASURED
    assert said.url == "https://open-api-v4.coinglass.com"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"plan": Plan.HOBBYIST, "interval": "1h"}, "interval: the plan hobbyist has 4h"),
        ({"plan": Plan.STANDARD, "interval": "2m"}, "interval"),
        ({"key": Secret("with spaces")}, "key"),
        ({"key": Secret("a&b=c")}, "key"),
        ({"key": Secret("schlüssel")}, "key"),
        ({"exchanges": "Binance OKX&x"}, "exchanges: no name: 'OKX&x'"),
        ({"assets": "BTC/ETH"}, "assets"),
        ({"url": "https://me:secret@host"}, "url holds a user"),
        ({"websocket_url": "wss://me@host"}, "websocket_url holds a user"),
    ],
)
def test_what_cannot_be_asked_is_refused_at_the_start(settings: Mapping[str, Any], named: str) -> None:
    """With the setting's name, and without what a secret holds."""
    with pytest.raises(InvalidSettings, match=named) as refused:
        a_source(**settings)
    key = settings.get("key", Secret("no key"))
    assert key.reveal() not in str(refused.value)


@pytest.mark.parametrize("plan", Plan)
def test_a_minute_of_questions_fits_into_the_plan(plan: Plan) -> None:
    """As shipped, every plan has room for all that is asked regularly."""
    source = a_source(plan=plan)
    minute = timedelta(minutes=1)
    assert sum(minute / each.every for each in source._questions) < TERMS[plan].requests_per_minute / 2
    assert len({each.name for each in source._questions}) == len(source._questions)


def test_the_side_is_that_of_the_lost_position() -> None:
    """Who had to sell was long; who says nothing is believed nothing."""
    sides = [answered(Endpoint.ORDERS, ORDER | {"side": each}).events for each in (2, 1, "2", None)]
    told = [each.side for [each] in sides]  # type: ignore[union-attr]
    assert told == [Direction.LONG, Direction.SHORT, Direction.LONG, None]


@pytest.mark.parametrize(
    ("written", "number"),
    [
        (b"3000.5", Decimal("3000.5")),
        (b'"3000.50"', Decimal("3000.5")),
        (b"3.0005E3", Decimal("3000.5")),
        (b"1e-7", Decimal("0.0000001")),
        (b"0.12345678901234567890123", Decimal("0.123456789012345679")),
        (b"null", None),
        (b'""', None),
    ],
)
def test_a_number_may_be_written_in_any_way(written: bytes, number: Decimal | None) -> None:
    """As a number or a text, with an exponent or none, and exactly as far as it is kept."""
    [claim] = answered(Endpoint.ORDERS, ORDER | {"price": msgspec.Raw(written)}).events
    assert claim.price == number  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("endpoint", "row", "rule"),
    [
        (Endpoint.ORDERS, ORDER | {"price": msgspec.Raw(b"1e24")}, "not_a_number"),
        (Endpoint.ORDERS, ORDER | {"price": msgspec.Raw(b"9" * 38 + b".1e10")}, "not_a_number"),
        (Endpoint.ORDERS, ORDER | {"price": [1]}, "not_a_claim"),
        (Endpoint.ORDERS, ORDER | {"base_asset": {"a": 1}}, "not_a_claim"),
        (Endpoint.ORDERS, ORDER | {"side": True}, "not_a_claim"),
        (Endpoint.ORDERS, ORDER | {"symbol": ""}, "not_a_claim"),
        (Endpoint.ORDERS, ORDER | {"side": 0}, "unknown_order_side"),
        (Endpoint.ORDERS, ORDER | {"time": -1}, "not_milliseconds"),
        (Endpoint.ORDERS, ORDER | {"time": 999_999_999_999_999}, "not_milliseconds"),
        (Endpoint.WHALE_ALERT, POSITION | {"position_action": 3}, "unknown_position_action"),
        (Endpoint.WHALE_POSITION, POSITION | {"user": "0x1"}, "not_an_address"),
        (Endpoint.WHALE_POSITION, POSITION | {"update_time": None}, "not_a_claim"),
    ],
)
def test_what_a_row_does_not_tell_rightly_refuses_it(endpoint: Endpoint, row: Any, rule: str) -> None:
    """With its bytes and the name of the rule."""
    refused = answered(endpoint, row)
    assert [each.rule for each in refused.rejects] == [rule]
    assert refused.counts == {Counted.PAYLOADS: 1, Counted.REJECTS: 1}
    assert refused.last_event_at is None


def test_a_total_nobody_told_of_is_none() -> None:
    """A window without any amount is no row, and half of a sum is no sum."""
    assert not answered(Endpoint.COIN_LIST, {"symbol": "BTC"}, {"exchange": "OKX"}).events
    row = {"time": MILLIS, "aggregated_long_liquidation_usd": 5}
    asked = {"exchange_list": "OKX", "symbol": "BTC", "interval": "1m"}
    [total] = answered(Endpoint.HISTORY, row, asked).events
    assert isinstance(total, ClaimedTotal)
    assert (total.long_usd, total.short_usd, total.total_usd) == (Decimal(5), None, None)
    assert (total.window_seconds, total.rolling) == (60, False)


@pytest.mark.parametrize(
    ("stream", "payload"),
    [
        (SOCKET, b"pong"),
        (SOCKET, b'{"data":[]}'),
        ("order", b"[]"),
        ("order", b'{"asked":{"endpoint":"/elsewhere","parameters":{}},"answered":{}}'),
        ("x", exchange(Asked(Endpoint.HISTORY, {}), b'{"data":[{}]}')),
        ("x", exchange(Asked(Endpoint.EXCHANGE_LIST, {"range": "x"}), b'{"data":[{"exchange":"All"}]}')),
    ],
)
def test_what_is_no_payload_of_it_is_malformed(stream: str, payload: bytes) -> None:
    """Whatever it is instead."""
    raw = Raw(source=AGGREGATOR.name, stream=stream, payload=payload, received_at=NOW)
    assert not a_source().validate_exploit(raw)
    with pytest.raises(MalformedPayload) as refused:
        a_source().normalize(raw)
    assert refused.value.rule == "malformed"


def test_marks_are_kept_in_the_cursor_and_never_go_back() -> None:
    """One that cannot be read begins anew."""
    marks = Marks()
    marks.move("b", 5)
    marks.move("a", 7)
    marks.move("b", 3)
    assert marks.cursor() == '{"a":7,"b":5}'
    again = Marks(marks.cursor())
    assert (again.get("a"), again.get("b"), again.get("c")) == (7, 5, None)
    assert Marks(Cursor("[1]")).cursor() == Marks(None).cursor() == "{}"


def test_small_orders_are_counted_and_those_of_unknown_amount_kept() -> None:
    """An amount nobody told is not below any other."""
    rows = [ORDER, ORDER | {"usd_value": 9_999}, ORDER | {"usd_value": None}]
    body = msgspec.json.encode({"code": "0", "data": rows})
    payload = exchange(Asked(Endpoint.ORDERS, {}), body)
    raw = Raw(source=AGGREGATOR.name, stream="order", payload=payload, received_at=NOW)
    found = a_source().normalize(raw)
    assert found.counts == {Counted.PAYLOADS: 1, Counted.CLAIMS: 2, Counted.SMALL_CLAIMS: 1}
    assert found.last_event_at == datetime(2025, 10, 10, 21, 16, 0, 250_000, tzinfo=UTC)
