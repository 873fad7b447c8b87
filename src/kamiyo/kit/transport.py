"""The one place that opens sockets to the outside: an HTTP client behind a small port."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from kamiyo.core.errors import SourceUnavailable

_TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpSession:
    """HTTP over one pooled client."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def request(self, method: str, url: str, *, body: bytes | None = None) -> Answer:
        """Send one request; SourceUnavailable where no answer came."""
        try:
            response = await self._client.request(method, url, content=body)
        except httpx.HTTPError as error:
            raise SourceUnavailable(f"{httpx.URL(url).host}: {type(error).__name__}") from error
        return Answer(response.status_code, response.headers, response.content)


@asynccontextmanager
async def open_session() -> AsyncGenerator[HttpSession]:
    """A session, closed on the way out."""
    async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS) as client:
        yield HttpSession(client)
