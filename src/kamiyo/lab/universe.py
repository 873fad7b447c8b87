"""The venue's markets, made up from the assets a recording names.

A recording of fills says which assets there are and how finely they trade, not their leverage, tiers,
tokens or places: those are plausible, not recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import groupby

import msgspec

from kamiyo.core.ids import Asset
from kamiyo.core.markets import MarketKind, market_kind

MAX_LEVERAGE = 10  # of every market: no recording of fills says it
_NOBODY = "0x" + "0" * 40
_USDC = {
    "name": "USDC",
    "szDecimals": 8,
    "weiDecimals": 8,
    "index": 0,
    "tokenId": "0x" + "0" * 32,
    "isCanonical": True,
    "evmContract": None,
    "fullName": None,
}


def is_spot(asset: str) -> bool:
    """``@107`` or ``PURR/USDC``."""
    return market_kind(Asset(asset)) is MarketKind.SPOT


def is_outcome(asset: str) -> bool:
    """``#120``: one side of something that will or will not happen."""
    return market_kind(Asset(asset)) is MarketKind.OUTCOME


@lru_cache(maxsize=4096)  # asked of every fill
def is_perp(asset: str) -> bool:
    """Whether it has margin, contexts and liquidations."""
    return not is_spot(asset) and not is_outcome(asset)


def dex_of(asset: str) -> str:
    """The perp dex of an asset: empty for the first."""
    return asset.partition(":")[0] if ":" in asset else ""


class Universe(msgspec.Struct, frozen=True):
    """Which markets there are; ``decimals`` of their sizes by asset."""

    decimals: Mapping[str, int]
    dexes: Mapping[str, tuple[str, ...]]
    spot: tuple[str, ...]
    outcomes: tuple[str, ...]

    @property
    def perps(self) -> list[str]:
        """Every perp of every dex, in the venue's order."""
        return [asset for assets in self.dexes.values() for asset in assets]


def build_universe(decimals: Mapping[str, int]) -> Universe:
    """The universe of these assets: dexes and markets by name, spot markets by number."""
    perps = sorted((dex_of(asset), asset) for asset in decimals if is_perp(asset))
    dexes = {
        dex: tuple(asset for _dex, asset in group) for dex, group in groupby(perps, lambda each: each[0])
    }
    return Universe(
        decimals,
        {"": dexes.pop("", ())} | dexes,
        tuple(sorted(filter(is_spot, decimals), key=spot_index)),
        tuple(sorted(filter(is_outcome, decimals), key=_number)),
    )


def spot_index(asset: str) -> int:
    """The number of a spot market; the one with a name is the first."""
    return _number(asset) if asset.startswith("@") else 0


def _number(asset: str) -> int:
    return int(asset[1:]) if asset[1:].isdecimal() else 0


def meta_of(universe: Universe, dex: str) -> dict[str, object]:
    """What ``meta`` answers for a dex."""
    markets = [
        {
            "szDecimals": universe.decimals[asset],
            "name": asset,
            "maxLeverage": MAX_LEVERAGE,
            "marginTableId": MAX_LEVERAGE,
        }
        for asset in universe.dexes[dex]
    ]
    return {"universe": markets, "marginTables": [], "collateralToken": 0}


def margin_table_of(number: int) -> dict[str, object]:
    """One tier: a number below fifty is its own leverage."""
    return {"description": "", "marginTiers": [{"lowerBound": "0.0", "maxLeverage": number}]}


def perp_dexs_of(universe: Universe) -> list[dict[str, object] | None]:
    """What ``perpDexs`` answers."""
    return [None, *(_dex(name) for name in universe.dexes if name)]


def _dex(name: str) -> dict[str, object]:
    return {
        "name": name,
        "fullName": name.upper(),
        "deployer": _NOBODY,
        "oracleUpdater": None,
        "feeRecipient": None,
        "assetToStreamingOiCap": [],
        "subDeployers": [],
        "assetToFundingMultiplier": [],
        "assetToFundingInterestRate": [],
        "assetToFundingClamp": [],
    }


def spot_meta_of(universe: Universe) -> dict[str, object]:
    """What ``spotMeta`` answers: each market has a token of its own against USDC."""
    bases = [
        {**_USDC, "name": _token_name(asset), "index": place, "szDecimals": universe.decimals[asset]}
        for place, asset in enumerate(universe.spot, start=1)
    ]
    pairs = [
        {"name": asset, "tokens": [place, 0], "index": spot_index(asset), "isCanonical": True}
        for place, asset in enumerate(universe.spot, start=1)
    ]
    return {"tokens": [_USDC, *bases], "universe": pairs}


def _token_name(asset: str) -> str:
    return f"TOKEN{asset[1:]}" if asset.startswith("@") else asset.partition("/")[0]


def outcome_meta_of(universe: Universe) -> dict[str, object]:
    """What ``outcomeMeta`` answers: ten times the outcome's number, plus its side, is a market's name."""
    numbers: Sequence[int] = sorted({_number(asset) // 10 for asset in universe.outcomes})
    outcomes = [
        {
            "outcome": number,
            "name": f"outcome {number}",
            "description": "",
            "sideSpecs": [{"name": "Yes"}, {"name": "No"}],
            "quoteToken": "USDC",
        }
        for number in numbers
    ]
    return {"outcomes": outcomes, "questions": []}
