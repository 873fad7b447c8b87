"""Backfills over HTTP: how far each is, what it cost, and what could not be read."""

from datetime import timedelta
from decimal import Decimal

import pytest

from kamiyo.api.backfill_schemas import BackfillDetailShape, BackfillShape
from kamiyo.api.schemas import DataShape, ListShape
from kamiyo.core.backfills import BackfillPlan, BackfillRequest, ObjectCounts, ObjectState
from kamiyo.kit.clock import SystemClock
from kamiyo.storage.backfills import PostgresBackfills
from kamiyo.storage.leases import PostgresLeases
from tests.archives import FIRST_HOUR, MemoryArchive, hour
from tests.builders import ARCHIVE

COUNTS = ObjectCounts(bytes_read=1_000, payloads=10, liquidated_fills=5, new_fills=4, rejects=1)
BEGUN = "UPDATE backfill_objects SET started_at = clock_timestamp() - interval '10 s' WHERE attempts > 0"


@pytest.fixture
def backfills(pool, clock):
    """Give the rows of backfills."""
    return PostgresBackfills(pool, clock)


async def planned(backfills, hours=4):
    """Plan the first hours, each of a thousand bytes; the numbers of the backfill and of its objects."""
    archive = MemoryArchive()
    objects = tuple(archive.keep(number, [b"x" * 1_000]) for number in range(hours))
    request = BackfillRequest(
        source=ARCHIVE, start=FIRST_HOUR, end=hour(hours), requested_by="kamiyo backfill"
    )
    plan = BackfillPlan(request=request, objects=objects, cost_usd=Decimal("0.50"))
    number = await backfills.plan(plan)
    return number, [row[0] for row in await _objects(backfills, number)]


async def _objects(backfills, number):
    query = "SELECT object_id FROM backfill_objects WHERE backfill_id = $1 ORDER BY object_id"
    return await backfills._pool.fetch(query, number)


async def ended(backfills, pool, object_id, state, detail=""):
    async with PostgresLeases(pool, SystemClock()).hold(f"object/{object_id}") as lease:
        assert await backfills.begin(object_id, lease)
        await backfills.count(object_id, COUNTS, lease)
        assert await backfills.settle(object_id, state, detail, lease)
        assert not await backfills.settle(object_id, ObjectState.DONE, "again", lease)


async def test_progress_is_shown(client, pool, backfills, clock):
    """By objects and bytes, with the rate, what is left at that rate, and the reason of each failure."""
    number, objects = await planned(backfills)
    (fresh,) = (await client.get("/backfills")).json()["data"]
    assert (fresh["state"], fresh["seconds"], fresh["rate_bytes_per_second"]) == ("running", None, None)
    assert (fresh["objects"], fresh["bytes"], fresh["bytes_done"], fresh["seconds_left"]) == (
        4,
        4_000,
        0,
        None,
    )
    assert fresh["cost_usd"] == "0.5"
    await ended(backfills, pool, objects[0], ObjectState.DONE)
    await ended(backfills, pool, objects[1], ObjectState.FAILED, "it is cut off")
    await pool.execute(BEGUN)
    clock.advance(seconds=2)
    answer = await client.get(f"/backfills/{number}")
    body = answer.json()
    DataShape[BackfillDetailShape].model_validate(body)
    found = body["data"]
    assert (found["objects_done"], found["objects_failed"], found["objects_running"]) == (1, 1, 0)
    assert (found["bytes_done"], found["bytes_read"], found["seconds"]) == (2_000, 2_000, 10)
    assert (found["rate_bytes_per_second"], found["seconds_left"]) == (200, 10)
    assert (found["payloads"], found["liquidated_fills"], found["new_fills"], found["rejects"]) == (
        20,
        10,
        8,
        2,
    )
    (trouble,) = found["troubles"]
    assert (trouble["state"], trouble["detail"]) == ("failed", "it is cut off")
    assert trouble["name"] == "s3://archive/hourly/20251010/21.lz4"


