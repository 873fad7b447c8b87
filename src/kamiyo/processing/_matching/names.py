"""Names of protocols, compared by whole words: what tells, what is said of all, and who has two names."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from rapidfuzz import fuzz

from kamiyo.processing._matching.aliases import NAMED_TWICE

# Said of so many that sharing one of these tells nothing. "unverified" and "mevbot" stand for no name at all.
_SAID_OF_MANY: Final = """
address aggregator amm and app attack based bot bots bridge capital chain coin com contract core crypto
dao defi dex dot drained exchange exploit exploited farm farming fi finance fund game games hack hacked in
inc incident io labs legacy lend lending liquidity loan loans lst market markets masterchef mev mevbot
money network nft of old on perp perps platform pool pools project proto protocol proxy rekt reserve
router rug smart socialfi staking swap the token tokens treasury unknown unverified v vault vaults vesting
wallet xyz
"""
# Chains and venues on which many things happen: sharing one narrows the search and no more.
_HOSTS_OF_MANY: Final = """
arbitrum avalanche base binance blast bnb bsc ethereum fantom hlp hyper hypercore hyperevm hyperliquid
hyperps l1 linea optimism polygon social solana sonic tron zksync
"""
# What a name written as one word may end in. Not "bot" or "in": too many words end so by themselves.
_LAST_SYLLABLES: Final = """
protocol finance exchange network lending markets capital project bridge router market perps money proto
token defi labs lend swap app dao xyz fi io
"""
GENERIC: Final = frozenset(_SAID_OF_MANY.split())
BROAD: Final = frozenset(_HOSTS_OF_MANY.split())
_ENDINGS: Final = tuple(_LAST_SYLLABLES.split())

_SHORTEST_STEM: Final = 3
_SHORTEST_WHOLE: Final = 6  # with its ending: "curio" is not "cur"
_SHORTEST_ALIKE: Final = 5
_SHORTEST_START: Final = 4
_FEWEST_INITIALS: Final = 3
_ALIKE: Final = 80
_MOST_WORDS: Final = 6  # more is a sentence, not a name
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD: Final = re.compile(r"[a-z0-9]+")
_NUMBERED: Final = re.compile(r"v?\d{1,2}")


class Likeness(enum.StrEnum):
    """How two names stand to each other, from nearest to farthest."""

    EQUAL = "equal"
    WITHIN = "within"  # every telling word of one is in the other
    ALIKE = "alike"  # by letters, by how they begin, or one is the other's initials
    SHARED = "shared"  # one telling word
    BROAD = "broad"  # only a chain or venue
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Name:
    """A name taken apart. ``words`` are those that tell, ``stem`` is all of it without what does not."""

    words: frozenset[str]
    broad: frozenset[str]
    stem: str
    initials: str

    @property
    def tells(self) -> bool:
        return bool(self.words or self.broad)


@lru_cache(maxsize=1 << 16)
def read_name(text: str) -> Name | None:
    """None for a text without a telling word, and for one with too many to be a name."""
    spoken = _WORD.findall(_CAMEL.sub(" ", text).lower())
    if not spoken or len(spoken) > _MOST_WORDS:
        return None
    kept = [word for word in spoken if word not in GENERIC and _NUMBERED.fullmatch(word) is None]
    written = _WORD.findall(text.lower())
    stem = _stem("".join(spoken if BROAD.issuperset(kept) else kept))
    words = {_stem(word) for word in (*kept, *written) if word not in GENERIC}
    words = {NAMED_TWICE.get(word, word) for word in words if len(word) > 1 and not _NUMBERED.fullmatch(word)}
    if words - BROAD:
        words.add(stem)
    name = Name(
        words=frozenset(words - BROAD - GENERIC),
        broad=frozenset(words & BROAD),
        stem=NAMED_TWICE.get(stem, stem),
        initials="".join(word[0] for word in spoken if not word.isdecimal()),
    )
    return name if name.tells else None


def _stem(squeezed: str) -> str:
    """A word without generic ones and numbers at its end, as long as something is left of it."""
    shorter = _cut(squeezed)
    while shorter != squeezed and shorter not in GENERIC:
        squeezed, shorter = shorter, _cut(shorter)
    return squeezed


def _cut(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= max(
            _SHORTEST_STEM, _SHORTEST_WHOLE - len(ending)
        ):
            return word[: -len(ending)]
    return re.sub(r"(?<=[a-z]{3})v?\d{1,2}$", "", word)


def liken(left: Name, right: Name) -> Likeness:
    """How near two names are."""
    if not left.words or not right.words:
        return Likeness.BROAD if left.broad & right.broad else Likeness.DIFFERENT
    if left.stem == right.stem:
        return Likeness.EQUAL
    shared = left.words & right.words
    if shared and (left.words - {left.stem} <= shared or right.words - {right.stem} <= shared):
        return Likeness.WITHIN
    if _is_alike(left, right):
        return Likeness.ALIKE
    return Likeness.SHARED if shared else Likeness.DIFFERENT


def _is_alike(left: Name, right: Name) -> bool:
    short, long = sorted((left.stem, right.stem), key=len)
    if len(short) >= _SHORTEST_START and long.startswith(short):
        return True
    if len(short) >= _SHORTEST_ALIKE and fuzz.ratio(short, long, score_cutoff=_ALIKE) > 0:
        return True
    return len(short) >= _FEWEST_INITIALS and short in {left.initials, right.initials}
