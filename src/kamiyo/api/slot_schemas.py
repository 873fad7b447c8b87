"""The shapes of answers about user slots, for the documentation only."""

from __future__ import annotations

from pydantic import Field

from kamiyo.api.schemas import Digits, Instant, Shape
from kamiyo.core.slots import SlotReason


class YieldShape(Shape):
    day: str = Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", description="The measured day, in UTC")
    hours: int = Field(description="How many hours of the day a reference read every block of")
    amount_usd: Digits = Field(description="What the maker took of liquidations into the book in these hours")
    total_usd: Digits = Field(description="What all makers took in them, also those whom nobody named")
    percent: Digits | None = Field(description="The one of the other; null where that is zero")
    fills: int
    assets: int = Field(description="On how many assets")
    chosen_at: Instant = Field(description="Since when it is chosen without a break")


class SlotShape(Shape):
    source: str
    chain: str
    user: str
    position: int
    reason: SlotReason = Field(description="The strongest one there is")
    held_since: Instant
    measured: YieldShape | None = Field(description="Null where no measurement chose it")


class ChosenShape(Shape):
    chain: str
    user: str
    position: int
    followed: bool = Field(description="Whether it has a slot of a source now")
    measured: YieldShape


class SlotsShape(Shape):
    slots: list[SlotShape] = Field(description="Whose fills each source follows, by its own last word")
    chosen: list[ChosenShape] = Field(description="The makers that the last measured day chose")
