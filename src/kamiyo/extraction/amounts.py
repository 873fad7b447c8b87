"""Amounts in a text: US dollars, units of an asset, and numbers whose unit nobody says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import msgspec

from kamiyo.core.money import plain
from kamiyo.extraction.assets import unit_of
from kamiyo.extraction.text import clean, without_links

USD: Final = "USD"

_NUMBER: Final = re.compile(
    r"(?:(?<![\w.,#$])(?:US|USD)?\$ ?[~>]? ?|(?<![\w.,#$])(?:(?<![^\W\d][-/:])|"
    r"(?<=\d[kKmMbB]-))(?:USD ?)?)(?<![.,/])"
    r"(?P<digits>[0-9]{1,40}+(?:[.,'][0-9]{1,40}+){0,12}+(?: [0-9]{3}(?![0-9.,])){0,4}|"
    r"\.[0-9]{1,12}+)(?P<more>\+?)"
)
_MULTIPLES: Final = {
    "k": 3, "thousand": 3, "\u0442\u044b\u0441": 3,
    "m": 6, "mm": 6, "mn": 6, "mln": 6, "mln.": 6, "mil": 6, "mio": 6, "mio.": 6, "million": 6, "millions": 6,
    "millones": 6, "milhoes": 6, "milh\u00f5es": 6, "millionen": 6, "\u043c\u043b\u043d": 6,
    "\u043c\u0438\u043b\u043b\u0438\u043e\u043d\u0430": 6,
    "\u043c\u0438\u043b\u043b\u0438\u043e\u043d\u043e\u0432": 6,
    "b": 9, "bn": 9, "billion": 9, "billions": 9, "t": 12, "trillion": 12,
    "\u4e07": 4, "\u842c": 4, "\u4ebf": 8, "\u5104": 8, "\u5343\u4e07": 7,
}  # fmt: skip
_MULTIPLIER: Final = re.compile(
    rf" ?(?P<word>{'|'.join(map(re.escape, sorted(_MULTIPLES, key=len, reverse=True)))})"
    r"(?:(?![^\W_])|(?<=[\u4e00-\u9fff]))",
    re.IGNORECASE,
)
_DOLLARS_AFTER: Final = re.compile(
    r"\+? ?(?:USD?\$|USD\b|\$(?![A-Za-z0-9])|(?:US |U\.S\. )?dollars?\b|(?:de )?(?:d[o\u00f3]lares|"
    r"US-?Dollar)\b|bucks\b|"
    r"\u0434\u043e\u043b\u043b\w{0,5}|\u7f8e\u5143|\u7f8e\u91d1|\u5200\b)",
    re.IGNORECASE,
)
_ASSET_AFTER: Final = re.compile(
    r" ?(?P<asset>\$?[A-Za-z][A-Za-z0-9]{0,14}(?:[.-][A-Za-z]{1,5})?|\$[0-9]{1,4}[A-Za-z]{2,10})(?!\w)"
)
_QUOTED: Final = re.compile(
    r"(?: [A-Z][a-z]{2,14})? \((?P<asset>\$?[A-Za-z][A-Za-z0-9]{1,14})(?: [Tt]okens?)?\)(?: tokens?)?"
)
_BARE: Final = re.compile(r"\$?[A-Za-z0-9]{1,15}(?=[.-])")
_NO_AMOUNT: Final = re.compile(r" ?(?:%|percent\b|per cent\b|pct\b|bps\b|x\b|\u00d7)|:[0-9]", re.IGNORECASE)
_EURO: Final = re.compile(r"[\u20ac\u00a3\u00a5] ?$|(?:EUR|GBP|CNY|JPY|KRW|INR) ?$")
_DOLLARS_BEFORE: Final = re.compile(r"(?:\$ ?[~>]? ?|\bUSD ?)$", re.IGNORECASE)
_RANGE: Final = re.compile(r" ?(?:-|to|and|~) ?")
_NO_RANGE: Final = re.compile(r"\bfrom [~>]?$", re.IGNORECASE)
_BETWEEN: Final = re.compile(r"\bbetween (?:about |around |roughly )?[~]?$", re.IGNORECASE)
_ABOUT: Final = re.compile(
    r"(?:~|\b(?:about|around|approx\.?|approximately|roughly|nearly|almost|circa|ca\.?|estimated|"
    r"an estimated|some|close to)) ?$",
    re.IGNORECASE,
)
_AT_LEAST: Final = re.compile(
    r"(?:>=?|\b(?:over|more than|at least|exceed(?:s|ing)?|above|upwards of|in excess of)) ?~?$",
    re.IGNORECASE,
)
_AT_MOST: Final = re.compile(
    r"(?:<=?|\b(?:up to|at most|less than|under|below|as much as)) ?~?$", re.IGNORECASE
)
_DATES: Final = re.compile(
    r"(?<!\d)\d{4}-\d{1,2}(?:-\d{1,2})?(?!\d)|(?<!\d)\d{1,2}[./]\d{1,2}[./]\d{2,4}(?!\d)|"
    r"(?<!\d)\d{1,2}:\d{2}(?::\d{2})?(?!\d)"
)
_THOUSANDS: Final = re.compile(r"[0-9]{1,3}(?:[,' ][0-9]{3})+(?:\.[0-9]+)?")
_EUROPEAN: Final = re.compile(
    r"[0-9]{1,3}(?:\.[0-9]{3}){2,}(?:,[0-9]+)?|[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+|[1-9][0-9]{0,2}\.000"
)
_COMMA: Final = re.compile(r"[0-9]+,[0-9]+")
_PLAIN: Final = re.compile(r"[0-9]*\.?[0-9]+")
_LOOK_BACK: Final = 24
_LONGEST_NUMBER: Final = 40
_LARGE: Final = 1000
_FIRST_YEAR: Final = 1990
_LAST_YEAR: Final = 2100


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One amount as told. ``unit`` is USD, an asset, or empty where nobody says it.

    ``low`` and ``high`` differ for a range. ``at_least`` and ``at_most`` say that it was told as a bound.
    """

    low: Decimal
    high: Decimal
    unit: str
    start: int
    end: int
    about: bool = False
    at_least: bool = False
    at_most: bool = False
    scaled: bool = False
    negative: bool = False


