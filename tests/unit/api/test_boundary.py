from typing import Any

import pytest

from kamiyo.api.gateway.boundary import Boundary
from kamiyo.kit import metrics


async def answer(scope, receive, send):
    """An application that answers GET, and nothing else, in two parts."""
    assert scope["method"] == "GET"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"one", "more_body": True})
    await send({"type": "http.response.body", "body": b"two"})


async def ask(app, *, method="GET", host=b"localhost", origin=None, kind="http"):
    sent: list[dict[str, Any]] = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": kind,
        "method": method,
        "path": "/x",
        "raw_path": b"/x",
        "query_string": b"",
        "headers": [(b"host", host), *([(b"origin", origin)] if origin is not None else [])],
    }
    await Boundary(app, names=())(scope, receive, send)
    return sent


async def test_head_asks_get_and_drops_the_body():
    """HEAD reaches the application as GET, and no part of a body leaves."""
    sent = await ask(answer, method="HEAD")
    assert [each.get("body") for each in sent[1:]] == [b"", b""]
    assert [each.get("body") for each in (await ask(answer))[1:]] == [b"one", b"two"]


async def test_socket_under_an_unknown_name_is_closed():
    """A WebSocket asked for under a foreign name never reaches the application."""
    assert await ask(answer, host=b"evil.example", kind="websocket") == [
        {"type": "websocket.close", "code": 4403, "reason": "unknown host"}
    ]


@pytest.mark.parametrize(
    ("origin", "known"),
    [
        (None, True),
        (b"http://localhost:8000", True),
        (b"http://127.0.0.1:8000", True),
        (b"https://evil.example", False),
        (b"https://localhost.evil.example", False),
        (b"null", False),
    ],
)
async def test_a_page_from_elsewhere_cannot_listen(origin, known):
    """Browsers let any page open a WebSocket, so only this machine's own pages, and programs, get one."""

    async def accept(_scope, _receive, send):
        await send({"type": "websocket.accept"})

    [answered] = await ask(accept, origin=origin, kind="websocket")
    refused = {"type": "websocket.close", "code": 4403, "reason": "unknown origin"}
    assert answered == ({"type": "websocket.accept"} if known else refused)


@pytest.mark.parametrize("method", ["BREW", "X" * 50])
async def test_methods_are_counted_from_a_closed_set(method):
    """A made-up method does not make a metric of its own."""

    async def refuse(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 405, "headers": []})
        await send({"type": "http.response.body"})

    counter = metrics.HTTP_REQUESTS.labels("unmatched", "OTHER", "405")
    before = counter._value.get()
    await ask(refuse, method=method)
    assert counter._value.get() == before + 1
    assert method.encode() not in metrics.exposition()
