"""A post, a message or an article read as one: what it claims, and the facts it gives."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from kamiyo.core.reports import LONGEST_TITLE, Facts, ReportKind
from kamiyo.extraction._cues import ASSERTED
from kamiyo.extraction.amounts import figures_in
from kamiyo.extraction.assets import assets_in
from kamiyo.extraction.categories import category_of
from kamiyo.extraction.chains import chains_in
from kamiyo.extraction.claims import Claim, read_claim
from kamiyo.extraction.identifiers import addresses_in, transactions_in
from kamiyo.extraction.losses import Losses, losses_in
from kamiyo.extraction.text import clean, without_links
from kamiyo.extraction.times import Moment, times_in
from kamiyo.extraction.victims import Victim, victim_in

_FIRST_WORD: Final = re.compile(r"[^\W_]|[$@#]")
# What is dated there is not the case: discovered today, happened last week.
_AFTERWARDS: Final = re.compile(
    r"\b(?:discovered|found|noticed|resum\w+|fixed|reopen\w+|until|by|since) (?:on |at )?$", re.IGNORECASE
)
_LOOK_BACK: Final = 20
_PERCENT: Final[Mapping[str, int]] = {
    "chains": 90,
    "assets": 90,
    "amounts": 90,
    "returned_usd": 85,
    "addresses": 95,
    "transactions": 95,
    "occurred_at": 80,
    "category": 70,
}


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a text says. ``kind`` is None where it claims nothing of any case; ``rule`` names what decided."""

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
    moment = _happened(times_in(seen, published_at), words)
    transactions = transactions_in(seen)
    addresses = addresses_in(seen)
    assets = _assets(seen, losses)
    concrete = bool(victim or losses.losing or transactions or addresses or assets)
    claim = read_claim(words, moment, published_at, losing=losses.losing, concrete=concrete)
    title = _title(words)
    if claim.kind is None:
        return Reading(kind=None, facts=Facts(), title=title, rule=claim.rule)
    stated = Facts(
        chains=_chains(seen, victim), assets=assets, addresses=addresses, transactions=transactions,
        category=category_of(words),
    )  # fmt: skip
    lost = _with_loss(_with_victim(stated, victim), losses)
    dated = _with_time(lost, moment if _is_of_the_case(moment, claim) else None)
    facts = _with_confidence(dated, claim, losses, victim)
    return Reading(kind=claim.kind, facts=facts, title=title, rule=claim.rule)


def _assets(text: str, losses: Losses) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*assets_in(text), *(each.asset for each in losses.amounts))))


def _chains(text: str, victim: Victim | None) -> tuple[str, ...]:
    """The chains named, but for one that is itself the victim."""
    return tuple(chain for chain in chains_in(text) if victim is None or chain != victim.identifier)


def _title(text: str) -> str:
    line = next((line for line in text.split("\n") if len(line.split()) > 2), text.split("\n", maxsplit=1)[0])  # noqa: PLR2004
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


def _happened(moments: Sequence[Moment], text: str) -> Moment | None:
    """The moment that stands nearest to what is said to have happened."""
    asserted = ASSERTED.search(text)
    at = asserted.start() if asserted else 0
    before = ((text[max(moment.start - _LOOK_BACK, 0) : moment.start], moment) for moment in moments)
    ranked = (
        (_AFTERWARDS.search(lead) is not None, abs(moment.start - at), moment) for lead, moment in before
    )
    return min(ranked, default=(False, 0, None))[2]


def _is_of_the_case(moment: Moment | None, claim: Claim) -> bool:
    """An update that says today speaks of what it adds, not of when it happened."""
    return moment is not None and not (moment.relative and claim.kind is ReportKind.UPDATE)


def _with_time(facts: Facts, moment: Moment | None) -> Facts:
    if moment is None:
        return facts
    return msgspec.structs.replace(facts, occurred_at=moment.at, precision=moment.precision)


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
