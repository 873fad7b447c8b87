"""What one row of each of the files says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, TypeVar

import msgspec

from kamiyo.core.errors import MalformedPayload
from kamiyo.core.events import AccountLiquidation, LedgerMovement, MarginMode, Side
from kamiyo.core.ids import MAINNET, Address, Asset, SourceName, parse_address, parse_asset
from kamiyo.core.money import Price, Size, Usd, parse_decimal
from kamiyo.core.time import Utc
from kamiyo.core.trade_rules import trade_has_positive_numbers
from kamiyo.core.validation import not_before_the_venue, not_from_the_future

NAME: Final = SourceName("github_historical")
LIQUIDATIONS: Final = "liquidations.csv"
LEDGER: Final = "non_mm_ledger_updates.csv"
TRADES: Final = "non_mm_trades.csv"
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    LIQUIDATIONS: ("time", "user", "liquidated_ntl_pos", "liquidated_account_value", "leverage_type"),
    LEDGER: ("time", "user", "delta_usd"),
    TRADES: ("time", "user", "coin", "side", "px", "sz", "crossed"),
}

_MOVEMENT: Final = "ledgerUpdate"  # ours: the file says by how much, and not of what kind
_MARGIN_MODES: Final = {"Cross": MarginMode.CROSS, "Isolated": MarginMode.ISOLATED}
_SIDES: Final = {"Ask": Side.SELL, "Bid": Side.BUY}
_FLAGS: Final = {"true": True, "false": False}
_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)

Cells = Mapping[str, str]
V = TypeVar("V")


class HistoricalTrade(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One account's side of a trade of early 2023. The file names no other side, no hash and no id.

    ``price`` in USD, ``size`` in base units; ``crossed`` says whether the account took.
    """

    timestamp: Utc
    user: Address
    asset: Asset
    side: Side
    price: Price
    size: Size
    crossed: bool


class _Delta(msgspec.Struct, frozen=True, omit_defaults=True):
    """A movement as JSON; ``occurrence`` counts rows of one file that say the same in everything."""

    type: str
    delta_usd: str
    occurrence: int = 1


_encode = msgspec.json.Encoder().encode


def read_liquidation(cells: Cells) -> AccountLiquidation:
    """An account that was liquidated; which positions it had is not said."""
    return AccountLiquidation(
        source=NAME,
        chain=MAINNET,
        user=parse_address(cells["user"]),
        timestamp=_moment(cells["time"]),
        hash=None,
        amount_usd=Usd(parse_decimal(cells["liquidated_ntl_pos"])),
        account_value=Usd(parse_decimal(cells["liquidated_account_value"])),
        margin_mode=_one_of(_MARGIN_MODES, cells["leverage_type"], rule="unknown_leverage_type"),
        positions=(),
    )


def read_movement(cells: Cells, occurrence: int) -> LedgerMovement:
    """Collateral that came or went; the number as it is written."""
    parse_decimal(cells["delta_usd"])
    return LedgerMovement(
        source=NAME,
        chain=MAINNET,
        users=(parse_address(cells["user"]),),
        type=_MOVEMENT,
        timestamp=_moment(cells["time"]),
        hash=None,
        delta=_encode(_Delta(_MOVEMENT, cells["delta_usd"], occurrence)),
    )


def read_trade(cells: Cells, now: datetime) -> HistoricalTrade:
    """A trade that keeps the rules every trade must: it is counted and so passes no other door."""
    trade = HistoricalTrade(
        timestamp=_moment(cells["time"]),
        user=parse_address(cells["user"]),
        asset=parse_asset(cells["coin"]),
        side=_one_of(_SIDES, cells["side"], rule="unknown_order_side"),
        price=Price(_above_zero(cells["px"])),
        size=Size(_above_zero(cells["sz"])),
        crossed=_one_of(_FLAGS, cells["crossed"], rule="not_a_flag"),
    )
    if not not_before_the_venue(trade.timestamp):
        raise MalformedPayload(f"a trade of {cells['time']}", rule=not_before_the_venue.__name__)
    if not not_from_the_future(trade.timestamp, now):
        raise MalformedPayload(f"a trade of {cells['time']}", rule=not_from_the_future.__name__)
    return trade


def _moment(text: str) -> datetime:
    try:
        if _TIME.fullmatch(text):
            return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise MalformedPayload(f"no time with its zone: {text[:64]!r}", rule="not_a_time")


def _above_zero(text: str) -> Decimal:
    number = parse_decimal(text)
    if number <= 0:
        raise MalformedPayload(f"not above zero: {text[:64]!r}", rule=trade_has_positive_numbers.__name__)
    return number


def _one_of(known: Mapping[str, V], text: str, *, rule: str) -> V:
    if text not in known:
        raise MalformedPayload(f"none of {', '.join(known)}: {text[:64]!r}", rule=rule)
    return known[text]