async def test_a_backfill_that_is_over_stands_still(client, pool, backfills, clock):
    """Its time ended with its last object, and nothing is left."""
    number, objects = await planned(backfills, 1)
    await ended(backfills, pool, objects[0], ObjectState.DONE)
    await pool.execute("UPDATE backfill_objects SET started_at = done_at - interval '4 s'")
    found = (await client.get(f"/backfills/{number}")).json()["data"]
    assert (found["state"], found["seconds"], found["seconds_left"], found["troubles"]) == (
        "done",
        4,
        None,
        [],
    )
    assert found["done_at"] is not None


async def test_the_latest_comes_first_page_by_page(client, backfills):
    """Unless asked otherwise; a cursor goes on where a page ended."""
    numbers = [(await planned(backfills, 1))[0] for _ in range(3)]
    page = (await client.get("/backfills?limit=2")).json()
    ListShape[BackfillShape].model_validate(page)
    rest = (await client.get(f"/backfills?limit=2&cursor={page['meta']['next_cursor']}")).json()
    assert [each["backfill_id"] for each in page["data"] + rest["data"]] == numbers[::-1]
    assert (page["meta"]["has_more"], rest["meta"]["has_more"]) == (True, False)
    upwards = (await client.get("/backfills?order=asc")).json()["data"]
    assert [each["backfill_id"] for each in upwards] == numbers


@pytest.mark.parametrize(
    ("path", "status"), [("/backfills/4711", 404), ("/backfills/0", 422), ("/backfills?cursor=abc", 400)]
)
async def test_what_there_is_not_is_a_problem(client, path, status):
    """With its code."""
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


async def test_history_is_measured(client, pool, backfills, clock):
    """Whichever process read it: by state, in bytes, in seconds and in failures."""
    _number, objects = await planned(backfills)
    await ended(backfills, pool, objects[0], ObjectState.DONE)
    async with PostgresLeases(pool, SystemClock()).hold("object") as lease:
        await backfills.begin(objects[1], lease)
        await backfills.put_back(objects[1], "nobody is there", lease, failed=True)
    await pool.execute("UPDATE backfill_objects SET started_at = done_at - interval '4 s'")
    text = (await client.get("/metrics")).text
    assert 'kamiyo_backfill_objects{state="done"} 1.0\n' in text
    assert 'kamiyo_backfill_objects{state="queued"} 3.0\n' in text
    assert "kamiyo_backfill_read_bytes 1000.0\n" in text
    assert "kamiyo_backfill_seconds 4.0\n" in text
    assert "kamiyo_backfill_failures 1.0\n" in text


async def test_what_waits_says_why(client, pool, backfills, clock):
    """An object that failed and is tried again is among the troubles, until it is read."""
    number, objects = await planned(backfills, 1)
    async with PostgresLeases(pool, SystemClock()).hold("object") as lease:
        await backfills.begin(objects[0], lease)
        await backfills.put_back(objects[0], "nobody is\nthere", lease, failed=True)
    (trouble,) = (await client.get(f"/backfills/{number}")).json()["data"]["troubles"]
    assert (trouble["state"], trouble["detail"], trouble["failures"]) == ("queued", "nobody is?there", 1)
    clock.advance(seconds=2)
    await ended(backfills, pool, objects[0], ObjectState.DONE)
    assert (await client.get(f"/backfills/{number}")).json()["data"]["troubles"] == []


async def test_nobody_goes_on_with_what_is_over(pool, backfills, clock):
    """Neither begins it anew nor says again how it ended."""
    number, objects = await planned(backfills, 1)
    await ended(backfills, pool, objects[0], ObjectState.DONE)
    async with PostgresLeases(pool, SystemClock()).hold("object") as lease:
        assert not await backfills.begin(objects[0], lease)
    assert not await backfills.any_open()
    assert await backfills.look(10**9) is None
    ended_after = "SELECT done_at - requested_at FROM backfills WHERE backfill_id = $1"
    assert await pool.fetchval(ended_after, number) == timedelta(0)
