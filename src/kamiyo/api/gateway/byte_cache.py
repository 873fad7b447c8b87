"""Whole answers from the cache, before any framework is asked."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kamiyo.api.state import ApiState
from kamiyo.cache.responses import ResponseCache, StoredResponse

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
CACHED = (
    "/liquidations", "/exploits", "/reports", "/honest-cases", "/markets", "/vaults", "/positions", "/claims",
    "/stats", "/meta", "/sources", "/coverage", "/backfills",
)  # fmt: skip
_REFUSED = 400  # HTTP's first status of what was not done
_PREFIXES = tuple(f"{path}/" for path in CACHED)


class ByteCache:
    """An ASGI application around another that keeps its successful answers to GET for a moment.

    Whoever is told that his change was made sees it in what he asks next, if he asks the same process.
    """

    def __init__(self, app: ASGIApp, state: ApiState) -> None:
        self._app = app
        self._cache: ResponseCache = state.cache
        self._clock = state.clock
        # Servers may share a Redis: a replay's answer must never be given as what happens now.
        self._mark = "" if state.showing.live else f"{state.showing.mode} {state.showing.recording} "

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in _READING:
            await self._app(scope, receive, self._outdating(send))
            return
        if scope["type"] != "http" or scope["method"] != "GET" or not _is_cached(scope["path"]):
            await self._app(scope, receive, send)
            return
        key = self._mark + cache_key(scope)
        response = self._cache.kept(key)
        if response is None:
            response = await self._cache.get(key, lambda: self._produce(scope, receive))
        scope["kamiyo.route"] = response.route
        age = max(0, int((self._clock.now() - response.made_at).total_seconds()))
        headers = [*response.headers, (b"age", b"%d" % age)]
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})

    def _outdating(self, send: Send) -> Send:
        async def outdate_and_send(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < _REFUSED:
                self._cache.outdate()
            await send(message)

        return outdate_and_send

    async def _produce(self, scope: Scope, receive: Receive) -> StoredResponse:
        made_at = self._clock.now()
        captured = _Captured()
        await self._app(scope, receive, captured.send)
        return StoredResponse(
            status=captured.status,
            headers=tuple((bytes(name), bytes(value)) for name, value in captured.headers),
            body=b"".join(captured.parts),
            route=getattr(scope.get("route"), "path", "unmatched"),
            made_at=made_at,
        )


class _Captured:
    """An answer that is collected instead of sent."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.parts: list[bytes] = []

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message.get("headers", ()))
        else:
            self.parts.append(message.get("body", b""))


def cache_key(scope: Scope) -> str:
    """Path and query, whatever the order of its parameters."""
    query: bytes = scope["query_string"]
    if b"&" in query:
        query = b"&".join(sorted(query.split(b"&")))
    return f"{scope['path']}?{query.decode('latin-1')}"


def _is_cached(path: str) -> bool:
    # Who changes a case looks at its history next, and must see the change.
    return (path in CACHED or path.startswith(_PREFIXES)) and not path.endswith("/history")
