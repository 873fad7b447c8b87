"""What requests for the claims of others bring."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from kamiyo.api.dependencies import AccountAddress, ListQuery, MinUsd, Word
from kamiyo.core.claims import ClaimedAction
from kamiyo.core.margin import Direction

# Names of other exchanges' assets are whatever these call them.
ClaimedAsset = Annotated[str, StringConstraints(pattern=r"^[^\s\x00-\x1f\x7f]{1,64}$")]
ExchangeName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$", to_lower=True)]


class ClaimQuery(ListQuery):
    """Which claims of liquidation orders."""

    asset: ClaimedAsset | None = Field(None, description="As the claim calls it")
    exchange: ExchangeName | None = Field(None, description="Its name, in whatever case")
    side: Direction | None = Field(None, description="The side of the lost position")
    min_usd: MinUsd | None = None
    source: Word | None = Field(None, description="Who claims it")


class ClaimedTotalQuery(ListQuery):
    """Which claimed totals, by when their windows began."""

    asset: ClaimedAsset | None = Field(None, description="As the claim calls it; all: those of all assets")
    exchange: ExchangeName | None = Field(None, description="Its name; all: those of all exchanges")
    window_seconds: int | None = Field(None, ge=1, le=604_800, description="The length of the window")
    rolling: bool | None = Field(None, description="Windows that ended when they were told of, or others")
    min_usd: MinUsd | None = None
    source: Word | None = Field(None, description="Who claims it")


class ClaimedPositionQuery(ListQuery):
    """Which claims of large positions."""

    asset: ClaimedAsset | None = Field(None, description="As the claim calls it")
    user: AccountAddress | None = None
    side: Direction | None = None
    action: ClaimedAction | None = None
    min_usd: MinUsd | None = None
    source: Word | None = Field(None, description="Who claims it")
