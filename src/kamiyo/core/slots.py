"""Whose fills a source follows where it can follow only a few accounts, and who is worth it.

A trade into the book has exactly one maker. So no two makers took the same liquidation, and the makers that
took the most are together the best choice of their number: nothing need be weighed between them.
"""

from __future__ import annotations

import enum
from collections.abc import Collection
from datetime import date
from decimal import Decimal
from typing import Final

import msgspec

from kamiyo.core.ids import Address, Chain
from kamiyo.core.time import Utc

# Who holds a slot keeps it unless somebody took so many times as much: each change costs the newcomer's past.
LOYALTY: Final = Decimal("1.2")
# A choice says something of so many days after the day it was measured on.
CHOICE_KEPT_DAYS: Final = 30


class SlotReason(enum.StrEnum):
    """Why an account's fills are followed, the strongest reason first."""

    LIQUIDATOR = "liquidator"  # it takes over positions for the venue's liquidity provider
    PINNED = "pinned"  # its operator named it in the settings
    MEASURED = "measured"  # it took the most of a measured day's liquidations
    LEARNED = "learned"  # it was seen to take liquidations by the source itself, now or in an earlier run
    SHIPPED = "shipped"  # known to have taken some once, until anything better is known


class HeldSlot(msgspec.Struct, frozen=True):
    """An account whose fills are followed, why, and since when."""

    user: Address
    reason: SlotReason
    held_since: Utc


class MakerYield(msgspec.Struct, frozen=True, kw_only=True):
    """What one maker took of liquidations into the book: USD, fills, and on how many assets."""

    user: Address
    amount_usd: Decimal
    fills: int
    assets: int


class MeasuredDay(msgspec.Struct, frozen=True, kw_only=True):
    """What makers took in the hours of a day of which a reference read every block.

    ``total_usd`` is of all liquidations into the book in these hours, also of those whose maker is unknown.
    """

    chain: Chain
    day: date
    hours: int
    total_usd: Decimal
    makers: tuple[MakerYield, ...]


def choose_makers(measured: MeasuredDay, holding: Collection[Address], number: int) -> tuple[MakerYield, ...]:
    """The makers to follow, those that took the most first; whoever holds a slot counts for more.

    By address where two count equally much.
    """
    ranked = sorted(measured.makers, key=lambda each: (-_weight(each, holding), each.user))
    return tuple(ranked[:number])


def _weight(maker: MakerYield, holding: Collection[Address]) -> Decimal:
    return maker.amount_usd * LOYALTY if maker.user in holding else maker.amount_usd
