"""The venue's daily statistics against a local CDN: every day once, and again when it changed."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from kamiyo.aggregators.base import Alive, BaseAggregator, Waiting
from kamiyo.aggregators.hyperliquid_stats import HyperliquidStatsAggregator
from kamiyo.core.claims import ClaimedTotal
from kamiyo.core.ports import Counted
from kamiyo.core.sources import SourceState
from kamiyo.processing.normalizer import normalize
from kamiyo.storage.pool import Pool
from tests.fakes import ManualClock
from tests.services.built import built, events_of, rejects_of
from tests.services.files import FileHost, open_files
from tests.services.hearing import Heard, drained
from tests.services.hyperliquid_stats import BY_ASSET, TOTAL, chart, made_up, real_files, row
from tests.services.polling import poll, row_counts
from tests.services.server import Reply

DAY = timedelta(days=1)
ROW = re.compile(
    r'"time": "([0-9-]+)T00:00:00"(?:, "coin": "([^"]+)")?, "daily_notional_liquidated": ([0-9.e+-]+)}'
)
STORED = "SELECT * FROM claimed_totals ORDER BY start, asset"
UNTOUCHED = "SELECT xmin::text, total_id FROM claimed_totals ORDER BY total_id"


@asynccontextmanager
async def serving(
    files: Mapping[str, bytes], clock: ManualClock | None = None, **host: object
) -> AsyncIterator[tuple[FileHost, BaseAggregator]]:
    """A CDN of these files, and the source that reads them."""
    async with (
        open_files(files, **({"kind": "application/json"} | host)) as served,
        built("hyperliquid_stats", {"url": served.url}, clock) as source,
    ):
        yield served, source


def totals_of(source: BaseAggregator, heard: Heard) -> dict[tuple[str | None, str], Decimal | None]:
    """What was told, by asset and day."""
    totals = [each for each in events_of(source, heard) if isinstance(each, ClaimedTotal)]
    return {(each.asset, f"{each.start:%Y-%m-%d}"): each.total_usd for each in totals}


def expected(files: Mapping[str, bytes]) -> dict[tuple[str | None, datetime], Decimal]:
    """Every row of the files but those of their last days, by their text alone."""
    found: dict[tuple[str | None, datetime], Decimal] = {}
    for body in files.values():
        rows = ROW.findall(body.decode())
        assert len(rows) == body.count(b'"time"')
        last = max(day for day, _asset, _usd in rows)
        for day, asset, usd in rows:
            if day != last:
                found[asset or None, datetime.fromisoformat(day).replace(tzinfo=UTC)] = Decimal(usd)
    return found


async def test_every_real_day_becomes_totals(shared_data: Path, pool: Pool):
    """Each row of both files but their last days is a total of that day, with the very digits of the file."""
    files = real_files(shared_data)
    wanted = expected(files)
    async with serving(files) as (_host, source):
        status = await poll(source, pool)
    rows = await pool.fetch(STORED)
    assert (status.state, status.detail) == (SourceState.LIVE, "")
    assert {(each["asset"], each["start"]): each["total_usd"] for each in rows} == wanted
    assert len(rows) == len(wanted) > 36_000
    assert {each["source"] for each in rows} == {"hyperliquid_stats"}
    assert {each["exchange"] for each in rows} == {"hyperliquid"}
    assert {(each["window_seconds"], each["rolling"]) for each in rows} == {(86_400, False)}
    assert await row_counts(pool, "rejects", "liquidations") == {"rejects": 0, "liquidations": 0}
    jelly = next(each for each in rows if (each["asset"], f"{each['start']:%F}") == ("JELLY", "2025-03-26"))
    assert 5_115_767 <= jelly["total_usd"] < 5_115_768


async def test_a_second_poll_asks_once_for_each_file_and_stores_nothing(shared_data: Path, pool: Pool):
    """The same files again are two conditional requests and no row, not even one that is written again."""
    async with serving(real_files(shared_data)) as (host, source):
        await poll(source, pool)
        before, asked = await pool.fetch(UNTOUCHED), len(host.server.requests)
        status = await poll(source, pool)
        again = host.server.requests[asked:]
    assert status.state is SourceState.LIVE
    assert [bool(request.headers.get("if-none-match")) for request in again] == [True, True]
    assert host.not_modified == [TOTAL, BY_ASSET]
    assert await pool.fetch(UNTOUCHED) == before


async def test_only_days_that_are_new_or_changed_are_told_again():
    """Of a file that grew come the day that ended and those that were corrected, however old they are."""
    async with serving(made_up()) as (host, source):
        first = await drained(source)
        assert totals_of(source, first) == {
            (None, "2023-06-13"): Decimal("2.2"),
            (None, "2023-06-14"): Decimal("4.2"),
            ("BTC", "2023-06-13"): Decimal("1.1"),
            ("ETH", "2023-06-13"): Decimal("1.1"),
            ("BTC", "2023-06-14"): Decimal("2.1"),
            ("ETH", "2023-06-14"): Decimal("2.1"),
        }
        days = [("2023-06-13", "2.3"), ("2023-06-14", "4.2"), ("2023-06-15", "6.2"), ("2023-06-16", "0.0")]
        host.files[TOTAL] = chart(row(day, usd) for day, usd in days)
        second = await drained(source, first.cursor)
        assert totals_of(source, second) == {
            (None, "2023-06-13"): Decimal("2.3"),
            (None, "2023-06-15"): Decimal("6.2"),
        }
        assert host.not_modified == [BY_ASSET]
        assert [type(each) for each in (await drained(source, second.cursor)).items] == [Alive]


async def test_the_last_day_is_not_told_before_it_has_ended():
    """Neither the last day of an old file nor the present day is told: both are still being counted."""
    clock = ManualClock(datetime(2023, 6, 15, 12, tzinfo=UTC))
    rows = [row("2023-06-13", "1"), row("2023-06-14", "2"), row("2023-06-15", "3"), row("2023-06-16", "4")]
    async with serving({TOTAL: chart(rows), BY_ASSET: chart([row("2023-06-14", "2", "BTC")])}, clock) as (
        host,
        source,
    ):
        heard = await drained(source)
        told = totals_of(source, heard)
        # The day to come is told of to be refused, as everything is that is dated later than now.
        assert told == {(None, "2023-06-13"): 1, (None, "2023-06-14"): 2, (None, "2023-06-16"): 4}
        clock.moment += 2 * DAY
        host.files[TOTAL] = chart([*rows, row("2023-06-17", "5")])
        told = totals_of(source, await drained(source, heard.cursor))
        assert told == {(None, "2023-06-15"): 3, (None, "2023-06-16"): 4}


async def test_numbers_keep_every_digit():
    """A number comes out as it is written, however long it is and whatever its exponent."""
    texts = [
        "6772.535123000001",
        "128409.60174499999",
        "12345678901234567890.12345678901234",
        "1e5",
        "2.5E-7",
    ]
    rows = [row(f"2023-06-{day:02}", text) for day, text in enumerate([*texts, "0.0"], 1)]
    async with serving({TOTAL: chart(rows), BY_ASSET: chart([row("2023-06-01", "1", "BTC")])}) as (
        _host,
        source,
    ):
        told = totals_of(source, await drained(source))
    assert list(told.values()) == [Decimal(text) for text in texts]


async def test_a_row_that_cannot_be_read_is_refused_alone(pool: Pool):
    """Each bad row is kept with the rule it broke; the other rows of its day are stored."""
    bad = [
        row("2023-06-13", "2", "BTC"),
        row("2023-06-13", '"3"', "A"),
        row("2023-06-13", "1e77", "B"),
        row("2023-06-13", "-1", "C"),
        row("2023-06-13", "null", "D"),
        row("2023-06-13", "5"),
        row("2023-13-13", "5", "E"),
        row("2023-06-13", "5", "F").replace("T00:00:00", "T08:00:00"),
        '{"time": 5}',
        "[]",
    ]
    rows = [row("2023-06-13", "1", "BTC"), *bad, row("2023-06-14", "1", "BTC")]
    async with serving(made_up() | {BY_ASSET: chart(rows)}) as (_host, source):
        await poll(source, pool)
        await poll(source, pool)
    refused = await pool.fetch("SELECT rule, payload FROM rejects ORDER BY rule")
    assert [each["rule"] for each in refused] == [
        "not_a_number",
        "not_a_number",
        "not_a_number",
        "not_a_time",
        "not_a_time",
        "not_a_total",
        "not_a_total",
        "not_a_total",
        "repeated_row",
        "totals_are_not_negative",
    ]
    assert await pool.fetchval("SELECT total_usd FROM claimed_totals WHERE asset = 'BTC'") == 1


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Reply(403, b"<Error>AccessDenied</Error>"), "127.0.0.1 answered 403"),
        (Reply(404), "127.0.0.1 answered 404"),
        (
            Reply(307, headers={"location": "https://a.example/"}),
            "127.0.0.1 answered 307: moved to a.example",
        ),
        (Reply(200, b"<html>", {"content-type": "text/html"}), "it is served as 'text/html'"),
        (Reply(200, b"<html>"), "it is a page of HTML or XML"),
        (Reply(200, b'{"chart_data": []}'), "it is empty"),
        (Reply(200, b'{"table_data": [{}]}'), "it is no chart: Object missing required field `chart_data`"),
        (Reply(200, b'{"chart_data": [1]}'), "it is no chart: Expected `object`, got `int`"),
        (
            Reply(200, chart([row("2023-06-13", "1", "BTC").replace("daily_notional_liquidated", "usd")])),
            "its rows lack daily_notional_liquidated; they have time, coin, usd",
        ),
        (
            Reply(200, chart([row("2023-06-13", "1")])),
            "its rows lack coin; they have time, daily_notional_liquidated",
        ),
        (Reply(200, chart([row("2023-06-13", "1", "BTC")])[:-5]), "it is no chart: Input data was truncated"),
    ],
)
async def test_trouble_with_one_file_is_told_by_its_name(fault: Reply, told: str, pool: Pool):
    """A file that is gone or has another form stands in the source's state, and the other one is read."""
    async with serving(made_up()) as (host, source):
        host.faults[BY_ASSET] = fault
        status = await poll(source, pool)
        assert (status.state, status.detail) == (SourceState.LIVE, f"{BY_ASSET}: {told}")
        assert (await row_counts(pool, "claimed_totals"))["claimed_totals"] == 2
        host.faults.clear()
        assert (await poll(source, pool)).detail == ""
        assert (await row_counts(pool, "claimed_totals"))["claimed_totals"] == 6


