"""What the venue's ledger says of an account."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest

from kamiyo.core.errors import MalformedPayload
from kamiyo.core.events import AccountLiquidation, LedgerMovement, MarginMode
from kamiyo.core.ids import Chain, SourceName
from kamiyo.hyperliquid.ledger import ledger_fact

AT = datetime(2024, 6, 24, 9, 33, 27, tzinfo=UTC)
USER, OTHER = "0x" + "1" * 40, "0x" + "A" * 40
HASH = "0x" + "ab" * 32


def fact(delta: dict, users: tuple[str, ...] = (USER,), hash_text: str = HASH):
    update = msgspec.json.encode({"users": users, "delta": delta})
    return ledger_fact(
        update, at=AT, hash_text=hash_text, source=SourceName("hyperliquid_node"), chain=Chain("hyperliquid")
    )


def liquidation(**changes) -> dict:
    return {
        "type": "liquidation",
        "liquidatedNtlPos": "54187.21188",
        "accountValue": "-3.5",
        "leverageType": "Isolated",
        "liquidatedPositions": [{"coin": "ETH", "szi": "16.5908"}, {"coin": "xyz:TSLA", "szi": "-2"}],
    } | changes


def test_a_liquidation_names_the_account_and_what_it_held() -> None:
    """In full, with the signed sizes in the venue's text."""
    told = fact(liquidation())
    assert isinstance(told, AccountLiquidation)
    assert (told.user, told.timestamp, told.hash) == (USER, AT, HASH)
    assert (told.amount_usd, told.account_value) == (Decimal("54187.21188"), Decimal("-3.5"))
    assert told.positions == (("ETH", "16.5908"), ("xyz:TSLA", "-2"))
    assert told.margin_mode is MarginMode.ISOLATED


def test_a_cross_liquidation_says_so() -> None:
    """The venue writes the mode with a capital."""
    told = fact(liquidation(leverageType="Cross"))
    assert isinstance(told, AccountLiquidation)
    assert told.margin_mode is MarginMode.CROSS


@pytest.mark.parametrize("kind", ["deposit", "aTypeOfTomorrow"])
def test_everything_else_is_a_movement_kept_whole(kind: str) -> None:
    """Known type or not, with all users in lower case; the zero hash names no transaction."""
    delta = {"type": kind, "usdc": "1.0", "more": [1, {"x": None}]}
    told = fact(delta, (USER, OTHER), "0x" + "0" * 64)
    assert isinstance(told, LedgerMovement)
    assert (told.type, told.users, told.hash) == (kind, (USER, OTHER.lower()), None)
    assert told.delta == msgspec.json.encode(delta)


@pytest.mark.parametrize(
    ("delta", "users", "rule"),
    [
        (liquidation(), (), "not_one_user"),
        (liquidation(), (USER, OTHER), "not_one_user"),
        (liquidation(), ("somebody",), "not_an_address"),
        (liquidation(leverageType="Portfolio"), (USER,), "unknown_leverage_type"),
        (liquidation(liquidatedNtlPos="NaN"), (USER,), "not_a_number"),
        (liquidation(accountValue="Infinity"), (USER,), "not_a_number"),
        (liquidation(liquidatedPositions=[{"coin": "ETH", "szi": "1e9"}]), (USER,), "not_a_number"),
        (liquidation(liquidatedPositions=[{"coin": "E T H", "szi": "1"}]), (USER,), "not_an_asset"),
        ({"type": "deposit\x00"}, (USER,), "not_a_ledger_type"),
        ({"type": ""}, (USER,), "not_a_ledger_type"),
        ({"type": "deposit", "note": "x" * 65_536}, (USER,), "ledger_update_too_large"),
    ],
)
def test_what_breaks_a_rule_is_refused_by_its_name(delta: dict, users: tuple[str, ...], rule: str) -> None:
    """Nothing is guessed and nothing unbounded is kept."""
    with pytest.raises(MalformedPayload) as refused:
        fact(delta, users)
    assert refused.value.rule == rule


def test_a_bad_hash_is_refused() -> None:
    """It would be part of the fact's identity."""
    with pytest.raises(MalformedPayload) as refused:
        fact({"type": "deposit"}, hash_text="0x1")
    assert refused.value.rule == "not_a_transaction_hash"


def test_another_shape_is_the_decoders_error() -> None:
    """Its caller knows what it was part of."""
    with pytest.raises(msgspec.DecodeError):
        fact({"usdc": "1.0"})
