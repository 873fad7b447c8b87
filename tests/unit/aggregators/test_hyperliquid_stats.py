"""Daily statistics, payload by payload: totals that somebody claims, to the last digit."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamiyo.aggregators.hyperliquid_stats import AGGREGATOR, HyperliquidStatsSettings
from kamiyo.core.claims import ClaimedTotal
from kamiyo.core.errors import InvalidSettings, MalformedPayload
from kamiyo.core.money import Usd
from kamiyo.core.ports import Normalized, Raw
from kamiyo.core.sources import CoverageLabel, Subject
from tests.builders import NOW
from tests.fakes import tools
from tests.services.hyperliquid_stats import BY_ASSET, TOTAL, row

SOURCE = AGGREGATOR.build(HyperliquidStatsSettings(), tools())


def read(stream: str, *rows: str) -> Normalized:
    return SOURCE.normalize(raw(stream, f"[{','.join(rows)}]".encode()))


def raw(stream: str, payload: bytes) -> Raw:
    return Raw(source=SOURCE.name, stream=stream, payload=payload, received_at=NOW)


def total(asset: str | None, usd: str) -> ClaimedTotal:
    return ClaimedTotal(
        source=SOURCE.name,
        exchange="hyperliquid",
        asset=asset,
        start=datetime(2023, 6, 13, tzinfo=UTC),
        window_seconds=86_400,
        rolling=False,
        observed_at=NOW,
        total_usd=Usd(Decimal(usd)),
    )


def test_a_row_is_a_total_of_its_day():
    """Of one asset or of all together; sides are not told and so not known."""
    assert list(read(BY_ASSET, row("2023-06-13", "1.5", "kPEPE")).events) == [total("kPEPE", "1.5")]
    assert list(read(TOTAL, row("2023-06-13", "2")).events) == [total(None, "2")]
    assert total(None, "2").complete


@given(st.decimals(0, 10**12, places=9))
def test_a_number_is_what_is_written(number: Decimal):
    """No float stands between the text and the total."""
    (event,) = read(TOTAL, row("2023-06-13", f"{number:f}")).events
    assert isinstance(event, ClaimedTotal)
    assert event.total_usd is not None
    assert event.total_usd.as_tuple() == Decimal(f"{number:f}").as_tuple()


@pytest.mark.parametrize("time", ["2023-06-13", "2023-06-13T00:00:00Z", "2023-06-13T00:00:00.000+00:00"])
def test_a_day_begins_at_midnight_utc_however_it_is_written(time: str):
    """The venue writes no zone; one that is UTC changes nothing."""
    told = row("2023-06-13", "2").replace("2023-06-13T00:00:00", time)
    assert list(read(TOTAL, told).events) == [total(None, "2")]


@pytest.mark.parametrize(
    ("told", "rule"),
    [
        (row("2023-06-13", "1").replace("T00:00:00", "T00:00:00+02:00"), "not_a_time"),
        (row("2023-06-31", "1"), "not_a_time"),
        (row("2023-06-13", "true"), "not_a_number"),
        (row("2023-06-13", "1e25"), "not_a_number"),
        (row("2023-06-13", "1e-77"), "not_a_number"),
        ('{"time": "2023-06-13T00:00:00"}', "not_a_total"),
        ("7", "not_a_total"),
    ],
)
def test_a_row_that_is_no_total_is_refused(told: str, rule: str):
    """It is kept as it stood, and the row beside it is read."""
    found = read(TOTAL, told, row("2023-06-13", "2"))
    assert [(each.rule, each.payload.decode()) for each in found.rejects] == [(rule, told)]
    assert list(found.events) == [total(None, "2")]


def test_of_two_numbers_for_one_day_the_first_stands():
    """A contradiction is refused, not summed."""
    found = read(BY_ASSET, *(row("2023-06-13", usd, "BTC") for usd in ("1", "2")))
    assert list(found.events) == [total("BTC", "1")]
    assert [each.rule for each in found.rejects] == ["repeated_row"]


@pytest.mark.parametrize(
    ("stream", "payload", "rule"),
    [
        ("open_interest", b"[]", "unknown_stream"),
        (TOTAL, b"{}", "not_a_total"),
        (TOTAL, b"\xff", "not_a_total"),
    ],
)
def test_a_payload_that_is_no_list_of_rows_is_refused(stream: str, payload: bytes, rule: str):
    """A payload of another file, or of none, is refused as a whole."""
    with pytest.raises(MalformedPayload) as refusal:
        SOURCE.normalize(raw(stream, payload))
    assert refusal.value.rule == rule


def test_it_is_described_as_totals_that_nobody_measured():
    """It tells of totals alone, so that it never stands for orders, positions or the venue."""
    assert (SOURCE.description.label, SOURCE.description.subject) == (
        CoverageLabel.NOT_MEASURED,
        Subject.TOTALS,
    )


def test_an_address_with_a_password_is_refused():
    """An address is shown to everybody, so that it may hold no secret."""
    with pytest.raises(InvalidSettings, match=r"sources.hyperliquid_stats.url"):
        AGGREGATOR.build(HyperliquidStatsSettings(url="https://me:secret@cdn.example"), tools())
