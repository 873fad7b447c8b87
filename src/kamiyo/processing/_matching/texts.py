"""Texts that repeat each other: found by MinHash bands, decided by comparing them word by word."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import pairwise
from struct import Struct
from typing import Final, NamedTuple, Protocol, cast

from rapidfuzz import fuzz
from rapidfuzz.distance import Levenshtein
from rensa import RMinHash  # type: ignore[import-untyped]

SHORTEST: Final = 40  # letters; shorter texts are alike by chance

_SEED: Final = 20_251_112
# Two texts with three in four pairs of words in common share one of 12 bands of 3 but for one time in 700.
_BANDS: Final = 12
_ROWS: Final = 3
_PERMUTATIONS: Final = _BANDS * _ROWS
_PACKED: Final = Struct(f"<{_PERMUTATIONS}I")
_WIDTH: Final = 8 * _ROWS  # hexadecimal digits
_CUTS: Final = tuple((f"text:{band}:", band * _WIDTH, (band + 1) * _WIDTH) for band in range(_BANDS))
_LEAST_KEPT: Final = 0.6  # of the shorter text's words
_FIRM: Final = 3  # words in a row that both have: what follows the last such row is the end of a text
_MOST_SLIPS: Final = 4
_SLIP: Final = 75  # of 100: a misspelt word is still that word
_PREFIX: Final = re.compile(r"\s*(?:rt|repost|via|fwd|forwarded from)\b[^:\n]{0,60}:", re.IGNORECASE)
_LEFT_OUT: Final = re.compile(r"https?://\S+|@\w+")
_LONG_FIGURE: Final = 5
_LONGEST_FIGURE: Final = 42
_MOST_FIGURES: Final = 4
# What stands between words, but for what may stand within a figure. This is faster than to match words.
_SIGNS: Final = "!\"#$%&'()*+-/:;<=>?@[\\]^_`{|}~\u2013\u2014\u2018\u2019\u201c\u201d\u2026"
_BETWEEN: Final = str.maketrans(dict.fromkeys(_SIGNS, " "))
_DIGIT: Final = re.compile(r"\d")


class _Sketch(Protocol):
    """What is used of the library, which tells no types."""

    def update(self, items: Iterable[str]) -> None: ...

    def digest(self) -> list[int]: ...


_SKETCH: Final = cast("Callable[..., _Sketch]", RMinHash)


class Words(NamedTuple):
    """A text taken apart. ``figures`` are the words with a digit."""

    words: list[str]
    different: frozenset[str]
    plain: str
    figures: frozenset[str]


@lru_cache(maxsize=1 << 14)
def words_of(text: str) -> Words:
    """The words of a text in lower case, without who repeated it, web addresses, mentions and signs."""
    prefix = _PREFIX.match(text)
    told = text[prefix.end() :] if prefix else text
    if "@" in told or "://" in told:
        told = _LEFT_OUT.sub(" ", told)
    words = [*filter(None, [word.strip(".,") for word in told.lower().translate(_BETWEEN).split()])]
    different = frozenset(words)
    figures = frozenset([word for word in different if not word.isalpha() and _DIGIT.search(word)])
    return Words(words, different, " ".join(words), figures)


def text_keys(text: str) -> list[str]:
    """Keys of which two texts that repeat each other share at least one; none for a short text.

    Figures and addresses first: they tell posts made from one pattern apart, where bands of words do not.
    """
    told = words_of(text)
    if len(told.plain) < SHORTEST:
        return []
    figures = sorted(word for word in told.figures if len(word) >= _LONG_FIGURE)
    return [*(f"figure:{word[:_LONGEST_FIGURE]}" for word in figures[:_MOST_FIGURES]), *_bands(told.words)]


def _bands(words: list[str]) -> list[str]:
    sketch = _SKETCH(num_perm=_PERMUTATIONS, seed=_SEED)
    sketch.update(map(" ".join, pairwise(words)))
    packed = _PACKED.pack(*sketch.digest()).hex()
    return [prefix + packed[start:end] for prefix, start, end in _CUTS]


def is_repost(text: str, other: str) -> bool:
    """Whether one text repeats the other: nothing in the midst of one stands for something else in the other.

    Posts made from one pattern are alike in all but the name or the amount, and tell of different cases; a
    repost has words before or behind, lacks some, or is cut off.
    """
    left, right = words_of(text), words_of(other)
    if min(len(left.plain), len(right.plain)) < SHORTEST:
        return False
    if not (left.figures <= right.figures or right.figures <= left.figures):
        return False
    least = _LEAST_KEPT * min(len(left.different), len(right.different))
    if len(left.different & right.different) < least:
        return False
    return left.plain == right.plain or _repeats(left.words, right.words)


def _repeats(left: list[str], right: list[str]) -> bool:
    changes = list(Levenshtein.opcodes(left, right))
    kept = [(each.src_start, each.src_end - each.src_start) for each in changes if each.tag == "equal"]
    if sum(length for _start, length in kept) < _LEAST_KEPT * min(len(left), len(right)):
        return False
    last = max((start for start, length in kept if length >= _FIRM), default=0)
    replaced = [each for each in changes if each.tag == "replace"]
    return len(replaced) <= _MOST_SLIPS and all(
        (_is_tail if each.src_start > last else _is_slip)(
            left[each.src_start : each.src_end], right[each.dest_start : each.dest_end]
        )
        for each in replaced
    )


def _is_tail(left: list[str], right: list[str]) -> bool:
    """Whether one end may stand for the other: what was cut off are words, not other figures."""
    return not (_DIGIT.search(" ".join(left)) and _DIGIT.search(" ".join(right)))


def _is_slip(left: list[str], right: list[str]) -> bool:
    one, other = " ".join(left), " ".join(right)
    return not _DIGIT.search(one + other) and fuzz.ratio(one, other) >= _SLIP
