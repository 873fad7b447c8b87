"""What others say happened: orders, totals and positions nobody here can check, never summed with ours."""

from __future__ import annotations

import enum
import hashlib
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NewType

import msgspec

from kamiyo.core.events import MarginMode
from kamiyo.core.ids import Address, SourceName
from kamiyo.core.margin import Direction
from kamiyo.core.money import Price, Size, Usd, plain
from kamiyo.core.time import Utc, to_millis

ClaimId = NewType("ClaimId", str)
TotalId = NewType("TotalId", str)
PositionId = NewType("PositionId", str)

_SEPARATOR = "\x1f"  # no printable text holds it
_ID_BYTES = 12


class ClaimedAction(enum.StrEnum):
    """What is said of a position."""

    OPENED = "opened"
    CLOSED = "closed"
    OBSERVED = "observed"  # it is there: the newest word on it counts


class Claim(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A liquidation order, as another party tells of it: without user and without hash.

    ``exchange`` is its name in lower case, ``pair`` and ``asset`` stand as they were told. ``side`` is that
    of the lost position. ``ordinal`` tells apart several of one moment that agree in everything.
    """

    source: SourceName
    exchange: str
    pair: str
    asset: str
    side: Direction | None
    price: Price | None
    amount_usd: Usd | None
    timestamp: Utc
    ordinal: int = 0

    @property
    def claim_id(self) -> ClaimId:
        """Made of all it says, so that equal ids mean equal claims; it begins with the milliseconds."""
        content = (
            self.source,
            self.exchange,
            self.pair,
            self.asset,
            self.side or "",
            _digits(self.price),
            _digits(self.amount_usd),
            str(self.ordinal),
        )
        return ClaimId(f"{to_millis(self.timestamp)}-{_digest(*content)}")


class ClaimedTotal(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is said to have been liquidated in a window, in USD by the side of the lost positions.

    Without ``exchange`` it is of all exchanges, without ``asset`` of all assets. A ``rolling`` window ended
    when it was told of; any other lies fast, and may not have ended when it was told of.
    """

    source: SourceName
    exchange: str | None
    asset: str | None
    start: Utc
    window_seconds: int
    rolling: bool
    observed_at: Utc
    long_usd: Usd | None = None
    short_usd: Usd | None = None
    total_usd: Usd | None = None

    @property
    def total_id(self) -> TotalId:
        """Of one window that lies fast, or of the rolling ones told of within one hour: the newest counts."""
        moment = to_millis(_hour_of(self.observed_at) if self.rolling else self.start)
        place = (self.source, self.exchange or "", self.asset or "")
        return TotalId(_digest(*place, str(self.window_seconds), str(self.rolling), str(moment)))

    @property
    def complete(self) -> bool:
        """Whether the window had ended when it was told of."""
        return self.observed_at >= self.start + timedelta(seconds=self.window_seconds)


class ClaimedPosition(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A large position on the venue, as another party tells of it. ``size`` is below zero for a short.

    ``liquidation_price`` is None too where none is told because no price would liquidate it.
    """

    source: SourceName
    user: Address
    asset: str
    action: ClaimedAction
    timestamp: Utc
    size: Size | None = None
    entry_price: Price | None = None
    mark_price: Price | None = None
    liquidation_price: Price | None = None
    value_usd: Usd | None = None
    leverage: Decimal | None = None
    margin_mode: MarginMode | None = None
    margin_usd: Usd | None = None
    unrealized_pnl_usd: Usd | None = None
    funding_usd: Usd | None = None
    opened_at: datetime | None = None

    @property
    def side(self) -> Direction | None:
        """Which way it points."""
        if not self.size:
            return None
        return Direction.LONG if self.size > 0 else Direction.SHORT

    @property
    def position_id(self) -> PositionId:
        """Of one opening or closing, or of an observed position, of which the newest word counts."""
        place = (self.source, self.user, self.asset, self.action)
        if self.action is ClaimedAction.OBSERVED:
            return PositionId(_digest(*place))
        numbers = (self.size, self.entry_price, self.liquidation_price, self.value_usd)
        return PositionId(_digest(*place, str(to_millis(self.timestamp)), *map(_digits, numbers)))


Claims = Claim | ClaimedTotal | ClaimedPosition


def _digits(number: Decimal | None) -> str:
    return "" if number is None else plain(number)


def _digest(*content: str) -> str:
    return hashlib.blake2b(_SEPARATOR.join(content).encode(), digest_size=_ID_BYTES).hexdigest()


def _hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
