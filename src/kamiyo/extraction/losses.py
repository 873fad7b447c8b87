"""Which of a text's amounts was lost, which came back, and which are something else."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from kamiyo.core.money import Usd, plain
from kamiyo.core.reports import AssetAmount
from kamiyo.extraction._cues import NOT_YET, RETURNED
from kamiyo.extraction._patterns import any_of, words
from kamiyo.extraction.amounts import USD, Figure, figures_in
from kamiyo.extraction.text import clean, sentences_in, without_links

# What the nearest word says of an amount, the first list that holds it.
_ROLES: Final = {
    "returned": words(
        """
    returned, recovered, refunded, rescued, sent back, gave back, gives back, given back, paid back, got back,
    reimbursed, repaid, compensated, restored, returns, recovers, refunds, reimburses, clawed back
    """
    ),
    "other": any_of(
        r"\b(?:hacker|attacker|exploiter|thief)s?\b[^\n]{0,60}?"
        r"\b(?:moved|transferred|sent(?! back)|deposited|swapped|laundered|bridged|converted|funnel\w*)\b",
        r"(?<!current )\bprices?\b|\b(?:sent|moved) .{0,12} ?to tornado",
        words(
            """
            tvl, market cap, mcap, bounty, bounties, reward*, priced, trading at, volume, open interest,
            long, longs, short, shorts, notional, raise, raised, valuation, insurance fund, margin,
            flash loan*, flashloan*, borrow*, liquidat*, reserve, reserves, locked, deposit*, supply,
            position, leverage, collateral, fee, fees, safe, fdv, froze, offer*, initial, buy wall, bought,
            sold, at risk, per token, each, still holds, still hold, invested, investment*, funding, salary,
            seller, keeping, keeps, keep, blacklisted
            """
        ),
        r"\bfrozen\b(?! forever)",
    ).pattern,
    # These speak of the amount after them only: $21M instead of $17.75M.
    "replaced": words(
        "not, instead of, rather than, down from, up from, earlier, previous, previously, initially"
    ),
    "lost": any_of(
        words(
            """
            lost, loss, losses, lose, loses, losing, stole, steal*, drain*, siphon*, exploit*, hack*,
            damag*, bad debt, made off, loot*, rug*, breach*, theft, heist, attack*, missing, swiped,
            shortfall, hole, underwater, under water, compromis*, embezzl*, vanish*, gone, emptied,
            exposure, perdidas, p\u00e9rdidas, down, wiped, weg, roban, robaron, burned, took, taken,
            walked away with
            """
        ),
        r"\bstolen\b(?! (?:funds|assets|money|crypto|eth|tokens))",
        "\u635f\u5931|\u043f\u043e\u0445\u0438\u0449\u0435\u043d",
    ).pattern,
    "gained": words(
        """
    netted, profit*, extract*, moved, affected, impact*, withdr*, total, left, bridged out, swapped to,
    swapped into, converted to, made
    """
    ),
}
_CUES: Final = re.compile(
    "|".join(f"(?P<{role}>{pattern})" for role, pattern in _ROLES.items()), re.IGNORECASE
)
_WHOLE: Final = re.compile(
    r"(?:\d[\d.,]*[%kmb]?|all|most|half|part|rest|portion) (?:out )?of (?:the |its |an? )?~?$", re.IGNORECASE
)
_MADE_UP: Final = re.compile(r"\bmint(?:ed|ing|s) ~?$", re.IGNORECASE)
_REVISED: Final = re.compile(
    r"(?:\bto|\bnow|\bactually|\btotals?(?: of| now| is)?|\bin total) (?:about |around )?~?$", re.IGNORECASE
)
_LARGEST: Final = 10**11
_LOOK_BACK: Final = 28
_BREAK: Final = 40
# So many telling words on either side are looked at: more would let a long text cost its square.
_NEAREST: Final = 4


class Losses(msgspec.Struct, frozen=True, kw_only=True):
    """The amounts a text says were lost and came back, and in percent how sure their reading is."""

    usd: Usd | None = None
    low: Usd | None = None
    high: Usd | None = None
    amounts: tuple[AssetAmount, ...] = ()
    returned: Usd | None = None
    percent: int = 0
    losing: bool = False


class _Cue(NamedTuple):
    role: str
    start: int
    end: int


class _Told(NamedTuple):
    role: str
    figure: Figure


def read_losses(text: str) -> Losses:
    """What the text says was lost and came back."""
    seen = without_links(clean(text))
    return losses_in(seen, figures_in(seen))


def losses_in(text: str, figures: Sequence[Figure]) -> Losses:
    """The same of a cleaned text without links whose amounts are known."""
    told = list(_told(text, figures))
    best = _dollars(told, "lost") or _dollars(told, "gained") or _dollars(told, "")
    returned = _dollars(told, "returned")
    counted = (each.figure for each in told if each.role in {"lost", "gained", ""})
    losses = _of(_revised(text, best), 90 if _dollars(told, "lost") else 70) if best else Losses()
    return msgspec.structs.replace(
        losses,
        amounts=_asset_amounts(counted),
        returned=Usd(returned[0].high) if returned else None,
        losing=any(each.role in {"lost", "gained", ""} and _counts(each.figure) for each in told),
    )


def _counts(figure: Figure) -> bool:
    return bool(figure.unit) or figure.scaled


def _told(text: str, figures: Sequence[Figure]) -> Iterator[_Told]:
    """Each figure with what its sentence says of it."""
    starts = [figure.start for figure in figures]
    for start, end in sentences_in(text):
        inside = figures[bisect_left(starts, start) : bisect_left(starts, end)]
        yield from _sentence(text, start, end, inside)


def _sentence(text: str, start: int, end: int, figures: Sequence[Figure]) -> Iterator[_Told]:
    if not figures:
        return
    cues = [_Cue(str(cue.lastgroup), cue.start(), cue.end()) for cue in _CUES.finditer(text, start, end)]
    back = RETURNED.search(text, start, end)
    if back and NOT_YET.search(text[start : back.start()].rpartition(" and ")[2]):
        cues = [cue for cue in cues if cue.role != "returned"]
    starts = [cue.start for cue in cues]
    for figure in figures:
        before = text[max(figure.start - _LOOK_BACK, start) : figure.start]
        at = bisect_left(starts, figure.start)
        near = cues[max(at - _NEAREST, 0) : at + _NEAREST]
        if figure.negative:
            yield _Told("lost", figure)
        elif not _MADE_UP.search(before):
            yield _Told("lost" if _WHOLE.search(before) else _role(text, figure, near), figure)


def _role(text: str, figure: Figure, cues: Sequence[_Cue]) -> str:
    """What the nearest telling word says of the amount; a word after it is further, more so past a comma."""
    ranked = [(_behind(text, cue.end, figure.start), cue.role) for cue in cues if cue.end <= figure.start]
    ranked += [
        (_ahead(text, figure.end, cue.start), cue.role)
        for cue in cues
        if cue.start >= figure.end and cue.role != "replaced"
    ]
    return min(ranked)[1] if ranked else ""


def _behind(text: str, start: int, end: int) -> int:
    return end - start + (_BREAK // 2 if "," in text[start:end] else 0)


def _ahead(text: str, start: int, end: int) -> int:
    return 2 * (end - start) + (_BREAK if any(mark in text[start:end] for mark in ",;:()") else 0)


def _dollars(told: Iterable[_Told], role: str) -> list[Figure]:
    figures = (each.figure for each in told if each.role == role)
    return [figure for figure in figures if figure.unit == USD and 0 < figure.high < _LARGEST]


def _revised(text: str, figures: Sequence[Figure]) -> Figure:
    """The amount that replaces another, where one does, else the first."""
    later = (each for each in figures if _REVISED.search(text[max(each.start - _LOOK_BACK, 0) : each.start]))
    return next(later, figures[0])


def _of(told: Figure, percent: int) -> Losses:
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
