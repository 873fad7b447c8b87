"""What the venue answers about accounts and vaults, and the states that follow from it.

The venue's own ``liquidationPx`` is the truth: for unified and portfolio-margin accounts no formula over one
dex's answer gives it (EXTERNAL-APIS 2.6).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from kamiyo.core.errors import MalformedPayload, NoSuchThing
from kamiyo.core.events import MarginMode
from kamiyo.core.ids import Address, Chain, Protocol, SourceName, parse_address, parse_asset
from kamiyo.core.margin import Direction
from kamiyo.core.markets import FIRST_DEX
from kamiyo.core.money import Price, Size, Usd, parse_decimal
from kamiyo.core.states import AccountState, Position, VaultState
from kamiyo.core.time import from_millis
from kamiyo.hyperliquid.fills import FIRST_MILLIS, LAST_MILLIS
from kamiyo.hyperliquid.reading import reader
from kamiyo.hyperliquid.wire import WireFill

_LONGEST_NAME = 128
_FINEST_PRICE = Decimal("0.000001")  # no perpetual is quoted finer

# --- fills --------------------------------------------------------------------------------------------------

_fills = reader(list[WireFill])
_fill = reader(WireFill)
_rows = reader(list[msgspec.Raw])


def decode_user_fills(content: bytes | msgspec.Raw) -> list[WireFill | bytes]:
    """An account's fills in the answer's order; the bytes of each one that cannot be read in its place."""
    try:
        return [*_fills(content)]
    except MalformedPayload:
        return [_fill_or_bytes(row) for row in _rows(content)]


def _fill_or_bytes(row: msgspec.Raw) -> WireFill | bytes:
    try:
        return _fill(row)
    except MalformedPayload:
        return bytes(row)


# --- positions ----------------------------------------------------------------------------------------------


class WireLeverage(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """``type`` is cross or isolated; ``raw_usd`` only the second has."""

    type: str
    value: str | int
    raw_usd: str | None = None


class WirePosition(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={
        "asset": "coin",
        "size": "szi",
        "entry_price": "entryPx",
        "amount_usd": "positionValue",
        "liquidation_price": "liquidationPx",
    },
):
    """A position, its size below zero where it is short."""

    asset: str
    size: str
    amount_usd: str
    leverage: WireLeverage
    entry_price: str | None = None
    liquidation_price: str | None = None


class WireAssetPosition(msgspec.Struct, frozen=True):
    """A position in the wrapping the venue gives it."""

    position: WirePosition


class WireMarginSummary(msgspec.Struct, frozen=True, rename="camel"):
    """An account's sums on one dex, in its collateral."""

    account_value: str


