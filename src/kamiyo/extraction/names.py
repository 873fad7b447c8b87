"""Which protocols a text names: by whole words and a table of names, never by parts of words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from kamiyo.extraction._listed import LISTED, RENAMED
from kamiyo.extraction._patterns import any_of, words
from kamiyo.extraction._protocols import EXCHANGES, HYPERLIQUID, KNOWN
from kamiyo.extraction.text import Word, clean, fold, without_links, words_in

_MOST_WORDS: Final = 5
_GLUE: Final = re.compile(r"[ .'\-_/&{}]?|'[ ]?|[ ]\(")
_VERSION: Final = re.compile(r"[ _.-]?\(?v\d{1,2}(?:\.\d{1,2})?\)?$|[ _]\d{1,2}$", re.IGNORECASE)
_PARENTHESIS: Final = re.compile(r"\s?\([^()]{0,60}\)$")
_CLAIM_WORD: Final = re.compile(r"[ _-](?:hack|exploit|attack|incident|rug ?pull)$", re.IGNORECASE)
_TRADE: Final = """
finance protocol network money labs lending exchange dex dao perp perps markets market capital defi fi io
xyz app platform pools pool vault vaults bridge swap amm clmm core classic elastic token
"""
_TRADE_WORD: Final = re.compile(rf"[ _.-]?(?:{'|'.join(_TRADE.split())})$", re.IGNORECASE)
# A word from the trade right after an ordinary word makes it a name: Level Finance, Gate Exchange.
_MAKES_A_NAME: Final = frozenset(_TRADE.split()).difference(
    ("token", "market", "pool", "pools", "core", "app")
)
_LISTED_TRADE: Final = re.compile(r" (?:Finance|Protocol|Network|Money|Labs)$")
_HIT: Final = """
exploit exploited exploiter exploiters hack hacked hacker hackers attack attacked attacker attackers drained
compromised rugged loss losses breach breached suffered suffers drainer hit incident
"""
_STRUCK: Final = frozenset(_HIT.split())
_HELPING: Final = "was were is has have had been being got gets just s users protocol team pools"
_BETWEEN: Final = frozenset(_HELPING.split())
_BEFORE: Final = any_of(
    words(
        """
        exploit, hack, attack, breach, incident, exploited, hacked, attacked, drained, exploiter, attacker,
        hacker
        """
    )
    + r" (?:(?:of|on|at|against|in|from|targeting) )?(?:the )?@?$",
    words("protocol, exchange, lender, dex, platform, bridge") + " @?$",
)
_LOOK_BACK: Final = 40
_SHORTEST_BASE: Final = 4


class Entry(NamedTuple):
    """What a name stands for, and whether it is also an ordinary word."""

    identifier: str
    ordinary: bool


class Name(NamedTuple):
    """A protocol's name found in a text, and where."""

    identifier: str
    written: str
    start: int
    end: int
    sure: bool = True


def protocol_of(name: str) -> str | None:
    """The identifier of the protocol that goes by this name, None where no table knows it."""
    shown = _versionless(clean(name))
    entry = _entry(shown)
    if entry is not None:
        return entry.identifier
    base = _versionless(_TRADE_WORD.sub("", shown, count=1))
    entry = _entry(base) if len(fold(base)) >= _SHORTEST_BASE - 1 else None
    return entry.identifier if entry is not None and not entry.ordinary else None


def _entry(name: str) -> Entry | None:
    return _TABLE.get(fold(name))


def _versionless(name: str) -> str:
    """The name as it is if it is known, else without version, remark or the word hack."""
    while fold(name) not in _TABLE:
        shorter = name
        for ending in (_VERSION, _PARENTHESIS, _CLAIM_WORD):
            shorter = ending.sub("", shorter, count=1)
        if shorter == name or not fold(shorter):
            return name
        name = shorter
    return name


def is_name(word: str) -> bool:
    """Whether this word by itself is a protocol's name, whatever else it is."""
    return word.casefold() in _TABLE


