import pytest

from kamiyo.core.ids import Asset
from kamiyo.core.markets import FIRST_DEX, MarketKind, market_kind, protocol_of


@pytest.mark.parametrize(
    ("asset", "kind", "protocol"),
    [
        ("BTC", MarketKind.PERPETUAL, "hyperliquid"),
        ("kPEPE", MarketKind.PERPETUAL, "hyperliquid"),
        ("xyz:TSLA", MarketKind.BUILDER_PERPETUAL, "xyz"),
        ("flx:GOLD", MarketKind.BUILDER_PERPETUAL, "flx"),
        ("@107", MarketKind.SPOT, "hyperliquid"),
        ("PURR/USDC", MarketKind.SPOT, "hyperliquid"),
        ("#20", MarketKind.OUTCOME, "hyperliquid"),
    ],
)
def test_a_name_tells_the_market_and_its_dex(asset, kind, protocol) -> None:
    """The family of markets and the perp dex are read off the asset's name."""
    assert market_kind(Asset(asset)) is kind
    assert protocol_of(Asset(asset)) == protocol


def test_the_first_dex_is_the_venue_itself() -> None:
    """What no builder deployed trades on Hyperliquid's own dex."""
    assert protocol_of(Asset("BTC")) == FIRST_DEX
