"""Which of a text's amounts was lost, which came back, and which are something else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from kamiyo.core.money import Usd, plain
from kamiyo.core.reports import AssetAmount
from kamiyo.extraction.amounts import USD, Figure, figures_in
from kamiyo.extraction.assets import is_dollar
from kamiyo.extraction.text import clean, sentences_in, without_links

_LOST: Final = (
    r"los[ts]\w*|stole\w*|drain\w*|siphon\w*|exploit\w*|hack\w*|worth|damag\w*|bad debt|made off|netted|profit\w*|took|taken|loot\w*|"
    r"rug\w*|breach\w*|theft|heist|attack\w*|missing|swiped|shortfall|hole|down|under ?water|embezzl\w*|laundered|extract\w*|mint\w*|steal\w*|"
    r"vanish\w*|moved|affected|impact\w*|withdr\w*"
)
_RETURNED: Final = r"return\w*|recover\w*|refund\w*|rescu\w*|sent back|gave back|given back|reimburs\w*|repa(?:id|ys?)|compensat\w*|restor\w*|paid back"
_OTHER: Final = (
    r"tvl|market cap|mcap|m\.cap|bount\w*|reward\w*|price[ds]?|trading at|volume|open interest|oi|long|short|notional|raised|raise|valuation|"
    r"insurance fund|treasury|margin|flash ?loan\w*|borrow\w*|liquidat\w*|reserves?|locked|deposited|deposits?|whitehat|white hat|supply|"
    r"position|leverage|collateral|fee|fees|remain\w*|safe|fdv|ath|frozen|froze|offer\w*|"
    r"previous(?:ly)?|initial(?:ly)?|earlier|in total value|assets under|buy\w*|bought|sold|per token|each|backed|invest\w*|fund(?:ed|ing)|salary|holds?|holding"
)
_CUES: Final = re.compile(
    rf"\b(?:(?P<returned>{_RETURNED})|(?P<other>{_OTHER})|(?P<lost>{_LOST}))\b", re.IGNORECASE
)
_AT: Final = re.compile(r"(?:@|\bat|\bto) ?~?$", re.IGNORECASE)
_LARGEST: Final = 10**11
_SURE: Final = 95
_LIKELY: Final = 70


class Losses(msgspec.Struct, frozen=True, kw_only=True):
    """The amounts a text says were lost and came back, and in percent how sure their reading is."""

    usd: Usd | None = None
    low: Usd | None = None
    high: Usd | None = None
    amounts: tuple[AssetAmount, ...] = ()
    returned: Usd | None = None
    percent: int = 0


def read_losses(text: str) -> Losses:
    """What the text says was lost and came back; a cell that holds nothing but an amount says that it was lost."""
    seen = without_links(clean(text))
    return losses_in(seen, figures_in(seen))


def losses_in(text: str, figures: Sequence[Figure]) -> Losses:
    """The same of a cleaned text without links whose amounts are known."""
    cued: dict[str, list[Figure]] = {"lost": [], "returned": [], "other": [], "": []}
    for start, end in sentences_in(text):
        cues = [(cue.start(), cue.end(), str(cue.lastgroup)) for cue in _CUES.finditer(text, start, end)]
        for figure in figures:
            if start <= figure.start < end:
                cued[_role(figure, cues)].append(figure)
    dollars = _dollars(cued["lost"])
    sure = _SURE if dollars else _LIKELY
    told = dollars or (_dollars(cued[""]) if len(_dollars(cued[""])) == 1 else ())
    returned = _dollars(cued["returned"])
    return msgspec.structs.replace(
        _of(told, sure),
        amounts=_asset_amounts((*cued["lost"], *cued[""])),
        returned=Usd(returned[0].high) if returned else None,
    )


def _role(figure: Figure, cues: Sequence[tuple[int, int, str]]) -> str:
    """What the nearest telling word says of the amount; the words before it count for twice as near."""
    ranked = [
        ((figure.start - end) if end <= figure.start else 2 * (start - figure.end) + 2, role)
        for start, end, role in cues
        if end <= figure.start or start >= figure.end
    ]
    return min(ranked)[1] if ranked else ""


def _dollars(figures: Iterable[Figure]) -> tuple[Figure, ...]:
    return tuple(figure for figure in figures if figure.unit == USD and 0 < figure.high < _LARGEST)


def _of(figures: Sequence[Figure], percent: int) -> Losses:
    if not figures:
        return Losses()
    told = figures[0]
    if told.low != told.high:
        return Losses(low=Usd(told.low), high=Usd(told.high), percent=percent)
    return Losses(
        usd=Usd(told.high),
        low=Usd(told.low) if told.at_least else None,
        high=Usd(told.high) if told.at_most else None,
        percent=percent,
    )


def _asset_amounts(figures: Iterable[Figure]) -> tuple[AssetAmount, ...]:
    counted = (figure for figure in figures if figure.unit not in {USD, ""})
    return tuple(dict.fromkeys(AssetAmount(plain(figure.high), figure.unit) for figure in counted))


def at_par(amounts: Sequence[AssetAmount]) -> bool:
    """Whether all of them are tokens meant to be a dollar each."""
    return bool(amounts) and all(is_dollar(amount.asset) for amount in amounts)
