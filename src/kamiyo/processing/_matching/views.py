"""What is read off a report before it is compared: the same facts in the form comparing needs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from kamiyo.core.reports import Facts, Medium, Precision, Report
from kamiyo.processing._matching.links import document_of, page_of, transactions_in, urls_in
from kamiyo.processing._matching.names import Name, read_name
from kamiyo.processing._matching.texts import words_of

_DAY: Final = timedelta(days=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# How long the unit a moment is known to lasts, in days; a little less, so that days in a row do not touch.
_UNITS: Final = {
    Precision.SECOND: 0.0,
    Precision.MINUTE: 0.0,
    Precision.HOUR: 0.04,
    Precision.DAY: 0.999,
    Precision.MONTH: 30.999,
    Precision.YEAR: 365.999,
}
_LISTS: Final = frozenset({Medium.DATABASE, Medium.REPOSITORY, Medium.CURATED})
_CHAINS: Final = {
    "bnb_chain": "bsc",
    "binance_smart_chain": "bsc",
    "hyperevm": "hyperliquid",
    "hypercore": "hyperliquid",
    "hyperliquid_l1": "hyperliquid",
    "gnosis_chain": "gnosis",
}
# Held by so many that sharing one tells next to nothing.
COMMON_ASSETS: Final = frozenset(
    {"BTC", "ETH", "WETH", "WBTC", "USDC", "USDT", "DAI", "BNB", "WBNB", "BUSD", "SOL"}
)
# How it was done: any of these letters in what is said of it.
_WAYS: Final = (
    ("reentrancy", ("reentran", "re-entran")),
    ("oracle", ("oracle", "price manip", "price-manip", "price impact", "twap", "slippage")),
    (
        "key",
        (
            "private key",
            "compromis",
            "key theft",
            "stolen key",
            "social eng",
            "phish",
            "hot wallet",
            "malware",
        ),
    ),
    (
        "access",
        ("access control", "access-control", "permission", "unprotected", "ownership"),
    ),
    ("call", ("external call", "arbitrary", "calldata", "call data", "input", "validation", "approv")),
    ("rounding", ("round", "preci", "donat", "inflation", "share")),
    ("governance", ("governance", "proposal", "voting")),
    ("mint", ("mint",)),
    ("rug", ("rug", "drained", "backdoor")),
    ("bridge", ("bridge", "signature", "proof", "cross chain", "cross-chain")),
    ("frontend", ("frontend", "front-end", "dns", "cloudflare", "domain")),
    ("liquidation", ("liquidat", "squeeze", "mark price")),
)
_SIGNS: Final = tuple((sign, way) for way, signs in _WAYS for sign in signs)


@dataclass(frozen=True, slots=True)
class View:
    """One report, ready to be compared. Days count from 1970; amounts are natural logarithms of USD."""

    is_curated: bool
    listed_by: str  # the list it stands in, if its source is one; else empty
    names: tuple[Name, ...]
    starts: float
    ends: float
    is_dated: bool  # by what happened, not by when it was told
    amounts: tuple[float, float] | None
    units: dict[str, float]  # natural logarithms of how many of each asset
    chains: frozenset[str]
    assets: frozenset[str]
    addresses: frozenset[str]
    transactions: frozenset[str]
    documents: frozenset[str]
    page: str  # empty without one
    cited: frozenset[str]  # the pages a person put on record
    ways: frozenset[str]
    text: str  # empty in a list, whose cells repeat each other without meaning the same
    words: frozenset[str]

    @property
    def pages(self) -> frozenset[str]:
        """All that its documents are known by."""
        return self.documents | self.cited | {self.page} - {""}


def view_of(report: Report) -> View:
    """Read a report's facts, addresses and words once."""
    facts = report.facts
    starts, ends, is_dated = _when(report)
    is_listed = report.medium in _LISTS
    urls = [report.source_url, *(each.source_url for each in report.citations), *urls_in(report.text)]
    said = f"{report.title} {report.text}"
    return View(
        is_curated=report.curated is not None,
        listed_by=report.source if is_listed else "",
        names=_names(facts),
        starts=starts,
        ends=ends,
        is_dated=is_dated,
        amounts=_amounts(facts),
        units=_units(facts),
        chains=frozenset(_CHAINS.get(chain, chain) for chain in facts.chains),
        assets=frozenset(asset.rsplit(":", 1)[-1].upper() for asset in facts.assets),
        addresses=frozenset(facts.addresses),
        transactions=frozenset(
            (*facts.transactions, *(each for url in urls for each in transactions_in(url)))
        ),
        documents=frozenset(document for url in urls if (document := document_of(url)) is not None),
        page=page_of(report.source_url) or "",
        cited=_cited(report),
        ways=_ways(f"{facts.category or ''} {said}".lower().replace("_", " ")),
        text="" if is_listed else report.text,
        words=words_of(report.title).different | words_of(report.text).different,
    )


def _cited(report: Report) -> frozenset[str]:
    if report.curated is None:
        return frozenset()
    return frozenset(page for each in report.citations if (page := page_of(each.source_url)) is not None)


def _names(facts: Facts) -> tuple[Name, ...]:
    spoken = (facts.protocol.replace("_", " ") if facts.protocol else None, facts.name)
    read = (read_name(text) for text in dict.fromkeys(spoken) if text)
    return tuple(name for name in read if name is not None)


def _when(report: Report) -> tuple[float, float, bool]:
    facts = report.facts
    if facts.occurred_at is None:
        told = _days(report.published_at)
        return told, told, False
    starts = _days(facts.occurred_at)
    ends = starts + _UNITS[facts.precision or Precision.DAY]
    return starts, max(ends, _days(facts.ended_at) if facts.ended_at else ends), True


def _days(moment: datetime) -> float:
    return (moment - _EPOCH) / _DAY


def _amounts(facts: Facts) -> tuple[float, float] | None:
    told = [
        float(each) for each in _positive((facts.amount_usd, facts.amount_usd_low, facts.amount_usd_high))
    ]
    return (math.log(min(told)), math.log(max(told))) if told else None


def _units(facts: Facts) -> dict[str, float]:
    told = ((each.asset.upper(), float(each.amount)) for each in facts.amounts)
    return {asset: math.log(amount) for asset, amount in told if amount > 0}


def _positive(amounts: Iterable[Decimal | None]) -> list[Decimal]:
    return [each for each in amounts if each is not None and each > 0]


def _ways(said: str) -> frozenset[str]:
    return frozenset({way for sign, way in _SIGNS if sign in said})
