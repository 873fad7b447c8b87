"""Who is near liquidation, who is asked about next, and whose trade looks like a liquidation."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from kamiyo.core.events import Side
from kamiyo.core.ids import Address, Asset
from kamiyo.core.margin import Direction
from kamiyo.core.money import Price
from kamiyo.hyperliquid.watch import NEAR, Watchlist
from tests.builders import MAKER, NOW, VICTIM, a_position, a_trade, an_account_state

OTHER = Address("0x" + "9" * 40)


def at(seconds: int) -> datetime:
    return NOW + timedelta(seconds=seconds)


def a_long(limit: str | None, mark: str = "100", asset: str = "ETH"):
    return a_position(
        asset=Asset(asset),
        side=Direction.LONG,
        mark_price=Price(Decimal(mark)),
        liquidation_price=None if limit is None else Price(Decimal(limit)),
    )


def watching(*users: Address, capacity: int = 10) -> Watchlist:
    watchlist = Watchlist(capacity)
    watchlist.replace(users)
    return watchlist


def learned(watchlist: Watchlist, user: Address, *positions, now: datetime = NOW) -> None:
    watchlist.learn(an_account_state(*positions, user=user), now)


def test_all_are_asked_about_in_turn() -> None:
    """Who is nowhere near waits until everybody else was asked about."""
    watchlist = watching(VICTIM, MAKER, OTHER)
    learned(watchlist, VICTIM, a_long("10"))
    learned(watchlist, MAKER, a_long(None))
    assert [watchlist.next_due(NOW) for _ in range(4)] == [VICTIM, MAKER, OTHER, VICTIM]


def test_nobody_is_asked_about_where_nobody_is_tracked() -> None:
    """An empty list has no turn."""
    assert Watchlist(0).next_due(NOW) is None
    assert Watchlist(1).suspicious([a_trade()], NOW) == []
    assert not Watchlist(0)


@pytest.mark.parametrize(("limit", "pause"), [("99.5", NEAR[0][1]), ("98", NEAR[1][1]), ("91", NEAR[2][1])])
def test_the_nearer_the_sooner(limit: str, pause: timedelta) -> None:
    """The share of the mark that is left decides when an account is asked about again."""
    watchlist = watching(MAKER, VICTIM, OTHER)
    learned(watchlist, OTHER, a_long(limit), a_long(None, asset="BTC"), a_long("1", asset="SOL"))
    before = NOW + pause - timedelta(milliseconds=1)
    assert [watchlist.next_due(before), watchlist.next_due(NOW + pause)] == [MAKER, OTHER]


def test_a_short_is_near_from_below() -> None:
    """Its mark has to rise; one already beyond its limit is nearer than any other."""
    watchlist = watching(MAKER, VICTIM)
    short = a_position(
        side=Direction.SHORT, mark_price=Price(Decimal(100)), liquidation_price=Price(Decimal(99))
    )
    learned(watchlist, VICTIM, short)
    assert watchlist.next_due(NOW + NEAR[0][1]) == VICTIM


def test_who_is_near_does_not_starve_the_others() -> None:
    """After two of them it is somebody's turn, however many are due."""
    watchlist = watching(MAKER, VICTIM, OTHER)
    for user in (VICTIM, OTHER):
        learned(watchlist, user, a_long("99.9"))
    now = at(60)
    assert {watchlist.next_due(now), watchlist.next_due(now)} == {VICTIM, OTHER}
    learned(watchlist, VICTIM, a_long("99.9"))
    assert watchlist.next_due(now) == MAKER


def test_newer_marks_change_who_is_near() -> None:
    """A position far from liquidation when it was read is asked about once its market has fallen."""
    watchlist = watching(MAKER, VICTIM)
    learned(watchlist, VICTIM, a_long("50"))
    assert watchlist.assets == {"ETH"}
    watchlist.reprice({Asset("BTC"): Price(Decimal(1))})
    assert watchlist.next_due(at(3600)) == MAKER
    watchlist.reprice({Asset("ETH"): Price(Decimal("50.1"))})
    watchlist.reprice({Asset("ETH"): Price(Decimal("50.1"))})
    assert watchlist.next_due(at(20)) == VICTIM


def test_a_tracked_taker_at_his_limit_is_suspicious_once() -> None:
    """At or beyond his liquidation price he is asked about at once, and not suspected again until then."""
    watchlist = watching(MAKER, VICTIM)
    learned(watchlist, VICTIM, a_long("3000"))
    beyond = a_trade(price="2999.9", users=(MAKER, VICTIM))
    again = a_trade(price="2990", tid=5)
    assert watchlist.suspicious([a_trade(price="3000.1"), beyond, again], NOW) == [beyond]
    assert watchlist.suspicious([beyond], NOW) == []
    assert watchlist.next_due(NOW) == VICTIM
    learned(watchlist, VICTIM, a_long("3000"))
    assert watchlist.suspicious([a_trade(price="3000.0")], NOW) != []


@pytest.mark.parametrize(
    "changes",
    [
        {"side": Side.BUY, "users": (VICTIM, MAKER), "price": "2999"},  # buys more of what he holds
        {"users": (VICTIM, MAKER), "price": "2999"},  # the other sold
        {"price": "3000.1"},
        {"price": "NaN"},
        {"asset": "BTC", "price": "2999"},
    ],
)
def test_other_trades_are_not_suspicious(changes) -> None:
    """Only the taker's own closing counts, and only at a price that is one."""
    watchlist = watching(VICTIM)
    learned(watchlist, VICTIM, a_long("3000"))
    assert watchlist.suspicious([a_trade(**changes)], NOW) == []
    assert watchlist.suspicious([], NOW) == []


def test_a_short_is_suspicious_when_he_buys_at_or_above_his_limit() -> None:
    """The mirror image of a long."""
    watchlist = watching(VICTIM)
    short = a_position(side=Direction.SHORT, liquidation_price=Price(Decimal(3000)))
    learned(watchlist, VICTIM, short)
    buys = {"side": Side.BUY, "users": (VICTIM, MAKER)}
    assert watchlist.suspicious([a_trade(price="2999", **buys)], NOW) == []
    assert len(watchlist.suspicious([a_trade(price="3000", **buys)], NOW)) == 1


def test_a_new_universe_keeps_what_is_known_of_who_stays() -> None:
    """Who is gone is forgotten with his positions and his turn, and what is told of him is not taken."""
    watchlist = watching(VICTIM, MAKER)
    for user in (VICTIM, MAKER):
        learned(watchlist, user, a_long("3000", mark="3001"))
    watchlist.replace([MAKER, OTHER])
    learned(watchlist, VICTIM, a_long("3000"))
    assert len(watchlist) == 2
    assert watchlist.suspicious([a_trade(users=(MAKER, VICTIM), price="1")], NOW) == []
    assert [watchlist.next_due(at(20)) for _ in range(3)] == [MAKER, MAKER, OTHER]


def test_no_more_are_tracked_than_there_is_room_for() -> None:
    """The first of a universe stay; one more is added only where somebody is missing."""
    watchlist = watching(VICTIM, VICTIM, MAKER, OTHER, capacity=2)
    watchlist.add(OTHER)
    assert len(watchlist) == 2
    watchlist.replace([MAKER])
    watchlist.add(OTHER)
    watchlist.add(OTHER)
    assert len(watchlist) == 2
