"""The words by which a text says that something happened, came back, is denied, hoped for or advertised."""

from __future__ import annotations

from typing import Final

from kamiyo.extraction._patterns import any_of, words

_ACTOR: Final = r"\b(?:hacker|attacker|exploiter|thief|thieves|perpetrator|scammer)s?\b"
_EVENT: Final = words(
    """
    exploit, hack, attack, breach, theft, security incident, exploited, hacked, drained, attacked,
    compromised, breached, stolen, rugged, hijacked, insider trading
    """
)
# Said of something that happened these tell of a case by themselves.
ASSERTED: Final = any_of(
    words(
        """
        exploited, hacked, drained, attacked, compromised, breached, stolen, stole, siphoned, looted,
        rugged, hijacked, phished, embezzled, swiped, snatched, pilfered, backdoored, scammed,
        self liquidat*, drains, draining, abused, a scam, social engineering scam, under attack,
        being attacked, attacking, stealing
        """
    ),
    words(
        """
        rug pull, rug pulled, rug pulls, a rug, exit scam, exit scammed, compromise, got hit, hit by,
        hit for
        """
    ),
    words(
        """
        exploit, hack, attack, breach, theft, heist, security incident, attacker, exploiter, hacker,
        drainer, exploits, hacks, attacks, breaches, thefts, attackers, exploiters, hackers, drainers,
        scammer, scammers, malware
        """
    ),
    words(
        """
        flash loan attack, flashloan attack, manipulated, manipulation, reentrancy, reentered,
        infinite mint, unbacked, bad debt, toxic debt, supply chain attack, sim swap*, dns hijack*,
        address poisoning, backdoor, post mortem, postmortem, root cause, mispric*, frozen forever,
        emergency lock*, users liquidated, users were liquidated
        """
    ),
    words(
        """
        lost funds, lost user funds, lost all funds, lost customer funds, lost control, made off with,
        makes off with
        """
    ),
    words("walked away with, walks away with, clawed back, fell for a phish*, fake site, fake app"),
    r"\b(?:suspicious|malicious|unauthori[sz]ed|abnormal|forged) "
    r"(?:transaction|activity|activities|transfer|outflow|withdrawal|mint|access|contract|implementation|proposal|code)",
    r"\bkeys? (?:was |were |has been |have been |got )?(?:leaked|compromised|stolen)\b",
    r"\bfunds?\b[^\n]{0,40}\b(?:wiped|missing|vanished)\b",
    r"\b(?:someone|somebody|anyone|anybody|attackers?)\b[^\n]{0,60}"
    r"\b(?:upgraded|minted|tricked|bypassed|forged)\b",
    r"\bHLP\b[^\n]{0,40}(?:\blos[ts]\w*|\bdown\b|\bdropped\b|-\$?\d|\bunder ?water\b|\binherit\w*|\btook\b)",
    words("outage"),
    r"\b(?:API|front[ -]?end|site|exchange|chain|bridge|withdrawals?|deposits?|markets?)\b[^.,\n]{0,24} "
    r"(?:is|are|was|were|has been|have been|had to be) "
    r"(?:down|halted|paused|frozen|suspended|locked|offline)\b",
    r"\b(?:paused|halted|froze|suspended) (?:all )?(?:the |its )?(?:\w+ ){0,4}"
    r"(?:markets?|withdrawals?|bridge)\b",
    # Chinese, Spanish, Russian, German
    "\u653b\u51fb|\u88ab\u76d7|\u9ed1\u5ba2",
    words(
        """
        hackead*, robad*, robaron, roban, ataque a, explotado, explotada, gehackt, gestohlen,
        angegriffen
        """
    ),
    "\u0432\u0437\u043b\u043e\u043c|\u043f\u043e\u0445\u0438\u0449\u0435\u043d|\u0443\u043a\u0440\u0430",
)
# These do beside an amount that was lost.
LOSING: Final = any_of(
    words(
        """
        lost, loses, losing, loss, losses, gone, damage, damages, emptied, missing, stuck, taken,
        vanished, left the, hole, shortfall, wiped, weg, burned
        """
    )
)
# Somebody's bad trade is a loss, but no case.
TRADING: Final = any_of(
    words(
        """
        trader, traders, whale, whales, long, longs, short, shorts, liquidat*, leverage*, bet, bets,
        bought, sold, portfolio, position, positions, investor, investors, volume, funding
        """
    ),
    r"\b\d+x\b",
)
HYPOTHETICAL: Final = any_of(
    words(
        """
        if, could, would, might, may, can, imagine, suppose, hypothetical*, in theory, theoretical*,
        potential, risk of, in case, prevent*, avoid*, protect*, waiting for, should, unless, simulat*,
        when will, how long until, bet, predict*, without an, without a, fund against, every, getting,
        another day, increasingly, passes, audit
        """
    )
)
# A hint to those it happened to says that it happened.
HINTED: Final = any_of(r"\b(?:may|might) want to (?:take a |have a )?look\b")
# Whoever speaks of the attacker speaks of an attack that was.
PRESUPPOSED: Final = any_of(r"\bif the (?:attacker|hacker|exploiter)\b")
QUESTION: Final = any_of(
    r"\W{0,5}(?:did|is|was|has|are|were|does|do|who|why|what|how|anyone|any|so|wait|when|can|could|if|should|would)\b"
)
DENIED: Final = any_of(
    rf"(?:\b(?:not|never)|n't) (?:been |being |at all |actually |in fact |the result of )?(?:an? )?{_EVENT}",
    rf"\b(?:no|nobody|no one|nothing) (?:was |were )?(?:\w+ ){{0,2}}{_EVENT}",
    r"\b(?:is|are|was|were|as|all|call(?:s|ed)|rumou?rs?|reports?|claims?)\b[^\n]{0,60}\b(?:false|fake|untrue|baseless)\b",
    words(
        """
        false news, fake news, false rumo*, false report*, false claim*, false alarm, fake report*,
        fake claim*
        """
    ),
    words("unfounded, fabricated, debunk*, misinformation, rumor, rumors, rumour, rumours, found no"),
    words("deny, denies, denied, denying, denial"),
)
CALLED_FALSE: Final = any_of(
    words("fake news, false alarm, contrary to rumor*, contrary to rumour*, contrary to reports")
)
RETURNED: Final = any_of(
    words(
        """
        returned, recovered, refunded, rescued, sent back, gave back, gives back, given back, paid back,
        got back, reimbursed, repaid, compensated, restored, returns, recovers, refunds, reimburses,
        made whole, clawed back
        """
    )
)
NOT_YET: Final = any_of(
    words(
        """
        will, would, to be, can, could, if, may, might, not, unless, attempt*, try*, hop*, want*,
        in exchange, until, plans, promise*, promising,
        pledg*, offer*, ask*, demand*, urg*, negotiat*, expect*,
        working
        """
    )
    + r"[^\n]{0,50}$",
    words("no, none, nothing, never") + r"[^\n]{0,90}$",
)
# Whoever promises to make good what was lost says that it was lost.
MAKING_GOOD: Final = any_of(
    r"\b(?:will|promise[sd]? to|pledg\w+ to|agree[ds]? to|plans to) (?:fully |partly )?"
    r"(?:reimburse|pay back|repay|make \w+ whole)"
)
PROMISED: Final = any_of(
    r"\b(?:will|to|would|does not|doesn't) (?:fully |partly |be )?"
    r"(?:reimburse|refund|compensate|repay|return|pay back|make\b[^.]{0,20}whole)"
)
UPDATED: Final = any_of(
    words(
        """
        revised, now at, now stands, now estimated, now totals, now confirmed, now put at, total now,
        rises to, rose to, climbed to, grew to, increased to, launder*, bounty, bounties,
        on chain message, negotiat*, law enforcement, police, arrest*, indicted, charged, sentenced,
        pleaded, identified, traced, blacklisted, patched, reopen*, resumed, resumes, back online,
        asks the, new numbers, instead of, final figure, final loss, final tally, source code leaked
        """
    ),
    rf"{_ACTOR}[^\n]{{0,60}}"
    + words(
        """
        moved, moves, moving, funnels, funneled, bridged, bridges, swapped, deposited, transferred,
        laundered, sent, sends, converted, withdrew, offered, contacted, wants, still holds
        """
    ),
    r"\b(?:link(?:s|ed)|tied|attributed) (?:the |\w+ ){0,5}to\b|\bif the (?:attacker|hacker|exploiter)\b",
    r"\bfr(?:oze|ozen|eezes)\b[^\n]{0,8}\$?\d|\b(?:days?|weeks?|months?) after\b",
)
# Wherever it stands this says that the rest was told before.
FOLLOWING_UP: Final = any_of(
    r"\bupdate\b ?(?:\d|:|on\b|#)|^\W*update\b",
    words(
        """
        post mortem, postmortem, root cause, correction, follow up, preliminary report,
        preliminary findings, incident report, still paused, remain paused, remains paused
        """
    ),
)
MARKET_TALK: Final = any_of(
    r"\b(?:bears?|bulls?|shorts?|longs?|price|sellers?|buyers?)\b[^\n]{0,20} attack(?:ed|ing|s)?\b",
    r"\battack(?:ed|ing|s)? (?:the |that )?\$?[\d.,]+k?\b|\battack of the\b",
    r"\b(?:level|resistance|support|all-time high|ATH) (?:again|hacked)",
)
JOKE: Final = any_of(
    words(
        """
        lol, lmao, lmfao, rofl, jk, just kidding, kidding, april fools, satire, parody, life hack,
        hacked my
        """
    ),
    words("this chart, the chart, feels like, attacked me, stole my heart, stole my soul"),
    "[\U0001f602\U0001f923\U0001f921]",
    r"\bmy (?:wife|husband|girlfriend|boyfriend|mom|cat|dog|portfolio|bags?|heart|brain|sleep|fridge|diet)\b",
)
ADVERTISEMENT: Final = any_of(
    words(
        """
        giveaway, airdrop, presale, promo, discount, referral code, sign up, subscribe, register now,
        limited time, limited spots, join us, join our, join the call, book a, book your,
        get your audit, hiring, use code, webinar, free trial, try it free, our recovery,
        our security services, our ai, claim your, claim yours, claim now, claim here, connect wallet,
        connect your wallet, refund portal, compensation portal, dm me, dm us, 100x, recovery expert*,
        recovery service*, recovery agent*, we audited, would have stopped, would have prevented,
        would have caught, your next, 0 exploits, zero exploits, safe vault
        """
    ),
    r"\bbug bounty\b[^\n]{0,12}\b(?:program|contest|up to|is live|live|now|launch)|\bbug bounty: ",
    words("off your"),
)
EDUCATION: Final = any_of(
    words(
        """
        how to, what is a, what is an, what are, guide, tutorial, 101, best practices, checklist,
        course, workshop, types of, anatomy of, common attack*, common exploit*, security tip,
        security tips, never share, learn how, learn them, learn more about, learn to, threat actors,
        here is the math
        """
    ),
    r"\b(?:most|many|all) (?:protocols|projects|hacks|exploits|attacks|hackers)\b",
    words("hackers are, every hack, every exploit"),
)
RECAP: Final = any_of(
    words(
        """
        on this day, year ago, years ago, anniversary, throwback, tbt, remember when, remember the,
        history of, short history, looking back, flashback, a thread, documentary, podcast,
        first half of, second half of, year in review, year to date, so far this year, the story of,
        hacks explained, bridge hacks
        """
    ),
    r"\b(?:\d+|an?|one|two|three|four|five|ten) (?:years?|months?) since\b|\bback in 20\d\d\b|\btop ?\d+\b",
    r"\b(?:biggest|largest) (?:\w+ ){0,3}(?:hacks|exploits|heists)\b|\bq[1-4] 20\d\d\b|\bin q[1-4]\b",
    r"\b(?:weekly|monthly|quarterly|annual) (?:recap|roundup|report|review)\b|\blosses to hacks\b",
    r"\b\d+ (?:security )?(?:hacks|exploits|incidents|attacks)\b",
    r"\btotal (?:crypto )?losses (?:in|for|this)\b",
)
BYSTANDER: Final = any_of(
    r"\b(?:is|are|was|were|remain\w*) (?:safe and )?(?:unaffected|not (?:affected|impacted|exposed))\b",
    r"\bno exposure to\b|\b(?:we|our \w+) (?:is|are|was|were|have) (?:no exposure|not affected|safe)\b",
)
