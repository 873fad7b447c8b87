"""Cells that say what was lost."""

from decimal import Decimal

import pytest

from kamiyo.aggregators._losses import Loss, read_loss
from kamiyo.core.money import Usd
from kamiyo.core.reports import AssetAmount


def _usd(text: str) -> Usd:
    return Usd(Decimal(text))


@pytest.mark.parametrize(
    ("cell", "loss"),
    [
        ("$4 million", Loss(usd=_usd("4000000"))),
        ("~$1,6M", Loss(usd=_usd("1600000"))),
        ("4.7M USDT", Loss(usd=_usd("4700000"), amounts=(AssetAmount("4700000", "USDT"),), sure=False)),
        ("19.3M", Loss(usd=_usd("19300000"), sure=False)),
        (">$3.3M", Loss(low=_usd("3300000"))),
        ("84.59 ETH", Loss(amounts=(AssetAmount("84.59", "ETH"),))),
        ("153,037 ETH (~$30M)", Loss(usd=_usd("30000000"), amounts=(AssetAmount("153037", "ETH"),))),
        ("~$292K (30500 OHM)", Loss(usd=_usd("292000"), amounts=(AssetAmount("30500", "OHM"),))),
        ("158.28 WETH and $535,706", Loss(low=_usd("535706"), amounts=(AssetAmount("158.28", "WETH"),))),
        (
            "1 ETH and 50 USDT",
            Loss(low=_usd("50"), amounts=(AssetAmount("1", "ETH"), AssetAmount("50", "USDT"))),
        ),
        ("unknown", Loss()),
        ("All funds returned", Loss()),
        ("$0", Loss()),
        ("", Loss()),
    ],
)
def test_a_cell_says_what_was_lost(cell: str, loss: Loss):
    """Dollars are dollars, assets stay assets, a part is a lower bound, and what is not told is unknown."""
    assert read_loss(cell) == loss