async def test_a_cdn_that_refuses_everything_is_unreachable(pool: Pool):
    """Where both files are forbidden the source is not called live."""
    async with serving({}) as (host, source):
        host.faults = dict.fromkeys((TOTAL, BY_ASSET), Reply(403))
        status = await poll(source, pool)
    assert status.state is SourceState.UNREACHABLE
    assert status.detail == f"{TOTAL}: 127.0.0.1 answered 403; {BY_ASSET}: 127.0.0.1 answered 403"


async def test_what_a_worker_had_stored_is_not_told_again_by_the_next():
    """Where a worker died that had kept the beginning of a long history, the next one tells all the rest."""
    rows = [row(f"{datetime(2023, 1, 1, tzinfo=UTC) + number * DAY:%Y-%m-%d}", "1") for number in range(251)]
    async with serving(made_up() | {TOTAL: chart(rows)}) as (host, source):
        whole = await drained(source)
        died = Heard()
        for item in whole.items[:120]:
            died.take(item)
        rest = await drained(source, died.cursor)
        told = [raw.payload for raw in died.raws[:100]] + [raw.payload for raw in rest.raws]
        assert told == [raw.payload for raw in whole.raws]
        assert host.not_modified == []


async def test_the_accounting_counts_totals():
    """A payload is one day, and says how many totals it held."""
    async with serving(made_up()) as (_host, source):
        raws = (await drained(source)).raws
        assert [normalize(source.normalize, raw).counts for raw in raws] == [
            {Counted.PAYLOADS: 1, Counted.CLAIMED_TOTALS: number} for number in (1, 1, 2, 2)
        ]
        assert rejects_of(source, Heard(list(raws))) == []


async def test_a_file_too_large_is_refused(monkeypatch: pytest.MonkeyPatch):
    """A file beyond its limit is refused by its size; where no file is left the source waits."""
    monkeypatch.setattr(HyperliquidStatsAggregator, "largest", 10)
    async with serving(made_up()) as (_host, source):
        heard = await drained(source)
    assert [type(each) for each in heard.items] == [Alive, Waiting]
    assert f"{TOTAL}: it is larger than 0 MiB" in heard.details[0]
