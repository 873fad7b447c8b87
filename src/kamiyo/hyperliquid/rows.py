"""What rows of fills add up to: facts of liquidations, ordinary fills that are counted, and refusals."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import msgspec

from kamiyo.core.errors import MalformedPayload
from kamiyo.core.events import FillRow, LiquidatedFill
from kamiyo.core.ids import Chain
from kamiyo.core.ports import Counted, Normalized, Raw, Reject, reject
from kamiyo.core.time import from_millis
from kamiyo.hyperliquid.fills import (
    FIRST_MILLIS,
    LARGEST_INTEGER,
    LAST_MILLIS,
    FillClass,
    classify,
    liquidated_fill,
)
from kamiyo.hyperliquid.reading import UNREADABLE
from kamiyo.hyperliquid.wire import WireFill, decode_fill_row

_LONGEST_DETAIL: Final = 200
_ORDINARY, _ADL_UNDERWATER = FillClass.ORDINARY, FillClass.ADL_UNDERWATER

# Copied, as hashing an enumeration's member seven times a block costs more than all the sums.
NO_FILLS: Final = {Counted.PAYLOADS: 1} | dict.fromkeys(
    (
        Counted.FILLS,
        Counted.ORDINARY_FILLS,
        Counted.LIQUIDATED_FILLS,
        Counted.UNDERWATER_FILLS,
        Counted.REFUSED_FILLS,
        Counted.REJECTS,
    ),
    0,
)


@dataclass(slots=True)
class FillRows:
    """What the rows of a payload add up to; refused ones with the rule they broke."""

    raw: Raw
    chain: Chain
    fills: list[FillRow] = field(default_factory=list[FillRow])
    liquidated: list[LiquidatedFill] = field(default_factory=list[LiquidatedFill])
    rejects: list[Reject] = field(default_factory=list[Reject])
    underwater: int = 0
    newest_millis: int | None = None

    def take(self, user: str, fill: WireFill) -> None:
        """Add a row; MalformedPayload with the rule it breaks."""
        kind = classify(user, fill)
        if not 0 <= fill.tid <= LARGEST_INTEGER:
            raise MalformedPayload(f"tid {fill.tid}", rule="tid_out_of_range")
        if not FIRST_MILLIS <= fill.time < LAST_MILLIS:
            raise MalformedPayload(f"time {fill.time}", rule="time_out_of_range")
        if kind is _ORDINARY:
            self.fills.append((user, fill))
        elif kind is _ADL_UNDERWATER:
            self.underwater += 1
        else:
            fact = liquidated_fill(user, fill, kind, source=self.raw.source, chain=self.chain)
            self.liquidated.append(fact)
        if self.newest_millis is None or self.newest_millis < fill.time:
            self.newest_millis = fill.time

    def take_undecoded(self, row: msgspec.Raw) -> None:
        """Take a ``[user, fill]`` row, or refuse exactly this row."""
        try:
            self.take(*decode_fill_row(row))
        except MalformedPayload as error:
            self.rejects.append(refusal(self.raw, error.rule, error, row))
        except UNREADABLE as error:
            self.rejects.append(refusal(self.raw, _rule_of(error), error, row))

    def take_fills_of(self, user: str, fills: list[msgspec.Raw]) -> None:
        """Take one account's fills, or refuse exactly the bad ones."""
        start = b"[" + msgspec.json.encode(user) + b","
        for fill in fills:
            self.take_undecoded(msgspec.Raw(start + bytes(fill) + b"]"))

    def add(self, others: FillRows) -> None:
        """Take all that others of the same payload were."""
        self.fills += others.fills
        self.liquidated += others.liquidated
        self.rejects += others.rejects
        self.underwater += others.underwater
        newest = (each for each in (self.newest_millis, others.newest_millis) if each is not None)
        self.newest_millis = max(newest, default=None)

    def normalized(self, *, at: datetime | None, block: int | None = None) -> Normalized:
        """All of it, of this time."""
        counts = NO_FILLS.copy()
        ordinary, liquidated, refused = len(self.fills), len(self.liquidated), len(self.rejects)
        counts[Counted.FILLS] = ordinary + liquidated + self.underwater + refused
        counts[Counted.ORDINARY_FILLS] = ordinary
        counts[Counted.LIQUIDATED_FILLS] = liquidated
        counts[Counted.UNDERWATER_FILLS] = self.underwater
        counts[Counted.REFUSED_FILLS] = counts[Counted.REJECTS] = refused
        return Normalized(
            events=self.liquidated,
            fills=self.fills,
            rejects=self.rejects,
            counts=counts,
            block=block,
            last_event_at=at,
        )

    def normalized_by_fills(self) -> Normalized:
        """All of it, for payloads that have no time but their fills'."""
        newest = self.newest_millis
        return self.normalized(at=None if newest is None else from_millis(newest))


def refusal(raw: Raw, rule: str, error: Exception, payload: msgspec.Raw | bytes) -> Reject:
    """A part of a payload refused for breaking a rule."""
    return reject(raw, rule=rule, detail=detail_of(error), payload=bytes(payload))


def detail_of(error: Exception) -> str:
    """What is wrong, of a length that can be kept; what it quotes of the payload, it quotes escaped."""
    return str(error)[:_LONGEST_DETAIL]


def _rule_of(error: Exception) -> str:
    missing = isinstance(error, msgspec.ValidationError) and "missing required field" in str(error)
    return "incomplete_fill" if missing else "malformed"
