"""What happened on the venue, as facts: immutable, comparable, replayable."""

from __future__ import annotations

import enum
import zlib
from datetime import datetime

import msgspec

from kamiyo.core.ids import Address, Asset, Chain, SourceName, TransactionHash
from kamiyo.core.margin import Direction
from kamiyo.core.money import Usd, plain
from kamiyo.core.time import Utc

_SEPARATOR = "\x1f"  # no printable text holds it


class Side(enum.StrEnum):
    """Which way an order traded, in the venue's letters: bid and ask."""

    BUY = "B"
    SELL = "A"


class NamedLiquidation(msgspec.Struct, frozen=True, gc=False):
    """What a fill says of the liquidation it was part of."""

    liquidated_user: str
    mark_price: str
    method: str


class Fill(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One account's leg of a trade, numbers still in the venue's text.

    Text until arithmetic: most fills are only counted, and parsing their numbers would double
    the cost of reading them. ``time`` in milliseconds since the epoch.
    """

    asset: str
    price: str
    size: str
    side: Side
    time: int
    start_position: str
    direction_text: str
    closed_pnl: str
    hash: str
    crossed: bool
    fee: str
    tid: int
    liquidation: NamedLiquidation | None = None


FillRow = tuple[str, Fill]  # the account, and its leg


class LiquidationMethod(enum.StrEnum):
    """How a position ended against its owner's will. Three harms, three totals, never added up."""

    MARKET = "market"  # closed into the order book
    BACKSTOP = "backstop"  # taken over by the liquidator vault
    ADL = "adl"  # auto-deleveraging: a profitable position on the other side was closed


class MarginMode(enum.StrEnum):
    """Whether a position shares its account's collateral."""

    CROSS = "cross"
    ISOLATED = "isolated"


class FillRole(enum.StrEnum):
    """Whose row of a trade a liquidated fill was read from."""

    VICTIM = "victim"  # who lost the position: knows its size before and what it realised
    COUNTERPARTY = "counterparty"  # who took the other side: knows only that it happened
    PUBLIC = "public"  # a public trade under a hash and taker that another row has confirmed


# Side, price, size, mark price, liquidated user, direction, margin mode, closed PnL, fee, size before.
FillContent = tuple[str, str, str, str, str, str, str, str, str, str]


class LiquidatedFill(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One row that says: this much of this user's position was taken at this price.

    ``user`` is who lost the position: the liquidated user, and for ADL the deleveraged one, with
    ``liquidated_user`` the underwater account. ``side`` is the side of the lost position.
    ``price`` and ``mark_price`` in USD, ``size`` in base units, ``closed_pnl`` and ``fee`` in USD, each as
    ``core.money.plain`` writes it: most are stored and told without anybody calculating with them.
    What only the victim's row knows is None in a counterparty's; ``direction_text`` is empty where no row
    said it. ``counterparty`` is who took the other side: known from that account's own row and from a public
    trade, None in a victim's row, which does not name it (of an ADL it is ``liquidated_user``).

    ``observation`` is who saw it, from which row, and a checksum of what the row said; nobody gives it. Two
    equal observations are the same knowledge; a source that contradicts itself or another shows up as a
    further observation and so as a new version.
    """

    source: SourceName
    chain: Chain
    asset: Asset
    user: Address
    side: Direction
    method: LiquidationMethod
    price: str
    size: str
    mark_price: str
    timestamp: Utc
    hash: TransactionHash | None
    tid: int
    role: FillRole
    liquidated_user: Address
    direction_text: str
    margin_mode: MarginMode | None = None
    closed_pnl: str | None = None
    fee: str | None = None
    position_size_before: str | None = None
    # No part of the content and so of no checksum: it follows from which row it was, and versions stay.
    counterparty: Address | None = None
    observation: str = ""

    def __post_init__(self) -> None:
        """Make the observation, which everybody asks for, while its parts are still in the cache."""
        checksum = zlib.crc32(_SEPARATOR.join(self.content).encode())
        msgspec.structs.force_setattr(self, "observation", f"{self.source}/{self.role}/{checksum:08x}")

    @property
    def content(self) -> FillContent:
        """What the row says, as text in one fixed order: equal rows have equal content."""
        return (
            str(self.side),
            self.price,
            self.size,
            self.mark_price,
            self.liquidated_user,
            self.direction_text,
            "" if self.margin_mode is None else str(self.margin_mode),
            self.closed_pnl or "",
            self.fee or "",
            self.position_size_before or "",
        )


class AccountLiquidation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The ledger's note that an account was liquidated, with its positions before. Never summed.

    Whether the venue writes it for every method is unverified, so no total is derived from it.
    ``amount_usd`` is the notional the account held, ``account_value`` its equity, both in USD.
    """

    source: SourceName
    chain: Chain
    user: Address
    timestamp: Utc
    hash: TransactionHash | None
    amount_usd: Usd
    account_value: Usd
    margin_mode: MarginMode
    positions: tuple[tuple[Asset, str], ...]

    @property
    def digest(self) -> str:
        """Tells apart what one transaction says of one account."""
        content = (plain(self.amount_usd), plain(self.account_value), self.margin_mode.value, self.positions)
        return f"{zlib.crc32(repr(content).encode()):08x}"


class LedgerMovement(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Collateral moved: a deposit, a withdrawal, a transfer, or a type we do not know yet.

    ``delta`` is the venue's own JSON, kept whole: new types appear without notice.
    """

    source: SourceName
    chain: Chain
    users: tuple[Address, ...]
    type: str
    timestamp: Utc
    hash: TransactionHash | None
    delta: bytes

    @property
    def digest(self) -> str:
        """Tells apart several movements under one hash."""
        return f"{zlib.crc32(self.delta + repr(self.users).encode()):08x}"


class Gap(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a source did not hear, as a half-open interval of its own scale.

    ``scale`` is ``block`` (block numbers), ``byte`` (offsets in the file named by ``scope``), ``hour``
    (hours since the epoch of the stream named by ``scope``) or ``millisecond`` (likewise); ``started_at``
    and ``ended_at`` bound it in time where they are known. Where only its beginning is known it is one
    unit long.
    """

    source: SourceName
    scale: str
    scope: str
    first: int
    after_last: int
    reason: str
    detected_at: Utc
    started_at: datetime | None = None
    ended_at: datetime | None = None
