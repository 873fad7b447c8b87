from typing import Annotated

import httpx
import msgspec
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from kamiyo.api.gateway.changes import body_of, described_body
from kamiyo.api.problems import Refused, install_handlers

OWN = {"host": "localhost:8000", "content-type": "application/json"}


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something inside."""

    number: int


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something to change."""

    active: bool
    parts: tuple[Part, ...] = ()


@pytest.fixture
def app() -> FastAPI:
    """Give an application of one route that takes a small body."""
    app = FastAPI()
    install_handlers(app)

    @app.post("/change")
    async def change(change: Annotated[Change, body_of(Change, max_bytes=40)]) -> Response:
        return Response(repr(change.active))

    return app


async def ask(app: FastAPI, body: bytes = b'{"active": true}', **headers: str) -> httpx.Response:
    given = OWN | {name.replace("_", "-"): value for name, value in headers.items()}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
        return await client.post("/change", content=body, headers=given)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content_type": "Application/JSON; charset=utf-8"},
        {"origin": "http://localhost:8000", "sec_fetch_site": "same-origin"},
        {"origin": "https://LOCALHOST:8000"},  # behind a proxy that speaks TLS
        {"sec_fetch_site": "none"},
    ],
)
async def test_own_pages_and_programs_may_change_something(app, headers):
    """A program without an origin, and a page of this very server, are let in."""
    assert (await ask(app, **headers)).text == "True"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://localhost:3000"},
        {"origin": "http://localhost"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "Cross-Site", "origin": "http://localhost:8000"},
    ],
)
async def test_pages_of_other_origins_may_not(app, headers):
    """A page of another origin, another port of this machine included, changes nothing."""
    answer = await ask(app, **headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site")


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded"])
async def test_what_a_form_can_send_is_refused(app, kind):
    """Only JSON that says that it is JSON is read: a form of any page can send everything else."""
    answer = await ask(app, content_type=kind)
    assert (answer.status_code, answer.json()["code"]) == (415, "not_json")


async def test_a_large_body_is_not_read_to_its_end(app):
    """A body is refused as soon as it is too large, however much would follow."""
    given = 0

    async def endless():
        nonlocal given
        for _ in range(1_000):
            given += 1
            yield b" " * 10

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://localhost:8000"
    ) as client:
        answer = await client.post("/change", content=endless(), headers=OWN)
    assert (answer.status_code, answer.json()["code"], given) == (413, "body_too_large", 5)
    assert (await ask(app, b'{"active": true}'.ljust(40))).status_code == 200


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "truncated"),
        (b"[]", "Expected `object`"),
        (b'{"active": 1}', "$.active"),
        (b'{"active": true, "more": 1}', "unknown field"),
        (b'{"active": true, "parts": [{}]}', "number"),
        (b'{"act\xff": true}', "utf-8"),
    ],
)
async def test_what_is_not_of_the_documented_form_is_refused(app, body, detail):
    """A body that is no JSON, lacks a field or has one more is refused, and told where."""
    answer = await ask(app, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body")
    assert detail.lower() in answer.json()["detail"].lower()


async def test_a_body_that_is_cut_off_is_no_defect():
    """A caller that leaves in the middle of its body is refused like any other wrong request."""

    async def receive():
        return {"type": "http.disconnect"}

    headers = [(name.encode(), value.encode()) for name, value in OWN.items()]
    request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
    read = body_of(Change).dependency
    assert read is not None
    with pytest.raises(Refused) as refused:
        await read(request)
    assert (refused.value.status, refused.value.code) == (400, "invalid_body")


def test_the_document_holds_the_whole_form():
    """The form of a body is written out, parts of parts included, so that it needs nothing beside it."""
    described = described_body(Change)["requestBody"]
    assert described["required"]
    schema = described["content"]["application/json"]["schema"]
    assert schema["properties"]["parts"]["items"]["properties"] == {"number": {"type": "integer"}}
    assert schema["required"] == ["active"]
    assert schema["additionalProperties"] is False
