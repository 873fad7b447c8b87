"""What an asset's name says about its market."""

from __future__ import annotations

import enum
from functools import lru_cache

from kamiyo.core.ids import Asset, Protocol

FIRST_DEX = Protocol("hyperliquid")


class MarketKind(enum.StrEnum):
    """The four families of markets on the venue."""

    PERPETUAL = "perpetual"
    BUILDER_PERPETUAL = "builder_perpetual"  # HIP-3: deployed by a builder on a dex of its own
    SPOT = "spot"
    OUTCOME = "outcome"  # HIP-4


def market_kind(asset: Asset) -> MarketKind:
    """Read the market's family off its name (EXTERNAL-APIS 2.1)."""
    if asset.startswith("#"):
        return MarketKind.OUTCOME
    if asset.startswith("@") or "/" in asset:
        return MarketKind.SPOT
    return MarketKind.BUILDER_PERPETUAL if ":" in asset else MarketKind.PERPETUAL


@lru_cache(maxsize=4096)
def protocol_of(asset: Asset) -> Protocol:
    """The perp dex an asset trades on: the builder's name before the colon, else the first dex."""
    dex, colon, _name = asset.partition(":")
    return Protocol(dex) if colon else FIRST_DEX
