"""Whom a text says it happened to: a known protocol where it names one, else whom its grammar points at."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from kamiyo.extraction._patterns import any_of, words
from kamiyo.extraction.assets import listed
from kamiyo.extraction.chains import chain_of
from kamiyo.extraction.names import Name, candidates_in, identifier_of

_NAME: Final = r"[@#]?[A-Z0-9][\w.'&-]{0,40}(?: (?:[A-Z0-9][\w.&-]{0,40}|of|the)){0,3}"
_STRUCK: Final = words(
    """
    exploited, hacked, drained, attacked, compromised, breached, rugged, hit, targeted, siphoned, looted,
    hijacked, killed, wiped, emptied, phished, reentered, manipulated, backdoored
    """
)
_PARTS: Final = words(
    """
    protocol, exchange, team, user, users, users', vault, vaults, pool, pools, bridge, contract, contracts,
    router, lending, market, platform, treasury, wallet, wallets, multisig, library, api, governance,
    flash loan, flashloan, oracle, reentrancy, price, key, hot wallet, cold wallet, gauge, withdrawals,
    frontend, front end
    """
)
_PLACED: Final = r"(?:[A-Z]{2,6}(?:/[A-Z]{2,6})?|on #?[A-Z]\w+|V\d)\b"
_HELPERS: Final = words(
    """
    has, have, had, was, were, is, are, got, been, being, just, reportedly, allegedly, apparently, also,
    not, NOT, never, to, be, seems, now
    """
)
_AFTER_NAME: Final = re.compile(
    rf"(?:'s?)?(?: (?:(?i:{_PARTS})|{_PLACED})){{0,4}}(?: \([^)\n]{{0,40}}\))?,?:?(?: {_HELPERS}){{0,5}} ?"
    rf"(?i:{_STRUCK}|"
    + words(
        """
        suffer*, lost, lose, loses, losing, loss, losses, exploit, exploits, exploiter, hack, hacks, hacker,
        hackers, attack, attacks, attacker, attackers, incident, breach, heist, rug, total, under attack,
        confirms, confirmed, paus*, halt*, frozen, froze, down, bad debt, looks like a rug, minted without,
        post mortem, postmortem, recover*, reimburs*, refund*, compensat*, hijack*, vanished, drain,
        publishes its, promises, resumes
        """
    )
    + r"|-\$?\d)"
)
_BEFORE_NAME: Final = any_of(
    rf"(?:{_STRUCK}|"
    + words(
        """
        exploit, hack, attack, breach, attacker, exploiter, hacker, stolen, stole, theft, heist, incident,
        rug pull, post mortem, damage, loss, losses, recovered, update, follow up, correction, happened,
        users, wrong, attacking, exploiting, ataque a, ataque
        """
    )
    + r")(?: (?:of|on|at|against|in|from|by|targeting|affecting|involving|for|with|into))?"
    r"(?: the| a)? [@#]?$",
    words("protocol, project, target, victim, platform") + r": [@#]?$|\binto $",
)
_MEANS: Final = any_of(
    words(
        """
        via, through, using, onto, to, by, alert, alerted by, per, according to, say, says, thanks, cc, h/t,
        like, unlike, after, similar to, fork of, unaffected, since, into, flash loan, flash loan from,
        flashloan from, rotation into
        """
    )
    + " (?:the )?@?$",
    r"\bflash ?loan of \S{1,12} from (?:the )?@?$",
)
_PLACE: Final = any_of(words("on, from, over") + " (?:the )?@?$")
_HEADS: Final = any_of(r"\W{0,8}(?:(?:alert|breaking|update|just in|flash)\b\W{0,4})?")
_AWAY: Final = words("exploit, hack, attack, breach, pull, heist, gone, stolen, drained, taken")
_SAYS: Final = words(
    "bridge, protocol, exchange, vault, treasury, chain, team, denies, says, confirms, recovered, burned"
)
# Names that no table knows, by where they stand.
_UNKNOWN: Final = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b(?:[Ii]nvolving|[Tt]argeting|[Pp]rotocol:|[Pp]roject:|[Vv]ictim:) (?P<name>{_NAME})",
        rf"(?P<name>{_NAME}) (?:{_HELPERS} ){{1,4}}{_STRUCK}",
        rf"(?P<name>{_NAME}) (?:just )?{words('suffers, suffered, lost, loses, rug pulled, rugs, rugged')}",
        rf"(?P<name>{_NAME}) (?:just )?{words('attacked, exploited, hacked, drained')}",
        rf"{_AWAY} (?:of|on|at|against|from) (?:the )?(?P<name>{_NAME})",
        rf"(?P<name>{_NAME}) {words('exploit, hack, attack, heist, exploiter, hacker, attacker, rug')}",
        rf"(?P<name>{_NAME})(?: on #?[A-Z]\w+)? (?:{_HELPERS} ){{0,3}}{_STRUCK}",
    )
)
# The same, where a known name would be the likelier victim.
_POINTED_AT: Final = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b(?:on|at) (?P<name>{_NAME}) and \w+ed\b",
        rf"^(?:\W{{0,8}}(?i:breaking|update|just in|alert)\b)?\W{{0,8}}(?P<name>{_NAME})(?:'s|:| {_SAYS})",
        rf"\b[Tt]he (?P<name>{_NAME}) (?:team|attacker|hacker|exploiter)\b",
        rf"\b(?:back|returned|loss|losses) (?:[^\n]{{0,12}} )?(?:to|at|of) (?P<name>{_NAME})",
    )
)
_NOBODY_WORDS: Final = """
certik peckshield slowmist cyvers blocksec blockaid zachxbt hacken lookonchain arkham tenarmor beosin ancilia
possible suspected likely big huge loss damage when where one two three network crypto bears bulls trading
api reports confirmed hacker's somebody trader traders ataque tx funds
a an the our we i it they this that someone somebody hackers hacker attacker attackers alert breaking update
urgent warning security community smart contract flash loan oracle price million users user whale wallet
trader funds market markets crypto defi dex cex bridge protocol victim victims unknown unverified exploit
hack attack rug just reentrancy private key admin not no governance phishing supply team total another new
big major multiple several on in at and but after today yesterday initial first second shorts longs four
correction he she two three investigators nobody assets attention dev never nothing if when what january
february march april may june july august september october november december monday tuesday wednesday
thursday friday saturday sunday jan feb mar apr jun jul aug sep oct nov dec
"""
_NOBODY: Final = frozenset(_NOBODY_WORDS.split())
_LOOK_BACK: Final = 48
_PARENT: Final = "hyperliquid"
_VAULT: Final = "hyperliquid_hlp"
_API_OUT: Final = re.compile(
    r"\b(?:API|front[ -]?end)\b[^\n]{0,40}\b(?:outage|down|offline)\b|\boutage\b", re.IGNORECASE
)


class Victim(NamedTuple):
    """Whom it happened to, how the text writes that, and in percent how sure the reading is."""

    identifier: str
    written: str
    percent: int


def victim_in(text: str) -> Victim | None:
    """The victim a cleaned text without links names, None where it names nobody."""
    candidates = candidates_in(text)
    names = [name for name in candidates if name.sure or _is_struck(text, name)]
    struck = [name for name in names if _is_struck(text, name)]
    if struck:
        return _victim(_most_exact(text, struck[0], names), 90)
    free = [name for name in names if not _matches(_MEANS, text, name)]
    handled = next((name for name in free if text[max(name.start - 1, 0) : name.start] == "@"), None)
    if handled is not None:
        return _victim(handled, 85)
    guessed = _guessed(text, _UNKNOWN)
    if guessed is not None:
        return guessed
    owners = [name for name in free if not _matches(_PLACE, text, name)]
    if owners:
        return _victim(_most_exact(text, owners[0], names), 75)
    return _guessed(text, _POINTED_AT) or (_victim(_most_exact(text, free[0], names), 50) if free else None)


def _victim(name: Name, percent: int) -> Victim:
    return Victim(name.identifier, name.written, percent)


def _most_exact(text: str, chosen: Name, names: Sequence[Name]) -> Name:
    """The part of the venue that is meant where the venue is named: HLP on Hyperliquid, its API."""
    if chosen.identifier != _PARENT:
        return chosen
    vault = next((name for name in names if name.identifier == _VAULT), None)
    if vault is None and _API_OUT.search(text):
        return chosen._replace(identifier="hyperliquid_api")
    return vault or chosen


def _is_struck(text: str, name: Name) -> bool:
    if text[name.end : name.end + 2] in {": ", "'s"} and _HEADS.fullmatch(text[: name.start]):
        return True
    return _AFTER_NAME.match(text, name.end) is not None or _matches(_BEFORE_NAME, text, name)


def _matches(pattern: re.Pattern[str], text: str, name: Name) -> bool:
    return pattern.search(text[max(name.start - _LOOK_BACK, 0) : name.start]) is not None


def _guessed(text: str, patterns: Sequence[re.Pattern[str]]) -> Victim | None:
    for pattern in patterns:
        for found in pattern.finditer(text):
            written = _proper(found.group("name").split())
            identifier = identifier_of(written) if written and not _is_other(written) else None
            if identifier is not None:
                return Victim(identifier, written, 50)
    return None


def _is_other(written: str) -> bool:
    """Whether it is the name of an asset or a chain, which are no victims."""
    return listed(written) is not None or chain_of(written) is not None


def _proper(words: Sequence[str]) -> str:
    """The name without the words around it that only look like one for their capital letter."""
    owner = next((at for at, word in enumerate(words) if word.endswith("'s")), len(words))
    kept = [word.strip("@#'.:,").removesuffix("'s") for word in words[: owner + 1]]
    while kept and (kept[0].casefold() in _NOBODY or not kept[0][:1].isupper()):
        kept.pop(0)
    while kept and kept[-1].casefold() in _NOBODY | {"of"}:
        kept.pop()
    return " ".join(kept)
