"""Chunks whose lines are read one by one: fills without blocks, ledger events, trades."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from kamiyo.aggregators._hyperliquid_archive.blocks import Decode, lines_of, liquidations_in
from kamiyo.aggregators._node_payloads import MISC_EVENTS, MISC_EVENTS_BY_BLOCK, normalize
from kamiyo.core.errors import MalformedPayload
from kamiyo.core.events import Side
from kamiyo.core.ids import Chain
from kamiyo.core.ports import Counted, Event, Normalized, Raw, Reject
from kamiyo.hyperliquid.fills import parse_node_time
from kamiyo.hyperliquid.reading import UNREADABLE
from kamiyo.hyperliquid.rows import FillRows, refusal


class WireNodeTrade(msgspec.Struct, frozen=True, rename={"asset": "coin", "price": "px", "size": "sz"}):
    """A line of ``node_trades``, as far as it is counted. It does not say whether it was a liquidation."""

    asset: str
    side: Side
    time: str
    price: str
    size: str


_trade = msgspec.json.Decoder(WireNodeTrade)


def fill_lines(raw: Raw, chain: Chain, decode: Decode) -> Normalized:
    """What a chunk of ``[user, fill]`` lines says; where only liquidations are decoded, of those alone."""
    rows = FillRows(raw, chain)
    for line in _chosen(raw.payload, decode):
        rows.take_undecoded(msgspec.Raw(line))
    if decode is Decode.LIQUIDATIONS:
        rows.fills.clear()
    return rows.normalized_by_fills()


def _chosen(content: bytes, decode: Decode) -> list[bytes]:
    if decode is Decode.ALL:
        return lines_of(content)
    starts = sorted(liquidations_in(content))
    return [content[start:].partition(b"\n")[0] for start in starts]


@dataclass(slots=True)
class _Lines:
    """What lines add up to that are payloads of a node each."""

    raw: Raw
    chain: Chain
    events: list[Event] = field(default_factory=list[Event])
    rejects: list[Reject] = field(default_factory=list[Reject])
    counts: Counter[Counted] = field(default_factory=Counter[Counted])

    def take(self, stream: str, line: bytes) -> None:
        """Take a line, or refuse exactly this one."""
        told = msgspec.structs.replace(self.raw, stream=stream, payload=line, span=None)
        try:
            said = normalize(told, self.chain)
        except MalformedPayload as error:
            self.rejects.append(refusal(self.raw, error.rule, error, line))
            self.counts[Counted.REJECTS] += 1
            return
        self.events += said.events
        self.rejects += (msgspec.structs.replace(each, stream=self.raw.stream) for each in said.rejects)
        self.counts.update(said.counts)


def misc_lines(raw: Raw, chain: Chain, _decode: Decode) -> Normalized:
    """What a chunk of ``misc_events_by_block`` says, or of single events."""
    lines = _Lines(raw, chain)
    for line in lines_of(raw.payload):
        single = line.startswith(b'{"time"')
        lines.take(MISC_EVENTS if single else MISC_EVENTS_BY_BLOCK, line)
    lines.counts[Counted.PAYLOADS] = 1
    return Normalized(events=lines.events, rejects=lines.rejects, counts=dict(lines.counts))


def trade_lines(raw: Raw, _chain: Chain, _decode: Decode) -> Normalized:
    """How many trades a chunk of ``node_trades`` holds: which of them liquidated somebody it does not say."""
    rejects: list[Reject] = []
    newest: datetime | None = None
    lines = lines_of(raw.payload)
    for line in lines:
        try:
            at = parse_node_time(_trade.decode(line).time)
        except MalformedPayload as error:
            rejects.append(refusal(raw, error.rule, error, line))
        except UNREADABLE as error:
            rejects.append(refusal(raw, "malformed", error, line))
        else:
            newest = at if newest is None else max(newest, at)
    refused = len(rejects)
    return Normalized(
        rejects=rejects,
        counts={
            Counted.PAYLOADS: 1,
            Counted.TRADES: len(lines),
            Counted.REFUSED_TRADES: refused,
            Counted.REJECTS: refused,
        },
        last_event_at=newest,
    )
