"""Fills and the ledger in the venue's own words, decoded straight into ours.

Unknown fields are ignored, a missing or mistyped one is a msgspec.ValidationError.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import msgspec

from kamiyo.core.events import Fill, NamedLiquidation, Side
from kamiyo.hyperliquid.fills import FIRST_MILLIS, LARGEST_INTEGER, LAST_MILLIS
from kamiyo.hyperliquid.reading import plain_text


class WireLiquidation(
    NamedLiquidation,
    frozen=True,
    gc=False,
    rename={"liquidated_user": "liquidatedUser", "mark_price": "markPx"},
):
    """The ``liquidation`` object of a fill.

    The fields are repeated because a rename reaches only a class's own.
    """

    liquidated_user: str
    mark_price: str
    method: str


_FILL_NAMES = {
    "asset": "coin",
    "price": "px",
    "size": "sz",
    "direction_text": "dir",
    "start_position": "startPosition",
    "closed_pnl": "closedPnl",
}


class WireFill(Fill, frozen=True, kw_only=True, gc=False, rename=_FILL_NAMES):
    """A fill as the API and the node write it: numbers as text, time in milliseconds.

    The fields are in the order the venue writes them: the decoder looks for each where the last one ended,
    and is a tenth slower in any other.
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
    liquidation: WireLiquidation | None = None


class NumericLiquidation(
    msgspec.Struct, frozen=True, rename={"liquidated_user": "liquidatedUser", "mark_price": "markPx"}
):
    """``WireLiquidation`` for servers that write its number as a number."""

    liquidated_user: str
    mark_price: Decimal
    method: str


class NumericFill(msgspec.Struct, frozen=True, kw_only=True, rename=_FILL_NAMES):
    """``WireFill`` where numbers may also be JSON numbers: the documentation's form, kept exact."""

    asset: str
    price: Decimal
    size: Decimal
    side: Side
    time: int
    start_position: Decimal
    direction_text: str
    closed_pnl: Decimal
    hash: str
    crossed: bool
    fee: Decimal
    tid: int
    liquidation: NumericLiquidation | None = None

    def as_text(self) -> WireFill:
        """The same fill with its numbers as plain text."""
        named = self.liquidation
        return WireFill(
            asset=self.asset,
            price=plain_text(self.price),
            size=plain_text(self.size),
            side=self.side,
            time=self.time,
            direction_text=self.direction_text,
            hash=self.hash,
            crossed=self.crossed,
            tid=self.tid,
            start_position=plain_text(self.start_position),
            closed_pnl=plain_text(self.closed_pnl),
            fee=plain_text(self.fee),
            liquidation=None
            if named is None
            else WireLiquidation(
                liquidated_user=named.liquidated_user,
                mark_price=plain_text(named.mark_price),
                method=named.method,
            ),
        )


class BlockFill(WireFill, frozen=True, kw_only=True, gc=False, rename=_FILL_NAMES):
    """``WireFill`` where the decoder itself refuses what is beyond all bounds: nobody asks faster."""

    time: Annotated[int, msgspec.Meta(ge=FIRST_MILLIS, lt=LAST_MILLIS)]
    tid: Annotated[int, msgspec.Meta(ge=0, le=LARGEST_INTEGER)]


class FillBlock(msgspec.Struct, frozen=True, gc=False):
    """One line of ``node_fills_by_block``. Times are ISO with nanoseconds and no zone (UTC)."""

    block_time: str
    block_number: int
    events: list[tuple[str, BlockFill]]


class RawBlock(msgspec.Struct, frozen=True, gc=False):
    """Any by-block line with its events still undecoded, for when one of them is bad."""

    block_time: str
    block_number: int
    events: list[msgspec.Raw]


class WirePosition(msgspec.Struct, frozen=True, rename={"asset": "coin", "size": "szi"}):
    """A position in a ledger liquidation: signed size in base units."""

    asset: str
    size: str


class WireLedgerLiquidation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A ledger delta of type ``liquidation``."""

    liquidated_ntl_pos: str
    account_value: str
    leverage_type: str
    liquidated_positions: list[WirePosition]


class WireDelta(msgspec.Struct, frozen=True):
    """What every ledger delta has: its type."""

    type: str


class WireLedgerUpdate(msgspec.Struct, frozen=True):
    """A ledger update of the node's ``misc_events``; the delta is read by its type."""

    users: list[str]
    delta: msgspec.Raw


class WireMiscEvent(msgspec.Struct, frozen=True):
    """One of the node's ``misc_events``; ``inner`` has one key, the event's kind."""

    time: str
    hash: str
    inner: dict[str, msgspec.Raw]


_fill_block = msgspec.json.Decoder(FillBlock)
_raw_block = msgspec.json.Decoder(RawBlock)
_fill_row = msgspec.json.Decoder(tuple[str, WireFill])
_numeric_row = msgspec.json.Decoder(tuple[str, NumericFill])
_misc_event = msgspec.json.Decoder(WireMiscEvent)
_ledger_update = msgspec.json.Decoder(WireLedgerUpdate)
_delta = msgspec.json.Decoder(WireDelta)
_ledger_liquidation = msgspec.json.Decoder(WireLedgerLiquidation)

decode_fill_block = _fill_block.decode
decode_raw_block = _raw_block.decode
decode_misc_event = _misc_event.decode
decode_ledger_update = _ledger_update.decode
decode_delta = _delta.decode
decode_ledger_liquidation = _ledger_liquidation.decode


def decode_fill_row(payload: bytes | msgspec.Raw) -> tuple[str, WireFill]:
    """One ``[user, fill]`` row, numbers as text or as JSON numbers."""
    try:
        return _fill_row.decode(payload)
    except msgspec.ValidationError:
        user, fill = _numeric_row.decode(payload)
        return user, fill.as_text()
