"""What a text does to a case: tells of it, adds to it, denies it, says that money came back, or nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from re import Match, Pattern
from typing import Final, NamedTuple

from kamiyo.core.reports import Precision, ReportKind
from kamiyo.extraction import _cues as cues
from kamiyo.extraction.text import sentences_in
from kamiyo.extraction.times import Moment

_OLD: Final = timedelta(days=45)
_LENGTHS: Final[Mapping[Precision, timedelta]] = {
    Precision.DAY: timedelta(days=1),
    Precision.MONTH: timedelta(days=31),
    Precision.YEAR: timedelta(days=366),
}
_YEAR: Final = re.compile(r"(?<![\d.,$/-])20[12]\d(?![\d.,]*\d| ?[A-Z]{3,}\b|[kmKM])")
# Texts about hacking that tell of no case, by the rule that knows them.
_NOTHING: Final[Mapping[str, Pattern[str]]] = {
    "joke": cues.JOKE,
    "recap": cues.RECAP,
    "bystander": cues.BYSTANDER,
    "advertisement": cues.ADVERTISEMENT,
    "education": cues.EDUCATION,
}


class Claim(NamedTuple):
    """The kind, None for no claim, the name of the rule that decided, and its surety in percent."""

    kind: ReportKind | None
    rule: str
    percent: int


# Whichever sentence says one of these, the text says it; else the first one that says anything counts.
_STRONG: Final = (ReportKind.DENIAL, ReportKind.RECOVERY)
_CLAIMS: Final[Mapping[ReportKind, Claim]] = {
    ReportKind.DENIAL: Claim(ReportKind.DENIAL, "denied", 80),
    ReportKind.RECOVERY: Claim(ReportKind.RECOVERY, "returned", 80),
    ReportKind.UPDATE: Claim(ReportKind.UPDATE, "updated", 75),
    ReportKind.NEW: Claim(ReportKind.NEW, "asserted", 85),
}


def read_claim(
    text: str, moment: Moment | None, published_at: datetime, *, losing: bool, concrete: bool
) -> Claim:
    """What a cleaned text without links claims.

    ``moment`` is when it says that it happened. ``losing`` says that it names an amount that may be lost,
    ``concrete`` that it names a victim, an amount, an asset, an address or a transaction.
    """
    for rule, pattern in _NOTHING.items():
        if pattern.search(text):
            return Claim(None, rule, 90)
    said = list(_said(text, losing=losing))
    if not said or not concrete:
        return Claim(None, "nothing_asserted", 80)
    if cues.FOLLOWING_UP.search(text):
        said = [ReportKind.UPDATE if kind is ReportKind.NEW else kind for kind in said]
    if cues.CALLED_FALSE.search(text):
        said.append(ReportKind.DENIAL)
    strongest = _CLAIMS[next((kind for kind in _STRONG if kind in said), said[0])]
    old = _is_old(moment, published_at) or _names_past_year(text, published_at)
    return Claim(None, "old_news", 90) if strongest.kind is ReportKind.NEW and old else strongest


def _is_old(moment: Moment | None, published_at: datetime) -> bool:
    return moment is not None and published_at - _end(moment) > _OLD


def _names_past_year(text: str, published_at: datetime) -> bool:
    years = {int(year) for year in _YEAR.findall(text)}
    return bool(years) and max(years) < (published_at - _OLD).year


def _end(moment: Moment) -> datetime:
    return moment.at + _LENGTHS.get(moment.precision, timedelta())


def _said(text: str, *, losing: bool) -> Iterator[ReportKind]:
    """What each sentence says happened."""
    for start, end in sentences_in(text):
        kind = None if _asks(text, start, end) else _sentence(text[start:end], losing=losing)
        if kind is not None:
            yield kind


def _asks(text: str, start: int, end: int) -> bool:
    return text[end : end + 1] == "?" and cues.QUESTION.match(text[start:end]) is not None


def _losing(sentence: str) -> Match[str] | None:
    return None if cues.TRADING.search(sentence) else cues.LOSING.search(sentence)


def _sentence(sentence: str, *, losing: bool) -> ReportKind | None:
    if cues.HINTED.search(sentence):
        return ReportKind.NEW
    asserted = cues.ASSERTED.search(sentence) or (_losing(sentence) if losing else None)
    returned = cues.RETURNED.search(sentence)
    if returned:
        return _returned(sentence, returned, asserted)
    if asserted is None:
        return ReportKind.UPDATE if cues.MAKING_GOOD.search(sentence) else None
    return None if cues.MARKET_TALK.search(sentence) else _asserted(sentence, asserted)


def _returned(sentence: str, returned: Match[str], asserted: Match[str] | None) -> ReportKind | None:
    """A return that happened, or one that is only hoped for after something that happened."""
    if cues.NOT_YET.search(sentence[: returned.start()].rpartition(" and ")[2]) is None:
        return ReportKind.RECOVERY
    return ReportKind.UPDATE if asserted else None


def _asserted(sentence: str, asserted: Match[str]) -> ReportKind | None:
    if cues.DENIED.search(sentence):
        return ReportKind.DENIAL
    if cues.HYPOTHETICAL.search(sentence[: asserted.start()]) and not cues.PRESUPPOSED.search(sentence):
        return None
    follows = cues.UPDATED.search(sentence) or cues.PROMISED.search(sentence)
    return ReportKind.UPDATE if follows else ReportKind.NEW