def identifier_of(name: str) -> str | None:
    """The identifier of a protocol, made of its name where no table knows it; None for no name at all."""
    known = protocol_of(name)
    if known is not None:
        return known
    words = [word.text.casefold() for word in words_in(_versionless(clean(name)))]
    return "_".join(words) or None


def protocols_in(text: str) -> tuple[str, ...]:
    """Every protocol the text names, in the order of appearance, each once."""
    return tuple(dict.fromkeys(name.identifier for name in names_in(without_links(clean(text)))))


def names_in(text: str) -> list[Name]:
    """Every name of a protocol in a cleaned text: the longest at each place."""
    return [name for name in candidates_in(text) if name.sure]


def candidates_in(text: str) -> list[Name]:
    """The same, and ordinary words in capitals that are a protocol's name elsewhere: ``sure`` tells them "
    "apart.
    """
    words = words_in(text)
    found: list[Name] = []
    at = 0
    while at < len(words):
        name, used = _longest(text, words, at)
        if name is not None:
            found.append(name)
        at += used
    return found


def _longest(text: str, words: Sequence[Word], at: int) -> tuple[Name | None, int]:
    for key, last in reversed(list(_runs(text, words, at))):
        entry = _TABLE.get(key)
        start, end = words[at].start, words[last].end
        if entry is None or (entry.ordinary and not _as_name(text, start, end)):
            continue
        sure = not entry.ordinary or _meant(text, words, at, last)
        return Name(entry.identifier, text[start:end], start, end, sure), last - at + 1
    return None, 1


def _as_name(text: str, start: int, end: int) -> bool:
    """Whether an ordinary word is written as a name is: in capitals, as a handle, or as a heading."""
    heading = start == 0 and text[end : end + 1] == ":"
    return not text[start].islower() or text[max(start - 1, 0) : start] == "@" or heading


def _runs(text: str, words: Sequence[Word], at: int) -> Iterator[tuple[str, int]]:
    """Keys of one word, of two, and so on, while nothing but glue stands between them."""
    key = ""
    for last in range(at, min(at + _MOST_WORDS, len(words))):
        if last > at and _GLUE.fullmatch(text[words[last - 1].end : words[last].start]) is None:
            return
        key += words[last].text.casefold()
        if len(key) > _LONGEST_KEY:
            return
        yield key, last


def _meant(text: str, words: Sequence[Word], at: int, last: int) -> bool:
    """Whether an ordinary word stands there as a name."""
    before = text[max(words[at].start - _LOOK_BACK, 0) : words[at].start]
    return before.endswith("@") or _BEFORE.search(before) is not None or _followed(words[last + 1 : last + 4])


def _followed(after: Sequence[Word]) -> bool:
    if after and after[0].text.casefold() in _MAKES_A_NAME:
        return True
    for word in after:
        folded = word.text.casefold()
        if folded in _STRUCK:
            return True
        if folded not in _BETWEEN:
            return False
    return False


def table_of(lines: str, listed: str) -> Mapping[str, Entry]:
    """What each folded name stands for: lines have names after their identifier, listed names have none."""
    table: dict[str, Entry] = {}
    for line in lines.strip().splitlines():
        identifier, _, names = line.partition(": ")
        for name in names.split(", "):
            _add(table, identifier, name)
        if "_" in identifier:
            _add(table, identifier, identifier)
    for name in listed.strip().replace("\n", "; ").split("; "):
        _add_listed(table, name)
    return table


def _add_listed(table: dict[str, Entry], name: str) -> None:
    identifier = "_".join(word.text.casefold() for word in words_in(name))
    _add(table, identifier, name)
    base = _LISTED_TRADE.sub("", name)
    if base != name:
        for spelling in (f"{base}?", f"{base} Protocol", f"{base} Finance", f"{base} fi"):
            _add(table, identifier, spelling)


def _add(table: dict[str, Entry], identifier: str, name: str) -> None:
    table.setdefault(fold(name), Entry(identifier, ordinary=name.endswith("?")))


_TABLE: Final = table_of(HYPERLIQUID + KNOWN.lstrip() + EXCHANGES.lstrip() + RENAMED.lstrip(), LISTED)
_LONGEST_KEY: Final = max(map(len, _TABLE))
