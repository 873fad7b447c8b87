"""One fill confirms a liquidation, and the public trades of it complete it: no more, no fewer, each once."""

from datetime import timedelta

import msgspec
import pytest

from kamiyo.core.errors import MalformedPayload
from kamiyo.core.events import FillRole, LiquidationMethod, NamedLiquidation, Side
from kamiyo.core.liquidations import liquidation_id
from kamiyo.core.margin import Direction
from kamiyo.core.time import to_millis
from kamiyo.hyperliquid.channels import decode_trades_frame
from kamiyo.hyperliquid.confirmation import (
    KEPT_FOR,
    Confirmations,
    ConfirmedTrade,
    completed_fill,
    decode_confirmed,
    encode_confirmed,
)
from tests.builders import (
    API,
    CHAIN,
    HASH,
    MAKER,
    NOW,
    OTHER_HASH,
    OTHER_VICTIM,
    VAULT,
    VICTIM,
    ZERO_HASH,
    a_liquidated_fill,
    a_maker_row,
    a_trade,
    a_trades_frame,
    a_wire_fill,
)

NOW_MILLIS = to_millis(NOW)
CONFIRMING = a_wire_fill(a_maker_row(tid=101))


def hear(confirmations: Confirmations, *trades, now: int = NOW_MILLIS) -> list[int]:
    times = [trade.time for trade in trades]
    heard = confirmations.hear(list(trades), a_trades_frame(*trades), (min(times), max(times)), now)
    return [each.trade.tid for each in heard]


def remembering(**changes: int) -> Confirmations:
    return Confirmations(decode_trades_frame, **changes)


def confirm(confirmations: Confirmations, fill=CONFIRMING, user=MAKER, now: int = NOW_MILLIS) -> list[int]:
    return [each.trade.tid for each in confirmations.confirm(user, fill, now)]


def test_trades_before_and_after_the_fill_are_completed() -> None:
    """Those of the same hash, asset and taker, whoever was the maker; not the one the fill itself is of."""
    confirmations = remembering()
    assert hear(confirmations, a_trade(tid=100, users=(VAULT, VICTIM)), a_trade(tid=101)) == []
    assert confirm(confirmations) == [100]
    assert hear(confirmations, a_trade(tid=102)) == [102]


@pytest.mark.parametrize(
    "changes",
    [
        {"hash": OTHER_HASH},
        {"asset": "BTC"},
        {"users": (MAKER, OTHER_VICTIM)},  # one hash is not one victim
        {"side": Side.BUY},  # then the victim is the maker
        {"side": Side.BUY, "users": (VICTIM, MAKER)},  # who is sold out buys nothing
    ],
)
def test_other_trades_are_not(changes) -> None:
    """Neither those kept when the fill comes nor those that come later."""
    confirmations = remembering()
    assert hear(confirmations, a_trade(tid=100, **changes)) == []
    assert confirm(confirmations) == []
    assert hear(confirmations, a_trade(tid=102, **changes)) == []


def test_nothing_is_told_twice() -> None:
    """Repeated frames, repeated fills and the fills of other makers add only what is new."""
    confirmations = remembering()
    confirm(confirmations)
    assert hear(confirmations, a_trade(tid=102), a_trade(tid=102)) == [102]
    assert hear(confirmations, a_trade(tid=101), a_trade(tid=102)) == []
    assert confirm(confirmations) == []
    other = a_wire_fill(a_maker_row(tid=103))
    assert confirm(confirmations, other, VAULT) == []
    assert hear(confirmations, a_trade(tid=103)) == []


def test_one_hash_may_liquidate_several() -> None:
    """Each of them is confirmed by a fill that names him."""
    confirmations = remembering()
    confirm(confirmations)
    named = NamedLiquidation(liquidated_user=OTHER_VICTIM, mark_price="3000", method="market")
    theirs = a_trade(tid=200, users=(MAKER, OTHER_VICTIM))
    assert hear(confirmations, theirs) == []
    assert confirm(confirmations, a_wire_fill(a_maker_row(tid=201, liquidation=named))) == [200]


@pytest.mark.parametrize(
    "changes",
    [
        {"liquidation": None},
        {"hash": ZERO_HASH},
        {"hash": "0x12"},
        {"liquidation": NamedLiquidation(liquidated_user=VICTIM, mark_price="1", method="backstop")},
        {"liquidation": NamedLiquidation(liquidated_user=VICTIM, mark_price="1", method="new")},
        {"direction_text": "Auto-Deleveraging"},
    ],
)
def test_only_a_fill_of_the_book_confirms(changes) -> None:
    """A take-over is no public trade, a zero hash names none, and what is malformed says nothing."""
    confirmations = remembering()
    transaction = changes.get("hash", HASH)
    hear(confirmations, a_trade(tid=100, hash=transaction))
    assert confirm(confirmations, a_wire_fill(a_maker_row(**changes))) == []
    assert hear(confirmations, a_trade(tid=102, hash=transaction)) == []


