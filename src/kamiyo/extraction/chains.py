"""Which chains a text names, and which its links to explorers show."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from kamiyo.extraction._chain_table import CHAINS, EXPLORERS, PATHS
from kamiyo.extraction.text import Word, clean, fold, links_in, without_links, words_in

_MOST_WORDS: Final = 3
_LINK: Final = re.compile(r"(?:https?://)?(?:www\.)?([a-z0-9.-]{1,253})(/[^?#]{0,300})?", re.IGNORECASE)
_GLUE: Final = re.compile(r"[ .-]?")
_LIST: Final = re.compile(r"(?:, | and | & |, and |/| / | \+ |\+|,|\|)")
_BEFORE: Final = re.compile(
    r"(?:\b(?:on|across|via|from|to|chains?|network)(?: the)?:? \(?|#|[Cc]hains?: ?)$", re.IGNORECASE
)
_AFTER: Final = re.compile(
    r"[ -](?:chain|blockchain|network|mainnet|L1|L2|layer[ -]?[12]|based|version|side|deployment|"
    r"ecosystem)\b",
    re.IGNORECASE,
)
_COUNTED: Final = re.compile(r"\d[kKmMbB]? $")
# Where the money went afterwards is not where it was lost.
_DESTINATION: Final = re.compile(
    r"\b(?:bridge|bridging|mov|transfer|swap|convert|launder|funnel|sent|send|withdr|"
    r"left)\w{0,6}\b[^.\n]{0,60}\b(?:to|into|onto|for|from) (?:the )?$",
    re.IGNORECASE,
)
_LOOK_BACK: Final = 90
_LOOK_AHEAD: Final = 14


class _Place(NamedTuple):
    identifier: str
    start: int
    end: int
    sure: bool


def chain_of(name: str) -> str | None:
    """The identifier of the chain that goes by this name, None where no table knows it."""
    entry = _TABLE.get(fold(name))
    return None if entry is None else entry[0]


def chains_in(text: str) -> tuple[str, ...]:
    """Every chain the text names or its links show, in the order of appearance, each once.

    Where money was bridged to afterwards is left out.
    """
    seen = clean(text)
    named = (place.identifier for place in _places(without_links(seen)))
    return tuple(dict.fromkeys((*named, *explored_chains(seen))))


def explored_chains(text: str) -> tuple[str, ...]:
    """The chains whose explorers the text links to."""
    chains = (_explored(link) for link in links_in(text))
    return tuple(dict.fromkeys(chain for chain in chains if chain is not None))


def _explored(link: str) -> str | None:
    parts = _LINK.match(link)
    host, path = (parts.group(1).casefold(), parts.group(2) or "") if parts else ("", "")
    if host in EXPLORERS:
        return EXPLORERS[host]
    # Longer links name the chain in a segment, as explorers of many chains do.
    segments = path.casefold().split("/")
    if not {"tx", "address", "attack", "explorer", "account"} & set(segments):
        return None
    return next((PATHS[segment] for segment in segments if segment in PATHS), None)


def _places(text: str) -> list[_Place]:
    found = list(_candidates(text, words_in(text)))
    sure = [place.sure for place in found]
    for at in (*range(1, len(found)), *range(len(found) - 1, 0, -1)):
        # In a list of chains one sure name vouches for its neighbours: on Ethereum, Base and Blast.
        if _LIST.fullmatch(text[found[at - 1].end : found[at].start]):
            sure[at - 1] = sure[at] = sure[at - 1] or sure[at]
    kept = (place for place, certain in zip(found, sure, strict=True) if certain)
    return [
        place
        for place in kept
        if not _DESTINATION.search(text[max(place.start - _LOOK_BACK, 0) : place.start])
    ]


def _candidates(text: str, words: Sequence[Word]) -> Iterator[_Place]:
    at = 0
    while at < len(words):
        place, used = _longest(text, words, at)
        if place is not None:
            yield place
        at += used


def _longest(text: str, words: Sequence[Word], at: int) -> tuple[_Place | None, int]:
    for last in range(min(at + _MOST_WORDS, len(words)) - 1, at - 1, -1):
        start, end = words[at].start, words[last].end
        if not _glued(text, words[at : last + 1]):
            continue
        entry = _TABLE.get("".join(word.text.casefold() for word in words[at : last + 1]))
        if entry is not None and _written_as_name(
            text[start:end], text[max(start - 8, 0) : start], ordinary=entry[1]
        ):
            return _Place(entry[0], start, end, not entry[1] or _meant(text, start, end)), last - at + 1
    return None, 1


def _glued(text: str, words: Sequence[Word]) -> bool:
    return all(_GLUE.fullmatch(text[left.end : right.start]) for left, right in pairwise(words))


def _written_as_name(written: str, before: str, *, ordinary: bool) -> bool:
    """Whether it is written as a chain's name is; after a number it is an asset's: 588,357 SUI."""
    if written.isupper() and _COUNTED.search(before):
        return False
    return not ordinary or not written.islower()


def _meant(text: str, start: int, end: int) -> bool:
    before = text[max(start - _LOOK_BACK, 0) : start]
    return bool(_BEFORE.search(before) or _AFTER.match(text[end : end + _LOOK_AHEAD]))


def table_of(lines: str) -> Mapping[str, tuple[str, bool]]:
    """What each folded name stands for, and whether it is an ordinary word as well."""
    table: dict[str, tuple[str, bool]] = {}
    for line in lines.strip().splitlines():
        identifier, _, names = line.partition(": ")
        for name in (*names.split(", "), f"{identifier}?"):
            table.setdefault(fold(name), (identifier, name.endswith("?")))
    return table


_TABLE: Final = table_of(CHAINS)
