"""The shapes of answers about markets, vaults and positions, for the documentation only."""

from __future__ import annotations

from pydantic import Field

from kamiyo.api.schemas import Digits, Instant, ListMetaShape, Shape
from kamiyo.core.events import MarginMode
from kamiyo.core.margin import Direction


class MomentShape(Shape):
    source: str
    timestamp: Instant


class AgedShape(MomentShape):
    age_seconds: int = Field(description="Since the state's own time, at meta.as_of")
    stale: bool = Field(description="Too old to be believed to hold now")


class MarketNumbersShape(Shape):
    mark_price: Digits
    oracle_price: Digits
    mid_price: Digits | None
    oracle_deviation: Digits = Field(description="How far the mark is above the oracle, as a fraction of it")
    open_interest: Digits | None = Field(description="Base units, one side; null where nobody said")
    open_interest_usd: Digits | None
    funding_rate: Digits | None = Field(description="A fraction an hour")
    premium: Digits | None
    day_volume_usd: Digits | None


class MarketShape(MarketNumbersShape, AgedShape):
    chain: str
    protocol: str
    asset: str


class MarketMinuteShape(MarketNumbersShape, MomentShape):
    minute: Instant


class MarketDetailShape(MarketShape):
    minutes: list[MarketMinuteShape] = Field(description="The last state within each minute asked for")


class VaultShape(AgedShape):
    chain: str
    vault: str
    name: str
    parent: str | None
    children: list[str]
    account_value: Digits | None
    total_pnl: Digits | None


class VaultMinuteShape(MomentShape):
    minute: Instant
    account_value: Digits | None
    total_pnl: Digits | None


class VaultDetailShape(VaultShape):
    minutes: list[VaultMinuteShape] = Field(description="The last state within each minute asked for")


class PositionShape(AgedShape):
    chain: str
    protocol: str
    user: str
    asset: str
    side: Direction
    size: Digits
    amount_usd: Digits
    entry_price: Digits | None
    mark_price: Digits = Field(description="Of the look, as everything here")
    liquidation_price: Digits | None = Field(
        description="The venue's own; null where no price of this asset alone liquidates the position"
    )
    distance: Digits | None = Field(
        description="The move that liquidates it, as a fraction of the mark; below 0 where it is past that"
    )
    leverage: Digits | None
    margin_mode: MarginMode


class SampleShape(Shape):
    accounts: int = Field(description="How many accounts were looked at")
    oldest_look_at: Instant | None
    newest_look_at: Instant | None


class SampleMetaShape(ListMetaShape):
    sample: SampleShape


class PositionListShape(Shape):
    data: list[PositionShape]
    meta: SampleMetaShape


class MarketWithMinutesShape(Shape):
    data: MarketDetailShape
    meta: ListMetaShape


class VaultWithMinutesShape(Shape):
    data: VaultDetailShape
    meta: ListMetaShape
