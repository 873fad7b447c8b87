"""A post, a message or an article read as one: what it claims, and the facts it gives."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from kamiyo.core.reports import LONGEST_TITLE, Facts, ReportKind
from kamiyo.extraction.amounts import figures_in
from kamiyo.extraction.assets import assets_in
from kamiyo.extraction.categories import category_of
from kamiyo.extraction.chains import chains_in
from kamiyo.extraction.claims import ASSERTED, Claim, read_claim
from kamiyo.extraction.identifiers import addresses_in, transactions_in
from kamiyo.extraction.losses import Losses, losses_in
from kamiyo.extraction.text import clean, without_links
from kamiyo.extraction.times import Moment, times_in
from kamiyo.extraction.victims import Victim, victim_in

_FIRST_WORD: Final = re.compile(r"[^\W_]|[$@#]")
_PERCENT: Final[Mapping[str, int]] = {
    "chains": 90,
    "assets": 90,
    "amounts": 90,
    "returned_usd": 85,
    "addresses": 95,
    "transactions": 95,
    "occurred_at": 70,
    "category": 70,
}


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a text says. ``kind`` is None where it claims nothing of any case; ``rule`` names what decided that."""

    kind: ReportKind | None
    facts: Facts
    title: str
    rule: str = ""


def read_post(text: str, *, published_at: datetime) -> Reading:
    """Read a text; what it does not say stays None or empty."""
    seen = clean(text)
    words = without_links(seen)
    losses = losses_in(words, figures_in(words))
    victim = victim_in(words)
    moments = times_in(seen, published_at)
    transactions = transactions_in(seen)
    addresses = addresses_in(seen)
    concrete = bool(victim or losses.usd or losses.high or losses.amounts or transactions or addresses)
    claim = read_claim(words, moments, published_at, concrete=concrete)
    title = _title(words)
    if claim.kind is None:
        return Reading(kind=None, facts=Facts(), title=title, rule=claim.rule)
    stated = Facts(
        chains=chains_in(seen), assets=assets_in(seen), addresses=addresses, transactions=transactions,
        category=category_of(words),
    )  # fmt: skip
    facts = _with_confidence(
        _with_time(_with_loss(_with_victim(stated, victim), losses), moments, words), claim, losses, victim
    )
    return Reading(kind=claim.kind, facts=facts, title=title, rule=claim.rule)


def _title(text: str) -> str:
    line = next((line for line in text.split("\n") if len(line.split()) > 2), text.split("\n")[0])  # noqa: PLR2004
    first = _FIRST_WORD.search(line)
    return line[first.start() if first else 0 :].strip()[:LONGEST_TITLE]


def _with_victim(facts: Facts, victim: Victim | None) -> Facts:
    if victim is None:
        return facts
    return msgspec.structs.replace(facts, protocol=victim.identifier, name=victim.written)


def _with_loss(facts: Facts, losses: Losses) -> Facts:
    return msgspec.structs.replace(
        facts,
        amount_usd=losses.usd,
        amount_usd_low=losses.low,
        amount_usd_high=losses.high,
        amounts=losses.amounts,
        returned_usd=losses.returned,
    )


def _with_time(facts: Facts, moments: Sequence[Moment], text: str) -> Facts:
    """With the moment that stands nearest to what is said to have happened."""
    asserted = ASSERTED.search(text)
    at = asserted.start() if asserted else 0
    nearest = min(moments, key=lambda moment: abs(moment.start - at), default=None)
    if nearest is None:
        return facts
    return msgspec.structs.replace(facts, occurred_at=nearest.at, precision=nearest.precision)


def _with_confidence(facts: Facts, claim: Claim, losses: Losses, victim: Victim | None) -> Facts:
    percents = {field: percent for field, percent in _PERCENT.items() if getattr(facts, field)}
    percents["kind"] = claim.percent
    if victim is not None:
        percents["protocol"] = percents["name"] = victim.percent
    if losses.percent:
        percents["amount_usd"] = losses.percent
    return msgspec.structs.replace(
        facts, confidence={field: percent / 100 for field, percent in percents.items()}
    )
