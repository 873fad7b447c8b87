"""Answers about accounts and vaults, and the states that follow from them."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from msgspec.structs import asdict

from kamiyo.core.errors import MalformedPayload, NoSuchThing
from kamiyo.core.events import MarginMode
from kamiyo.core.ids import Chain, SourceName
from kamiyo.core.margin import Direction
from kamiyo.core.states import AccountState, Position, VaultState
from kamiyo.core.time import from_millis
from kamiyo.hyperliquid.accounts import (
    account_state,
    decode_account_updates,
    decode_portfolio,
    decode_role,
    decode_spot_account,
    decode_user_fills,
    decode_vault,
    decode_vault_equities,
    vault_children,
    vault_state,
)
from kamiyo.hyperliquid.wire import WireFill
from tests.answers import (
    CHILD,
    HASH,
    MILLIS,
    USER,
    VAULT,
    account,
    account_update,
    fill,
    portfolio,
    position,
    spot_account,
    vault,
    vault_equity,
)

AT = datetime(2026, 9, 25, 18, 1, tzinfo=UTC)
API, CHAIN = SourceName("hyperliquid_api"), Chain("hyperliquid")

encode = msgspec.json.encode


def state(*positions, dex: str = "", user: str = USER, **changes) -> AccountState:
    return account_state(user, dex, encode(account(*positions, **changes)), source=API, chain=CHAIN)


def held(**changes) -> Position:
    (only,) = state(position(**changes)).positions
    return only


def vault_as_told(**changes) -> VaultState:
    return vault_state(encode(vault(**changes)), at=AT, source=API, chain=CHAIN)


# --- fills ----------------------------------------------------------------------------------------------


def test_fills_are_read_in_the_answers_order() -> None:
    """With what each says of a liquidation."""
    first, second = decode_user_fills(encode([fill(tid=1), fill(tid=2, liquidation=None)]))
    assert isinstance(first, WireFill)
    assert isinstance(second, WireFill)
    assert (first.tid, second.tid) == (1, 2)
    assert first.liquidation is not None
    assert (first.liquidation.liquidated_user, first.liquidation.mark_price) == (USER, "3000.5")
    assert second.liquidation is None


def test_one_bad_fill_is_one_bad_fill() -> None:
    """Its bytes stand in its place, and the others are read."""
    rows = [fill(tid=1), {"coin": "ETH"}, fill(tid=3, px=3000.5)]
    first, bad, third = decode_user_fills(encode(rows))
    assert bad == b'{"coin":"ETH"}'
    assert isinstance(first, WireFill)
    assert isinstance(third, WireFill)
    assert (first.tid, third.tid, third.price) == (1, 3, "3000.5")


def test_an_account_without_fills_has_none() -> None:
    """Which is how an unknown account is answered too."""
    assert decode_user_fills(b"[]") == []


@pytest.mark.parametrize("content", [b"{}", b"null", b"[{]", b"[" * 100_000])
def test_what_is_no_list_of_fills_is_malformed(content: bytes) -> None:
    """Nothing of it can be understood."""
    with pytest.raises(MalformedPayload):
        decode_user_fills(content)


# --- positions ------------------------------------------------------------------------------------------


def test_an_account_becomes_a_state() -> None:
    """At the venue's own time, with the venue's own liquidation price to the last digit."""
    told = asdict(state())
    (only,) = told.pop("positions")
    assert told == {
        "source": API,
        "chain": CHAIN,
        "protocol": "hyperliquid",
        "user": USER,
        "timestamp": from_millis(MILLIS),
        "account_value": Decimal("50041.813241"),
        "maintenance_margin": Decimal("8.008514"),
    }
    assert asdict(only) == {
        "asset": "BTC",
        "side": Direction.SHORT,
        "size": Decimal("0.00705"),
        "entry_price": Decimal("74661.5"),
        "mark_price": Decimal(61873),
        "amount_usd": Decimal("436.20465"),
        "liquidation_price": Decimal("7071249.3736100169"),
        "leverage": Decimal(20),
        "margin_mode": MarginMode.CROSS,
    }


def test_a_long_is_above_zero() -> None:
    """And its size is its own."""
    long = held(szi="4.5", positionValue="377667.0")
    assert (long.side, long.size, long.mark_price) == (Direction.LONG, Decimal("4.5"), Decimal(83926))


def test_the_mark_price_is_no_finer_than_the_venues() -> None:
    """The amount is rounded, and dividing it by the size must not invent digits."""
    assert held(szi="3.0", positionValue="0.0000100").mark_price == Decimal("0.000003")
    assert held(szi="-0.3", positionValue="0.1").mark_price == Decimal("0.333333")


@pytest.mark.parametrize("price", [None, "0.0", "-12.5"])
def test_no_liquidation_price_stays_none(price) -> None:
    """Where the venue gives none, or one that no market can reach, nothing is computed in its place."""
    assert held(liquidationPx=price).liquidation_price is None


def test_an_isolated_position_says_so() -> None:
    """With the leverage it was opened at."""
    isolated = held(leverage={"type": "isolated", "value": 12.5, "rawUsd": "-95.059824"})
    assert (isolated.margin_mode, isolated.leverage) == (MarginMode.ISOLATED, Decimal("12.5"))


def test_what_an_old_answer_leaves_out_is_unknown() -> None:
    """Sums and entry prices; the time is then the one at which it was asked."""
    old = {"assetPositions": [{"position": position(entryPx=None)}], "withdrawable": "1.0"}
    told = account_state(USER, "", encode(old), source=API, chain=CHAIN, asked_at=AT)
    assert (told.account_value, told.maintenance_margin, told.timestamp) == (None, None, AT)
    assert told.positions[0].entry_price is None


def test_an_answer_without_any_time_is_refused() -> None:
    """A state replaces older ones, so it must be known when it was."""
    with pytest.raises(MalformedPayload) as caught:
        state(time=None)
    assert caught.value.rule == "not_a_time"


@pytest.mark.parametrize("millis", [-1, 0, 2**62])
def test_a_time_out_of_the_world_is_refused(millis: int) -> None:
    """Before the venue opened or after the calendar ends."""
    with pytest.raises(MalformedPayload) as caught:
        state(time=millis)
    assert caught.value.rule == "time_out_of_range"


def test_a_builders_dex_is_a_protocol_of_its_own() -> None:
    """An account has one state on each dex."""
    told = state(position(coin="xyz:TSLA"), dex="xyz", user="0x" + USER[2:].upper())
    assert (told.protocol, told.user, told.positions[0].asset) == ("xyz", USER, "xyz:TSLA")


def test_an_account_without_positions_is_a_state() -> None:
    """It replaces what was known of them; a closed one that is still listed is none."""
    assert state(assetPositions=[]).positions == ()
    assert state(position(szi="0.0", positionValue="0.0")).positions == ()


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"szi": "NaN"}, "not_a_number"),
        ({"positionValue": "Infinity"}, "not_a_number"),
        ({"liquidationPx": "1e5"}, "not_a_number"),
        ({"entryPx": ""}, "not_a_number"),
        ({"leverage": {"type": "cross", "value": "x"}}, "not_a_number"),
        ({"leverage": {"type": "portfolio", "value": 1}}, "unknown_leverage_type"),
        ({"coin": "\0"}, "not_an_asset"),
        ({"coin": None}, "malformed"),
    ],
)
def test_a_position_that_cannot_be_understood_refuses_the_state(changes, rule: str) -> None:
    """Leaving it out would say that it was closed."""
    with pytest.raises(MalformedPayload) as caught:
        state(position(), position(**changes))
    assert caught.value.rule == rule


def test_the_account_must_be_one() -> None:
    """It is what was asked for, and goes into a database."""
    with pytest.raises(MalformedPayload) as caught:
        state(user="0x12")
    assert caught.value.rule == "not_an_address"


# --- vaults ---------------------------------------------------------------------------------------------


def test_a_vault_becomes_a_state() -> None:
    """Its value is the day's newest point and its gain the newest of all time."""
    assert asdict(vault_as_told()) == {
        "source": API,
        "chain": CHAIN,
        "vault": VAULT,
        "name": "Hyperliquidity Provider (HLP)",
        "parent": None,
        "timestamp": AT,
        "account_value": Decimal("337.25"),
        "total_pnl": Decimal("-2.5"),
        "children": (CHILD,),
    }
    assert vault_children(encode(vault())) == (CHILD,)


