"""When a text says something happened, and to which unit it says so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from kamiyo.core.reports import Precision
from kamiyo.extraction.text import clean, without_links

_MONTHS: Final = {
    name: number
    for number, names in enumerate(
        (
            "jan january", "feb february", "mar march", "apr april", "may", "jun june", "jul july",
            "aug august", "sep sept september", "oct october", "nov november", "dec december",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
_MONTH: Final = rf"(?P<month>{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\b\.?"
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_ZONES: Final = {
    "utc": 0, "gmt": 0, "z": 0, "bst": 60, "cet": 60, "cest": 120, "msk": 180, "sgt": 480,
    "hkt": 480, "jst": 540, "kst": 540, "est": -300, "edt": -240, "cst": -360, "cdt": -300, "pst": -480,
    "pdt": -420,
}  # fmt: skip
_ZONE: Final = (
    rf"(?P<zone>{'|'.join(_ZONES)})\b(?P<offset>[+-]\d{{1,2}}(?::?\d{{2}})?)?|(?P<only>[+-]\d{{2}}:?\d{{2}})"
)
_CLOCK: Final = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.\d{1,9})?)? ?(?P<half>[ap]\.?m\b\.?)? ?"
    rf"\(?\+?(?:{_ZONE})"
)
_CLOCK_NEAR: Final = re.compile(rf"(?:T|,? ?(?:at |around |~|- |\()?){_CLOCK}", re.IGNORECASE)
_CLOCK_BEFORE: Final = re.compile(rf"{_CLOCK}\)?,? ?(?:on |of )?$", re.IGNORECASE)
_CLOCK_ALONE: Final = re.compile(rf"(?<![\d:.]){_CLOCK}", re.IGNORECASE)
_DATES: Final = (
    re.compile(r"(?<!\d)(?P<year>20\d{2})[-/.](?P<number>\d{1,2})[-/.](?P<day>\d{1,2})(?!\d)"),
    re.compile(
        rf"\b{_MONTH}[ -](?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?!\d)(?:,?[ -](?P<year>20\d{{2}}))?(?!\d)",
        re.IGNORECASE,
    ),
    re.compile(
        rf"(?<!\d)(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?: of)?[ -]{_MONTH}(?:,?[ -](?P<year>20\d{{2}}))?(?!\d)",
        re.IGNORECASE,
    ),
)
_MONTH_OF: Final = re.compile(
    rf"\b(?:(?:in|since|during|of|back in) (?:early |late |"
    rf"mid-?)?){_MONTH}(?: (?:of )?(?P<year>20\d{{2}}))?(?! ?\d)",
    re.IGNORECASE,
)
_MONTH_YEAR: Final = re.compile(rf"\b{_MONTH} (?P<year>20\d{{2}})(?!\d)", re.IGNORECASE)
_YEAR_OF: Final = re.compile(
    r"\b(?:in|since|during|of|from|back in) (?P<year>20[012]\d)(?![\d-])\b", re.IGNORECASE
)
_AGO: Final = re.compile(
    r"\b(?P<count>\d{1,3}|an?|one|two|three|four|five|six|ten|several|few) ?(?P<unit>second|sec|"
    r"minute|min|hour|hr|h|day|d|week|wk|month|year|yr)s? ago\b",
    re.IGNORECASE,
)
_DAY_WORD: Final = re.compile(
    rf"\b(?P<word>today|tonight|this morning|this afternoon|yesterday|last night|earlier today|(?:on |"
    rf"last |this )(?:{'|'.join(_WEEKDAYS)}))\b",
    re.IGNORECASE,
)
_COUNTS: Final = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "ten": 10}
_UNITS: Final = {
    "s": (timedelta(seconds=1), Precision.SECOND),
    "mi": (timedelta(minutes=1), Precision.MINUTE),
    "h": (timedelta(hours=1), Precision.HOUR),
    "d": (timedelta(days=1), Precision.DAY),
    "w": (timedelta(weeks=1), Precision.DAY),
    "mo": (timedelta(days=30), Precision.MONTH),
    "y": (timedelta(days=365), Precision.YEAR),
}
_AHEAD: Final = timedelta(days=2)
# A date without a year that is so near is one to come, one further ahead is last year's.
_PLANNED: Final = timedelta(days=60)
_HALF_DAY: Final = 12
_MINUTES_OF_HOUR: Final = 60


class Moment(NamedTuple):
    """A moment the text names: its beginning in UTC, and the unit it is known to."""

    at: datetime
    precision: Precision
    start: int
    end: int
    relative: bool = False


def times_in(text: str, published_at: datetime) -> tuple[Moment, ...]:
    """Every moment the text names, in the order of appearance; what it leaves out counts back from its "
    "publication.
    """
    seen = without_links(clean(text))
    found: list[Moment] = []
    taken = bytearray(len(seen))
    for moment in _all(seen, published_at.astimezone(UTC)):
        if not any(taken[moment.start : moment.end]):
            taken[moment.start : moment.end] = b"\1" * (moment.end - moment.start)
            found.append(moment)
    return tuple(sorted(found, key=lambda moment: moment.start))


def _all(text: str, published: datetime) -> Iterator[Moment]:
    for pattern in _DATES:
        for match in pattern.finditer(text):
            if match.groupdict().get("month") != "may":  # the verb
                yield from _dated(text, match, published)
    for match in _AGO.finditer(text):
        yield from _ago(match, published)
    for match in _DAY_WORD.finditer(text):
        day = _named_day(match.group("word").casefold(), published)
        yield _with_clock(text, day, match.start(), match.end())._replace(relative=True)
    for match in _CLOCK_ALONE.finditer(text):
        yield from _clock_alone(match, published)
    yield from _months(text, published)


def _dated(text: str, match: re.Match[str], published: datetime) -> Iterator[Moment]:
    groups = match.groupdict()
    month = int(groups["number"]) if "number" in groups else _MONTHS[groups["month"].casefold()]
    year = int(groups["year"]) if groups["year"] else None
    day = _date(year or published.year, month, int(groups["day"]))
    if day is not None and year is None and day > published + _PLANNED:
        day = _date(published.year - 1, month, int(groups["day"]))
    if day is not None and day <= published + _AHEAD:
        yield _with_clock(text, day, match.start(), match.end())


def _with_clock(text: str, day: datetime, start: int, end: int) -> Moment:
    """The day, and the time of day where one with its zone stands right beside it."""
    after = _CLOCK_NEAR.match(text, end)
    before = _CLOCK_BEFORE.search(text, max(start - 40, 0), start)
    for clock in (after, before):
        at = _at(day, clock) if clock else None
        if clock and at is not None:
            return Moment(at, _clock_precision(clock), min(start, clock.start()), max(end, clock.end()))
    return Moment(day, Precision.DAY, start, end)


def _clock_precision(clock: re.Match[str]) -> Precision:
    return Precision.SECOND if clock.group("second") else Precision.MINUTE


def _at(day: datetime, clock: re.Match[str]) -> datetime | None:
    hour, minute, second = (
        int(clock.group("hour")),
        int(clock.group("minute")),
        int(clock.group("second") or 0),
    )
    half = (clock.group("half") or "").casefold()
    if half.startswith("p") and hour < _HALF_DAY:
        hour += _HALF_DAY
    elif half.startswith("a") and hour == _HALF_DAY:
        hour = 0
    try:
        local = day.replace(hour=hour, minute=minute, second=second)
    except ValueError:
        return None
    return local - timedelta(minutes=_zone_minutes(clock))


def _zone_minutes(clock: re.Match[str]) -> int:
    base = _ZONES[clock.group("zone").casefold()] if clock.group("zone") else 0
    offset = clock.group("offset") or clock.group("only") or ""
    digits = offset.lstrip("+-").replace(":", "")
    hours, minutes = (digits[:-2], digits[-2:]) if len(digits) > len("12") else (digits, "")
    total = int(hours or 0) * _MINUTES_OF_HOUR + int(minutes or 0)
    return base - total if offset.startswith("-") else base + total


def _ago(match: re.Match[str], published: datetime) -> Iterator[Moment]:
    word, unit = match.group("count").casefold(), match.group("unit").casefold()
    count = int(word) if word.isdigit() else _COUNTS.get(word)
    step, precision = next(
        value for prefix, value in sorted(_UNITS.items(), reverse=True) if unit.startswith(prefix)
    )
    if count is not None:
        yield Moment(_rounded(published - step * count, precision), precision, *match.span(), relative=True)


def _rounded(at: datetime, precision: Precision) -> datetime:
    match precision:
        case Precision.YEAR:
            return at.replace(month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
        case Precision.MONTH:
            return at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        case Precision.DAY:
            return at.replace(hour=0, minute=0, second=0, microsecond=0)
        case Precision.HOUR:
            return at.replace(minute=0, second=0, microsecond=0)
        case _:
            return (
                at.replace(microsecond=0)
                if precision is Precision.SECOND
                else at.replace(second=0, microsecond=0)
            )


def _named_day(word: str, published: datetime) -> datetime:
    today = _rounded(published, Precision.DAY)
    if word in {"yesterday", "last night"}:
        return today - timedelta(days=1)
    weekday = word.rsplit(maxsplit=1)[-1]
    if weekday in _WEEKDAYS:
        return today - timedelta(days=(published.weekday() - _WEEKDAYS.index(weekday)) % 7)
    return today


def _clock_alone(match: re.Match[str], published: datetime) -> Iterator[Moment]:
    """A time of day without a date is the last one before the text was published."""
    at = _at(_rounded(published, Precision.DAY), match)
    if at is not None:
        back = timedelta(days=1) if at > published + timedelta(hours=1) else timedelta()
        yield Moment(at - back, _clock_precision(match), match.start(), match.end())


def _months(text: str, published: datetime) -> Iterator[Moment]:
    for pattern in (_MONTH_YEAR, _MONTH_OF):
        for match in pattern.finditer(text):
            month, year = _MONTHS[match.group("month").casefold()], match.group("year")
            first = _date(int(year) if year else published.year - (month > published.month), month, 1)
            if first is not None and first <= published:
                yield Moment(first, Precision.MONTH, match.start(), match.end())
    for match in _YEAR_OF.finditer(text):
        first = datetime(int(match.group("year")), 1, 1, tzinfo=UTC)
        if first <= published:
            yield Moment(first, Precision.YEAR, match.start(), match.end())


def _date(year: int, month: int, day: int) -> datetime | None:
    try:
        return datetime(year, month, day, tzinfo=UTC)
    except ValueError:
        return None
