"""Coverage as it is served: hours counted by hand, days beside the venue's own totals, and labels."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest

from kamiyo.api.coverage_schemas import CompletenessShape, DaysShape
from kamiyo.api.schemas import DataShape
from kamiyo.core.archives import BlockRun
from kamiyo.core.claims import ClaimedTotal
from kamiyo.core.events import LiquidationMethod
from kamiyo.core.ids import SourceName
from kamiyo.core.money import Usd
from kamiyo.core.sources import SourceState
from kamiyo.core.time import rfc3339
from kamiyo.jobs.measuring import measure_due_hours
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.pool import Pool
from tests.builders import API, NODE, a_batch, a_gap
from tests.coverages import ARCHIVE, HOUR, MINUTE, NEXT, SECOND, a_run, a_sight, described

AFTER = NEXT + 11 * MINUTE
ADL, BACKSTOP = LiquidationMethod.ADL, LiquidationMethod.BACKSTOP
NODE_FILLS = (
    a_sight(NODE, 1, "600"),
    a_sight(NODE, 2, "3000", method=BACKSTOP),
    a_sight(NODE, 3, "400", method=ADL),
)
API_FILLS = (a_sight(API, 1, "600"), a_sight(API, 3, "400", method=ADL), a_sight(API, 9, "5"))
WINDOW = {"start": rfc3339(HOUR), "end": rfc3339(NEXT)}
DAY = HOUR.replace(hour=0)


@pytest.fixture
async def sources(journal: PostgresJournal) -> PostgresJournal:
    """Make a node and the API known."""
    for source in (NODE, API):
        await journal.register(described(source))
        await journal.report_state(source, SourceState.LIVE, "")
    return journal


async def get(client: httpx.AsyncClient, path: str, **query: Any) -> Any:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def line_of(body: Any, source: str, hour: datetime = HOUR) -> Any:
    [line] = [
        each for each in body["data"]["hourly"] if (each["source"], each["hour"]) == (source, rfc3339(hour))
    ]
    return line


async def test_an_hour_counted_by_hand_is_what_is_answered(client, sources, pool: Pool, clock) -> None:
    """The API saw 600 + 400 of 4,000 USD: 25 %; all of what was small and of two methods, nothing else."""
    clock.moment = AFTER
    await sources.write(a_batch(source=NODE, events=NODE_FILLS, block_runs=(a_run(1, 9),)))
    await sources.write(a_batch(source=API, events=API_FILLS, heard_at=HOUR + 5 * MINUTE))
    await measure_due_hours(pool, clock)
    body = await get(client, "/coverage", **WINDOW)
    DataShape[CompletenessShape].model_validate(body)
    whole, nothing = (
        {"share_pct": share, "seen_usd": seen, "reference_usd": of, "seen_fills": fills, "reference_fills": 1}
        for share, seen, of, fills in (("100", "600", "600", 1), ("0", "0", "3000", 0))
    )
    adl = whole | {"seen_usd": "400", "reference_usd": "400"}
    small = whole | {"seen_usd": "1000", "reference_usd": "1000", "seen_fills": 2, "reference_fills": 2}
    assert line_of(body, API) == {
        "hour": "2025-10-10T21:00:00.000Z",
        "source": API,
        "status": "measured",
        "reference": NODE,
        "share_pct": "25",
        "seen_usd": "1000",
        "reference_usd": "4000",
        "reason": None,
        "explanation": "",
        "detail": "",
        "unknown_to_reference_usd": "5",
        "unknown_to_reference_fills": 1,
        "heard_minutes": 1,
        "by_method": {"market": whole, "backstop": nothing, "adl": adl},
        "by_size": {"under 1k": small, "1k to 10k": nothing},
        "measured_at": rfc3339(AFTER),
    }


async def test_the_hours_of_a_source_add_up(client, sources, pool: Pool, clock) -> None:
    """The total has the share, the label and the reference; the metric has the ratio of who was measured."""
    clock.moment = AFTER
    await sources.write(a_batch(source=NODE, events=NODE_FILLS, block_runs=(a_run(1, 9),)))
    await sources.write(a_batch(source=API, events=API_FILLS, heard_at=HOUR + 5 * MINUTE))
    await measure_due_hours(pool, clock)
    body = await get(client, "/coverage", **WINDOW)
    assert line_of(body, NODE)["reason"] == "is_reference"
    [total] = [each for each in body["data"]["totals"] if each["source"] == API]
    assert (total["share_pct"], total["hours"], total["hours_measured"]) == ("25", 1, 1)
    assert (total["label"], total["references"]) == ("sample 25 % (1 hour, 2025-10-10)", [NODE])
    metrics = (await client.get("/metrics")).text
    assert 'kamiyo_liquidation_coverage_ratio{source="hyperliquid_api"} 0.25' in metrics
    assert 'kamiyo_liquidation_coverage_ratio{source="hyperliquid_node"}' not in metrics

    backstop = await get(client, "/coverage", **WINDOW, method="backstop", source=API)
    assert [each["source"] for each in backstop["data"]["hourly"]] == [API]
    assert line_of(backstop, API)["share_pct"] == "0"
    assert line_of(backstop, API)["unknown_to_reference_usd"] is None


async def test_a_method_nobody_lost_by_has_no_share(client, sources, pool: Pool, clock) -> None:
    """Its hour has a figure for another method, and none for this one."""
    clock.moment = AFTER
    await sources.write(a_batch(source=NODE, events=NODE_FILLS[:1], block_runs=(a_run(1, 9),)))
    await sources.write(a_batch(source=API, events=API_FILLS[:1], heard_at=HOUR))
    await measure_due_hours(pool, clock)
    line = line_of(await get(client, "/coverage", **WINDOW, method="adl"), API)
    assert (line["status"], line["share_pct"], line["reason"]) == ("not measured", None, "nothing_to_compare")


async def test_an_hour_with_a_missing_block_says_so(client, sources, pool: Pool, clock) -> None:
    """There is no figure, and the answer names whose blocks are missing."""
    clock.moment = AFTER
    await sources.write(a_batch(source=NODE, events=NODE_FILLS, block_runs=(a_run(1, 4), a_run(6, 9))))
    await sources.write(a_batch(source=API, events=API_FILLS, heard_at=HOUR))
    await measure_due_hours(pool, clock)
    line = line_of(await get(client, "/coverage", **WINDOW), API)
    assert (line["status"], line["share_pct"], line["reason"]) == ("not measured", None, "missing_blocks")
    assert line["detail"] == "hyperliquid_node lacks 1 of the blocks 1 to 9"
    assert (line["by_method"], line["by_size"]) == ({}, {})


async def test_without_a_reference_nothing_is_measured(client, sources, pool: Pool, clock) -> None:
    """Neither 0 nor 100 %: the label stays what it is, and every hour says why there is no figure."""
    clock.moment = AFTER
    for hour in (HOUR, AFTER):
        await sources.write(a_batch(source=API, events=API_FILLS[:2], heard_at=hour, last_event_at=hour))
    await measure_due_hours(pool, clock)
    body = await get(client, "/coverage", start=rfc3339(HOUR - timedelta(hours=1)), end=rfc3339(AFTER))
    reasons = [(each["hour"][11:13], each["source"], each["reason"]) for each in body["data"]["hourly"]]
    assert reasons == [
        ("22", API, "not_over"),
        ("22", NODE, "not_over"),
        ("21", API, "no_reference"),
        ("21", NODE, "not_heard"),
        ("20", API, "not_measured_yet"),
        ("20", NODE, "not_measured_yet"),
    ]
    assert {each["share_pct"] for each in body["data"]["hourly"]} == {None}
    assert {(each["share_pct"], each["status"]) for each in body["data"]["totals"]} == {
        (None, "not measured")
    }
    told = (await get(client, "/liquidations"))["meta"]["coverage"]
    assert told["label"] == "sample"
    assert [told[name] for name in ("measured_pct", "measured_at")] == [None] * 2
    assert "kamiyo_liquidation_coverage_ratio{" not in (await client.get("/metrics")).text


async def test_every_answer_about_liquidations_has_the_measured_label(
    client, sources, pool: Pool, clock
) -> None:
    """The label names the share, how long the measured hours span, and the day of the newest."""
    clock.moment = AFTER
    for back in range(3):
        hour = HOUR - back * timedelta(hours=10)
        fills = [msgspec.structs.replace(each, timestamp=hour) for each in (*NODE_FILLS, *API_FILLS)]
        run = BlockRun(first=1, last=9, first_at=hour, last_at=hour + 60 * MINUTE - SECOND)
        run = msgspec.structs.replace(run, first=1 - 100 * back, last=9 - 100 * back)
        await sources.write(a_batch(source=NODE, events=tuple(fills[:3]), block_runs=(run,)))
        await sources.write(a_batch(source=API, events=tuple(fills[3:]), heard_at=hour))
    await sources.write(a_batch(source=API, events=(), heard_at=AFTER, last_event_at=AFTER))
    await measure_due_hours(pool, clock)
    for path in ("/liquidations", "/stats", "/coverage", "/meta"):
        told = (await get(client, path))["meta"]["coverage"]
        assert told["label"] == "sample 25 % (3 hours, 2025-10-10)"
        assert (told["measured_pct"], told["measured_at"]) == ("25", rfc3339(AFTER))


async def test_open_gaps_take_a_complete_label_and_closed_ones_give_it_back(
    client, sources, pool: Pool, clock
) -> None:
    """What an archive has filled is no gap any more."""
    clock.moment = AFTER
    await sources.write(a_batch(source=NODE, gaps=(a_gap(),), events=(), heard_at=AFTER, last_event_at=AFTER))
    assert (await get(client, "/liquidations"))["meta"]["coverage"]["label"] == "not measured"
    async with pool.acquire() as connection:
        await connection.execute("UPDATE gaps SET closed_at = now()")
    clock.advance(seconds=10)
    told = (await get(client, "/liquidations", limit=7))["meta"]["coverage"]
    assert (told["label"], told["measured_pct"]) == ("complete", None)


@pytest.mark.parametrize(
    "query",
    [
        {"start": "2025-10-01T00:00:00Z", "end": "2025-10-08T00:00:01Z"},
        {"start": "2025-10-10T21:00:00Z", "end": "2025-10-10T21:00:00Z"},
        {"start": "0001-01-01T00:00:00Z"},
        {"end": "9999-12-31T23:59:59Z"},
        {"method": "other"},
        {"days": "7"},
    ],
)
async def test_windows_are_bounded(client, sources, query) -> None:
    """At most seven days, of a time there was a venue; what is unknown is refused."""
    assert (await client.get("/coverage", params=query)).status_code == 422


async def test_the_last_day_is_shown_unless_asked_otherwise(client, sources, clock) -> None:
    """A beginning alone gives what follows it, an end alone what was before."""
    hours = {each["hour"] for each in (await get(client, "/coverage"))["data"]["hourly"]}
    assert (len(hours), min(hours), max(hours)) == (
        25,
        "2025-10-09T21:00:00.000Z",
        "2025-10-10T21:00:00.000Z",
    )
    data = (await get(client, "/coverage", start="2025-09-01T00:30:00Z"))["data"]
    assert (data["start"], data["end"]) == ("2025-09-01T00:00:00.000Z", "2025-09-08T01:00:00.000Z")


def a_venue_total(usd: str, asset: str | None = None) -> ClaimedTotal:
    return ClaimedTotal(
        source=SourceName("hyperliquid_stats"),
        exchange="hyperliquid",
        asset=asset,
        start=DAY,
        window_seconds=86_400,
        rolling=False,
        observed_at=DAY + timedelta(days=2),
        total_usd=Usd(Decimal(usd)),
    )


async def archive_day(journal: PostgresJournal, *, hours: int = 24) -> None:
    """Let an archive have read these hours of the day, with the fills of one."""
    await journal.register(described(ARCHIVE))
    for number in range(hours):
        start = DAY + number * timedelta(hours=1)
        run = BlockRun(
            first=100 * number, last=100 * number + 99, first_at=start, last_at=start + 60 * MINUTE - SECOND
        )
        await journal.write(a_batch(source=ARCHIVE, events=(), block_runs=(run,)))
    fills = tuple(msgspec.structs.replace(each, source=ARCHIVE) for each in NODE_FILLS)
    await journal.write(a_batch(source=ARCHIVE, events=fills))


async def test_a_whole_day_is_held_against_the_venues_own_total(client, sources, clock) -> None:
    """Each way our total may be meant is compared, and the venue's by asset where it tells of it."""
    clock.moment = DAY + timedelta(days=3)
    await archive_day(sources)
    await sources.write(
        a_batch(events=(a_venue_total("3500"), a_venue_total("3600", "ETH"), a_venue_total("7", "BTC")))
    )
    body = await get(client, "/coverage/days", start=rfc3339(DAY), end=rfc3339(NEXT), by_asset="true")
    DataShape[DaysShape].model_validate(body)
    [day] = body["data"]["days"]
    assert (day["day"], day["status"], day["reference"]) == ("2025-10-10", "measured", ARCHIVE)
    assert (day["venue_usd"], day["detail"]) == ("3500", "")
    assert day["our_usd"] == {"market": "600", "backstop": "3000", "adl": "400"}
    assert day["differences"] == [
        {"methods": ["market"], "our_usd": "600", "difference_usd": "-2900", "difference_pct": "-82.86"},
        {
            "methods": ["market", "backstop"],
            "our_usd": "3600",
            "difference_usd": "100",
            "difference_pct": "2.86",
        },
        {
            "methods": ["market", "backstop", "adl"],
            "our_usd": "4000",
            "difference_usd": "500",
            "difference_pct": "14.29",
        },
    ]
    bitcoin, ether = day["by_asset"]
    assert (bitcoin["asset"], bitcoin["our_usd"]["market"], bitcoin["venue_usd"]) == ("BTC", "0", "7")
    assert ether["differences"][1]["difference_usd"] == "0"
    one = await get(client, "/coverage/days", start=rfc3339(DAY), end=rfc3339(NEXT), asset="xyz:TSLA")
    [asset] = one["data"]["days"][0]["by_asset"]
    assert (asset["asset"], asset["venue_usd"], asset["differences"]) == ("xyz:TSLA", None, [])


