"""Floods of reports on three attacks, as press and posts told of them: repeated, wrong, denied, corrected."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec

from kamiyo.core.ids import SourceName
from kamiyo.core.money import Usd
from kamiyo.core.reports import Facts, Grade, Medium, Precision, Report, ReportId, ReportKind

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def usd(amount: int) -> Usd:
    return Usd(Decimal(amount))


@dataclass(frozen=True)
class Attack:
    """What everybody agrees on."""

    tag: str
    at: datetime
    asset: str
    name: str

    def facts(self, **changes: object) -> Facts:
        facts = Facts(
            name=self.name,
            protocol="hyperliquid",
            chains=("hyperliquid",),
            assets=(self.asset,),
            occurred_at=self.at,
            precision=Precision.DAY,
        )
        return msgspec.structs.replace(facts, **changes)

    def told(
        self,
        number: int,
        text: str,
        *,
        after: timedelta = HOUR,
        medium: Medium = Medium.SOCIAL,
        grade: Grade = Grade.CLAIM,
        kind: ReportKind = ReportKind.NEW,
        origin: str | None = None,
        facts: Facts | None = None,
        **rest: object,
    ) -> Report:
        source = {Medium.SOCIAL: "x", Medium.PRESS: "feeds", Medium.DATABASE: "defillama"}[medium]
        report = Report(
            report_id=ReportId(f"{source}:{self.tag}:{number}"),
            source=SourceName(source),
            medium=medium,
            origin=origin or f"{source}:{self.tag}{number}",
            source_url=f"https://example.org/{self.tag}/{number}",
            title=text.partition(".")[0],
            text=text,
            grade=grade,
            kind=kind,
            published_at=self.at + after,
            received_at=self.at + after,
            facts=self.facts() if facts is None else facts,
        )
        return msgspec.structs.replace(report, **rest)

    def press(self, number: int, text: str, **rest: object) -> Report:
        return self.told(number, text, medium=Medium.PRESS, grade=Grade.PRESS, **rest)  # type: ignore[arg-type]

    def reposts(self, of: Report, count: int) -> list[Report]:
        """The same words from many mouths: some say whose they are, some do not."""
        return [
            msgspec.structs.replace(
                of,
                report_id=ReportId(f"x:{self.tag}:repost{number}"),
                source=SourceName("x"),
                medium=Medium.SOCIAL,
                grade=Grade.CLAIM,
                origin=f"x:{self.tag}repost{number}",
                text=f"RT @{of.origin.partition(':')[2]}: {of.text}" if number % 2 else of.text,
                repost_of=of.origin if number % 3 == 0 else None,
                published_at=of.published_at + timedelta(minutes=number),
            )
            for number in range(count)
        ]


JELLY = Attack("jelly", datetime(2025, 3, 26, tzinfo=UTC), "JELLY", "JELLY attack on HLP")
POPCAT = Attack("popcat", datetime(2025, 11, 12, tzinfo=UTC), "POPCAT", "POPCAT manipulation of HLP")
WHALE = Attack("whale", datetime(2025, 3, 12, tzinfo=UTC), "ETH", "ETH whale self-liquidation on Hyperliquid")


def flood(attack: Attack, first: int, wrong: int, right: int, words: str) -> list[Report]:
    """One attack as it is told over three days; the last word of the press is ``right``."""
    post = attack.told(
        1, f"{words} The vault of Hyperliquid lost about ${first:,} on {attack.asset}.",
        facts=attack.facts(amount_usd=usd(first)),
    )  # fmt: skip
    return [
        post,
        *attack.reposts(post, 12),
        attack.press(
            2, f"Hyperliquid hit: {words} First estimates of the loss are ${first:,}.", after=3 * HOUR,
            facts=attack.facts(amount_usd=usd(first)),
        ),
        attack.press(
            3, f"How it happened. {words} The loss of HLP is {right:,} dollars.", after=9 * HOUR,
            facts=attack.facts(amount_usd=usd(right)),
        ),
        attack.told(
            4, f"HYPERLIQUID HACKED for ${wrong:,} with {attack.asset}!!! get out now", after=2 * HOUR,
            facts=attack.facts(amount_usd=usd(wrong)),
        ),
        attack.told(
            5, f"There was no hack of Hyperliquid. Funds are safe and {attack.asset} trades as usual.",
            kind=ReportKind.DENIAL, grade=Grade.PRIMARY, origin="x:hyperliquid", after=4 * HOUR,
        ),
        attack.press(
            2, f"Hyperliquid hit: {words} Corrected: the loss of HLP is ${right:,}.", after=3 * HOUR,
            edited_at=attack.at + 60 * HOUR, facts=attack.facts(amount_usd=usd(right)),
        ),
        attack.press(
            6, f"Three days after the {attack.asset} attack Hyperliquid counts: {right:,} USD were lost.",
            after=72 * HOUR, kind=ReportKind.UPDATE, facts=attack.facts(amount_usd=usd(right)),
        ),
    ]  # fmt: skip


FLOODS = {
    "jelly": flood(
        JELLY, 10_600_000, 230_000_000, 12_000_000,
        "A trader built a huge JELLY short, pulled its margin and let HLP inherit it while spot was pumped.",
    ),
    "popcat": flood(
        POPCAT, 3_000_000, 63_000_000, 4_900_000,
        "Nineteen wallets put up a wall for POPCAT at 0.21, withdrew it and left HLP with the longs.",
    ),
    "whale": flood(
        WHALE, 4_400_000, 40_000_000, 4_000_000,
        "A whale withdrew the margin of a 175,000 ETH long until HLP had to take it over.",
    ),
}  # fmt: skip
COLLISIONS = [
    Attack("jellyswap", JELLY.at, "JSWAP", "JellySwap").press(
        1, "JellySwap on Base drained of 120,000 USD through a reentrancy in its staking contract.",
        facts=Facts(
            name="JellySwap", protocol="jellyswap", chains=("base",), assets=("USDC",),
            amount_usd=usd(120_000), occurred_at=JELLY.at, precision=Precision.DAY,
        ),
    ),
    Attack("popcatfi", POPCAT.at, "CAT", "PopcatFi").press(
        1, "PopcatFi on Solana, no relation to the coin, lost 800,000 USD to a stolen key.",
        facts=Facts(
            name="PopcatFi", protocol="popcatfi", chains=("solana",), assets=("SOL",),
            amount_usd=usd(800_000), occurred_at=POPCAT.at, precision=Precision.DAY,
        ),
    ),
]  # fmt: skip
