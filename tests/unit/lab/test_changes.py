"""Rows of a block joined into the trades everybody sees."""

import msgspec

from kamiyo.lab.changes import RecordedFill, Row, public_trades
from kamiyo.lab.reading import blocks
from tests.venues import ALICE, BOB, CAROL, a_block, a_trade


def rows(*trades: list[tuple[str, dict[str, object]]]) -> list[Row]:
    [block] = blocks([a_block(0, *trades)])
    return block.rows


def test_the_taker_gives_the_side() -> None:
    """The trade's side is who crossed the book, whichever row comes first."""
    bought, sold = a_trade(ALICE, BOB, tid=1), a_trade(ALICE, CAROL, tid=2, side="A")
    trades = public_trades(rows(bought[::-1], sold))
    assert [(trade.side, trade.users) for trade in trades] == [("B", (ALICE, BOB)), ("A", (ALICE, CAROL))]


def test_a_tid_counts_within_its_asset() -> None:
    """Two assets may share a tid: they are two trades."""
    trades = public_trades(rows(a_trade(coin="BTC", tid=7), a_trade(coin="ETH", tid=7)))
    assert [trade.asset for trade in trades] == ["BTC", "ETH"]


def test_a_leg_without_its_other_makes_no_trade() -> None:
    """Half a trade is nothing the venue would publish, for nobody knows the other account."""
    [buyer, _seller] = a_trade(tid=1)
    assert public_trades(rows([buyer], a_trade(tid=2))) == public_trades(rows(a_trade(tid=2)))


def test_who_trades_with_himself_is_both_users() -> None:
    """A trade of one account with itself names it twice."""
    [trade] = public_trades(rows(a_trade(ALICE, ALICE)))
    assert trade.users == (ALICE, ALICE)


def test_a_row_keeps_its_bytes() -> None:
    """Beside what was read of a fill stand the very bytes of the recording."""
    line = a_block(0, a_trade(px="1.50", unheardOf={"a": 1.0}))
    [block] = blocks([line])
    assert all(row.recorded in line for row in block.rows)
    assert msgspec.json.decode(block.rows[0].recorded, type=RecordedFill).px == "1.50"
