"""How a liquidation looks in fills: which rows count, whose they are and what they say.

The rules are EXTERNAL-APIS 2.7. The marker of a liquidation is the ``liquidation`` object, on the
rows of both sides; ``dir`` alone finds about 0.03 % of them. Everything here is a pure function.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache

from kamiyo.core.errors import MalformedPayload
from kamiyo.core.events import (
    Fill,
    FillRole,
    LiquidatedFill,
    LiquidationMethod,
    MarginMode,
    NamedLiquidation,
    Side,
)
from kamiyo.core.ids import Chain, SourceName, parse_address, parse_asset, parse_transaction_hash
from kamiyo.core.margin import Direction
from kamiyo.core.money import parse_plains
from kamiyo.core.time import from_millis

AUTO_DELEVERAGING = "Auto-Deleveraging"

# What the venue writes in ``dir`` when the liquidator vault takes a position, on both rows.
_TAKEN_OVER = {
    f"Liquidated {mode.value.capitalize()} {side.value.capitalize()}": (mode, side)
    for mode in MarginMode
    for side in Direction
}
_CLOSING = {"Close Long": Direction.LONG, "Close Short": Direction.SHORT}
_MARKER = b'"liquidatedUser"'
# One of these stands wherever a liquidation is told of, unless an escape hides it. An ADL row that does not
# name the liquidated user is told of, too: it has to be refused.
MARKERS = (_MARKER, b'"%b"' % AUTO_DELEVERAGING.encode(), b"\\")

_NODE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9}+)?+Z?", re.ASCII)

# The venue opened in 2023; the last moment is where datetime still has room for any time zone.
FIRST_MILLIS = 1_672_531_200_000
LAST_MILLIS = 253_402_214_400_000
LARGEST_INTEGER = 2**63 - 1  # what the database holds
_FIRST_MOMENT, _LAST_MOMENT = from_millis(FIRST_MILLIS), from_millis(LAST_MILLIS)


class FillClass(enum.StrEnum):
    """What a row is to a liquidation (2.7's classification)."""

    ORDINARY = "ordinary"
    MARKET_VICTIM = "market_victim"
    MARKET_MAKER = "market_maker"
    BACKSTOP_VICTIM = "backstop_victim"
    BACKSTOP_LIQUIDATOR = "backstop_liquidator"
    ADL_DELEVERAGED = "adl_deleveraged"  # the profitable trader who was closed
    ADL_UNDERWATER = "adl_underwater"  # the losing account on the other side of that trade


_ADL_UNDERWATER, _ADL_DELEVERAGED = FillClass.ADL_UNDERWATER, FillClass.ADL_DELEVERAGED


def classify(user: str, fill: Fill) -> FillClass:
    """What this account's row is; MalformedPayload where the row does not say enough to tell.

    A row without the ``liquidation`` object is ordinary, but for ``Auto-Deleveraging``: there it
    would say which of the two accounts was deleveraged, and guessing would count one trade twice.
    """
    named = fill.liquidation
    if fill.direction_text == AUTO_DELEVERAGING:
        if named is None:
            raise MalformedPayload("ADL fill without liquidatedUser", rule="adl_without_liquidated_user")
        return _ADL_UNDERWATER if _is_liquidated(user, named) else _ADL_DELEVERAGED
    if named is None:
        return FillClass.ORDINARY
    match named.method:
        case "market":
            # A user can trade with himself: then both rows name him, and the taker's is the victim's.
            victim = _is_liquidated(user, named) and fill.crossed
            return FillClass.MARKET_VICTIM if victim else FillClass.MARKET_MAKER
        case "backstop":
            return FillClass.BACKSTOP_VICTIM if _is_liquidated(user, named) else FillClass.BACKSTOP_LIQUIDATOR
        case unknown:
            raise MalformedPayload(f"unknown method {unknown[:64]!r}", rule="unknown_liquidation_method")


def liquidated_fill(
    user: str, fill: Fill, kind: FillClass, *, source: SourceName, chain: Chain
) -> LiquidatedFill:
    """The row as a fact; MalformedPayload with the broken rule where it is incomplete or contradicts itself.

    ``kind`` is what ``classify`` said: not ``ORDINARY`` and not ``ADL_UNDERWATER``.
    """
    named = fill.liquidation
    if named is None or kind in _NOT_LIQUIDATED:
        raise MalformedPayload(f"{kind} is no liquidated fill", rule="not_a_liquidation")
    if not fill.direction_text.isprintable():  # PostgreSQL keeps no NUL, and a terminal obeys an escape
        raise MalformedPayload(f"unprintable dir {fill.direction_text[:64]!r}", rule="unknown_fill_direction")
    row_user = parse_address(user)
    liquidated_user = parse_address(named.liquidated_user)
    victim = kind in _VICTIMS
    numbers: list[str] = [fill.price, fill.size, named.mark_price]
    if victim:
        numbers += (fill.closed_pnl, fill.fee, fill.start_position)
    price, size, mark_price, *known = parse_plains(numbers)
    closed_pnl, fee, before = known or (None, None, None)
    return LiquidatedFill(
        source=source,
        chain=chain,
        asset=parse_asset(fill.asset),
        user=row_user if kind is _ADL_DELEVERAGED else liquidated_user,
        side=_lost_side(fill, kind, victim=victim),
        method=_METHODS[kind],
        price=price,
        size=size,
        mark_price=mark_price,
        timestamp=_moment(fill.time),
        hash=parse_transaction_hash(fill.hash),
        tid=fill.tid,
        role=_VICTIM if victim else _COUNTERPARTY,
        liquidated_user=liquidated_user,
        direction_text=fill.direction_text[:64],
        margin_mode=_margin_mode(fill),
        closed_pnl=closed_pnl,
        fee=fee,
        position_size_before=before,
        counterparty=None if victim else row_user,
    )


def lines_with_liquidations(buffer: bytes) -> Iterator[bytes]:
    """The lines of a node file that hold a liquidation, without decoding the others.

    Searching the whole buffer for the marker is several times faster than asking line by line.
    """
    start = 0
    while (hit := buffer.find(_MARKER, start)) >= 0:
        first = buffer.rfind(b"\n", start, hit) + 1
        end = buffer.find(b"\n", hit)
        end = len(buffer) if end < 0 else end
        yield buffer[max(first, start) : end]
        start = end


def parse_node_time(text: str) -> datetime:
    """A node file's time: ISO with up to nanoseconds and no zone, in UTC. Cut to microseconds."""
    if _NODE_TIME.fullmatch(text) is None:  # fromisoformat() would also take week dates and other zones
        raise MalformedPayload(f"not a node time: {text[:64]!r}", rule="not_a_time")
    try:
        moment = datetime.fromisoformat(text if text[-1] == "Z" else text + "Z")
    except ValueError as error:
        raise MalformedPayload(f"not a node time: {text[:64]!r}", rule="not_a_time") from error
    if not _FIRST_MOMENT <= moment < _LAST_MOMENT:
        raise MalformedPayload(f"time out of range: {text}", rule="time_out_of_range")
    return moment


# Their names once: before 3.12 looking up an enumeration's member costs as much as a call.
_VICTIM, _COUNTERPARTY = FillRole.VICTIM, FillRole.COUNTERPARTY
_LONG, _SHORT, _SELL = Direction.LONG, Direction.SHORT, Side.SELL
# Tuples, as hashing an enumeration's member is slower than comparing it with three others.
_NOT_LIQUIDATED = (FillClass.ORDINARY, FillClass.ADL_UNDERWATER)
_VICTIMS = (FillClass.MARKET_VICTIM, FillClass.BACKSTOP_VICTIM, FillClass.ADL_DELEVERAGED)
_BACKSTOPS = (FillClass.BACKSTOP_VICTIM, FillClass.BACKSTOP_LIQUIDATOR)
_METHODS = {
    FillClass.MARKET_VICTIM: LiquidationMethod.MARKET,
    FillClass.MARKET_MAKER: LiquidationMethod.MARKET,
    FillClass.BACKSTOP_VICTIM: LiquidationMethod.BACKSTOP,
    FillClass.BACKSTOP_LIQUIDATOR: LiquidationMethod.BACKSTOP,
    FillClass.ADL_DELEVERAGED: LiquidationMethod.ADL,
}


def _is_liquidated(user: str, named: NamedLiquidation) -> bool:
    return user == named.liquidated_user or user.lower() == named.liquidated_user.lower()


def _lost_side(fill: Fill, kind: FillClass, *, victim: bool) -> Direction:
    """Which side was lost: who loses a long sells it, and the other row shows the mirror image.

    Where ``dir`` also says it, the two must agree; a backstop's must, as nothing else names its
    kind: borrow liquidations share the method and have no side.
    """
    traded = _LONG if (fill.side is _SELL) is victim else _SHORT
    if kind in _BACKSTOPS:
        if fill.direction_text not in _TAKEN_OVER:
            raise MalformedPayload(f"unknown dir {fill.direction_text[:64]!r}", rule="unknown_fill_direction")
        stated: Direction | None = _TAKEN_OVER[fill.direction_text][1]
    else:
        stated = _CLOSING.get(fill.direction_text) if victim else None
    if stated is not None and stated is not traded:
        raise MalformedPayload(
            f"{fill.direction_text} but side {fill.side}", rule="direction_contradicts_side"
        )
    return traded


def _margin_mode(fill: Fill) -> MarginMode | None:
    known = _TAKEN_OVER.get(fill.direction_text)
    return known[0] if known else None


@lru_cache(maxsize=1024)  # a block's rows share their moment, as one object
def _moment(millis: int) -> datetime:
    if not FIRST_MILLIS <= millis < LAST_MILLIS:
        raise MalformedPayload(f"time out of range: {millis}", rule="time_out_of_range")
    return from_millis(millis)
