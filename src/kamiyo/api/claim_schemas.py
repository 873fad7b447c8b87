"""The shapes of answers about what others claim, for the documentation only."""

from __future__ import annotations

from pydantic import Field

from kamiyo.api.schemas import Digits, Instant, Shape
from kamiyo.core.claims import ClaimedAction
from kamiyo.core.events import MarginMode
from kamiyo.core.margin import Direction


class ClaimShape(Shape):
    claim_id: str
    source: str
    exchange: str
    pair: str
    asset: str
    side: Direction | None = Field(description="Of the lost position; null where it is not told")
    price: Digits | None
    amount_usd: Digits | None
    timestamp: Instant
    ordinal: int = Field(description="Which of several that agree in everything else")


class ClaimedTotalShape(Shape):
    total_id: str
    source: str
    exchange: str | None = Field(description="Null: of all exchanges")
    asset: str | None = Field(description="Null: of all assets")
    start: Instant
    window_seconds: int
    rolling: bool = Field(description="The window ended when it was told of")
    complete: bool = Field(
        description="The window had ended when it was told of; otherwise it has grown since"
    )
    long_usd: Digits | None
    short_usd: Digits | None
    total_usd: Digits | None
    observed_at: Instant


class ClaimedPositionShape(Shape):
    position_id: str
    source: str
    user: str
    asset: str
    action: ClaimedAction
    side: Direction | None
    size: Digits | None = Field(description="Below zero for a short")
    value_usd: Digits | None
    entry_price: Digits | None
    mark_price: Digits | None
    liquidation_price: Digits | None = Field(
        description="Null where none is told, or none would liquidate it"
    )
    leverage: Digits | None
    margin_mode: MarginMode | None
    margin_usd: Digits | None
    unrealized_pnl_usd: Digits | None
    funding_usd: Digits | None
    opened_at: Instant | None
    timestamp: Instant
