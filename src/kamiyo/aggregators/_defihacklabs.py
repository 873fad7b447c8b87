"""The incidents in a page of DeFiHackLabs: Markdown that many hands wrote, each a little differently."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec

from kamiyo.core.errors import MalformedPayload

_HEADING: Final = re.compile(r" {0,3}(#{1,6})[ \t]*(.*?)[ \t#]*$")
_DATED: Final = re.compile(r"[*_\[ ]*([0-9]{4}[0-9./~-]*)\b\W*(.*)$", re.ASCII | re.DOTALL)
_DAY: Final = re.compile(r"([0-9]{4})[-./]?([0-9]{2})[-./]?([0-9]{2})", re.ASCII)
_FENCE: Final = re.compile(r" {0,3}(```|~~~)")
_CAUSE: Final = re.compile(r"[ \t]+-+[ \t]*|[ \t]*-+[ \t]+|[ \t]*(?:-{2,}|[\u2013\u2014]+)[ \t]*")
_LOST: Final = re.compile(
    r"[ \t*_>-]*(?:#+[ \t*_]*(?:total[ \t]+)?(?:amount[ \t]+)?lost\b(?:[ \t]+amount)?[ \t*_]*[:\uff1a-]?"
    r"|(?:total[ \t]+)?(?:amount[ \t]+)?lost(?:[ \t]+amount)?[ \t*_]*[:\uff1a])[ \t*_]*(.*)$",
    re.IGNORECASE,
)
_PAGES: Final = re.compile(r"\bpast/[0-9]{4}/README\.md\b", re.ASCII)
_LEVEL_OF_PARTS: Final = 2  # headings of this level or above begin another part of the page
_SHORTEST_DATE: Final = 6


class Section(msgspec.Struct, frozen=True):
    """A heading that begins with digits, and all lines up to the next heading of an incident or a part."""

    heading: str
    text: str


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """What a section says. ``lost`` is empty where it says nothing of it."""

    day: datetime
    name: str
    cause: str
    lost: str
    words: str


def sections_of(page: str) -> list[Section]:
    """Every section whose heading is meant to name an incident, whether or not it can be read."""
    found: list[Section] = []
    lines: list[str] | None = None
    for line, heading in _lines(page):
        if heading is not None and _begins_incident(heading[1]):
            lines = [line]
            found.append(Section(heading[1], ""))
        elif heading is not None and heading[0] <= _LEVEL_OF_PARTS:
            lines = None
        elif lines is not None:
            lines.append(line)
        if lines is not None:
            found[-1] = Section(found[-1].heading, "\n".join(lines).strip())
    return found


def past_pages_of(page: str) -> list[str]:
    """The pages of former years that a page links to."""
    return list(dict.fromkeys(_PAGES.findall(page)))


def parse_incident(section: str) -> Incident:
    """What a section says; MalformedPayload for a heading without a day or a name."""
    lines = section.splitlines()
    heading = _HEADING.match(lines[0]) if lines else None
    dated = _DATED.match(heading[2]) if heading else None
    if dated is None:
        raise MalformedPayload("the heading does not begin with a date", rule="incident_without_date")
    day = _day(dated[1])
    name, _, cause = _CAUSE.sub("\n", dated[2].strip(" *_[]"), count=1).partition("\n")
    if not name.strip():
        raise MalformedPayload("the heading has no name", rule="incident_without_name")
    words = [line for line, _heading in _lines("\n".join(lines[1:])) if line.strip(" -")]
    lost = next((found[1].strip() for line in words if (found := _LOST.match(line))), "")
    return Incident(
        day=day,
        name=name.strip(),
        cause=cause.strip(),
        lost=lost.strip("*_ "),
        words="\n".join(line.lstrip("# ") for line in words),
    )


def _lines(page: str) -> Iterator[tuple[str, tuple[int, str] | None]]:
    """Each line outside of fenced code, with the level and text of the heading it is, if it is one."""
    fence: str | None = None
    for line in page.splitlines():
        mark = _FENCE.match(line)
        if fence is not None:
            fence = None if mark is not None and mark[1] == fence else fence
            continue
        if mark is not None:
            fence = mark[1]
            continue
        heading = _HEADING.match(line)
        yield line, None if heading is None else (len(heading[1]), heading[2])


def _begins_incident(heading: str) -> bool:
    dated = _DATED.match(heading)
    return dated is not None and sum(letter.isdigit() for letter in dated[1]) >= _SHORTEST_DATE


def _day(text: str) -> datetime:
    """The first day of those named, as ``20240410`` or ``2024-04-10``."""
    parts = _DAY.match(text)
    try:
        if parts is not None:
            return datetime(int(parts[1]), int(parts[2]), int(parts[3]), tzinfo=UTC)
    except ValueError as error:
        raise MalformedPayload(f"no day: {text[:20]}", rule="incident_without_date") from error
    raise MalformedPayload(f"no day: {text[:20]}", rule="incident_without_date")