class Amounts(msgspec.Struct, frozen=True):
    """Every amount of a text in the order of appearance, by what is counted."""

    usd: tuple[Figure, ...] = ()
    assets: tuple[Figure, ...] = ()
    unknown: tuple[Figure, ...] = ()


def read_amounts(text: str) -> Amounts:
    """Every amount the text names; a number without a unit is never taken for dollars."""
    figures = figures_in(without_links(clean(text)))
    return Amounts(
        usd=tuple(figure for figure in figures if figure.unit == USD),
        assets=tuple(figure for figure in figures if figure.unit not in {USD, ""}),
        unknown=tuple(figure for figure in figures if not figure.unit and _large(figure)),
    )


def _large(figure: Figure) -> bool:
    """Whether a number without a unit can be an amount: a count of minutes or wallets, or a year, is none."""
    return figure.scaled or (figure.high >= _LARGE and not _FIRST_YEAR <= figure.high <= _LAST_YEAR)


def figures_in(text: str) -> list[Figure]:
    """Every amount of a cleaned text without links; places are places in it."""
    dateless = _DATES.sub(lambda date: " " * len(date.group()), text)
    found = [figure for match in _NUMBER.finditer(dateless) for figure in _read(dateless, match)]
    return list(_joined(dateless, found))


def _read(text: str, match: re.Match[str]) -> Iterator[Figure]:
    number = _decimal(match.group("digits"))
    if number is None or _NO_AMOUNT.match(text, match.end()):
        return
    multiplier = _MULTIPLIER.match(text, match.end())
    end = multiplier.end() if multiplier else match.end()
    if multiplier:
        number = _scaled(number, _MULTIPLES[multiplier.group("word").casefold()])
    before = text[max(match.start("digits") - _LOOK_BACK, 0) : match.start("digits")]
    unit, end = _unit(text, before, end, scaled=multiplier is not None)
    if unit is not None:
        lead = text[max(match.start() - _LOOK_BACK, 0) : match.start()]
        yield _figure(number, unit, match, end, lead, scaled=multiplier is not None)


