"""Which assets a text names, in the spelling the venue uses where it lists them."""

from __future__ import annotations

import re
from typing import Final

from kamiyo.extraction._asset_table import LOWER, NO_ASSETS, SPELLED, UPPER, WORDS_TOO
from kamiyo.extraction.names import is_name
from kamiyo.extraction.text import clean, without_links

_TICKER: Final = re.compile(
    r"(?<![\w$])\$([A-Za-z][A-Za-z0-9]{0,14}|[0-9]{1,4}[A-Za-z]{2,10})(?:\.[a-z])?(?![\w$])"
)
_SYMBOL: Final = re.compile(
    r"(?<![\w$.@#/])(?:[a-z]{1,4}:)?[A-Za-z0-9]{2,14}(?:\.e)?(?![\w/]| (?:Smart |Beacon )?[Cc]hain)"
)
_DEX_ASSET: Final = re.compile(r"(?:xyz|flx|vntl|hyna|km|cash|abcd|para):[A-Z][A-Z0-9]{0,14}")
# The shape of a symbol that no table knows: capitals, perhaps after a few small letters (stETH, mOCEAN).
_SHAPE: Final = re.compile(
    r"[a-z]{0,4}[0-9]{0,4}[A-Z][A-Z0-9]*[a-z]?(?:\.[a-z])?|[A-Z]{2,10}-[A-Z]{2,5}|[A-Z][a-z]{2,8}-LP"
)
_FEWEST_LETTERS: Final = 2
_SPELLINGS: Final = {symbol.casefold(): symbol for symbol in sorted(UPPER)}


def assets_in(text: str) -> tuple[str, ...]:
    """Every asset named by $TICKER or by a symbol the venue lists, in the order of appearance, each once."""
    seen = without_links(clean(text))
    tickers = ((found.start(), _canonical(found.group(1))) for found in _TICKER.finditer(seen))
    known = (
        (found.start(), listed(found.group()))
        for found in _SYMBOL.finditer(seen)
        if not is_name(found.group())
    )
    places = sorted((start, asset) for start, asset in (*tickers, *known) if asset is not None)
    return tuple(dict.fromkeys(asset for _, asset in places))


def listed(symbol: str) -> str | None:
    """The asset of this symbol, if the table lists it in this spelling."""
    if _DEX_ASSET.fullmatch(symbol) or symbol in UPPER:
        return symbol if symbol not in WORDS_TOO else None
    return (
        _canonical(symbol) if symbol.casefold() in LOWER and (symbol.islower() or symbol.isupper()) else None
    )


def unit_of(symbol: str) -> str | None:
    """The asset a number counts if this word follows it, None if it counts none."""
    bare = symbol.removeprefix("$")
    if bare.casefold() in SPELLED:
        return SPELLED[bare.casefold()]
    if bare.upper() in NO_ASSETS or not any(letter.isalpha() for letter in bare):
        return None
    if bare.casefold() in LOWER or bare != symbol:
        return _canonical(bare)
    return _canonical(bare) if _SHAPE.fullmatch(bare) and len(bare) >= _FEWEST_LETTERS else None


def _canonical(symbol: str) -> str:
    return _SPELLINGS.get(symbol.casefold(), symbol if not symbol.islower() else symbol.upper())
