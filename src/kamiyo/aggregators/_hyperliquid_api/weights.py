"""What the source spends: every task that asks the venue something, how often, and what that weighs.

A row is a promise: the task asks no more often, and no answer weighs more. What is left of the address's
minute is for whoever else asks from there.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import msgspec

from kamiyo.hyperliquid.limits import MINUTE, REST_WEIGHT_PER_MINUTE

RESERVE: Final = 80


class TaskWeight(msgspec.Struct, frozen=True):
    """One task: what it asks, at most once ``every`` so long, and what one question weighs at most."""

    task: str
    question: str
    every: timedelta
    weight: int
    purpose: str

    @property
    def weight_per_minute(self) -> int:
        """What the task spends in a minute at most."""
        return -(-self.weight * MINUTE // self.every)


DEXES: Final = TaskWeight(
    "dexes",
    "perpDexs",
    timedelta(minutes=1),
    20,
    "which perp dexes there are, in the order of their contexts",
)
MARKETS: Final = TaskWeight(
    "markets",
    "allPerpMetas",
    timedelta(minutes=1),
    20,
    "which assets are live: a wrong name closes the socket",
)
STATUS: Final = TaskWeight(
    "status", "exchangeStatus", timedelta(seconds=5), 2, "whether the venue's time goes on"
)
VAULTS: Final = TaskWeight(
    "vaults",
    "vaultDetails",
    timedelta(seconds=15),
    20,
    "value and children of HLP, one vault after the other",
)
VAULT_POSITIONS: Final = TaskWeight(
    "vault_positions", "clearinghouseState", timedelta(seconds=2), 2, "positions of HLP's children, in turn"
)
SCAN: Final = TaskWeight(
    "scan",
    "clearinghouseState",
    timedelta(milliseconds=200),
    2,
    "how far large accounts are from liquidation",
)
CONFIRMATION: Final = TaskWeight(
    "confirmation",
    "userFillsByTime",
    timedelta(seconds=30),
    120,
    "whether a tracked account was liquidated; more often where the answers are short, never for more weight",
)
ON_DEMAND: Final = TaskWeight(
    "on_demand", "meta, allMids", timedelta(seconds=30), 20, "whoever calls `get_meta` or `get_all_mids`"
)

WEIGHTS: Final = (DEXES, MARKETS, STATUS, VAULTS, VAULT_POSITIONS, SCAN, CONFIRMATION, ON_DEMAND)
AVAILABLE: Final = REST_WEIGHT_PER_MINUTE - RESERVE


def weight_per_minute() -> int:
    """What all tasks together spend in a minute at most."""
    return sum(row.weight_per_minute for row in WEIGHTS)
