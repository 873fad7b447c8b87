"""What a line of a node's files says. Pure: bytes in, facts out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from kamiyo.core.errors import MalformedPayload
from kamiyo.core.events import (
    AccountLiquidation,
    LedgerMovement,
    LiquidationMethod,
)
from kamiyo.core.ids import Chain
from kamiyo.core.ports import Counted, Normalized, Raw, Reject
from kamiyo.hyperliquid.fills import AUTO_DELEVERAGING, parse_node_time
from kamiyo.hyperliquid.ledger import ledger_fact
from kamiyo.hyperliquid.reading import UNREADABLE
from kamiyo.hyperliquid.rows import NO_FILLS, FillRows, detail_of, refusal
from kamiyo.hyperliquid.wire import (
    BlockFill,
    FillBlock,
    decode_fill_block,
    decode_fill_row,
    decode_misc_event,
    decode_raw_block,
)

FILLS_BY_BLOCK = "node_fills_by_block"
FILLS = "node_fills"
MISC_EVENTS_BY_BLOCK = "misc_events_by_block"
MISC_EVENTS = "misc_events"
USER_FILLS = "user_fills"  # an answer of the API, for replay: no node writes it

# At fourteen a second the venue needs two centuries for these. A corrupt number beyond would be the newest
# block for ever, and hide every gap after it.
LARGEST_BLOCK = 10**11
# Their names once: before 3.12 looking up an enumeration's member costs as much as a call.
_FILLS, _ORDINARY_FILLS = Counted.FILLS, Counted.ORDINARY_FILLS
_WITHOUT_RISK = frozenset({"Funding", "CDeposit", "CWithdrawal", "Delegation", "ValidatorRewards"})


class _Shape(msgspec.Struct, frozen=True):
    """The keys that tell the kinds of lines apart."""

    events: msgspec.Raw = msgspec.Raw()
    inner: msgspec.Raw = msgspec.Raw()


_shape = msgspec.json.Decoder(_Shape)
_undecoded_rows = msgspec.json.Decoder(list[msgspec.Raw])


def stream_of(line: bytes) -> str | None:
    """Which stream a recorded line belongs to, told by its shape; None if it is none of ours."""
    start = line.lstrip()[:64]
    if start.startswith(b"["):
        return {b'"': FILLS, b"{": USER_FILLS}.get(start[1:].lstrip()[:1])
    try:
        shape = _shape.decode(line)
    except UNREADABLE:
        return None
    if bytes(shape.events).startswith(b"["):
        misc = bytes(shape.events)[1:].lstrip().startswith(b"{")
        return MISC_EVENTS_BY_BLOCK if misc else FILLS_BY_BLOCK
    return MISC_EVENTS if bytes(shape.inner) else None


def normalize(raw: Raw, chain: Chain) -> Normalized:
    """What one line of one of the streams says; MalformedPayload where nothing of it can be understood."""
    if raw.span is not None and raw.span.end - raw.span.start > len(raw.payload) + 1:
        raise MalformedPayload(f"a line of {raw.span.end - raw.span.start} bytes", rule="line_too_long")
    if raw.stream not in _STREAMS:
        raise MalformedPayload(f"no stream of a node: {raw.stream[:64]!r}", rule="unknown_stream")
    try:
        return _STREAMS[raw.stream](raw, chain)
    except UNREADABLE as error:
        raise MalformedPayload(detail_of(error)) from error


def _fills_by_block(raw: Raw, chain: Chain) -> Normalized:
    """Decoded at one go, as nearly always every row is good; row by row only if one is not."""
    try:
        return _sorted_out(decode_fill_block(raw.payload), raw, chain)
    except (*UNREADABLE, MalformedPayload):
        block = decode_raw_block(raw.payload)
    rows = FillRows(raw, chain)
    for row in block.events:
        rows.take_undecoded(row)
    return rows.normalized(at=parse_node_time(block.block_time), block=_height(block.block_number))


def _sorted_out(block: FillBlock, raw: Raw, chain: Chain) -> Normalized:
    at, height = parse_node_time(block.block_time), _height(block.block_number)
    remarkable = _remarkable(block)
    if not remarkable:
        counts = NO_FILLS.copy()
        counts[_FILLS] = counts[_ORDINARY_FILLS] = len(block.events)
        return Normalized(fills=block.events, counts=counts, block=height, last_event_at=at)
    return _rows_of(block, remarkable, raw, chain).normalized(at=at, block=height)


def take_fill_block(rows: FillRows, payload: bytes) -> tuple[int, datetime]:
    """Add one of many blocks: its number and time; MalformedPayload or UNREADABLE where it is none at all."""
    try:
        block = decode_fill_block(payload)
        at, height = parse_node_time(block.block_time), _height(block.block_number)
        remarkable = _remarkable(block)
        if not remarkable:
            rows.fills += block.events
            return height, at
        found = _rows_of(block, remarkable, rows.raw, rows.chain)
    except (*UNREADABLE, MalformedPayload):
        undecoded = decode_raw_block(payload)
        at, height = parse_node_time(undecoded.block_time), _height(undecoded.block_number)
        found = FillRows(rows.raw, rows.chain)
        for row in undecoded.events:
            found.take_undecoded(row)
    rows.add(found)
    return height, at


def _remarkable(block: FillBlock) -> list[tuple[str, BlockFill]]:
    # The one pass over every fill of the venue: written out, as a function call each would double its cost.
    return [
        row
        for row in block.events
        if row[1].liquidation is not None or row[1].direction_text == AUTO_DELEVERAGING
    ]


def _rows_of(block: FillBlock, remarkable: list[tuple[str, BlockFill]], raw: Raw, chain: Chain) -> FillRows:
    theirs = {id(row) for row in remarkable}
    rows = FillRows(raw, chain, fills=[row for row in block.events if id(row) not in theirs])
    for user, fill in remarkable:
        rows.take(user, fill)
    return rows


def _height(number: int) -> int:
    if not 0 <= number <= LARGEST_BLOCK:
        raise MalformedPayload(f"block {number}", rule="block_out_of_range")
    return number


def _fill_row(raw: Raw, chain: Chain) -> Normalized:
    _undecoded_rows.decode(raw.payload)
    rows = FillRows(raw, chain)
    rows.take_undecoded(msgspec.Raw(raw.payload))
    return rows.normalized_by_fills()


def _user_fills(raw: Raw, chain: Chain) -> Normalized:
    """An answer about one account, which does not say whose it is: only a liquidated taker row does."""
    undecoded = _undecoded_rows.decode(raw.payload)
    owners = {owner for row in undecoded if (owner := _owner(row)) is not None}
    if len(owners) != 1:
        raise MalformedPayload(f"the fills are of one account, and show {len(owners)}", rule="unknown_user")
    rows = FillRows(raw, chain)
    rows.take_fills_of(owners.pop(), undecoded)
    return rows.normalized_by_fills()


def _owner(row: msgspec.Raw) -> str | None:
    try:
        _user, fill = decode_fill_row(b'["",' + bytes(row) + b"]")
    except (*UNREADABLE, MalformedPayload):
        return None
    named = fill.liquidation
    taker = named is not None and fill.crossed and named.method == LiquidationMethod.MARKET
    return named.liquidated_user.lower() if named is not None and taker else None


@dataclass(slots=True)
class _MiscEvents:
    """What miscellaneous events add up to.

    Without a time of its own: a source that writes only these must not look as fresh as one that writes
    fills, nor as if it had told of the fills of a time that only they cover.
    """

    raw: Raw
    chain: Chain
    events: list[AccountLiquidation | LedgerMovement] = field(
        default_factory=list[AccountLiquidation | LedgerMovement]
    )
    rejects: list[Reject] = field(default_factory=list[Reject])
    others: int = 0

    def take(self, undecoded: msgspec.Raw | bytes) -> None:
        event = decode_misc_event(undecoded)
        at = parse_node_time(event.time)
        if len(event.inner) != 1:
            raise MalformedPayload(f"{len(event.inner)} kinds in one event", rule="unknown_misc_event")
        [(kind, content)] = event.inner.items()
        if kind == "LedgerUpdate":
            fact = ledger_fact(
                bytes(content), at=at, hash_text=event.hash, source=self.raw.source, chain=self.chain
            )
            self.events.append(fact)
        elif kind in _WITHOUT_RISK:
            self.others += 1
        else:
            raise MalformedPayload(f"unknown kind {kind[:64]!r}", rule="unknown_misc_event")

    def take_or_refuse(self, undecoded: msgspec.Raw) -> None:
        try:
            self.take(undecoded)
        except MalformedPayload as error:
            self.rejects.append(refusal(self.raw, error.rule, error, undecoded))
        except UNREADABLE as error:
            self.rejects.append(refusal(self.raw, "malformed", error, undecoded))

    def normalized(self) -> Normalized:
        return Normalized(
            events=self.events,
            rejects=self.rejects,
            counts={
                Counted.PAYLOADS: 1,
                Counted.LEDGER_EVENTS: len(self.events),
                Counted.OTHER_EVENTS: self.others,
                Counted.REJECTS: len(self.rejects),
            },
        )


def _misc_event(raw: Raw, chain: Chain) -> Normalized:
    events = _MiscEvents(raw, chain)
    events.take(raw.payload)
    return events.normalized()


def _misc_events_by_block(raw: Raw, chain: Chain) -> Normalized:
    """Without its block number: the fills' stream counts the blocks, and each would seem to come twice."""
    block = decode_raw_block(raw.payload)
    _height(block.block_number)
    parse_node_time(block.block_time)
    events = _MiscEvents(raw, chain)
    for event in block.events:
        events.take_or_refuse(event)
    return events.normalized()


_STREAMS: dict[str, Callable[[Raw, Chain], Normalized]] = {
    FILLS_BY_BLOCK: _fills_by_block,
    FILLS: _fill_row,
    MISC_EVENTS_BY_BLOCK: _misc_events_by_block,
    MISC_EVENTS: _misc_event,
    USER_FILLS: _user_fills,
}
