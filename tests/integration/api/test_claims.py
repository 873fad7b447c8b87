"""What others claim over HTTP and in the journal's words, on a real database."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from kamiyo.api.claim_schemas import ClaimedPositionShape, ClaimedTotalShape, ClaimShape
from kamiyo.api.schemas import ListShape
from kamiyo.api.services.claims import LABEL
from kamiyo.core.claims import ClaimedAction
from kamiyo.core.margin import Direction
from kamiyo.core.sources import CoverageLabel, SourceState, Subject
from tests.builders import a_batch, a_gap, a_source_description
from tests.fake_claims import CLAIMED_AT, COINGLASS, a_claim, a_claimed_position, a_claimed_total

HOUR = timedelta(hours=1)
SHAPES: dict[str, Any] = {
    "/claims": ListShape[ClaimShape],
    "/claims/totals": ListShape[ClaimedTotalShape],
    "/claims/positions": ListShape[ClaimedPositionShape],
}


@pytest.fixture
async def coinglass(journal):
    """Make CoinGlass a known source that has never been heard."""
    await journal.register(
        a_source_description(name=COINGLASS, label=CoverageLabel.NOT_MEASURED, subject=Subject.CLAIMS)
    )
    return journal


async def heard(journal, clock, *claims, **batch):
    """Store these as what CoinGlass just said."""
    now = clock.now()
    batch = {"heard_at": now, "first_event_at": now, "last_event_at": now} | batch
    await journal.write(a_batch(source=COINGLASS, events=claims, **batch))


async def ids(client, path, name):
    """Follow the cursors of a list to its end."""
    found, cursor, mark = [], "", "&" if "?" in path else "?"
    while True:
        body = (await client.get(f"{path}{cursor}")).json()
        SHAPES[path.partition("?")[0]].model_validate(body)
        found += [each[name] for each in body["data"]]
        if not body["meta"]["has_more"]:
            return found
        cursor = f"{mark}cursor={body['meta']['next_cursor']}"


async def test_a_claim_is_shown_as_one(client, coinglass, clock):
    """Numbers are digits, what was not told is null, and nobody takes it for a liquidation."""
    unknown = a_claim(side=None, price=None, amount_usd=None, ordinal=1)
    await heard(coinglass, clock, a_claim(), unknown, a_claimed_total(), a_claimed_position())
    rows = {each["ordinal"]: each for each in (await client.get("/claims")).json()["data"]}
    assert rows[0] == {
        "claim_id": a_claim().claim_id,
        "source": "coinglass",
        "exchange": "binance",
        "pair": "ETHUSDT",
        "asset": "ETH",
        "side": "long",
        "price": "3000.5",
        "amount_usd": "205534.2932",
        "timestamp": "2025-10-10T21:16:00.250Z",
        "ordinal": 0,
    }
    assert [rows[1][name] for name in ("side", "price", "amount_usd")] == [None] * 3
    [total] = (await client.get("/claims/totals")).json()["data"]
    assert (total["short_usd"], total["complete"], total["start"]) == ("0", True, "2025-10-10T20:00:00.000Z")
    [position] = (await client.get("/claims/positions")).json()["data"]
    assert (position["side"], position["size"], position["mark_price"]) == ("short", "-44727.1273", None)
    assert (await client.get("/liquidations")).json()["data"] == []
    stats = (await client.get("/stats")).json()["data"]["windows"]
    assert all(each["liquidations"] is None for each in stats)


@pytest.mark.parametrize("limit", [1, 2, 100])
@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_every_list_can_be_paged_either_way(client, coinglass, clock, order, limit):
    """Each row once, by time and then by id, though many are of one moment."""
    moments = [CLAIMED_AT - back * HOUR for back in (0, 0, 1, 2, 2)]
    orders = [a_claim(timestamp=at, ordinal=number) for number, at in enumerate(moments)]
    totals = [a_claimed_total(start=at, exchange=f"e{number}") for number, at in enumerate(moments)]
    opened = [
        a_claimed_position(timestamp=at, action=ClaimedAction.OPENED, size=Decimal(number + 1))
        for number, at in enumerate(moments)
    ]
    await heard(coinglass, clock, *orders, *totals, *opened)
    for path, name, rows in (
        ("/claims", "claim_id", [(each.timestamp, each.claim_id) for each in orders]),
        ("/claims/totals", "total_id", [(each.start, each.total_id) for each in totals]),
        ("/claims/positions", "position_id", [(each.timestamp, each.position_id) for each in opened]),
    ):
        expected = [key for _at, key in sorted(rows, reverse=order == "desc")]
        assert await ids(client, f"{path}?order={order}&limit={limit}", name) == expected
    cursor = (await client.get("/claims?limit=1")).json()["meta"]["next_cursor"]
    refused = await client.get(f"/claims/totals?cursor={cursor}")
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_cursor")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["big", "none", "old", "okx", "short"]),
        ("?asset=BTC", ["okx"]),
        ("?exchange=OKX", ["okx"]),
        ("?side=short", ["short"]),
        ("?min_usd=1000000", ["big"]),
        ("?start=2025-10-10T21:16:00Z", ["big", "none", "okx", "short"]),
        ("?end=2025-10-10T21:16:00.250Z", ["old"]),
        ("?source=elsewhere", []),
    ],
)
async def test_orders_by_any_filter(client, coinglass, clock, query, expected):
    """An amount nobody told is not at least anything, and an unknown side no side."""
    await heard(
        coinglass,
        clock,
        a_claim(pair="big", amount_usd=Decimal(1_000_000)),
        a_claim(pair="none", amount_usd=None, side=None),
        a_claim(pair="old", timestamp=CLAIMED_AT - HOUR),
        a_claim(pair="okx", exchange="okx", asset="BTC"),
        a_claim(pair="short", side=Direction.SHORT),
    )
    assert sorted(await ids(client, f"/claims{query}", "pair")) == sorted(expected)


async def test_totals_and_positions_by_filters(client, coinglass, clock):
    """Those of all together are asked for by that word."""
    whole = a_claimed_total(exchange=None, asset=None, rolling=True)
    await heard(
        coinglass,
        clock,
        a_claimed_total(),
        whole,
        a_claimed_total(window_seconds=60),
        a_claimed_position(),
        a_claimed_position(action=ClaimedAction.CLOSED, size=Decimal(5), value_usd=None),
    )
    for query, number in (
        ("exchange=all&asset=all", 1), ("rolling=true", 1), ("rolling=false", 2), ("window_seconds=60", 1),
        ("exchange=Binance", 2), ("min_usd=5916885.14", 3), ("min_usd=5916885.15", 0),
    ):  # fmt: skip
        assert len(await ids(client, f"/claims/totals?{query}", "total_id")) == number, query
    for query, number in (
        ("action=closed", 1), ("side=short", 1), ("min_usd=1", 1), (f"user={'0x' + '5' * 40}", 2),
        ("asset=BTC", 0),
    ):  # fmt: skip
        assert len(await ids(client, f"/claims/positions?{query}", "position_id")) == number, query


async def test_every_answer_says_that_they_are_claims_and_how_fresh(client, coinglass, journal, clock):
    """Nobody heard, not set up, live, live without a part of it, and silent."""

    async def meta():
        clock.advance(minutes=1)  # past what the cache keeps
        return (await client.get("/claims")).json()["meta"]

    never = await meta()
    assert never["warnings"][0] == LABEL
    assert (never["stale"], never["coverage"]["label"]) == (True, "not measured")
    await journal.report_state(COINGLASS, SourceState.NOT_CONFIGURED, "set sources.coinglass.key")
    assert "not configured: set sources.coinglass.key" in (await meta())["warnings"][1]
    await journal.report_state(COINGLASS, SourceState.LIVE, "orders are not in the plan")
    clock.advance(minutes=1)
    await heard(journal, clock)
    live = (await client.get("/claims/totals")).json()["meta"]
    assert (live["stale"], live["warnings"][0]) == (False, LABEL)
    assert live["warnings"][1] == "coinglass is live: orders are not in the plan"
    clock.advance(hours=1)
    assert (await client.get("/claims/positions")).json()["meta"]["stale"]


async def test_a_source_of_totals_alone_says_nothing_of_orders_and_positions(client, coinglass, clock):
    """Its totals stand apart by their source, and while nobody else is heard only their list is not stale."""
    stats = a_source_description(
        name="hyperliquid_stats", label=CoverageLabel.NOT_MEASURED, subject=Subject.TOTALS
    )
    await coinglass.register(stats)
    now, own = clock.now(), a_claimed_total(source="hyperliquid_stats", exchange="hyperliquid")
    await coinglass.write(a_batch(source=stats.name, events=[own], heard_at=now, last_event_at=now))
    await coinglass.report_state(stats.name, SourceState.LIVE, "")
    other = a_claimed_total(exchange="hyperliquid", total_usd=Decimal(1))
    await coinglass.write(a_batch(source=COINGLASS, events=[other]))
    for path, stale, names in (
        ("/claims", True, ["coinglass"]),
        ("/claims/positions", True, ["coinglass"]),
        ("/claims/totals", False, ["coinglass", "hyperliquid_stats"]),
    ):
        meta = (await client.get(path)).json()["meta"]
        assert (path, meta["stale"]) == (path, stale)
        assert sorted(each["name"] for each in meta["coverage"]["sources"]) == names
        assert any("coinglass" in warning for warning in meta["warnings"])
    assert await ids(client, "/claims/totals?source=hyperliquid_stats", "total_id") == [own.total_id]
    assert await ids(client, "/claims/totals?source=coinglass", "total_id") == [other.total_id]


async def test_what_a_source_of_claims_missed_makes_no_liquidation_missing(client, coinglass, clock):
    """Its gaps are its own."""
    await heard(coinglass, clock, gaps=(a_gap(source=COINGLASS, scope="liquidationOrders"),))
    warnings = (await client.get("/liquidations")).json()["meta"]["warnings"]
    assert not any("gap" in each for each in warnings)


async def test_meta_names_the_lists_of_claims(client, coinglass, clock):
    """With what they span."""
    await heard(coinglass, clock, a_claim(), a_claimed_total(), a_claimed_position())
    datasets = {each["name"]: each for each in (await client.get("/meta")).json()["data"]["datasets"]}
    assert datasets["claims"]["first"] == datasets["claims"]["last"] == "2025-10-10T21:16:00.250Z"
    assert (datasets["claims"]["streamed"], datasets["claims"]["path"]) == (True, "/claims")
    assert datasets["claimed_totals"]["first"] == "2025-10-10T20:00:00.000Z"
    assert datasets["claimed_positions"]["count"] == 1
