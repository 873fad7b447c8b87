"""Made-up posts about attacks: originals from a few patterns, reposts with the usual changes, and updates."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from kamiyo.core.ids import SourceName
from kamiyo.core.money import Usd
from kamiyo.core.reports import Facts, Grade, Medium, Precision, Report, ReportId, ReportKind

_SYLLABLES: Final = [first + second for first in "bcdfghklmnprstvz" for second in "aeio"]
_CHAINS: Final = (
    "Ethereum",
    "BSC",
    "Arbitrum",
    "Base",
    "Polygon",
    "Optimism",
    "Avalanche",
    "Solana",
    "Sonic",
)
_WAYS: Final = (
    "a reentrancy bug in its vault",
    "a manipulated price oracle",
    "a stolen private key",
    "missing access control",
    "a rounding error in its shares",
    "an arbitrary external call",
    "a flawed liquidation check",
)
_PATTERNS: Final = (
    "{name} on {chain} seems to be exploited through {way}. The loss is about ${amount}K so far; the attacker"
    " is {address} and the funds were bridged within minutes.|"
    "Our system has detected a suspicious attack involving #{name} on #{chain}, resulting in an approximate"
    " loss of ${amount}K. Transaction sender {address}. Likely cause: {way}.|"
    "#Alert {name} was drained of ${amount}K on {chain} because of {way}, users should revoke approvals to"
    " {address} now and wait for the team's announcement.|"
    "Breaking: hackers take ${amount}K from {name}, a lending market on {chain}. Analysts point to {way}. The"
    " address {address} still holds most of it.|"
    "We are aware of an incident affecting {name}. Contracts on {chain} are paused. About ${amount}K is gone,"
    " the cause is {way}, and we are in contact with {address}."
)
_START: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FILLERS: Final = ("just in", "stay safe", "not good", "more soon", "thread below", "again and again")


@dataclass(frozen=True, slots=True)
class Post:
    """One text, and the number of the text whose words it repeats: its own, if it is no repost."""

    text: str
    repeats: int


def make_posts(count: int, seed: int = 7) -> list[Post]:
    """Six in ten are new, three repeat one of the latest 5,000 in other dress, one says another amount."""
    draw = random.Random(seed)
    posts: list[Post] = []
    for number in range(count):
        if _happens(draw, 60) or not posts:
            posts.append(Post(_write(draw), number))
            continue
        original = posts[draw.randrange(max(0, number - 5_000), number)]
        if _happens(draw, 75):
            posts.append(Post(_dress(draw, posts[original.repeats].text), original.repeats))
        else:
            posts.append(Post(_update(draw, posts[original.repeats].text), number))
    return posts


def _happens(draw: random.Random, percent: int) -> bool:
    return draw.random() * 100 < percent


def _write(draw: random.Random) -> str:
    name = "".join(draw.choices(_SYLLABLES, k=4)).capitalize()
    return draw.choice(_PATTERNS.split("|")).format(
        name=name,
        chain=draw.choice(_CHAINS),
        way=draw.choice(_WAYS),
        amount=draw.randint(100, 99_999) / 10,
        address=f"0x{draw.getrandbits(160):040x}",
    )


def _dress(draw: random.Random, text: str) -> str:
    """What reposting does to a text: a mention before, a link behind, a cut end, capitals, a word less."""
    words = text.split()
    if _happens(draw, 30):
        del words[draw.choice([at for at, word in enumerate(words) if not any(map(str.isdigit, word))])]
    if _happens(draw, 20):
        words = words[: max(8, round(len(words) * draw.uniform(0.75, 0.95)))]
        words[-1] += "…"
    text = " ".join(words)
    if _happens(draw, 20):
        text = text.upper() if _happens(draw, 50) else text.lower()
    if _happens(draw, 40):
        text = f"RT @watcher{draw.randrange(999)}: {text}"
    if _happens(draw, 30):
        text = f"{text} {draw.choice(_FILLERS)}"
    return f"{text} https://t.co/{draw.getrandbits(40):x}" if _happens(draw, 50) else text


def _update(draw: random.Random, text: str) -> str:
    head, _, tail = text.partition("$")
    _amount, _, rest = tail.partition("K")
    return f"{head}${draw.randint(100_000, 999_999) / 10}K{rest}"


def make_reports(count: int, seed: int = 11) -> Iterator[Report]:
    """Three cases a day with nine reports each on average: rows of lists, posts, and reposts of those."""
    draw = random.Random(seed)
    cases: deque[list[Report]] = deque(maxlen=40)
    for number in range(count):
        if draw.random() < 1 / 9 or not cases:
            cases.append([_first(draw, number)])
            yield cases[-1][0]
            continue
        case = draw.choice(cases)
        report = _another(draw, number, case)
        case.append(report)
        yield report


def _first(draw: random.Random, number: int) -> Report:
    facts = _facts(draw, number)
    return _post(draw, number, facts) if _happens(draw, 80) else _row(number, facts)


def _another(draw: random.Random, number: int, case: list[Report]) -> Report:
    facts = case[0].facts
    if _happens(draw, 10) and all(each.medium is not Medium.DATABASE for each in case):
        return _row(number, facts)
    posts = [each for each in case if each.medium is Medium.SOCIAL]
    if _happens(draw, 45) or not posts:
        return _post(draw, number, facts)
    return _report(number, Medium.SOCIAL, facts, _dress(draw, draw.choice(posts[:3]).text))


def _row(number: int, facts: Facts) -> Report:
    return _report(number, Medium.DATABASE, facts, f"{facts.category} of {facts.name}")


def _post(draw: random.Random, number: int, facts: Facts) -> Report:
    text = draw.choice(_PATTERNS.split("|")).format(
        name=facts.name,
        chain=facts.chains[0],
        way=facts.category,
        amount=round((facts.amount_usd or Decimal(0)) / 1000, 1),
        address=facts.addresses[0],
    )
    return _report(number, Medium.SOCIAL, facts, text)


def _facts(draw: random.Random, number: int) -> Facts:
    return Facts(
        name="".join(draw.choices(_SYLLABLES, k=4)).capitalize(),
        chains=(draw.choice(_CHAINS).lower(),),
        amount_usd=Usd(Decimal(round(math.exp(draw.gauss(12, 2.5))) + 1)),
        occurred_at=_START + timedelta(days=number // 27),
        precision=Precision.DAY,
        category=draw.choice(_WAYS),
        addresses=(f"0x{draw.getrandbits(160):040x}",),
    )


def _report(number: int, medium: Medium, facts: Facts, text: str) -> Report:
    moment = facts.occurred_at or _START
    return Report(
        report_id=ReportId(f"made:{number}"),
        source=SourceName("made" if medium is Medium.DATABASE else "posts"),
        medium=medium,
        origin=f"origin{number % 997}",
        source_url="",
        title=facts.name or "",
        text=text,
        grade=Grade.CLAIM,
        kind=ReportKind.NEW,
        published_at=moment,
        received_at=moment,
        facts=facts,
    )
