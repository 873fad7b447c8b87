"""Recorded files as what happened: blocks, minutes, and what stood before."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from kamiyo.core.errors import InvalidQuery
from kamiyo.lab.changes import public_trades
from kamiyo.lab.reading import Beginning, blocks, liquidated_minutes, market_minutes
from tests.venues import ALICE, BOB, START, a_block, a_trade, millis

HEADER = "t_ms,mark_price,oracle_price,open_interest_usd,depth_usd\n"


def test_what_cannot_be_read_is_left_out() -> None:
    """A broken line, a line without a time and a fill without a price do not stop the tape."""
    whole = a_block(0, a_trade(), a_trade(tid=2))
    lines = [
        b"{",
        whole.replace(b'"block_time":"2', b'"block_time":"x'),
        whole.replace(b'"px":"100.5",', b"", 1),
    ]
    [block] = blocks(lines)
    assert len(block.rows) == 3


def test_a_row_is_known_sixty_seconds_after_its_minute_began(tmp_path: Path) -> None:
    """Nobody could know a minute's figures before it was over."""
    path = tmp_path / "minutes.csv"
    path.write_text(f"{HEADER}{millis(START)},0.17,0.171,1700,8000\n")
    [row] = market_minutes(path, "POPCAT")
    assert row.at == START + timedelta(seconds=60)
    assert (row.asset, row.mark_price, row.depth_usd) == ("POPCAT", "0.17", "8000")


def test_sums_of_liquidations_are_read_with_their_time(tmp_path: Path) -> None:
    """The other series says what was liquidated and what of it was taken over, a minute later too."""
    path = tmp_path / "liquidations.csv"
    path.write_text(f"t_ms,liquidated_usd,backstop_usd\n{millis(START)},1083,0.5\n\n")
    assert list(liquidated_minutes(path)) == [(START + timedelta(seconds=60), Decimal(1083), Decimal("0.5"))]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("t,mark\n1,2\n", "begins with"),
        (HEADER + "1,2,3,4\n", "line 2"),
        (HEADER + "1,2,3,4,nan\n", "line 2"),
        (HEADER + "5,1,1,1,1\n5,1,1,1,1\n", "line 3"),
        (HEADER + "1.5,1,1,1,1\n", "line 2"),
    ],
)
def test_a_series_that_is_none_is_refused_with_its_place(tmp_path: Path, content: str, said: str) -> None:
    """Another header, a missing or unreadable number and a time that does not go on name the line."""
    path = tmp_path / "minutes.csv"
    path.write_text(content)
    with pytest.raises(InvalidQuery, match=said):
        list(market_minutes(path, "POPCAT"))


def test_the_beginning_is_what_the_first_rows_say() -> None:
    """Positions and prices before the first fill are that fill's own word; later ones change nothing."""
    known = Beginning()
    named = {"liquidatedUser": BOB, "markPx": "98.7", "method": "market"}
    lines = [
        a_block(1, a_trade(px="100", sz="0.125", startPosition="-3", tid=1)),
        a_block(2, a_trade(px="90", sz="1.0", startPosition="-2.875", tid=2, liquidation=named)),
        a_block(0, a_trade(coin="@107", px="5", tid=3)),
    ]
    for block in blocks(lines):
        known.hear(block, len(public_trades(block.rows)))
    assert (known.blocks, known.fills, known.trades) == (3, 6, 3)
    assert (known.starts_at, known.ends_at) == (START, START + timedelta(seconds=2))
    assert known.positions == {(ALICE, "BTC"): "-3", (BOB, "BTC"): "-3"}
    assert known.prices == {"BTC": "100", "@107": "5"}
    assert known.decimals == {"BTC": 3, "@107": 2}
    assert known.liquidations == {(BOB, "BTC"): "98.7"}
    assert known.methods == {"market": 1}