async def test_a_day_is_not_compared_unless_both_sides_are_known(client, sources, clock) -> None:
    """A missing hour, or a venue that does not tell, leaves the day without a figure and says which."""
    clock.moment = DAY + timedelta(days=3)
    await archive_day(sources, hours=23)
    days = (await get(client, "/coverage/days", start=rfc3339(DAY), end=rfc3339(clock.moment)))["data"][
        "days"
    ]
    assert [each["day"] for each in days] == ["2025-10-12", "2025-10-11", "2025-10-10"]
    assert {each["status"] for each in days} == {"not measured"}
    assert {each["our_usd"] for each in days} == {None}
    assert days[-1]["detail"] == "2025-10-10T23:00:00.000Z: hyperliquid_archive read no block of it"
    await archive_day(sources)
    [_, _, day] = (
        await get(client, "/coverage/days", start=rfc3339(DAY), end=rfc3339(clock.moment), asset="ETH")
    )["data"]["days"]
    assert (day["status"], day["venue_usd"], day["differences"]) == ("not measured", None, [])
    assert day["our_usd"] == {"market": "600", "backstop": "3000", "adl": "400"}
    assert day["detail"] == "hyperliquid_stats does not tell of this day"


async def test_days_of_all_assets_are_fewer(client, sources, clock) -> None:
    """A month of totals may be asked for, and a week of all assets."""
    clock.moment = DAY + timedelta(days=60)
    month = {"start": rfc3339(DAY), "end": rfc3339(DAY + timedelta(days=31))}
    assert len((await get(client, "/coverage/days", **month))["data"]["days"]) == 31
    assert (await client.get("/coverage/days", params=month | {"by_asset": "true"})).status_code == 422
    assert len((await get(client, "/coverage/days", by_asset="true"))["data"]["days"]) == 7


async def test_a_day_that_was_let_go_is_not_compared(client, sources, pool: Pool, clock) -> None:
    """What is left of its facts may be a part, whatever blocks were read."""
    clock.moment = DAY + timedelta(days=3)
    await archive_day(sources)
    await sources.write(a_batch(events=(a_venue_total("3500"),)))
    async with pool.acquire() as connection:
        month = DAY + timedelta(days=22)
        await connection.execute("INSERT INTO retained VALUES ('liquidations', $1, NULL, $1)", month)
    [day] = (await get(client, "/coverage/days", start=rfc3339(DAY), end=rfc3339(NEXT)))["data"]["days"]
    assert (day["status"], day["our_usd"]) == ("not measured", None)
    assert day["detail"] == "liquidations before 2025-11-01T00:00:00.000Z were let go"
