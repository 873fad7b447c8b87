"""The outermost layer of HTTP: what every request is given, refused for, and measured by."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Collection, Sequence
from ipaddress import ip_address

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kamiyo.api.problems import problem_response
from kamiyo.core.modes import LIVE, Mode
from kamiyo.kit import metrics

LOOPBACK_NAMES = ("localhost",)
MAX_TARGET_BYTES = 8192  # path and query together

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SECURITY = (
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class Boundary:
    """An ASGI application around another: request ids, headers, limits, metrics, the last handler.

    Only this machine's names, and the names given, are answered: a page elsewhere whose name was pointed at
    this machine must not read what is shown here.
    """

    def __init__(self, app: ASGIApp, *, names: Collection[str], mode: Mode = LIVE.mode) -> None:
        self._app = app
        self._headers = ((b"x-kamiyo-mode", mode.encode()), *_SECURITY)
        self._names = frozenset(names)
        self._log = structlog.get_logger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
        elif scope["type"] == "websocket" and not self._known_host(scope):
            await send({"type": "websocket.close", "code": 4403, "reason": "unknown host"})
        elif scope["type"] == "websocket" and not self._known_origin(scope):
            await send({"type": "websocket.close", "code": 4403, "reason": "unknown origin"})
        else:
            await self._app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _Answer(scope, send, self._headers)
        inner = answer.scope
        try:
            if (refusal := self._refusal(inner)) is None:
                await self._app(inner, receive, answer.send)
            else:
                await problem_response(inner, *refusal)(inner, receive, answer.send)
        except Exception:
            self._log.exception("request_failed", request=answer.request_id, path=scope["path"])
            if answer.status is not None:
                raise  # too late to say anything else: the server cuts the connection
            detail = "something went wrong here, not in the request; the log has it under this request_id"
            await problem_response(inner, 500, "internal_error", detail)(inner, receive, answer.send)
        finally:
            answer.measure()

    def _refusal(self, scope: Scope) -> tuple[int, str, str] | None:
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_TARGET_BYTES:
            return 414, "too_long", f"path and query are longer than {MAX_TARGET_BYTES} bytes"
        if not self._known_host(scope):
            return 421, "unknown_host", "this server does not answer under that name"
        return None

    def _known_host(self, scope: Scope) -> bool:
        return self._is_known(_header(scope, b"host"))

    def _known_origin(self, scope: Scope) -> bool:
        # A browser lets any page open a WebSocket to anywhere; only programs that are no browser send none.
        origin = _header(scope, b"origin")
        return not origin or self._is_known(origin.partition("://")[2])

    def _is_known(self, host: str) -> bool:
        name = host.rpartition(":")[0] if re.search(r":[0-9]*$", host) else host
        return name.lower() in self._names or _is_loopback(name.strip("[]"))


class _Answer:
    """One request's answer on its way out."""

    def __init__(self, scope: Scope, send: Send, headers: Sequence[tuple[bytes, bytes]]) -> None:
        self._own_headers = headers
        self._started = asyncio.get_running_loop().time()
        self._send = send
        self._method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        self._head = scope["method"] == "HEAD"
        self.request_id = _request_id(scope)
        self.status: int | None = None
        told = {"request_id": self.request_id, "head_only": self._head}
        self.scope: Scope = {**scope, "state": {**scope.get("state", {}), **told}}
        if self._head:
            self.scope["method"] = "GET"

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = (b"x-request-id", self.request_id.encode())
            message = {**message, "headers": [*message.get("headers", ()), own, *self._own_headers]}
        elif self._head and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)

    def measure(self) -> None:
        route = self.scope.get("kamiyo.route") or getattr(self.scope.get("route"), "path", "unmatched")
        elapsed = asyncio.get_running_loop().time() - self._started
        metrics.HTTP_REQUESTS.labels(route, self._method, str(self.status or 0)).inc()
        metrics.HTTP_REQUEST_SECONDS.labels(route).observe(elapsed)


def _header(scope: Scope, wanted: bytes) -> str:
    return next((str(value, "latin-1") for name, value in scope["headers"] if name == wanted), "")


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return str(value, "ascii")
    return secrets.token_hex(8)


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name.lower() in LOOPBACK_NAMES
