"""Addresses of documents: which two are one, and which name no single document."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_URL: Final = re.compile(r"https?://[^\s|<>\"'()\]]+", re.IGNORECASE)
_PARTS: Final = re.compile(r"https?://(?:www\.|mobile\.|m\.)?([^/?#:]+)(?::\d+)?([^?#]*)")
_POST: Final = re.compile(r"/status(?:es)?/(\d+)")
_MESSAGE: Final = re.compile(r"/(?:s/)?(\w+)/(\d+)")
_TRANSACTION: Final = re.compile(r"0x[0-9a-f]{64}(?![0-9a-f])")
_ON_CHAIN: Final = re.compile(r"0x[0-9a-f]{40}")
_TELLING: Final = re.compile(r"\d{4}|.*-.*-")  # of a path's last part: a number, or several words
_X: Final = frozenset({"x.com", "twitter.com", "fxtwitter.com", "vxtwitter.com", "nitter.net"})


def urls_in(text: str) -> list[str]:
    """Every address of the web in a text."""
    return _URL.findall(text) if "://" in text else []


def transactions_in(url: str) -> list[str]:
    """Hashes of transactions that an explorer's address names."""
    return _TRANSACTION.findall(url.lower())


@lru_cache(maxsize=1 << 16)
def page_of(url: str) -> str | None:
    """One text for all addresses of one page, whatever it is a page of."""
    parts = _PARTS.match(url.lower())
    if parts is None:
        return None
    path = parts[2].rstrip("/.,;:!")
    query = "" if path else url.lower().partition("?")[2].partition("#")[0]
    return f"{parts[1]}{path}?{query}".rstrip("?")


@lru_cache(maxsize=1 << 16)
def document_of(url: str) -> str | None:
    """One text for all addresses of one document; None for a page of lists, a site, or a chain's explorer."""
    parts = _PARTS.match(url.lower())
    if parts is None:
        return None
    host, path = parts[1], parts[2].rstrip("/.,;:!")
    if host in _X:
        post = _POST.search(path)
        return f"x:{post[1]}" if post else None
    if host == "t.me":
        message = _MESSAGE.match(path)
        return f"t.me:{message[1]}/{message[2]}" if message else None
    last = path.rsplit("/", 1)[-1]
    if _ON_CHAIN.search(path) or _TELLING.match(last) is None:
        return None
    return f"{host}{path}"