def _figure(number: Decimal, unit: str, match: re.Match[str], end: int, lead: str, *, scaled: bool) -> Figure:
    sign = match.group()
    return Figure(
        low=number,
        high=number,
        unit=unit,
        start=match.start(),
        end=end,
        about=bool(_ABOUT.search(lead)) or "~" in sign,
        at_least=bool(_AT_LEAST.search(lead)) or ">" in sign or bool(match.group("more")),
        at_most=bool(_AT_MOST.search(lead)),
        scaled=scaled,
        negative=lead.endswith(("-", "- ")),
    )


def _unit(text: str, before: str, end: int, *, scaled: bool) -> tuple[str | None, int]:
    """What the number counts, and where the words that say so end; None for no amount at all."""
    if _EURO.search(before):
        return None, end
    marked = _DOLLARS_BEFORE.search(before) is not None
    after = _DOLLARS_AFTER.match(text, end)
    asset, asset_end = _asset(text, end)
    dollars = after or (marked and (asset is None or scaled or _known_dollar(asset)))
    if dollars:
        return USD, after.end() if after else end
    if asset is None and end < len(text) and (text[end].isalnum() or text[end] == "_"):
        return None, end
    return asset or "", asset_end


def _known_dollar(asset: str) -> bool:
    return asset.upper().startswith(("USD", "DAI", "BUSD"))


def _asset(text: str, end: int) -> tuple[str | None, int]:
    for pattern in (_ASSET_AFTER, _QUOTED):
        found = pattern.match(text, end)
        written = found.group("asset") if found else ""
        asset = unit_of(written) if written else None
        if found and asset is not None:
            return asset, found.end()
        # USDC.e is an asset; in "12 ETH.Then" ETH is one, and the rest another sentence.
        bare = _BARE.match(written)
        asset = unit_of(bare.group()) if bare else None
        if found and bare and asset is not None:
            return asset, found.start("asset") + bare.end()
    return None, end


def _joined(text: str, figures: list[Figure]) -> Iterator[Figure]:
    """Two numbers with nothing but a dash or "to" between them are one amount: a range."""
    at = 0
    while at < len(figures):
        pair = _range(text, figures[at], figures[at + 1]) if at + 1 < len(figures) else None
        yield pair or figures[at]
        at += 2 if pair else 1


def _range(text: str, left: Figure, right: Figure) -> Figure | None:
    between = text[left.end : right.start]
    before = text[max(left.start - _LOOK_BACK, 0) : left.start]
    if _RANGE.fullmatch(between) is None or _NO_RANGE.search(before):
        return None
    if "and" in between and not _BETWEEN.search(before):
        return None
    if left.unit not in {right.unit, ""} and not (right.unit == "" and left.unit == USD):
        return None
    low = left.low if left.scaled or not right.scaled else _like(left.low, right)
    if low > right.high:
        return None
    return msgspec.structs.replace(right, low=low, unit=right.unit or left.unit, start=left.start, about=True)


def _like(number: Decimal, scaled: Figure) -> Decimal:
    """The number times what the other end of the range was multiplied by."""
    for power in (12, 9, 8, 7, 6, 4, 3):
        if scaled.high >= Decimal(1).scaleb(power) and number.scaleb(power) <= scaled.high:
            return _scaled(number, power)
    return number


def _scaled(number: Decimal, power: int) -> Decimal:
    """The number with its point moved, in plain digits."""
    return Decimal(plain(number.scaleb(power)))


def _decimal(digits: str) -> Decimal | None:
    """The number as written, whatever stands between its thousands and before its parts."""
    if len(digits) > _LONGEST_NUMBER:
        return None
    if _THOUSANDS.fullmatch(digits) and not digits.startswith("0"):
        return Decimal(re.sub(r"[,' ]", "", digits))
    if _EUROPEAN.fullmatch(digits):
        return Decimal(digits.replace(".", "").replace(",", "."))
    if _COMMA.fullmatch(digits):
        return Decimal(digits.replace(",", "."))
    return Decimal(digits) if _PLAIN.fullmatch(digits) else None
