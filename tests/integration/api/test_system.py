"""What the server says of itself, on a real database and without one."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest

from kamiyo.api.app import build_app
from kamiyo.api.coverage_schemas import CompletenessShape
from kamiyo.api.schemas import (
    AboutShape,
    DataShape,
    HealthShape,
    ListShape,
    ProblemShape,
    SourceShape,
    StatsShape,
)
from kamiyo.api.state import ApiState
from kamiyo.cache.responses import open_cache
from kamiyo.core.events import LiquidationMethod
from kamiyo.core.exploits import CaseKind
from kamiyo.core.margin import Direction
from kamiyo.core.ports import Counted
from kamiyo.core.sources import SourceState
from kamiyo.core.time import rfc3339
from kamiyo.storage.pool import open_pool
from tests.builders import (
    NODE,
    NOW,
    OTHER_VICTIM,
    a_batch,
    a_gap,
    a_liquidated_fill,
    a_record,
    a_reject,
    a_tally,
    an_exploit,
)

STARTED = datetime(2025, 10, 10, 21, 0, tzinfo=UTC)
LISTS = ("/liquidations", "/exploits", "/honest-cases", "/stats", "/meta", "/sources", "/coverage")


async def hear(journal, clock, *events, **more):
    """Let the node be heard just now."""
    more = {"heard_at": clock.now(), "first_event_at": clock.now(), "last_event_at": clock.now()} | more
    await journal.write(a_batch(events=events, **more))


async def test_bodies_have_the_documented_shape(client, node, catalogue, clock):
    """Every answer of the server about itself is what the OpenAPI document says it is."""
    await hear(node, clock, a_liquidated_fill(), a_record(), gaps=(a_gap(),), rejects=(a_reject(),))
    DataShape[StatsShape].model_validate((await client.get("/stats")).json())
    DataShape[AboutShape].model_validate((await client.get("/meta")).json())
    DataShape[CompletenessShape].model_validate((await client.get("/coverage")).json())
    ListShape[SourceShape].model_validate((await client.get("/sources")).json())
    HealthShape.model_validate((await client.get("/health")).json())


async def test_health_follows_what_is_heard(client, node, clock):
    """Health is 503 before the stream is heard, 200 while it is, and 503 when it falls silent."""
    before = await client.get("/health")
    assert (before.status_code, before.json()["status"]) == (503, "down")
    await hear(node, clock)
    during = await client.get("/health")
    assert (during.status_code, during.json()["status"], during.json()["reasons"]) == (200, "ok", [])
    assert during.json()["sources"][0]["health"] == "live"
    clock.advance(seconds=61)
    after = await client.get("/health")
    assert (after.status_code, after.json()["status"]) == (503, "down")
    assert after.json()["sources"][0]["age_seconds"] == 61


async def test_stream_that_only_catches_up_is_not_live(client, node, clock):
    """A source that is heard but tells of old events does not make the server healthy."""
    await node.write(a_batch(heard_at=clock.now(), last_event_at=NOW.replace(year=2024)))
    answer = await client.get("/health")
    assert (answer.status_code, answer.json()["sources"][0]["health"]) == (503, "behind")


async def test_failed_catalogue_degrades(client, node, catalogue, clock):
    """With a live stream and a failed catalogue the server is degraded, and says which source it is."""
    await hear(node, clock)
    await catalogue.report_state("catalogue", SourceState.FAILED, "unreadable")
    answer = await client.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["reasons"] == ["catalogue is failed: unreadable"]


async def test_no_source_at_all_is_down(client, journal):
    """A server without any stream hears nothing, and is not called healthy for it."""
    answer = await client.get("/health")
    assert (answer.status_code, answer.json()["reasons"]) == (
        503,
        ["no stream is set up or active: nothing is heard"],
    )


async def test_live_and_ready(client, journal):
    """The process is live, and ready while the database has this version's schema."""
    assert (await client.get("/health/live")).status_code == 200
    assert (await client.get("/health/ready")).json() == {"status": "ready"}


async def test_not_ready_without_the_schema(empty_database_url, clock):
    """On a database nobody migrated nothing is shown, and readiness and health say why."""
    async with open_pool(empty_database_url) as pool, open_cache(None, clock=clock) as cache:
        state = ApiState(pool=pool, cache=cache, clock=clock, version="1", started_at=STARTED)
        transport = httpx.ASGITransport(app=build_app(state))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            ready = await client.get("/health/ready")
            health = (await client.get("/health")).json()
            page = await client.get("/liquidations")
    assert (ready.status_code, ready.json()["code"]) == (503, "schema_mismatch")
    assert health["database"] == {"reachable": True, "schema_current": False}
    assert (page.status_code, page.json()["code"]) == (503, "schema_mismatch")


