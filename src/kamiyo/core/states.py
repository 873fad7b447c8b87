"""What stood at a moment, of a market, a vault or an account: the newest word counts, and none is summed.

Every field a source did not give is None: unknown is never zero.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from kamiyo.core.events import MarginMode
from kamiyo.core.ids import Address, Asset, Chain, Protocol, SourceName
from kamiyo.core.margin import Direction
from kamiyo.core.money import Price, Size, Usd
from kamiyo.core.time import Utc


class MarketState(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One market at ``timestamp``: prices in USD, ``open_interest`` in base units and one-sided.

    ``funding_rate`` is the running hour's estimate as a fraction per hour; ``day_volume_usd`` of the last
    24 hours.
    """

    source: SourceName
    chain: Chain
    asset: Asset
    timestamp: Utc
    mark_price: Price
    oracle_price: Price
    mid_price: Price | None = None
    open_interest: Size | None = None
    funding_rate: Decimal | None = None
    premium: Decimal | None = None
    day_volume_usd: Usd | None = None


class VaultState(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A vault at ``timestamp``: ``account_value`` and ``total_pnl`` (since it began) in USD."""

    source: SourceName
    chain: Chain
    vault: Address
    name: str
    parent: Address | None
    timestamp: Utc
    account_value: Usd | None = None
    total_pnl: Usd | None = None
    children: tuple[Address, ...] = ()


class Position(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One open position: ``size`` above zero in base units, ``liquidation_price`` the venue's own.

    ``liquidation_price`` is None where no price of this asset alone would liquidate it.
    """

    asset: Asset
    side: Direction
    size: Size
    entry_price: Price | None
    mark_price: Price
    amount_usd: Usd
    liquidation_price: Price | None
    leverage: Decimal | None
    margin_mode: MarginMode


class AccountState(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """All positions of one account on one dex at ``timestamp``; it replaces what was known of them.

    ``account_value`` and ``maintenance_margin`` (of the cross positions) in USD.
    """

    source: SourceName
    chain: Chain
    protocol: Protocol
    user: Address
    timestamp: Utc
    account_value: Usd | None
    maintenance_margin: Usd | None
    positions: tuple[Position, ...] = ()
