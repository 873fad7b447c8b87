"""What a text does to a case: tells of it, adds to it, denies it, says that money came back, or nothing of these."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from kamiyo.core.reports import Precision, ReportKind
from kamiyo.extraction.text import sentences_in
from kamiyo.extraction.times import Moment

_OLD: Final = timedelta(days=45)
_LENGTHS: Final[Mapping[Precision, timedelta]] = {
    Precision.DAY: timedelta(days=1),
    Precision.MONTH: timedelta(days=31),
    Precision.YEAR: timedelta(days=366),
}


def _any(*parts: str) -> re.Pattern[str]:
    return re.compile("|".join(parts), re.IGNORECASE)


# Words that, said of something that happened, tell of a case.
ASSERTED: Final = _any(
    r"\b(?:exploited|hacked|drained|attacked|compromised|breached|stolen|stole|siphoned|looted|rugged|hijacked|phished)\b",
    r"\brug[ -]?pull(?:ed|s)?\b|\bexit[ -]scam(?:med)?\b|\bdrain(?:s|ing)\b|\bexploits (?=\w)|\bhacks (?=\w)",
    r"\b(?:exploit|hack|attack|breach|theft|heist|security incident|security breach|attacker|exploiter|hacker|drainer)s?\b",
    r"\b(?:flash ?loan attack|oracle manipulation|price manipulation|mark(?:-| )price manipulation|reentrancy|self-liquidat\w+)\b",
    r"\b(?:suspicious|malicious|unauthori[sz]ed|abnormal) (?:transactions?|activit\w+|transfers?|outflows?|withdrawals?|mint\w*|access|trad\w+)\b",
    r"\b(?:private|signer'?s?|admin|deployer|validator) keys? (?:was |were |has been |have been |got )?(?:leak|compromis|stol)\w*",
    r"\b(?:bad debt|toxic debt|lost all|loss of|losses of|infinite mint|unbacked)\b",
    r"\bHLP\b[^.\n]{0,40}(?:\blos[ts]\w*\b|\bdown\b|-\$?\d|\bunder ?water\b|\binherit\w*\b|\btook\b)",
    r"\b(?:outage|emergency[ -]?lock\w*|(?:API|frontend|site|exchange|chain|bridge|withdrawals?|deposits?|markets?) (?:is |are |was |were |has been |have been )(?:down|halted|paused|frozen|suspended|locked|offline))\b",
    r"\b(?:paused|halted|froze|suspended) (?:all )?(?:the )?(?:markets?|withdrawals?|deposits?|trading|bridge|contracts?|borrowing)\b",
    r"\u653b\u51fb|\u88ab\u76d7|\u9ed1\u5ba2",
)
_HYPOTHETICAL: Final = _any(
    r"\b(?:if|could|would|might|may|can|imagine|suppose|hypothetical\w*|theoretical\w*|potential|risk of|in case|prevent\w*|avoid\w*|protect\w*|"
    r"before (?:it|you|they)|waiting for|should|unless|simulat\w*|next|when will|how long until|bet|predict\w*)\b"
)
_QUESTION: Final = re.compile(
    r"^\W{0,5}(?:did|is|was|has|are|were|does|do|who|why|what|how|anyone|any|so|wait|when|can|could)\b",
    re.IGNORECASE,
)
_DENIED: Final = _any(
    r"\b(?:not|never|n't|wasn't|hasn't|weren't|isn't) (?:been |being |at all |actually |in fact |a |an |the result of (?:a|an) )?"
    r"(?:exploited|hacked|drained|attacked|compromised|breached|stolen|exploit|hack|attack|breach|security incident|true|rugged|affected by any)\b",
    r"\bno (?:\w+ ){0,2}(?:exploit|hack|attack|breach|security incident|funds? (?:was|were|have been|has been) (?:lost|stolen))\b(?! (?:fee|risk))",
    r"\b(?:false|fake|untrue|baseless|unfounded|fabricated|debunk\w*|misinformation|rumou?rs?|fud|denie[sd]|den(?:y|ying|ial)|refut\w+|false alarm|inaccurate)\b",
)
_RETURNED: Final = _any(
    r"\b(?:returned|recovered|refunded|reimbursed|repaid|rescued|sent back|gave back|given back|made whole|compensated|paid back|restored|returns|recovers|refunds|reimburses)\b"
)
_NOT_YET: Final = _any(
    r"\b(?:will|would|to be|can|could|if|may|might|plans? to|promis\w+|pledg\w+|offer\w*|ask\w*|demand\w*|urg\w+|hop\w+|want\w*|negotiat\w*|not|unless|expects? to|working (?:on|to)|in exchange|attempt\w*|try\w*) [^.\n]{0,40}$"
    r"|\b(?:no|none|nothing)\b[^.\n]{0,30}$"
)
_UPDATE: Final = _any(
    r"\b(?:update|updated|post[- ]?mortem|root cause|correction|corrected|revis\w+|follow[- ]?up|preliminary (?:report|findings)|investigation)\b",
    r"\b(?:now (?:at|stands?|estimated|totals?|confirmed)|total (?:loss\w*|damage) (?:now|rises?|rose|reach\w*|climb\w*|revised|is now|has)|(?:rises?|rose|climb\w*|grew|increas\w*) to)\b",
    r"\b(?:hacker|attacker|exploiter|thief|perpetrator)s?\b[^.\n]{0,60}\b(?:moved|moves|moving|bridged|bridges|swapped|deposited|deposits|transferred|laundered|launders|sent|sends|converted|withdrew|is moving|has moved|offered|contacted)\b",
    r"\b(?:laundered|laundering|tornado cash|bounty (?:of|offer)|white ?hat bounty|on-?chain message|law enforcement|arrest\w*|indicted|sentenced|pleaded|identified|traced|frozen|froze|blacklisted|patched|resum\w+|reopen\w*|back online|relaunch\w*)\b",
    r"\b(?:days?|weeks?|hours?) after\b",
)
_JOKE: Final = re.compile(
    r"\b(?:lol|lmao|lmfao|rofl|jk|just kidding|kidding|/s|april fools|satire|parody)\b|[\U0001f602\U0001f923\U0001f921\U0001f480]"
    r"|\bmy (?:wife|husband|girlfriend|boyfriend|mom|cat|dog|portfolio|bags?|heart|brain|sleep|fridge|bank account|diet|wallet'?s? feelings)\b",
    re.IGNORECASE,
)
_ADVERT: Final = _any(
    r"\b(?:giveaway|airdrop|presale|promo|discount|referral|sign[ -]?up|subscribe|register now|limited (?:time|spots)|whitelist\w*|join (?:us|our|the)|book (?:a|your)|get your (?:audit|free)|"
    r"we(?:'re| are) hiring|use code|free trial|webinar|our (?:audit|auditing|security) (?:services?|team can|platform)|insur(?:e|ance) (?:your|cover)|claim (?:your|yours|now|here)|connect (?:your )?wallet|"
    r"refund portal|compensation portal|dm (?:me|us)|recovery (?:expert|service|agent|specialist)s?|100x|guaranteed)\b",
    r"\bbug bounty (?:program|contest|of up to|up to|is live|live|now|launch)",
)
_EDUCATION: Final = _any(
    r"\b(?:how to|tips|learn(?: how)?|what is|what are|guide|tutorial|explained|101|best practices|checklist|lessons?|course|workshop|common (?:attack|exploit)|types of|anatomy of|"
    r"(?:most|many|some|all) (?:protocols|projects|hacks|exploits|attacks|hackers|users|people)|every (?:hack|exploit|protocol)|security (?:tip|researchers|advice)|awareness)\b"
)
_RECAP: Final = _any(
    r"\b(?:on this day|years? ago today|anniversary|throwback|tbt|remember (?:when|the)|history of|biggest (?:\w+ ){0,2}(?:hacks?|exploits?|heists?)|largest (?:\w+ ){0,3}(?:hacks|exploits|heists)|"
    r"top ?\d+|list of|a thread|weekly (?:recap|roundup|report)|monthly (?:recap|roundup|report)|in q[1-4]|q[1-4] 20\d\d|year[- ]to[- ]date|so far (?:this year|in 20\d\d)|year in review|"
    r"\d+ (?:hacks|exploits|incidents|attacks|security incidents)|total (?:crypto )?losses (?:in|for|this)|this (?:month|year|quarter)'?s?|last (?:month|year|quarter)|looking back|flashback|documentary|book|podcast)\b"
)


class Claim(NamedTuple):
    """The kind, None for no claim, the name of the rule that decided, and its surety in percent."""

    kind: ReportKind | None
    rule: str
    percent: int


_NOTHING: Final[Mapping[str, re.Pattern[str]]] = {"joke": _JOKE, "recap": _RECAP}


def read_claim(text: str, moments: Sequence[Moment], published_at: datetime, *, concrete: bool) -> Claim:
    """What a cleaned text without links claims; ``concrete`` says that it names a victim, an amount or a transaction."""
    for rule, pattern in _NOTHING.items():
        if pattern.search(text):
            return Claim(None, rule, 90)
    if _is_old(moments, published_at):
        return Claim(None, "old_news", 90)
    said = list(_said(text))
    if not said or not concrete:
        return Claim(None, "nothing_asserted", 80)
    if _ADVERT.search(text):
        return Claim(None, "advertisement", 90)
    return next(claim for kind, claim in _RANKED if kind in said)


def _is_old(moments: Sequence[Moment], published_at: datetime) -> bool:
    """Whether every moment the text names is long past."""
    return bool(moments) and all(published_at - _latest(moment) > _OLD for moment in moments)


def _latest(moment: Moment) -> datetime:
    return moment.at + _LENGTHS.get(moment.precision, timedelta())


def _said(text: str) -> Iterator[ReportKind]:
    """What each sentence that says that something happened says of it."""
    for start, end in sentences_in(text):
        sentence = text[start:end]
        kind = _sentence(sentence, question=text[end : end + 1] == "?")
        if kind is not None:
            yield kind


def _sentence(sentence: str, *, question: bool) -> ReportKind | None:
    if question:
        return None
    asserted = ASSERTED.search(sentence)
    returned = _RETURNED.search(sentence)
    if returned and not _NOT_YET.search(sentence[: returned.start()]):
        return ReportKind.RECOVERY
    if asserted and _DENIED.search(sentence):
        return ReportKind.DENIAL
    if asserted is None or _HYPOTHETICAL.search(sentence[: asserted.start()]):
        return None
    return ReportKind.UPDATE if _UPDATE.search(sentence) else ReportKind.NEW


_RANKED: Final = (
    (ReportKind.DENIAL, Claim(ReportKind.DENIAL, "denied", 80)),
    (ReportKind.RECOVERY, Claim(ReportKind.RECOVERY, "returned", 85)),
    (ReportKind.UPDATE, Claim(ReportKind.UPDATE, "updated", 75)),
    (ReportKind.NEW, Claim(ReportKind.NEW, "asserted", 85)),
)
