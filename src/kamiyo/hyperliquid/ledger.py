"""What the venue's ledger says of an account: liquidated, or its collateral moved."""

from __future__ import annotations

import re
from datetime import datetime

from kamiyo.core.errors import MalformedPayload
from kamiyo.core.events import AccountLiquidation, LedgerMovement, MarginMode
from kamiyo.core.ids import (
    Address,
    Asset,
    Chain,
    SourceName,
    parse_address,
    parse_asset,
    parse_transaction_hash,
)
from kamiyo.core.money import Usd, parse_decimal
from kamiyo.hyperliquid.wire import decode_delta, decode_ledger_liquidation, decode_ledger_update

_LONGEST_UPDATE = 64 << 10
_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}", re.ASCII)
_MARGIN_MODES = {"Cross": MarginMode.CROSS, "Isolated": MarginMode.ISOLATED}


def ledger_fact(
    update: bytes, *, at: datetime, hash_text: str, source: SourceName, chain: Chain
) -> AccountLiquidation | LedgerMovement:
    """A ledger update (``users`` and ``delta``) as a fact; MalformedPayload where it breaks a rule.

    A type we do not know is a movement too: new ones appear without notice. What is no JSON of the
    right shape is a msgspec.DecodeError.
    """
    if len(update) > _LONGEST_UPDATE:
        raise MalformedPayload(f"a ledger update of {len(update)} bytes", rule="ledger_update_too_large")
    told = decode_ledger_update(update)
    users = tuple(parse_address(user) for user in told.users)
    kind = decode_delta(told.delta).type
    transaction = parse_transaction_hash(hash_text)
    if kind != "liquidation":
        if _TYPE.fullmatch(kind) is None:
            raise MalformedPayload(f"not a ledger type: {kind[:64]!r}", rule="not_a_ledger_type")
        return LedgerMovement(
            source=source,
            chain=chain,
            users=users,
            type=kind,
            timestamp=at,
            hash=transaction,
            delta=bytes(told.delta),
        )
    liquidation = decode_ledger_liquidation(told.delta)
    return AccountLiquidation(
        source=source,
        chain=chain,
        user=_only(users),
        timestamp=at,
        hash=transaction,
        amount_usd=Usd(parse_decimal(liquidation.liquidated_ntl_pos)),
        account_value=Usd(parse_decimal(liquidation.account_value)),
        margin_mode=_margin_mode(liquidation.leverage_type),
        positions=tuple(_position(one.asset, one.size) for one in liquidation.liquidated_positions),
    )


def _only(users: tuple[Address, ...]) -> Address:
    if len(users) != 1:
        raise MalformedPayload(f"a liquidation of {len(users)} accounts", rule="not_one_user")
    return users[0]


def _margin_mode(leverage_type: str) -> MarginMode:
    if leverage_type not in _MARGIN_MODES:
        raise MalformedPayload(f"leverage type {leverage_type[:64]!r}", rule="unknown_leverage_type")
    return _MARGIN_MODES[leverage_type]


def _position(asset: str, size: str) -> tuple[Asset, str]:
    parse_decimal(size)
    return parse_asset(asset), size