async def test_without_a_database(own_database_url, clock):
    """While the database is away lists are problems with Retry-After, and health keeps its own shape."""
    async with open_pool(own_database_url) as pool, open_cache(None, clock=clock) as cache:
        state = ApiState(pool=pool, cache=cache, clock=clock, version="1", started_at=STARTED)
        transport = httpx.ASGITransport(app=build_app(state))
        pool.terminate()
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answers = [await client.get(path) for path in (*LISTS, "/health/ready")]
            health = await client.get("/health")
            alive = await client.get("/health/live")
            scraped = (await client.get("/metrics")).text
    for answer in answers:
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["retry-after"] == "1"
        assert ProblemShape.model_validate(answer.json()).code == "storage_unavailable"
    shown = HealthShape.model_validate(health.json())
    assert (health.status_code, shown.status, shown.sources) == (503, "down", None)
    assert shown.reasons == ["the database does not answer"]
    assert alive.status_code == 200
    assert "kamiyo_database_up 0.0" in scraped
    assert "kamiyo_source_up{" not in scraped


async def test_metrics_of_sources(client, node, clock):
    """A scrape says of each source whether it is live and how old its word is; never heard has no age."""
    before = (await client.get("/metrics")).text
    assert f'kamiyo_source_up{{source="{NODE}"}} 0.0' in before
    assert "kamiyo_source_age_seconds{" not in before
    await hear(node, clock)
    clock.advance(seconds=7)
    after = (await client.get("/metrics")).text
    assert f'kamiyo_source_up{{source="{NODE}"}} 1.0' in after
    assert f'kamiyo_source_age_seconds{{source="{NODE}"}} 7.0' in after
    assert "kamiyo_database_up 1.0" in after


async def test_requests_are_counted_by_route(client, node):
    """Requests are counted under the declared path, cached or not, and unknown paths under one name."""
    identity = "1760130960250-50c55d61ec85f9fbb4b98324"
    for path in ("/liquidations?limit=7", "/liquidations?limit=7", f"/liquidations/{identity}", "/a", "/b"):
        await client.get(path)
    text = (await client.get("/metrics")).text
    counted = {
        line.rpartition(" ")[0] for line in text.splitlines() if line.startswith("kamiyo_http_requests_total")
    }
    labels = 'kamiyo_http_requests_total{method="GET",route="%s",status="%s"}'
    assert labels % ("/liquidations", 200) in counted
    assert labels % ("/liquidations/{liquidation_id}", 404) in counted
    assert labels % ("unmatched", 404) in counted
    assert identity not in text


async def test_stats_keep_the_methods_apart(client, node, clock):
    """Each method has totals of its own, by side and asset, and nothing adds them up."""
    adl = LiquidationMethod.ADL
    await hear(
        node,
        clock,
        a_liquidated_fill(),
        a_liquidated_fill(user=OTHER_VICTIM, asset="BTC", side=Direction.SHORT, tid=2),
        a_liquidated_fill(method=adl, tid=3, size=Decimal(1)),
    )
    hour = (await client.get("/stats")).json()["data"]["windows"][0]
    assert hour["name"] == "1h"
    market = hour["liquidations"]["market"]
    assert (market["count"], market["amount_usd"], market["users"]) == (2, "12000", 2)
    assert market["by_side"]["short"] == {"count": 1, "amount_usd": "6000"}
    assert [each["asset"] for each in market["top_assets"]] == ["BTC", "ETH"]
    assert hour["liquidations"]["adl"]["amount_usd"] == "3000"
    assert hour["liquidations"]["backstop"]["count"] == 0
    assert set(hour["liquidations"]) == {"market", "backstop", "adl"}


async def test_stats_of_what_was_not_heard_are_unknown(client, node, clock):
    """A window of which nothing was heard has no totals, not zeros; a quiet one that was heard has zeros."""
    body = (await client.get("/stats")).json()
    assert [each["liquidations"] for each in body["data"]["windows"]] == [None, None, None]
    assert "nothing was heard of 1h" in body["meta"]["warnings"]
    await hear(node, clock)
    clock.advance(hours=2)
    windows = (await client.get("/stats")).json()["data"]["windows"]
    assert [each["liquidations"] is None for each in windows] == [True, False, False]
    assert windows[1]["liquidations"]["market"]["count"] == 0
    assert windows[1]["liquidations"]["market"]["largest_usd"] is None


async def test_stats_of_the_window_asked_for(client, node, clock):
    """A window asked for comes first; its end is not part of it."""
    await hear(node, clock, a_liquidated_fill(), first_event_at=NOW.replace(year=2025, month=1))
    inside = await client.get("/stats?start=1760130960250&end=1760130960251")
    outside = await client.get("/stats?start=1760130960000&end=1760130960250")
    assert inside.json()["data"]["windows"][0]["liquidations"]["market"]["count"] == 1
    assert outside.json()["data"]["windows"][0]["liquidations"]["market"]["count"] == 0


async def test_a_window_says_which_part_of_it_was_heard(client, node, clock):
    """Counts are of the covered part alone: what came before the first word is not claimed to be quiet."""
    first, last = clock.now() - timedelta(minutes=10), clock.now()
    await hear(node, clock, first_event_at=first, last_event_at=last)
    hour, day, _week = (await client.get("/stats")).json()["data"]["windows"]
    for window in (hour, day):
        assert (window["covered_from"], window["covered_until"]) == (rfc3339(first), rfc3339(last))
        assert window["start"] < window["covered_from"]
        assert window["liquidations"]["market"]["count"] == 0