def test_a_child_names_its_parent() -> None:
    """And has no children."""
    child = vault_as_told(relationship={"type": "child", "data": {"parentAddress": "0x" + VAULT[2:].upper()}})
    assert (child.parent, child.children) == (VAULT, ())


@pytest.mark.parametrize("relationship", [{"type": "normal"}, {"type": "normal", "data": None}])
def test_an_ordinary_vault_has_no_relatives(relationship) -> None:
    """Neither a parent nor children."""
    ordinary = vault_as_told(relationship=relationship)
    assert (ordinary.parent, ordinary.children) == (None, ())
    assert vault_children(encode(vault(relationship=relationship))) == ()


@pytest.mark.parametrize("periods", [[], [["week", portfolio()[0][1]]], [["day", {}], ["allTime", {}]]])
def test_a_vault_without_points_has_no_value(periods) -> None:
    """Unknown is not zero."""
    young = vault_as_told(portfolio=periods)
    assert (young.account_value, young.total_pnl) == (None, None)


def test_a_vaults_name_is_one_a_terminal_can_show() -> None:
    """Anybody can name a vault anything."""
    assert vault_as_told(name="a\0\x1b[2Jb\u202e").name == "a[2Jb"
    assert vault_as_told(name="x" * 5_000).name == "x" * 128


@pytest.mark.parametrize("read", [decode_vault, vault_children])
def test_null_means_that_it_is_no_vault(read) -> None:
    """Which is another thing than an answer that cannot be read."""
    with pytest.raises(NoSuchThing):
        read(b" null ")
    with pytest.raises(MalformedPayload):
        read(b"{}")


# --- what else is asked of an account -------------------------------------------------------------------


def test_a_portfolio_has_periods() -> None:
    """Each with its points."""
    periods = dict(decode_portfolio(encode(portfolio())))
    assert periods["day"].account_value_history == [(MILLIS, "337.5"), (MILLIS + 1, "337.25")]


def test_spot_balances_are_read() -> None:
    """Held back below zero is possible."""
    (usdc,) = decode_spot_account(encode(spot_account())).balances
    assert (usdc.asset, usdc.token, usdc.total, usdc.hold) == ("USDC", 0, "13.5", "-5.9")


def test_a_ledger_row_keeps_its_delta_as_it_came() -> None:
    """New types appear without notice."""
    (row,) = decode_account_updates(encode([account_update()]))
    assert (row.time, row.hash, bytes(row.delta)) == (MILLIS, HASH, b'{"type":"deposit","usdc":"1000.0"}')


def test_roles_and_shares_of_vaults_are_read() -> None:
    """A role is a word; a share has its lock."""
    assert decode_role(b'{"role":"agent","data":{"user":"0x1"}}').role == "agent"
    (share,) = decode_vault_equities(encode([vault_equity()]))
    assert (share.vault_address, share.equity, share.locked_until_timestamp) == (
        VAULT,
        "688536.0314879999",
        MILLIS,
    )
