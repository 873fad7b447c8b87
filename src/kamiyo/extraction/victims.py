"""Whom a text says it happened to: a known protocol where it names one, else the name its grammar points at."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from kamiyo.extraction.names import Name, identifier_of, names_in

_NAME: Final = r"@?[A-Z0-9][\w.'&-]{0,40}(?: (?:[A-Z0-9][\w.&-]{0,40}|of|the)){0,3}"
_STRUCK: Final = (
    r"(?:exploited|hacked|drained|attacked|compromised|breached|rugged|hit|targeted|siphoned|looted|hijacked)"
)
_AFTER_NAME: Final = re.compile(
    rf"(?:'s?)?,?(?: (?:protocol|exchange|team|users?|users'|vaults?|pools?|bridge|contracts?|router|lending|market|platform|treasury|wallets?|on [A-Z]\w+)){{0,3}}"
    rf" ?(?:(?:\([^)]{{0,40}}\)) )?(?:(?:has|have|had|was|were|is|are|got|been|being|just|reportedly|allegedly|apparently|also) ){{0,4}}"
    rf"(?:{_STRUCK}|suffer\w*|lost|loses|losing|exploit(?:er)?\b|hack(?:er)?\b|attack(?:er)?\b|incident|breach\b|heist|rug|exit|under attack|confirm\w*|paus\w*|halt\w*|down\b|drained|bad debt)",
)
_BEFORE_NAME: Final = re.compile(
    rf"\b(?:{_STRUCK}|exploit|hack|attack|breach|attacker|exploiter|hacker|stolen|drained|stole|theft|heist|incident|rug pull|post[- ]?mortem)"
    rf"(?: (?:of|on|at|against|in|from|by|targeting|affecting|involving|for))?(?: the)? @?$",
    re.IGNORECASE,
)
_MEANS: Final = re.compile(
    r"\b(?:via|through|using|into|onto|to|on|by|alert(?:ed)?(?: by)?|per|according to|says?|from|thanks|cc|h/t|like|unlike|after|flash ?loan(?:ed)?(?: from)?|unaffected|similar to|fork of)"
    r" (?:the )?@?$",
    re.IGNORECASE,
)
_UNKNOWN: Final = (
    re.compile(
        rf"(?P<name>{_NAME}) (?:(?:has|have|was|were|got|is|been|being|just|reportedly|allegedly|apparently) ){{1,4}}{_STRUCK}\b"
    ),
    re.compile(rf"(?P<name>{_NAME}) (?:just )?(?:suffers?|suffered|lost|loses|[Rr]ug[- ]?pulled|rugs) "),
    re.compile(
        rf"\b(?:[Ee]xploit|[Hh]ack|[Aa]ttack|[Bb]reach|[Rr]ug pull|[Hh]eist) (?:of|on|at|against|targeting) (?:the )?(?P<name>{_NAME})"
    ),
    re.compile(
        rf"(?P<name>{_NAME}) (?:[Ee]xploit|[Hh]ack|[Aa]ttack|[Hh]eist|[Ee]xploiter|[Hh]acker|[Aa]ttacker|[Rr]ug)\b"
    ),
)
_NOBODY: Final = frozenset(
    "a an the our we i it they this that someone somebody hackers hacker attacker attackers alert breaking update urgent warning security community "
    "smart contract flash loan oracle price million users user whale wallet trader funds market markets crypto defi dex cex bridge protocol eth btc bsc "
    "ethereum bitcoin solana arbitrum base polygon bnb chain victim victims an unknown unverified exploit hack attack rug just reentrancy private key admin "
    "governance phishing supply team total another new big major multiple several on in at no and but after today yesterday initial first second".split()
)
_LOOK_BACK: Final = 48
_KNOWN_PERCENT: Final = 95
_NAMED_PERCENT: Final = 80
_GUESSED_PERCENT: Final = 60


class Victim(NamedTuple):
    """Whom it happened to, how the text writes that, and in percent how sure the reading is."""

    identifier: str
    written: str
    percent: int


def victim_in(text: str) -> Victim | None:
    """The victim a cleaned text without links names, None where it names nobody."""
    names = names_in(text)
    struck = next((name for name in names if _is_struck(text, name)), None)
    if struck is not None:
        return Victim(struck.identifier, struck.written, _KNOWN_PERCENT)
    guessed = _guessed(text)
    if guessed is not None:
        return guessed
    free = [name for name in names if not _is_means(text, name)]
    return Victim(free[0].identifier, free[0].written, _NAMED_PERCENT) if free else None


def _is_struck(text: str, name: Name) -> bool:
    if _AFTER_NAME.match(text, name.end):
        return True
    return _BEFORE_NAME.search(text[max(name.start - _LOOK_BACK, 0) : name.start]) is not None


def _is_means(text: str, name: Name) -> bool:
    return _MEANS.search(text[max(name.start - _LOOK_BACK, 0) : name.start]) is not None


def _guessed(text: str) -> Victim | None:
    for pattern in _UNKNOWN:
        for found in pattern.finditer(text):
            written = _proper(found.group("name").split())
            identifier = identifier_of(written) if written else None
            if identifier is not None:
                return Victim(identifier, written, _GUESSED_PERCENT)
    return None


def _proper(words: Sequence[str]) -> str:
    """The name without the words around it that only look like one for their capital letter."""
    kept = [word.strip("@'.").removesuffix("'s") for word in words]
    while kept and (kept[0].casefold() in _NOBODY or not kept[0][:1].isupper()):
        kept.pop(0)
    while kept and kept[-1].casefold() in _NOBODY | {"of"}:
        kept.pop()
    return " ".join(kept)
