"""What requests for coverage bring."""

from __future__ import annotations

from pydantic import Field

from kamiyo.api.dependencies import AssetName, WindowQuery, Word
from kamiyo.core.events import LiquidationMethod
from kamiyo.core.ids import MAINNET


class CoverageQuery(WindowQuery):
    """Which hours, at most 7 days of them; the last 24 hours unless given."""

    chain: Word = MAINNET
    source: Word | None = Field(None, description="The source whose share it is")
    method: LiquidationMethod | None = Field(None, description="Shares of this method alone")


class CoverageDaysQuery(WindowQuery):
    """Which days in UTC, at most 31; the last 7 whole ones unless given."""

    chain: Word = MAINNET
    asset: AssetName | None = Field(None, description="Differences in this asset")
    by_asset: bool = Field(default=False, description="Differences in every asset; at most 7 days")
