"""The list of liquidations and one of them, over HTTP, on a real database."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from kamiyo.api.schemas import DataShape, LiquidationDetailShape, LiquidationShape, ListShape
from kamiyo.core.codec import to_json
from kamiyo.core.events import LiquidationMethod
from kamiyo.core.liquidations import fold, liquidation_id, observe
from kamiyo.core.margin import Direction
from kamiyo.core.time import rfc3339
from tests.builders import (
    API,
    MAKER,
    NODE,
    NOW,
    OTHER_VICTIM,
    VICTIM,
    a_batch,
    a_counterparty_fill,
    a_gap,
    a_liquidated_fill,
    a_liquidation,
)

MONTHS = (datetime(2025, 8, 3, tzinfo=UTC), datetime(2025, 9, 3, tzinfo=UTC), NOW)


def many(count, **changes):
    """Liquidations of one moment, distinct in their user, and so in their id only."""
    return tuple(
        a_liquidated_fill(user=f"0x{number:040x}", tid=number, **changes) for number in range(1, count + 1)
    )


async def ids(client, path):
    """Follow the cursors of a list to its end."""
    found, cursor = [], ""
    while True:
        body = (await client.get(f"{path}{cursor}")).json()
        found += [each["liquidation_id"] for each in body["data"]]
        assert body["meta"]["count"] == len(body["data"])
        assert body["meta"]["has_more"] == (body["meta"]["next_cursor"] is not None)
        if not body["meta"]["has_more"]:
            return found
        cursor = f"&cursor={body['meta']['next_cursor']}"


async def test_row_is_the_stream_s_row(client, node):
    """A row of the list is byte for byte what subscribers of the stream are told."""
    fills = (a_liquidated_fill(price=Decimal("0.100"), size=Decimal("1E+3")), *many(3, hash=None))
    await node.write(a_batch(events=fills))
    rows = msgspec.json.decode((await client.get("/liquidations")).content, type=dict[str, msgspec.Raw])
    found = {bytes(row) for row in msgspec.json.decode(rows["data"], type=list[msgspec.Raw])}
    assert found == {to_json(a_liquidation(fill)) for fill in fills}


async def test_body_has_the_documented_shape(client, node):
    """A page and a single liquidation are what the OpenAPI document says they are."""
    await node.write(a_batch(events=(a_liquidated_fill(), *many(2)), gaps=(a_gap(),)))
    page = ListShape[LiquidationShape].model_validate((await client.get("/liquidations")).json())
    one = await client.get(f"/liquidations/{page.data[0].liquidation_id}")
    DataShape[LiquidationDetailShape].model_validate(one.json())


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_pages_join_to_the_list(client, node, order, limit):
    """Pages of any size give every row once, in one order, though several share their time."""
    fills = [fill for moment in MONTHS for fill in many(3, timestamp=moment)]
    await node.write(a_batch(events=tuple(fills)))
    found = await ids(client, f"/liquidations?order={order}&limit={limit}")
    expected = sorted(liquidation_id(fill) for fill in fills)
    assert found == (expected if order == "asc" else expected[::-1])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("asset=BTC", {"btc"}),
        ("asset=xyz:TSLA", {"tesla"}),
        ("protocol=xyz", {"tesla"}),
        ("protocol=hyperliquid", {"plain", "btc", "adl", "old"}),
        ("chain=hyperliquid", {"plain", "btc", "tesla", "adl", "old"}),
        ("side=short", {"btc"}),
        (f"user={OTHER_VICTIM.upper().replace('0X', '0x')}", {"adl"}),
        ("method=adl", {"adl"}),
        ("min_usd=6000.01", {"btc"}),
        ("min_usd=6000", {"plain", "btc", "tesla", "adl", "old"}),
        (f"source={API}", {"btc"}),
        (f"start={rfc3339(NOW)}", {"plain", "btc", "tesla", "adl"}),
        (f"end={rfc3339(NOW)}", {"old"}),
        ("start=1760130960250&end=1760130960251", {"plain", "btc", "tesla", "adl"}),
        ("asset=BTC&side=long", set()),
    ],
)
async def test_filter(client, node, query, expected):
    """Each filter keeps what it names, and filters are joined by and."""
    facts = {
        "plain": a_liquidated_fill(),
        "btc": a_liquidated_fill(asset="BTC", side=Direction.SHORT, size=Decimal("2.1"), source=API),
        "tesla": a_liquidated_fill(asset="xyz:TSLA"),
        "adl": a_liquidated_fill(user=OTHER_VICTIM, method=LiquidationMethod.ADL),
        "old": a_liquidated_fill(timestamp=MONTHS[0]),
    }
    names = {liquidation_id(fill): name for name, fill in facts.items()}
    await node.write(a_batch(events=tuple(facts.values())))
    found = await ids(client, f"/liquidations?{query}")
    assert {names[each] for each in found} == expected


async def test_fills_of_one_liquidation(client, node):
    """A single liquidation brings all of its fills with their roles, both sides and all observations."""
    fills = [a_liquidated_fill(), a_counterparty_fill(tid=102, source=API)]
    await node.write(a_batch(events=(*fills, a_counterparty_fill(source=API))))
    body = (await client.get(f"/liquidations/{liquidation_id(fills[0])}")).json()["data"]
    assert [
        (each["tid"], each["role"], each["counterparty"], len(each["observations"])) for each in body["fills"]
    ] == [
        (101, "victim", MAKER, 2),
        (102, "counterparty", MAKER, 1),
    ]
    assert body["fill_count"] == 2
    assert body["version"] == 3
    whole = fold(body["liquidation_id"], [observe(fill) for fill in fills])
    assert body["size"] == whole.size


@pytest.mark.parametrize(
    "identity",
    ["1760130960250-50c55d61ec85f9fbb4b98324", "999999999999999-50c55d61ec85f9fbb4b98324", "x", "%00"],
)
async def test_unknown_id(client, node, identity):
    """An id nothing is stored under, or that is none, is answered with 404."""
    answer = await client.get(f"/liquidations/{identity}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_look_up_touches_one_month(pool, node):
    """A look-up by id reads no partition but those of its month."""
    from kamiyo.storage import read_liquidations  # noqa: PLC0415  # its statement is looked at below

    await node.write(a_batch(events=tuple(a_liquidated_fill(timestamp=moment) for moment in MONTHS)))
    identity = liquidation_id(a_liquidated_fill())
    async with pool.acquire() as connection:
        moment = read_liquidations.moment_of(identity)
        plan = await connection.fetch("EXPLAIN " + read_liquidations._ONE, moment, identity)
    scanned = {word for row in plan for word in row[0].split() if word.startswith("liquidations_")}
    months = {word[-6:] for word in scanned if word[-6:].isdigit()}
    assert months == {"202510"}


async def test_page_of_a_user_uses_an_index(pool, node):
    """A page in the order of time is read from an index, without sorting."""
    from kamiyo.storage import read_liquidations  # noqa: PLC0415  # its statement is looked at below

    await node.write(a_batch(events=many(50)))
    statement = read_liquidations._PAGE.format(
        columns="liquidation_id", condition='"user" = $1', order="DESC", limit=10
    )
    async with pool.acquire() as connection:
        await connection.execute("SET enable_seqscan = off")
        plan = " ".join(row[0] for row in await connection.fetch("EXPLAIN " + statement, VICTIM))
    assert "Index" in plan
    assert "Sort  " not in plan


async def test_stale_until_a_stream_is_live(client, node, clock):
    """A list is stale and says why until its stream has just been heard, and again when it falls silent."""
    never = (await client.get("/liquidations")).json()["meta"]
    assert never["stale"]
    assert never["coverage"]["label"] == "not measured"
    assert never["warnings"] == ["no source of liquidations has been heard: hyperliquid_node is unknown"]
    await node.write(a_batch(heard_at=clock.now(), first_event_at=clock.now(), last_event_at=clock.now()))
    clock.advance(seconds=2)
    live = (await client.get("/liquidations")).json()["meta"]
    assert not live["stale"]
    assert live["warnings"] == []
    assert live["coverage"]["label"] == "complete"
    assert live["coverage"]["measured_pct"] is None
    clock.advance(seconds=61)
    silent = (await client.get("/liquidations")).json()["meta"]
    assert silent["stale"]
    assert silent["warnings"][0].startswith("no source of liquidations is live: hyperliquid_node is stale")


async def test_open_gap_takes_the_label_away(client, node, clock):
    """A source with an open gap is not called complete, and the list warns of it."""
    await node.write(
        a_batch(
            heard_at=clock.now(),
            first_event_at=clock.now(),
            last_event_at=clock.now(),
            gaps=(a_gap(source=NODE),),
        )
    )
    meta = (await client.get("/liquidations")).json()["meta"]
    assert meta["coverage"]["label"] == "not measured"
    assert meta["warnings"] == ["open gaps of hyperliquid_node: 1; liquidations may be missing"]


async def test_cursor_survives_a_restart(client, state, node):
    """A cursor given out by one server is good for the next one."""
    import httpx  # noqa: PLC0415

    from kamiyo.api.app import build_app  # noqa: PLC0415

    await node.write(a_batch(events=many(3)))
    first = (await client.get("/liquidations?limit=2")).json()
    transport = httpx.ASGITransport(app=build_app(state))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:1") as other:
        rest = (await other.get(f"/liquidations?limit=2&cursor={first['meta']['next_cursor']}")).json()
    assert len({each["liquidation_id"] for each in first["data"] + rest["data"]}) == 3


async def test_rows_that_arrive_do_not_move_a_page(client, node):
    """What is stored while somebody turns pages neither repeats nor hides a row of the older ones."""
    await node.write(a_batch(events=many(4)))
    first = (await client.get("/liquidations?limit=2")).json()
    await node.write(a_batch(events=many(2, timestamp=NOW + timedelta(minutes=1))))
    rest = (await client.get(f"/liquidations?limit=2&cursor={first['meta']['next_cursor']}")).json()
    assert len({each["liquidation_id"] for each in first["data"] + rest["data"]}) == 4
