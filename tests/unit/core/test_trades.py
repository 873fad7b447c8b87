"""Public trades: who crossed the book and whose order was hit."""

import pytest

from kamiyo.core.events import Side
from kamiyo.core.trades import Trade

BUYER, SELLER = "0x" + "b" * 40, "0x" + "5" * 40


@pytest.mark.parametrize(("side", "taker", "maker"), [(Side.BUY, BUYER, SELLER), (Side.SELL, SELLER, BUYER)])
def test_the_aggressors_side_tells_the_taker_from_the_maker(side, taker, maker) -> None:
    """The users stand as buyer and seller, so a bought trade's taker is the first."""
    trade = Trade(
        asset="BTC",
        side=side,
        price="1",
        size="2",
        time=1_761_584_400_000,
        hash="0x" + "0" * 64,
        tid=7,
        users=(BUYER, SELLER),
    )
    assert (trade.taker, trade.maker) == (taker, maker)
