"""Text as a reader sees it: without hidden characters, look-alikes, odd digits and links."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final, NamedTuple

from kamiyo.core.reports import LONGEST_TEXT

_INVISIBLE: Final = frozenset({"Cf", "Cc", "Cs", "Co", "Cn", "Mn", "Me"})
_PLAIN: Final = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\u30fc", "-"),
        **dict.fromkeys("\u2018\u2019\u201b\u2032\u02bc\u00b4", "'"),
        **dict.fromkeys("\u201c\u201d\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2248\u223c\u223d\u2243\u301c", "~"),
        "\u3002": ". ",
        "\u2044": "/",
    }
)
# Letters of other alphabets that look like Latin ones, each beside the one it looks like.
_LOOKALIKES: Final = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u04bb\u04cf\u051b\u051d"
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0406\u0408\u0405\u050c"
    "\u03bf\u03b1\u03b9\u03bd\u03c1\u03ba\u03c5"
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7"
    "\u0131\u0261\u1d00\u0299\u1d04\u1d05\u1d07\ua730\u0262\u029c\u026a\u1d0a\u1d0b\u029f\u1d0d\u0274\u1d0f\u1d18"
    "\u0280\ua731\u1d1b\u1d1c\u1d20\u1d21\u028f\u1d22",
    "aeopcyxijsdhlqwABEKMHOPCTYXIJSGoaivpkuABEZHIKMNOPTYXigabcdefghijklmnoprstuvwyz",
)
_LINK: Final = re.compile(
    r"https?://[^\s<>\"']{1,2048}+|(?<![\w.@-])(?:[a-z0-9-]{1,63}\.){1,5}[a-z]{2,24}/[^\s<>\"']{0,2048}+",
    re.IGNORECASE,
)
_WORD: Final = re.compile(r"[^\W_]+")
_END: Final = re.compile(r"(?<!\bca)(?<!vs)(?<!approx)(?<!est)[.!?;](?=\s)|\n|[!?\uff1f]")


class Word(NamedTuple):
    """One run of letters and digits, and where it stands."""

    text: str
    start: int
    end: int


def clean(text: str) -> str:
    """The text as it looks: one kind of space, dash, quote and digit, nothing hidden, never too long."""
    shown = text[:LONGEST_TEXT]
    if not shown.isascii():
        shown = _latin(_shown(shown))
    lines = (" ".join(_printable(line).split()) for line in shown.splitlines())
    return "\n".join(line for line in lines if line)[:LONGEST_TEXT]


def _shown(text: str) -> str:
    # Marks go first: to sort a long run of them takes the normalization quadratic time.
    kept = "".join(
        letter for letter in text if unicodedata.category(letter) not in _INVISIBLE or letter in "\n\t\r"
    )
    plain = unicodedata.normalize("NFKC", kept)[:LONGEST_TEXT].translate(_PLAIN)
    return "".join(_digit(letter) for letter in plain)


def _digit(letter: str) -> str:
    return letter if letter.isascii() else str(unicodedata.decimal(letter, letter))


def _latin(text: str) -> str:
    """With look-alikes replaced, if the text is written in Latin letters at all."""
    translated = text.translate(_LOOKALIKES)
    letters = sum(letter.isalpha() for letter in text)
    latin = sum(letter.isascii() and letter.isalpha() for letter in text)
    return translated if latin * 2 > letters else text


def _printable(line: str) -> str:
    return line if line.isprintable() else "".join(letter if letter.isprintable() else " " for letter in line)


def without_links(text: str) -> str:
    """The text with every link replaced by as many spaces, so that places stay what they were."""
    return _LINK.sub(lambda link: " " * len(link.group()), text)


def links_in(text: str) -> tuple[str, ...]:
    """Every link, as written."""
    return tuple(_LINK.findall(text))


def words_in(text: str) -> tuple[Word, ...]:
    """Every run of letters and digits."""
    return tuple(Word(found.group(), found.start(), found.end()) for found in _WORD.finditer(text))


def sentences_in(text: str) -> Iterator[tuple[int, int]]:
    """Where each sentence or line begins and ends."""
    start = 0
    for end in _END.finditer(text):
        if text[start : end.start()].strip():
            yield start, end.start()
        start = end.end()
    if text[start:].strip():
        yield start, len(text)


def fold(name: str) -> str:
    """The letters and digits of a name without case: what two spellings of it share."""
    return "".join(_WORD.findall(clean(name).casefold()))
