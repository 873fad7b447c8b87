"""The pages of the API: what may be asked over HTTP, and how the live stream is spoken."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final, cast

from kamiyo import __version__
from kamiyo.api.app import build_api
from kamiyo.api.routes.document import build_document
from kamiyo.api.state import ApiState
from kamiyo.api.stream.limits import StreamLimits
from kamiyo.core.time import EPOCH
from kamiyo.kit.clock import SystemClock
from tools.reference.markdown import code, codes, one_line, page, section, table
from tools.reference.source import PACKAGE, calls, literal, modules, public_classes, tree_of

HTTP_INTRODUCTION: Final = """\
For whoever writes a program against the API. [openapi.json](openapi.json) has every shape; this page has
the paths. Numbers are decimal strings, times RFC 3339 in UTC. A list answers `{"data": […], "meta": {…}}`;
`meta` says whether what is shown happens now (`mode`: LIVE, REPLAY or SIMULATED; `recording` names what
is played), how many rows it holds (`count`), what it was true at (`as_of`), whether no stream behind it is
live (`stale`), which sources it rests on and how complete they are (`coverage`), and what else to know
(`warnings`). Every answer, errors included, has the mode in the header `X-Kamiyo-Mode`. `next_cursor` is the
`cursor` of the next page; `has_more` says whether there is one. `stale` and `warnings` are part of the
answer: an empty list that nobody could have filled says so there. [Errors](errors.md) lists what else may
be answered."""
STREAM_INTRODUCTION: Final = """\
For whoever follows `WS /stream`. The first frame is a `hello` with the `mode` (LIVE, REPLAY or SIMULATED),
the name of the `recording` that is played, if one is, and the `coverage` of liquidations, the label that
lists show; each frame of liquidations has it, too, null while nobody knows it. A caller sends JSON texts,
one request each; the server answers each, and sends frames of messages in between. Each of these has a
`cursor`: subscribe again with it and nothing is missed or told twice, for the seven days the outbox is
kept. `seq` counts the frames of one subscription on one connection without a hole. A `heartbeat` says that
everything committed before its `as_of` was told. [Delivery
guarantees](../explanation/delivery-guarantees.md) says why this holds."""
STREAM_EXAMPLE: Final = """\
```json
{"method": "subscribe", "subscription": {"type": "liquidations", "asset": "BTC", "min_usd": "10000"}}
{"method": "subscribe", "subscription": {"type": "exploits"}, "resume": {"cursor": "20251027170000000:41"}}
{"method": "unsubscribe", "subscription": {"type": "exploits"}}
{"method": "ping"}
```"""
# What each code means; one that is used without a sentence here is an error of `./dev docs`.
STREAM_CODES: Final = {
    "already_subscribed": "this connection has that subscription",
    "cursor_expired": "what follows the cursor is no longer kept, or the stream began anew since: read the "
    "lists again and subscribe without a cursor",
    "invalid_frame": "not a request of this grammar",
    "not_subscribed": "this connection does not have that subscription",
    "storage_unavailable": "the database does not answer; try again",
    "too_many_connections": "the server has no room for another connection",
    "too_many_subscriptions": "the connection has as many subscriptions as it may",
    "unavailable": "the server is restarting",
}
CLOSE_CODES: Final = {
    "RESTARTED": "the server is restarting: come back, perhaps to another",
    "TOO_BIG": "a request was longer than `received_bytes`",
    "TOO_SLOW": "the caller does not read, or is `backlog_bytes` behind what came `backlog_age` ago; "
    "the reason has the cursor",
    "TOO_MANY_BAD_FRAMES": "`bad_frames` requests in a row were outside the grammar",
    "IDLE": "nothing was subscribed for `idle`",
    "TOO_MANY_CONNECTIONS": "the server has no room for another connection",
}
_STREAM: Final = PACKAGE / "api" / "stream"


def http_page() -> str:
    rows = [(f"`{method} {path}`", one_line(said), codes(names)) for method, path, said, names in endpoints()]
    return page("HTTP", HTTP_INTRODUCTION, table(("Request", "Answers", "Parameters"), rows), _other_paths())


def openapi_document() -> str:
    """The document the server gives at /openapi.json, laid out for reading and comparing."""
    return json.dumps(_document(), indent=2, ensure_ascii=False) + "\n"


def endpoints() -> Iterator[tuple[str, str, str, list[str]]]:
    """Every documented request: method, path, what it answers, and its parameters."""
    for path, operations in cast("Mapping[str, Mapping[str, Any]]", _document()["paths"]).items():
        for method, operation in operations.items():
            parameters = [str(each["name"]) for each in operation.get("parameters", [])]
            yield method.upper(), path, str(operation.get("description", "")), parameters


def stream_page() -> str:
    return page(
        "Live stream",
        STREAM_INTRODUCTION,
        section("Requests", STREAM_EXAMPLE, *_requests()),
        section("Codes of error answers", _codes(stream_codes())),
        section("Close codes", _close_codes()),
        section("Limits of one server", table(("Limit", "Default"), _limits())),
    )


def stream_codes() -> set[str]:
    """Every code an error answer of the stream can have."""
    found = {"invalid_frame"}
    for path in modules("api/stream"):
        for _called, call in calls(tree_of(path)):
            given = [each.value for each in call.keywords if each.arg == "code"]
            found |= {text for each in given for text in _texts(each)}
    for node in ast.walk(tree_of(_STREAM / "grammar.py")):
        if isinstance(node, ast.FunctionDef) and node.name == "_code":
            found |= {
                str(literal(each.value))
                for each in ast.walk(node)
                if isinstance(each, ast.Return) and isinstance(literal(each.value), str)
            }
    return found


def close_codes() -> dict[str, int]:
    """Every code a connection is closed with, by the name the code gives it."""
    found: dict[str, int] = {}
    for path in modules("api/stream"):
        for node in tree_of(path).body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                value, name = literal(node.value), node.targets[0].id
                if isinstance(value, int) and not name.startswith("_"):
                    found[name] = value
    return found


def _texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _document() -> dict[str, Any]:
    nothing = cast("Any", None)  # describing the routes opens no database
    state = ApiState(pool=nothing, cache=nothing, clock=SystemClock(), version=__version__, started_at=EPOCH)
    return build_document(build_api(state))


def _other_paths() -> str:
    return (
        "Besides: `GET /` is a page for people, `GET /openapi.json` this page for programs, and `WS /stream` "
        "the [live stream](stream.md). HEAD is answered wherever GET is."
    )


def _requests() -> Iterator[str]:
    for each in public_classes(_STREAM / "grammar.py"):
        if each.fields:
            rows = [(code(field.name), code(field.type), code(field.default)) for field in each.fields]
            yield f"### {each.name}\n\n{one_line(each.docstring)}\n\n" + table(
                ("Field", "Is", "Default"), rows
            )


def _codes(used: set[str]) -> str:
    return table(("`code`", "Means"), [(code(name), STREAM_CODES[name]) for name in sorted(used)])


def _close_codes() -> str:
    rows = [(str(number), CLOSE_CODES[name]) for name, number in sorted(close_codes().items(), key=_number)]
    own = ("4403", "asked for under a name the server does not answer to, or by a page of another site")
    return table(("Code", "Means"), [*rows, own])


def _number(item: tuple[str, int]) -> int:
    return item[1]


def _limits() -> list[tuple[str, str]]:
    limits = StreamLimits()
    return [(code(name), _plainly(getattr(limits, name))) for name in StreamLimits.__struct_fields__]


def _plainly(limit: object) -> str:
    return f"{limit.total_seconds():g} s" if isinstance(limit, timedelta) else f"{limit:,}"