def test_frames_are_kept_for_a_bounded_time() -> None:
    """What is too old is not found any more, and takes no room."""
    confirmations = remembering()
    hear(confirmations, a_trade(tid=100))
    late = NOW_MILLIS + KEPT_FOR // timedelta(milliseconds=1) + 1
    hear(confirmations, a_trade(tid=5, asset="BTC", hash=OTHER_HASH), now=late)
    assert confirmations.kept_bytes == len(a_trades_frame(a_trade(tid=5, asset="BTC", hash=OTHER_HASH)))
    assert confirm(confirmations, now=late) == []


def test_frames_are_kept_in_a_bounded_room() -> None:
    """The oldest go first, of whatever asset they are."""
    size = len(a_trades_frame(a_trade(tid=100)))
    confirmations = remembering(capacity_bytes=2 * size)
    for tid in (100, 102, 103):
        hear(confirmations, a_trade(tid=tid))
    assert confirmations.kept_bytes == 2 * size
    assert confirm(confirmations) == [102, 103]


def test_confirmed_liquidations_are_kept_for_a_bounded_time_and_number() -> None:
    """What comes after that is not completed."""
    confirmations = remembering(capacity=1)
    confirm(confirmations)
    confirm(confirmations, a_wire_fill(a_maker_row(tid=300, hash=OTHER_HASH)))
    assert hear(confirmations, a_trade(tid=102)) == []
    assert hear(confirmations, a_trade(tid=302, hash=OTHER_HASH)) == [302]
    late = NOW_MILLIS + KEPT_FOR // timedelta(milliseconds=1) + 1
    assert hear(confirmations, a_trade(tid=303, hash=OTHER_HASH), now=late) == []


def test_only_what_holds_trades_of_the_fills_moment_is_searched() -> None:
    """A hash is of one moment; history and news that came together hold several."""
    confirmations = remembering()
    hear(confirmations, a_trade(tid=99, time=CONFIRMING.time - 1))
    hear(confirmations, a_trade(tid=98, time=CONFIRMING.time + 1))
    early, late = (a_trade(tid=5, time=CONFIRMING.time + apart, hash=OTHER_HASH) for apart in (-9, 9))
    hear(confirmations, early, a_trade(tid=100), late)
    assert confirm(confirmations) == [100]


def told(trade=None, fill=CONFIRMING, user=MAKER) -> ConfirmedTrade:
    return ConfirmedTrade((user, fill), trade or a_trade(tid=102))


def test_a_completed_trade_is_a_liquidated_fill() -> None:
    """It knows price, size and side of the trade, the mark of the fill, and nothing else."""
    fill = completed_fill(told(), source=API, chain=CHAIN)
    like = a_liquidated_fill(
        source=API,
        tid=102,
        role=FillRole.PUBLIC,
        direction_text="",
        closed_pnl=None,
        fee=None,
        position_size_before=None,
        counterparty=MAKER,
    )
    assert fill == like
    assert fill.method is LiquidationMethod.MARKET
    assert liquidation_id(fill) == liquidation_id(a_liquidated_fill())


def test_a_trade_whose_maker_has_no_address_is_refused() -> None:
    """Whoever took the other side is part of what is told, and no text of the venue's is stored unseen."""
    with pytest.raises(MalformedPayload):
        completed_fill(told(a_trade(tid=102, users=("0xnobody", VICTIM))), source=API, chain=CHAIN)


def test_who_buys_loses_a_short() -> None:
    """The side is the mirror image of the taker's."""
    bought = a_trade(tid=102, side=Side.BUY, users=(VICTIM, MAKER))
    sold = a_wire_fill(a_maker_row(tid=101, side=Side.SELL, direction_text="Open Short"))
    fill = completed_fill(told(bought, fill=sold), source=API, chain=CHAIN)
    assert (fill.side, fill.user, fill.mark_price) == (Direction.SHORT, VICTIM, "3000.5")


def test_the_payload_is_read_back_as_it_was() -> None:
    """In the venue's names, so that whoever judges it again reads it like any other payload."""
    payload = encode_confirmed(told())
    assert decode_confirmed(payload) == told()
    plain = msgspec.json.decode(payload)
    assert plain["confirmed"][1]["liquidation"]["liquidatedUser"] == VICTIM
    assert plain["trade"]["coin"] == "ETH"


@pytest.mark.parametrize(
    "wrong",
    [
        told(a_trade(hash=OTHER_HASH)),
        told(a_trade(users=(MAKER, OTHER_VICTIM))),
        told(a_trade(users=(VICTIM, MAKER), side=Side.BUY)),
        told(fill=a_wire_fill(a_maker_row(liquidation=None))),
    ],
)
def test_a_fill_confirms_no_other_trade(wrong: ConfirmedTrade) -> None:
    """A payload that says so is refused, whoever made it."""
    with pytest.raises(MalformedPayload) as caught:
        completed_fill(wrong, source=API, chain=CHAIN)
    assert caught.value.rule == "not_confirmed"