class WireAccount(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One account on one dex."""

    asset_positions: list[WireAssetPosition]
    margin_summary: WireMarginSummary | None = None
    cross_maintenance_margin_used: str | None = None
    time: int | None = None


decode_account = reader(WireAccount)


def account_state(
    user: str,
    dex: str,
    content: bytes | msgspec.Raw,
    *,
    source: SourceName,
    chain: Chain,
    asked_at: datetime | None = None,
) -> AccountState:
    """All positions of one account on one dex; ``asked_at`` is its time where the answer says none."""
    account = decode_account(content)
    summary, maintenance = account.margin_summary, account.cross_maintenance_margin_used
    return AccountState(
        source=source,
        chain=chain,
        protocol=Protocol(dex) if dex else FIRST_DEX,
        user=parse_address(user),
        timestamp=_moment(account.time, asked_at),
        account_value=None if summary is None else Usd(parse_decimal(summary.account_value)),
        maintenance_margin=None if maintenance is None else Usd(parse_decimal(maintenance)),
        positions=tuple(
            _position(each.position) for each in account.asset_positions if parse_decimal(each.position.size)
        ),
    )


def _position(told: WirePosition) -> Position:
    size, amount, entry = parse_decimal(told.size), parse_decimal(told.amount_usd), told.entry_price
    return Position(
        asset=parse_asset(told.asset),
        side=Direction.LONG if size > 0 else Direction.SHORT,
        size=Size(abs(size)),
        entry_price=None if entry is None else Price(parse_decimal(entry)),
        mark_price=Price((amount / abs(size)).quantize(_FINEST_PRICE)),
        amount_usd=Usd(amount),
        liquidation_price=_liquidation_price(told.liquidation_price),
        leverage=parse_decimal(str(told.leverage.value)),
        margin_mode=_margin_mode(told.leverage.type),
    )


def _liquidation_price(text: str | None) -> Price | None:
    """None also where the formula's solution is one that no market can reach."""
    if text is None or (number := parse_decimal(text)) <= 0:
        return None
    return Price(number)


def _margin_mode(told: str) -> MarginMode:
    try:
        return MarginMode(told)
    except ValueError as error:
        raise MalformedPayload(f"leverage type {told[:64]!r}", rule="unknown_leverage_type") from error


def _moment(millis: int | None, otherwise: datetime | None) -> datetime:
    if millis is None:
        if otherwise is None:
            raise MalformedPayload("the answer says no time", rule="not_a_time")
        return otherwise
    if not FIRST_MILLIS <= millis < LAST_MILLIS:
        raise MalformedPayload(f"time out of range: {millis}", rule="time_out_of_range")
    return from_millis(millis)


# --- vaults -------------------------------------------------------------------------------------------------


class WireHistory(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A period's points of time in milliseconds and amount, the newest last."""

    account_value_history: list[tuple[int, str]] = []
    pnl_history: list[tuple[int, str]] = []


class WireRelatives(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Whose vault it is part of, or which are part of it."""

    child_addresses: list[str] = []
    parent_address: str | None = None


class WireRelationship(msgspec.Struct, frozen=True):
    """``type`` is normal, parent or child."""

    type: str
    data: WireRelatives | None = None


class WireVault(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A vault without its followers."""

    name: str
    vault_address: str
    leader: str | None = None
    portfolio: list[tuple[str, WireHistory]] = []
    relationship: WireRelationship = WireRelationship("normal")


decode_portfolio = reader(list[tuple[str, WireHistory]])
_vault = reader(WireVault)


def decode_vault(content: bytes | msgspec.Raw) -> WireVault:
    """A vault; NoSuchThing for the ``null`` that is answered of an address that is none."""
    if bytes(content).strip() == b"null":
        raise NoSuchThing("vaultDetails: not the address of a vault")
    return _vault(content)


def vault_state(
    content: bytes | msgspec.Raw, *, at: datetime, source: SourceName, chain: Chain
) -> VaultState:
    """A vault as it stands: its value is the day's newest point, its gain the newest of all time."""
    vault = decode_vault(content)
    periods = dict(vault.portfolio)
    day, ever = periods.get("day"), periods.get("allTime")
    relatives = vault.relationship.data
    parent = None if relatives is None else relatives.parent_address
    return VaultState(
        source=source,
        chain=chain,
        vault=parse_address(vault.vault_address),
        name="".join(filter(str.isprintable, vault.name))[:_LONGEST_NAME],
        parent=None if parent is None else parse_address(parent),
        timestamp=at,
        account_value=None if day is None else _newest(day.account_value_history),
        total_pnl=None if ever is None else _newest(ever.pnl_history),
        children=_children(vault),
    )


def vault_children(content: bytes | msgspec.Raw) -> tuple[Address, ...]:
    """The vaults a vault consists of, which hold its positions; none of an ordinary one."""
    return _children(decode_vault(content))


def _children(vault: WireVault) -> tuple[Address, ...]:
    relatives = vault.relationship.data
    return () if relatives is None else tuple(map(parse_address, relatives.child_addresses))


def _newest(points: Sequence[tuple[int, str]]) -> Usd | None:
    return Usd(parse_decimal(points[-1][1])) if points else None


# --- what else is asked of an account -----------------------------------------------------------------------


class WireBalance(
    msgspec.Struct, frozen=True, kw_only=True, rename={"asset": "coin", "entry_amount_usd": "entryNtl"}
):
    """A token an account holds on the spot market, and how much of it is held back."""

    asset: str
    token: int
    total: str
    hold: str
    entry_amount_usd: str | None = None


class WireSpotAccount(msgspec.Struct, frozen=True):
    """What an account holds on the spot market."""

    balances: list[WireBalance]


class WireAccountUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """A row of an account's ledger: collateral moved or a position was taken; ``delta`` as it came."""

    time: int
    hash: str
    delta: msgspec.Raw


class WireRole(msgspec.Struct, frozen=True):
    """What an address is: user, vault, agent, subAccount or missing."""

    role: str


class WireVaultEquity(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What an account has in a vault, and until when in milliseconds."""

    vault_address: str
    equity: str
    locked_until_timestamp: int | None = None


decode_spot_account = reader(WireSpotAccount)
decode_account_updates = reader(list[WireAccountUpdate])
decode_role = reader(WireRole)
decode_vault_equities = reader(list[WireVaultEquity])
