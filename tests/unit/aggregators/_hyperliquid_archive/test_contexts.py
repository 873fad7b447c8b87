"""Rows of markets, read by the names in the first line, whatever their order."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from kamiyo.aggregators._hyperliquid_archive.blocks import Decode
from kamiyo.aggregators._hyperliquid_archive.contexts import Columns, market_rows
from kamiyo.core.errors import MalformedPayload
from kamiyo.core.ids import Asset
from kamiyo.core.money import Price, Size, Usd
from kamiyo.core.ports import Counted, Normalized
from kamiyo.core.states import MarketState
from tests.builders import CHAIN, a_raw

HEADER = (
    "time,coin,funding,open_interest,prev_day_px,day_ntl_vlm,premium,oracle_px,mark_px,mid_px,impact_bid_px"
)
ROW = "2025-10-10T21:16:00Z,ETH,0.0000125,1000.5,3100.0,5000000.25,-0.0004,3001.0,3000.5,3000.75,2999.0"
AT = datetime(2025, 10, 10, 21, 16, tzinfo=UTC)


def read(*lines: str) -> Normalized:
    payload = "".join(line + "\n" for line in lines).encode()
    return market_rows(a_raw(payload=payload), CHAIN, Decode.LIQUIDATIONS)


def the_state(found: Normalized) -> MarketState:
    [state] = found.events
    assert isinstance(state, MarketState)
    return state


def test_a_row_is_a_market_at_a_minute() -> None:
    """Every number is exactly what stands there."""
    found = read(HEADER, ROW)
    assert the_state(found) == MarketState(
        source=a_raw().source,
        chain=CHAIN,
        asset=Asset("ETH"),
        timestamp=AT,
        mark_price=Price(Decimal("3000.5")),
        oracle_price=Price(Decimal("3001.0")),
        mid_price=Price(Decimal("3000.75")),
        open_interest=Size(Decimal("1000.5")),
        funding_rate=Decimal("0.0000125"),
        premium=Decimal("-0.0004"),
        day_volume_usd=Usd(Decimal("5000000.25")),
    )
    assert found.counts == {Counted.PAYLOADS: 1, Counted.MARKET_STATES: 1, Counted.REJECTS: 0}
    assert found.last_event_at == AT


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("markPx,Coin,oraclePx,time", "3000.5,ETH,3001.0,2025-10-10T21:16:00"),
        ("time,coin,mark_px,oracle_px\r", "2025-10-10 21:16:00+00:00,ETH,3000.5,3001.0\r"),
        ("new,oracle_px,mark_px,coin,time", '"a,b",3001.0,3000.5,"ETH",2025-10-10T21:16:00.000Z'),
    ],
)
def test_columns_are_known_by_their_names(header: str, row: str) -> None:
    """In any order, in either spelling, with others that are not ours; what is not there is unknown."""
    state = the_state(read(header, row))
    assert (state.asset, state.timestamp) == ("ETH", AT)
    assert (state.mark_price, state.oracle_price) == (Decimal("3000.5"), Decimal("3001.0"))
    assert (state.open_interest, state.funding_rate, state.mid_price) == (None, None, None)


@pytest.mark.parametrize("missing", ["time", "coin", "mark_px", "oracle_px"])
def test_a_file_without_a_needed_column_is_refused_by_the_columns_name(missing: str) -> None:
    """Nothing of it could be understood."""
    header = ",".join(name for name in HEADER.split(",") if name != missing)
    with pytest.raises(MalformedPayload, match=f"lacks the columns {missing.replace('_', '')},") as caught:
        read(header, ROW)
    assert caught.value.rule == "columns_missing"
    with pytest.raises(MalformedPayload, match="lacks the columns markpx, or has them twice"):
        Columns(f"{HEADER},markPx".encode())
    with pytest.raises(MalformedPayload, match="lacks the columns time, coin, markpx, oraclepx"):
        Columns(b"")


def test_an_empty_cell_is_unknown_and_an_exponent_is_a_number() -> None:
    """Unknown is never zero; tables of Python's write small numbers with exponents."""
    row = ROW.replace("0.0000125", "1.25e-05").replace("-0.0004", "").replace("1000.5", " NaN ")
    state = the_state(read(HEADER, row))
    assert (state.funding_rate, state.premium, state.open_interest) == (Decimal("0.0000125"), None, None)


def test_a_market_without_prices_is_none() -> None:
    """What is delisted is told of by nobody."""
    found = read(HEADER, ROW.replace("3000.5,", ","))
    assert (found.events, found.rejects, found.last_event_at) == ([], [], None)


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ("2025-10-10T21:16:00Z,ETH", "cells_do_not_fit"),
        ("", "cells_do_not_fit"),
        (ROW.replace("2025-10-10T21:16:00Z", "yesterday"), "not_a_time"),
        (ROW.replace("3000.5", "three"), "not_a_number"),
        (ROW.replace("3000.5", "1e5000000000000000000"), "not_a_number"),
        (ROW.replace("3000.5", "1e400000"), "not_a_number"),
        (ROW.replace("3000.5", "30\x0000.5"), "not_a_number"),
    ],
)
def test_a_row_that_cannot_be_read_is_refused_alone(row: str, rule: str) -> None:
    """The others stay good."""
    found = read(HEADER, row, ROW)
    assert [each.rule for each in found.rejects] == [rule]
    assert len(found.events) == 1
    assert found.counts[Counted.REJECTS] == 1


def test_bytes_that_are_no_text_are_refused() -> None:
    """A row of them is no row."""
    found = market_rows(a_raw(payload=HEADER.encode() + b"\n\xff\xfe\n"), CHAIN, Decode.ALL)
    assert [each.rule for each in found.rejects] == ["malformed"]
