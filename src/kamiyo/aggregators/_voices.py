"""Who speaks at the other end of a link, and what it is worth: one voice, however often it is linked."""

from __future__ import annotations

from typing import Final

from kamiyo.aggregators._polled import host_of
from kamiyo.core.errors import SourceUnavailable
from kamiyo.core.reports import LONGEST_TITLE, Citation, Grade

# Where the first step of a path says who writes there, and what they are called as a voice.
_BY_AUTHOR: Final = {
    "x.com": "x:",
    "twitter.com": "x:",
    "mobile.twitter.com": "x:",
    "nitter.net": "x:",
    "t.me": "telegram:",
    "medium.com": "medium.com/",
    "mirror.xyz": "mirror.xyz/",
    "github.com": "github.com/",
    "paragraph.xyz": "paragraph.xyz/",
}
_NO_AUTHOR: Final = frozenset({"", "i", "home", "search", "hashtag", "intent", "share", "joinchat", "p"})
_SHOWS_CHANNEL: Final = "s"  # t.me/s/NAME is the page of the channel NAME
_EXPLORERS: Final = ("scan.io", "scan.com", "scan.org", "explorer.", "phalcon.", "tenderly.co", "scan.net")


def voice_of(url: str) -> str | None:
    """Who speaks there: an author where many write, else the host; None for what is no link."""
    try:
        host = host_of(url).removeprefix("www.")
    except SourceUnavailable:
        return None
    if host not in _BY_AUTHOR:
        return host
    author = _author(url, host)
    return f"{_BY_AUTHOR[host]}{author}" if author else host


def citation_of(url: str) -> Citation | None:
    """The link as something a report rests on; None for what is no link."""
    voice = voice_of(url)
    return (
        None if voice is None else Citation(title=voice[:LONGEST_TITLE], source_url=url, grade=_grade(voice))
    )


def _author(url: str, host: str) -> str:
    path = url.partition("://")[2].partition("/")[2]
    steps = path.partition("?")[0].partition("#")[0].casefold().split("/")
    if host == "t.me" and steps[0] == _SHOWS_CHANNEL:
        del steps[0]
    author = steps[0] if steps else ""
    return "" if author in _NO_AUTHOR else author.removeprefix("@")


def _grade(voice: str) -> Grade:
    if voice.startswith(("x:", "telegram:")):
        return Grade.CLAIM
    if voice.startswith("github.com"):
        return Grade.REPOSITORY
    shows_chain = any(part in voice for part in _EXPLORERS)
    return Grade.ONCHAIN_DERIVED if shows_chain else Grade.PRESS
