"""What every request passes: boundary, errors, cache; over ASGI and over real sockets."""

import asyncio
import dataclasses
from datetime import UTC, datetime

import httpx
import pytest

from kamiyo.api.app import build_app
from kamiyo.api.gateway.boundary import MAX_TARGET_BYTES, Boundary
from kamiyo.api.schemas import ProblemShape
from kamiyo.api.state import ApiState
from kamiyo.cache.responses import open_cache
from kamiyo.core.cases import birth_id
from tests.builders import (
    a_batch,
    a_liquidated_fill,
    a_record,
)

STARTED = datetime(2025, 10, 10, 21, 0, tzinfo=UTC)


async def fail(scope, receive, send):
    """An application with a fault."""
    raise ValueError("a secret of the database")


async def fail_late(scope, receive, send):
    """An application that fails in the middle of its answer."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    raise ValueError("a secret of the database")


def client_of(app):
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


def problem(answer):
    """Check that an answer is a problem, and give it."""
    assert answer.headers["content-type"] == "application/problem+json"
    found = ProblemShape.model_validate(answer.json())
    assert found.status == answer.status_code
    assert found.request_id == answer.headers["x-request-id"]
    return found


@pytest.mark.parametrize(
    ("method", "target", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/liquidations/", 404, "not_found"),
        ("POST", "/liquidations", 405, "method_not_allowed"),
        ("DELETE", "/health", 405, "method_not_allowed"),
        ("OPTIONS", "/exploits", 405, "method_not_allowed"),
        ("GET", "/liquidations?asse=BTC", 422, "invalid_parameters"),
        ("GET", "/meta?a=1", 422, "invalid_parameters"),
        ("GET", "/liquidations?limit=1001", 422, "invalid_parameters"),
        ("GET", "/liquidations?limit=5&limit=6", 422, "invalid_parameters"),
        ("GET", "/liquidations?start=2025-02-30T00:00:00Z", 422, "invalid_parameters"),
        ("GET", "/liquidations?start=yesterday", 422, "invalid_parameters"),
        ("GET", "/liquidations?min_usd=NaN", 422, "invalid_parameters"),
        ("GET", "/liquidations?min_usd=-1", 422, "invalid_parameters"),
        ("GET", "/liquidations?user=0x1", 422, "invalid_parameters"),
        ("GET", "/liquidations?side=up", 422, "invalid_parameters"),
        ("GET", "/liquidations?protocol=%00", 422, "invalid_parameters"),
        ("GET", "/liquidations?cursor=AAAA", 400, "invalid_cursor"),
        ("GET", f"/liquidations?cursor={'a' * 401}", 422, "invalid_parameters"),
        ("GET", f"/liquidations?asset={'a' * MAX_TARGET_BYTES}", 414, "too_long"),
        ("GET", "/liquidations?" + "&".join(f"a{number}" for number in range(60)), 422, "invalid_parameters"),
    ],
)
async def test_every_refusal_is_a_problem(client, method, target, status, code):
    """Whatever is wrong with a request is answered with RFC 9457 and a stable code."""
    found = problem(await client.request(method, target))
    assert (found.status, found.code) == (status, code)


async def test_refusal_names_the_parameters(client, journal):
    """A refusal lists each parameter with what is wrong with it."""
    found = problem(await client.get("/liquidations?coin=BTC&limit=0"))
    assert [(each.field, each.code) for each in found.errors] == [("coin", "unknown_parameter")]
    found = problem(await client.get("/liquidations?limit=0&start=x"))
    assert {(each.field, each.code) for each in found.errors} == {
        ("limit", "out_of_range"),
        ("start", "malformed"),
    }


@pytest.mark.parametrize("change", ["order=asc", "exploits"])
async def test_cursor_of_another_list(client, node, change):
    """A cursor is refused where it was not given out for."""
    await node.write(a_batch(events=tuple(a_liquidated_fill(asset=name) for name in ("A", "B"))))
    cursor = (await client.get("/liquidations?limit=1")).json()["meta"]["next_cursor"]
    target = (
        f"/exploits?cursor={cursor}" if change == "exploits" else f"/liquidations?cursor={cursor}&{change}"
    )
    assert problem(await client.get(target)).code == "invalid_cursor"


async def test_fault_of_ours_tells_nothing(journal):
    """A fault is answered with 500 and the request's id, and with nothing of what went wrong."""
    async with client_of(Boundary(fail, names=())) as client:
        answer = await client.get("/liquidations", headers={"X-Request-Id": "mine-1"})
    assert problem(answer).code == "internal_error"
    assert answer.headers["x-request-id"] == "mine-1"
    assert "secret" not in answer.text


async def test_fault_in_the_middle_is_not_covered_up(journal):
    """After an answer has begun a fault is passed on, so that the connection is cut."""
    transport = httpx.ASGITransport(app=Boundary(fail_late, names=()))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        with pytest.raises(ValueError, match="secret"):
            await client.get("/")


