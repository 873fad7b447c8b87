"""GitHub as far as a list in a repository needs it: commits with their limits, and pages of a commit."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.services.server import Reply, Request, Server, json_reply, open_server

REPOSITORY = "SunWeb3Sec/DeFiHackLabs"
HOURLY = 60


@dataclass
class GitHub:
    """One repository. ``now`` is the service's clock in seconds; ``faults`` are answered first."""

    pages: Mapping[str, str]
    now: int = 1_790_000_000
    token: str | None = None  # the only one that is good
    asked: int = 0
    refused: int = 0
    faults: list[Reply] = field(default_factory=list)
    page_faults: list[Reply] = field(default_factory=list)
    server: Server = field(default_factory=lambda: Server(""))
    kept: dict[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, object]:
        return {"url": self.server.url, "raw_url": f"{self.server.url}/raw"}

    @property
    def commit(self) -> str:
        return hashlib.sha1(repr(sorted(self.pages.items())).encode()).hexdigest()

    @property
    def resets_at(self) -> int:
        return (self.now // 3600 + 1) * 3600

    def answer(self, request: Request) -> Reply:
        if request.path.startswith("/raw/"):
            return self._page(request)
        return self._commits(request)

    def _page(self, request: Request) -> Reply:
        if self.page_faults:
            return self.page_faults.pop(0)
        commit, _, path = request.path.removeprefix(f"/raw/{REPOSITORY}/").partition("/")
        pages = self.kept.get(commit, {})
        return Reply(200, pages[path].encode()) if path in pages else Reply(404, b"404: Not Found")

    def _commits(self, request: Request) -> Reply:
        if not request.headers.get("user-agent"):
            return Reply(403, b"a user agent is needed")
        if self.faults:
            return self.faults.pop(0)
        if request.path != f"/repos/{REPOSITORY}/commits":
            return json_reply({"message": "Not Found"}, 404)
        if self.token is not None and request.headers.get("authorization") != f"Bearer {self.token}":
            return json_reply({"message": "Bad credentials"}, 401)
        return self._counted(request)

    def _counted(self, request: Request) -> Reply:
        left = HOURLY - self.asked
        limits = {
            "x-ratelimit-limit": str(HOURLY),
            "x-ratelimit-remaining": str(max(left - 1, 0)),
            "x-ratelimit-reset": str(self.resets_at),
        }
        if left <= 0:
            self.refused += 1
            return json_reply({"message": "API rate limit exceeded"}, 403, limits)
        self.asked += 1
        self.kept[self.commit] = dict(self.pages)
        headers = limits | {"etag": f'"{self.commit}"'}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Reply(304, headers=headers)
        return json_reply([{"sha": self.commit, "commit": {"message": "Add an incident"}}], 200, headers)


@asynccontextmanager
async def open_github(pages: Mapping[str, str]) -> AsyncIterator[GitHub]:
    """The service with one repository of these pages."""
    service = GitHub(pages)
    async with open_server(service.answer) as service.server:
        yield service