@pytest.mark.parametrize("query", ["end=1760130960250", "start=2&end=1", "start=0&end=2678400001"])
async def test_stats_refuse_a_window_that_is_none(client, node, query):
    """A window without a beginning, backwards, or longer than 31 days is refused."""
    assert (await client.get(f"/stats?{query}")).status_code == 422


async def test_unknown_amounts_are_not_zero(client, catalogue):
    """Sums are of the known amounts, with how many are unknown; of no known amount there is no sum."""
    cases = (
        an_exploit(tx_hash="a", reports=()),
        an_exploit(tx_hash="b", amount_usd=None, reports=()),
        an_exploit(tx_hash="c", kind=CaseKind.ANALOG, amount_usd=None, reports=()),
    )
    await catalogue.write(a_batch(events=tuple(map(a_record, cases))))
    kinds = (await client.get("/stats")).json()["data"]["exploits"]
    assert (kinds["incident"]["total"]["amount_usd"], kinds["incident"]["total"]["unknown_amounts"]) == (
        "1000000",
        1,
    )
    assert (kinds["analog"]["total"]["amount_usd"], kinds["analog"]["total"]["unknown_amounts"]) == (None, 1)
    assert kinds["incident"]["by_status"]["confirmed"]["count"] == 2


async def test_ingest_is_accounted_for(client, node):
    """What payloads held and what was refused is told by source, and by rule."""
    tally = a_tally(counts={Counted.PAYLOADS: 1, Counted.FILLS: 7})
    await node.write(a_batch(tallies=(tally,), rejects=(a_reject(),)))
    data = (await client.get("/stats")).json()["data"]
    assert data["ingest"][0]["source"] == NODE
    assert data["ingest"][0]["counts"]["fills"] == 7
    assert data["rejects"] == [{"source": NODE, "rule": "not_a_number", "count": 1}]


async def test_coverage_is_not_measured(client, node, clock):
    """Coverage is called not measured, neither 0 nor 100 %, and open gaps are listed."""
    await hear(node, clock, gaps=(a_gap(),))
    body = (await client.get("/coverage")).json()
    assert {each["status"] for each in body["data"]["hourly"]} == {"not measured"}
    assert {each["share_pct"] for each in body["data"]["totals"]} == {None}
    assert body["meta"]["coverage"]["measured_pct"] is None
    assert body["data"]["open_gaps"] == [{"source": NODE, "open": 1}]
    assert [(each["first"], each["after_last"]) for each in body["data"]["gaps"]] == [(100, 110)]


async def test_meta_tells_what_there_is(client, node, catalogue):
    """The server names its version, mode and datasets with what they span, and the assets it has seen."""
    fills = [a_liquidated_fill(asset=asset) for asset in ("ETH", "BTC", "xyz:TSLA", "kPEPE")]
    await node.write(a_batch(events=(*fills, a_record())))
    data = (await client.get("/meta")).json()["data"]
    assert (data["version"], data["mode"]) == ("1.2.3", "LIVE")
    assert data["assets"] == ["BTC", "ETH", "kPEPE", "xyz:TSLA"]
    spans = {each["name"]: (each["count"], each["first"]) for each in data["datasets"]}
    assert spans["liquidations"] == (None, "2025-10-10T21:16:00.250Z")
    assert spans["honest_cases"] == (0, None)


@pytest.mark.parametrize(
    ("dataset", "path"),
    [
        ("liquidations", "/liquidations"),
        ("liquidations", "/stats"),
        ("claims", "/claims"),
        ("rolling_totals", "/claims/totals"),
    ],
)
async def test_what_is_not_kept_is_said_of_every_list(client, node, pool, dataset, path):
    """From when on there is anything; where that was lifted, that what stands before may be a part."""

    async def warnings(day):
        answer = await client.get(f"{path}?start=2025-10-{day:02}T00:00:00Z")  # each is cached by its own
        return answer.json()["meta"]["warnings"]

    assert not any("kept" in each for each in await warnings(1))
    moment, name = datetime(2025, 9, 1, tzinfo=UTC), dataset.replace("_", " ")
    await pool.execute("INSERT INTO retained VALUES ($1, $2, $2, $2)", dataset, moment)
    assert f"{name} before 2025-09-01T00:00:00.000Z are not kept here" in await warnings(2)
    about = (await client.get("/meta")).json()["data"]["datasets"]
    kept = {each["kept_from"] for each in about if each["dropped_before"]}
    assert kept == {"2025-09-01T00:00:00.000Z"}
    await pool.execute("UPDATE retained SET stored_from = NULL")
    dropped = f"{name} before 2025-09-01T00:00:00.000Z were dropped"
    assert any(each.startswith(dropped) for each in await warnings(3))
