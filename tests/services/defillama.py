"""DefiLlama's list of hacks: one JSON array, a tag for what it is now, and whatever goes wrong."""

import hashlib
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec

from tests.services.server import Reply, Request, Server, open_server

Row = Mapping[str, object]


def a_hack(name: str = "Balancer V1", **cells: object) -> dict[str, object]:
    """A row as the service writes it."""
    return {
        "date": 1_788_048_000,  # 2026-08-30
        "name": name,
        "classification": "Token & Share Accounting",
        "technique": "Rounding Error",
        "amount": 234_000,
        "chain": ["Ethereum"],
        "bridgeHack": False,
        "targetType": "DeFi Protocol",
        "source": "",
        "returnedFunds": None,
        "defillamaId": "116",
        "language": "Solidity",
    } | cells


@dataclass
class DefiLlama:
    """The service. ``faults`` are answered first, one for each request."""

    rows: Sequence[Row] = ()
    faults: list[Reply] = field(default_factory=list)
    tagged: bool = True
    server: Server = field(default_factory=lambda: Server(""))

    @property
    def settings(self) -> dict[str, object]:
        return {"url": self.server.url}

    def shuffle(self) -> None:
        """The same rows in another order, as the service may give them."""
        self.rows = random.Random(7).sample(self.rows, len(self.rows))

    def answer(self, request: Request) -> Reply:
        if self.faults:
            return self.faults.pop(0)
        if (request.method, request.path) != ("GET", "/hacks"):
            return Reply(404)
        body = msgspec.json.encode(self.rows)
        tag = f'W/"{hashlib.sha256(body).hexdigest()[:20]}"'
        headers = {"content-type": "application/json"} | ({"etag": tag} if self.tagged else {})
        if self.tagged and request.headers.get("if-none-match") == tag:
            return Reply(304, headers=headers)
        return Reply(200, body, headers)


@asynccontextmanager
async def open_defillama(rows: Sequence[Row] = ()) -> AsyncIterator[DefiLlama]:
    """The service with these rows."""
    service = DefiLlama(rows)
    async with open_server(service.answer) as service.server:
        yield service