@pytest.mark.parametrize("offered", ["a b", "x" * 65, "é"])
async def test_strange_request_id_is_replaced(client, journal, offered):
    """Only a short plain request id is taken from the caller."""
    answer = await client.get("/health/live", headers={"X-Request-Id": offered.encode()})
    assert answer.headers["x-request-id"].encode() != offered.encode()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("localhost:8000", 200),
        ("127.0.0.1:8000", 200),
        ("[::1]:8000", 200),
        ("LOCALHOST", 200),
        ("kamiyo.example", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("192.0.2.1", 421),
        ("", 421),
    ],
)
async def test_unknown_host_is_refused(state, host, status):
    """A name that was pointed at this machine from elsewhere gets nothing."""
    async with client_of(build_app(state, names=("kamiyo.example",))) as client:
        answer = await client.get("/health/live", headers={"Host": host})
    assert answer.status_code == status


async def test_page_and_its_files(client, journal):
    """The page is served with a policy that lets it load from here only, and it loads nothing else."""
    page = await client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "//" not in page.text.replace("<!doctype html>", "")
    assert "innerHTML" not in (await client.get("/page.js")).text
    assert (await client.get("/page.css")).headers["content-type"].startswith("text/css")
    assert page.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("target", ["/liquidations", "/health/live", "/nothing", "/"])
async def test_head_is_get_without_a_body(client, journal, target):
    """HEAD is answered like GET, with its length and without its body."""
    whole, head = await client.get(target), await client.head(target)
    assert (head.status_code, head.content) == (whole.status_code, b"")
    assert head.headers["content-type"] == whole.headers["content-type"]
    assert abs(int(head.headers["content-length"]) - len(whole.content)) < 20


async def test_answer_is_shown_for_a_second(client, node, clock):
    """Within a second equal questions get one answer, its age told; after it what is true then."""
    await client.get("/liquidations?limit=5&order=desc")
    await node.write(a_batch(events=(a_liquidated_fill(),)))
    clock.advance(seconds=0.9)
    again = await client.get("/liquidations?order=desc&limit=5")
    assert (again.json()["meta"]["count"], again.headers["age"]) == (0, "0")
    clock.advance(seconds=0.1)
    assert (await client.get("/liquidations?limit=5&order=desc")).json()["meta"]["count"] == 1


async def test_errors_are_not_kept(client, catalogue):
    """A refusal is not remembered: what is stored a moment later is found."""
    record = a_record()
    case = birth_id(record)
    assert (await client.get(f"/exploits/{case}")).status_code == 404
    await catalogue.write(a_batch(events=(record,)))
    assert (await client.get(f"/exploits/{case}")).status_code == 200


async def test_processes_share_answers(pool, node, clock, redis_url):
    """What one process has answered another shows too, and not a moment longer."""
    async with open_cache(redis_url, clock=clock) as one, open_cache(redis_url, clock=clock) as two:
        apps = [
            build_app(ApiState(pool=pool, cache=cache, clock=clock, version="1", started_at=STARTED))
            for cache in (one, two)
        ]
        async with client_of(apps[0]) as first, client_of(apps[1]) as second:
            made = (await first.get("/liquidations")).json()
            await node.write(a_batch(events=(a_liquidated_fill(),)))
            clock.advance(seconds=0.5)
            assert (await second.get("/liquidations")).json() == made
            clock.advance(seconds=0.5)
            assert (await second.get("/liquidations")).json()["meta"]["count"] == 1


async def test_without_redis_everything_is_served(pool, node, clock):
    """A Redis that is not there costs neither an answer nor its time."""
    await node.write(a_batch(events=(a_liquidated_fill(),)))
    async with open_cache("redis://127.0.0.1:1", clock=clock) as cache:
        app = build_app(ApiState(pool=pool, cache=cache, clock=clock, version="1", started_at=STARTED))
        async with client_of(app) as client:
            for limit in range(1, 6):
                assert (await client.get(f"/liquidations?limit={limit}")).json()["meta"]["count"] == 1


async def test_over_a_real_socket(serve, state, node, clock):
    """The application behind a real server: GET, HEAD, errors, and a connection that stays usable."""
    await node.write(
        a_batch(
            events=(a_liquidated_fill(),),
            heard_at=clock.now(),
            first_event_at=clock.now(),
            last_event_at=clock.now(),
        )
    )
    async with serve(build_app(state)) as url, httpx.AsyncClient(base_url=url) as client:
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/liquidations")).json()["meta"]["count"] == 1
        assert (await client.head("/liquidations")).content == b""
        assert problem(await client.get("/nope")).code == "not_found"
        assert problem(await client.get("/liquidations?limit=x")).errors[0].code == "not_an_integer"
        assert (await client.get("/openapi.json")).json()["openapi"].startswith("3.1")


async def test_many_at_once_make_one_answer(state, node, clock):
    """Equal questions that come together are answered by one look into the database."""
    asked = []

    class Counting:
        def acquire(self):
            asked.append(1)
            return state.pool.acquire()

    app = build_app(dataclasses.replace(state, pool=Counting()))
    async with client_of(app) as client, asyncio.TaskGroup() as tasks:
        answers = [tasks.create_task(client.get("/liquidations")) for _ in range(20)]
    assert {answer.result().status_code for answer in answers} == {200}
    assert len(asked) == 1
