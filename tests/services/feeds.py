"""Hosts of RSS and Atom feeds: tags, dates of change, and whatever is not as it should be."""

import hashlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html import escape

from tests.services.server import Reply, Request, Server, open_server

CHANGED = "Wed, 26 Mar 2025 15:00:00 GMT"


@dataclass(frozen=True)
class Item:
    """An entry of a feed; what is empty is left out."""

    title: str = "Example Lend exploited for $4.9M"
    text: str = "<p>The attacker drained <b>$4.9 million</b> from Example Lend on Arbitrum.</p>"
    guid: str = "https://news.example/1"
    link: str = "https://news.example/1"
    date: str = "Wed, 26 Mar 2025 14:00:00 GMT"


def rss(items: Iterable[Item]) -> bytes:
    """An RSS document."""
    entries = "".join(
        "<item>"
        + "".join(
            f"<{name}>{escape(text)}</{name}>"
            for name, text in (
                ("title", each.title),
                ("link", each.link),
                ("guid", each.guid),
                ("pubDate", each.date),
                ("description", each.text),
            )
            if text
        )
        + "</item>"
        for each in items
    )
    head = '<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"><channel><title>News</title>'
    return f"{head}{entries}</channel></rss>".encode()


def atom(items: Iterable[Item]) -> bytes:
    """An Atom document."""
    entries = "".join(
        f'<entry><id>{escape(each.guid)}</id><title type="html">{escape(each.title)}</title>'
        f'<link rel="alternate" href="{escape(each.link)}"/><published>{escape(each.date)}</published>'
        f'<content type="html">{escape(each.text)}</content></entry>'
        for each in items
    )
    head = (
        '<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom"><title>News</title>'
    )
    return f"{head}{entries}</feed>".encode()


@dataclass
class FeedHost:
    """Feeds by their paths. ``faults`` of a path are answered first, one for each request."""

    documents: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[Reply]] = field(default_factory=dict)
    dated: bool = False  # names the moment of change instead of a tag
    server: Server = field(default_factory=lambda: Server(""))

    @property
    def settings(self) -> dict[str, object]:
        own = {path.strip("/"): {"url": f"{self.server.url}{path}"} for path in self.documents}
        return {"shipped": "", "own": own}

    def answer(self, request: Request) -> Reply:
        faults = self.faults.get(request.path)
        if faults:
            return faults.pop(0)
        body = self.documents.get(request.path)
        if body is None:
            return Reply(404)
        if self.dated:
            known = request.headers.get("if-modified-since") == CHANGED
            return Reply(304) if known else Reply(200, body, {"last-modified": CHANGED})
        tag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
        known = request.headers.get("if-none-match") == tag
        return Reply(304, headers={"etag": tag}) if known else Reply(200, body, {"etag": tag})


@asynccontextmanager
async def open_feeds(**documents: bytes) -> AsyncIterator[FeedHost]:
    """A host with these feeds, each under its name."""
    host = FeedHost({f"/{name}": document for name, document in documents.items()})
    async with open_server(host.answer) as host.server:
        yield host
