"""The entries of an RSS or Atom document, as plain text; nothing it names is ever fetched."""

from __future__ import annotations

import io
import re
from calendar import timegm
from collections.abc import Callable
from datetime import datetime, timedelta
from time import struct_time
from typing import Any, Final, cast

import feedparser
import msgspec
from selectolax.lexbor import LexborHTMLParser

from kamiyo.core.errors import MalformedPayload
from kamiyo.core.reports import LONGEST_TEXT, LONGEST_TITLE
from kamiyo.core.time import EPOCH

LARGEST_DOCUMENT: Final = 8 << 20
MOST_ENTRIES: Final = 500
_LONGEST_HTML: Final = 200_000
_LONGEST_NAME: Final = 2_000
_BLANKS: Final = re.compile(r"[^\S\n]+")
_LINES: Final = re.compile(r"\s*\n\s*")
_UNSHOWN: Final = ["script", "style", "template", "noscript", "iframe", "svg"]
_BLOCKS: Final = "p, br, li, h1, h2, h3, h4, h5, h6, div, tr, blockquote, pre"


_parse_feed = cast("Callable[..., object]", feedparser.parse)  # pyright: ignore[reportUnknownMemberType]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry. ``guid`` is what its feed tells it apart by, and empty where it names nothing."""

    guid: str
    title: str
    text: str
    link: str
    published_at: datetime | None


class _Content(msgspec.Struct, frozen=True):
    value: str = ""


class _Parsed(msgspec.Struct, frozen=True):
    """What the parser makes of an entry, as far as it is used."""

    id: str = ""
    title: str = ""
    link: str = ""
    summary: str = ""
    content: list[_Content] = []
    published_parsed: Any = None
    updated_parsed: Any = None


class _Document(msgspec.Struct, frozen=True):
    version: str = ""
    entries: list[dict[str, object]] = []


def read_entries(document: bytes) -> list[Entry]:
    """Every entry, in the document's order; MalformedPayload for what is no feed.

    A document that declares entities is refused: no feed needs any, and some are made to fill the memory
    of who reads them. Of one that ends too early, what came is read.
    """
    if len(document) > LARGEST_DOCUMENT:
        raise MalformedPayload(f"larger than {LARGEST_DOCUMENT >> 20} MiB", rule="feed_too_large")
    if b"<!ENTITY" in document.replace(b"\0", b"").upper():
        raise MalformedPayload("it declares entities", rule="feed_with_entities")
    found = _parse(document)
    if not found.entries and not found.version:
        raise MalformedPayload("neither RSS nor Atom", rule="not_a_feed")
    return [_entry(each) for each in found.entries[:MOST_ENTRIES]]


def text_of(html: str) -> str:
    """What a reader of a piece of HTML sees, line by line."""
    if "<" not in html and "&" not in html:
        return _tidied(html)
    tree = LexborHTMLParser(html[:_LONGEST_HTML])
    tree.strip_tags(_UNSHOWN, recursive=True)
    for node in tree.css(_BLOCKS):
        node.insert_after("\n")
    return _tidied(tree.body.text() if tree.body is not None else "")


def _parse(document: bytes) -> _Document:
    # As a stream: a text or bytes would be taken for the name of a file or of a page to fetch.
    parsed = _parse_feed(io.BytesIO(document), sanitize_html=False, resolve_relative_uris=False)
    try:
        return msgspec.convert(parsed, _Document)
    except msgspec.ValidationError as error:
        raise MalformedPayload(str(error), rule="not_a_feed") from error


def _entry(entry: dict[str, object]) -> Entry:
    try:
        parsed = msgspec.convert(dict(entry), _Parsed, strict=False)
    except msgspec.ValidationError as error:
        raise MalformedPayload(str(error), rule="not_a_feed") from error
    longest = max((each.value for each in parsed.content), key=len, default="")
    return Entry(
        guid=(parsed.id or parsed.link).strip()[:_LONGEST_NAME],
        title=text_of(parsed.title)[:LONGEST_TITLE],
        text=text_of(longest or parsed.summary)[:LONGEST_TEXT],
        link=parsed.link.strip()[:_LONGEST_NAME],
        published_at=_moment(parsed.published_parsed) or _moment(parsed.updated_parsed),
    )


def _moment(parsed: object) -> datetime | None:
    """A moment in UTC, or None for one that is no moment."""
    try:
        return EPOCH + timedelta(seconds=timegm(parsed)) if isinstance(parsed, struct_time) else None
    except (OverflowError, ValueError):
        return None


def _tidied(text: str) -> str:
    return _LINES.sub("\n", _BLANKS.sub(" ", text)).strip()
