"""A market's context, from REST and from the socket alike."""

import msgspec
import pytest

from kamiyo.core.errors import MalformedPayload
from kamiyo.hyperliquid.contexts import WireContext, decode_context, decode_contexts
from tests.answers import context, delisted_context

LIVE = WireContext(
    mark_price="80639.0",
    oracle_price="80684.7",
    mid_price="80639.5",
    open_interest="36295.80812",
    funding_rate="0.0000125",
    premium="-0.0005540084",
    previous_day_price="77759.0",
    day_volume_usd="4490636711.4322738647",
    day_base_volume="56265.69083",
    impact_prices=("80635.5", "80640.0"),
)


def test_every_field_is_read_and_written_under_the_venues_name() -> None:
    """Whoever plays the venue writes what the venue writes."""
    assert decode_context(msgspec.json.encode(context())) == LIVE
    assert msgspec.json.decode(msgspec.json.encode(LIVE)) == context()


def test_what_is_null_or_left_out_is_unknown() -> None:
    """None, never zero."""
    delisted = decode_context(msgspec.json.encode(delisted_context()))
    assert (delisted.mid_price, delisted.premium, delisted.impact_prices) == (None, None, None)
    assert delisted.open_interest == "0.0"
    assert decode_context(b"{}") == WireContext()


def test_json_numbers_are_read_as_text() -> None:
    """The documentation's form is tolerated, and exact."""
    read = decode_context(b'{"markPx":80639,"funding":1.25e-5,"impactPxs":[1,2.50]}')
    assert read == WireContext(mark_price="80639", funding_rate="0.0000125", impact_prices=("1", "2.50"))


def test_several_come_in_their_order() -> None:
    """The place is the name."""
    assert decode_contexts(msgspec.json.encode([context(), context(markPx="1.0")]))[1].mark_price == "1.0"


@pytest.mark.parametrize("content", [b"[]", b'{"markPx":{}}', b'{"impactPxs":["1"]}'])
def test_another_shape_is_malformed(content: bytes) -> None:
    """A context is an object of texts."""
    with pytest.raises(MalformedPayload):
        decode_context(content)
