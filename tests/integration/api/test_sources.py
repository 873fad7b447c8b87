"""Sources shown and switched over HTTP, on a real database."""

from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest
from structlog.testing import capture_logs

from kamiyo.api.schemas import DataShape, ListShape, SourceShape
from kamiyo.core.sources import ANY_AGE, SourceState, SourceType
from kamiyo.storage.polls import PostgresTimetable
from kamiyo.storage.spending import PostgresUsdBudget
from tests.builders import API, NODE, a_batch, a_source_description

ASKED = a_source_description(name=API, type=SourceType.POLLED, lag_limit=ANY_AGE, priority=50)


async def rows(client):
    answer = (await client.get("/sources")).json()
    ListShape[SourceShape].model_validate(answer)
    return {each["name"]: each for each in answer["data"]}


@pytest.fixture
async def asked(journal, pool):
    """Make a source known that is asked every six hours."""
    await journal.register(ASKED)
    await PostgresTimetable(pool).register(API, timedelta(hours=6))


async def test_a_stream_shows_its_lag_and_its_last_trouble(client, node, clock):
    """What was the matter stays to be seen when it is over, with when it began."""
    before = (await rows(client))[NODE]
    assert (before["lag_seconds"], before["last_error"], before["last_error_at"]) == (None, None, None)
    assert (before["poll_every_seconds"], before["next_poll_at"], before["failed_polls"]) == (None,) * 3
    began = clock.now()
    for _ in range(2):
        await node.report_state(NODE, SourceState.UNREACHABLE, "nobody is there")
        clock.advance(seconds=5)
    await node.report_state(NODE, SourceState.LIVE, "")
    await node.write(a_batch(heard_at=clock.now(), last_event_at=clock.now() - timedelta(seconds=3.9)))
    row = (await rows(client))[NODE]
    assert (row["state"], row["detail"], row["lag_seconds"]) == ("live", "", 3)
    assert row["last_error"] == "nobody is there"
    assert row["last_error_at"] == began.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def test_a_polled_source_shows_when_it_is_asked(client, asked, pool, journal, clock):
    """At once where no time is set; old things by nature have no lag."""
    row = (await rows(client))[API]
    assert (row["poll_every_seconds"], row["next_poll_at"], row["failed_polls"]) == (21_600, None, 0)
    await pool.execute("UPDATE source_polls SET next_poll_at = '2025-10-11T00:00:00Z', failures = 2")
    await journal.write(a_batch(source=API, heard_at=clock.now(), last_event_at=clock.now()))
    clock.advance(seconds=2)
    row = (await rows(client))[API]
    assert (row["next_poll_at"], row["failed_polls"]) == ("2025-10-11T00:00:00.000Z", 2)
    assert row["lag_seconds"] is None
    metrics = (await client.get("/metrics")).text
    assert f'next_poll_timestamp_seconds{{source="{API}"}} 1.7601408e+09' in metrics


async def test_what_was_spent_today_is_shown(client, asked, node, pool, clock):
    """With what is allowed; nobody else's and no other day's, and null where nothing was paid for."""
    budget = PostgresUsdBudget(pool, clock)
    assert await budget.set_aside(API, Decimal("1.25"), daily_limit_usd=Decimal(5))
    found = await rows(client)
    assert found[API]["spending"] == {"spent_usd": "1.25", "limit_usd": "5"}
    assert found[NODE]["spending"] is None
    health = {each["name"]: each for each in (await client.get("/health")).json()["sources"]}
    assert health[API]["spending"] == {"spent_usd": "1.25", "limit_usd": "5"}
    clock.advance(days=1)
    assert (await rows(client))[API]["spending"] is None


async def test_a_source_is_switched_and_everybody_told(client, asked, node, pool):
    """The answer is the source as it is then; the log and the stream have it too."""
    await pool.execute("UPDATE source_polls SET next_poll_at = now() + interval '1 h', failures = 3")
    with capture_logs() as logs:
        answer = await client.patch(f"/sources/{API}", json={"active": False})
        again = await client.patch(
            f"/sources/{API}", json={"active": True, "priority": 3}, headers={"x-request-id": "me"}
        )
    for each, active, priority in ((answer, False, 50), (again, True, 3)):
        DataShape[SourceShape].model_validate(each.json())
        row = each.json()["data"]
        assert (each.status_code, row["active"], row["priority"]) == (200, active, priority)
    assert answer.json()["data"]["health"] == "inactive"
    row = again.json()["data"]
    assert (row["next_poll_at"], row["failed_polls"]) == (None, 0)  # at once
    switched = [each for each in logs if each["event"] == "source_switched"]
    assert [(each["source"], each["active"], each.get("priority")) for each in switched] == [
        (API, False, None),
        (API, True, 3),
    ]
    assert switched[1]["request"] == "me"
    packets = await pool.fetch("SELECT messages FROM outbox WHERE channel = 'sources' ORDER BY id")
    told = [msgspec.json.decode(packet["messages"])[0] for packet in packets]
    assert [(each["name"], each["active"], each["priority"]) for each in told[-2:]] == [
        (API, False, 50),
        (API, True, 3),
    ]
    assert list(await rows(client)) == [API, NODE]  # in the order of priority


async def test_who_changed_something_sees_it_in_the_next_answer(client, asked, clock):
    """Though equal questions have one answer for a second; a refused change costs nobody that answer."""
    before = (await client.get("/sources")).json()
    clock.advance(milliseconds=1)
    assert (await client.patch(f"/sources/{API}", json={"priority": 1_001})).status_code == 422
    assert (await client.get("/sources")).json() == before
    assert (await client.patch(f"/sources/{API}", json={"priority": 3})).status_code == 200
    clock.advance(milliseconds=1)
    assert (await rows(client))[API]["priority"] == 3


async def test_nothing_is_changed_where_nothing_is_asked(client, asked):
    """An empty change is answered with what is."""
    answer = await client.patch(f"/sources/{API}", json={})
    assert (answer.status_code, answer.json()["data"]["priority"]) == (200, 50)


async def test_nobody_switches_what_is_not_there(client, journal):
    """An unknown name is a problem, and makes no source."""
    answer = await client.patch("/sources/nobody", json={"active": False})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await client.get("/sources")).json()["data"] == []


@pytest.mark.parametrize(
    ("body", "headers", "problem"),
    [
        ({"active": None}, {}, (422, "invalid_body")),
        ({"active": "yes"}, {}, (422, "invalid_body")),
        ({"priority": -1}, {}, (422, "invalid_body")),
        ({"priority": 1_001}, {}, (422, "invalid_body")),
        ({"priority": 1.5}, {}, (422, "invalid_body")),
        ({"active": True, "state": "live"}, {}, (422, "invalid_body")),
        ({"active": True}, {"origin": "https://evil.example"}, (403, "cross_site")),
        ({"active": True}, {"sec-fetch-site": "cross-site"}, (403, "cross_site")),
        ({"active": True}, {"content-type": "text/plain"}, (415, "not_json")),
    ],
)
async def test_a_wrong_change_changes_nothing(client, asked, body, headers, problem):
    """Whatever is wrong with it, and whoever's page sent it."""
    sent = {"content-type": "application/json"} | headers
    answer = await client.patch(f"/sources/{API}", content=msgspec.json.encode(body), headers=sent)
    assert (answer.status_code, answer.json()["code"]) == problem
    assert (await rows(client))[API]["active"] is True


async def test_a_change_takes_no_parameters(client, asked):
    """What would be ignored is refused."""
    answer = await client.patch(f"/sources/{API}?active=false", json={"active": True})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameters")
