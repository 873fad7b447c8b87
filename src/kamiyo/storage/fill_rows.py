"""Fills and liquidations as the rows they are stored in, and back: no database takes part in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache

import asyncpg
import msgspec

from kamiyo.core.codec import liquidation_json, metadata_json
from kamiyo.core.events import FillRole, LiquidatedFill, LiquidationMethod, MarginMode
from kamiyo.core.ids import Address, Asset, Chain, LiquidationId, Protocol, SourceName, TransactionHash
from kamiyo.core.liquidations import (
    FillKey,
    Liquidation,
    ObservedFill,
    fill_key,
    liquidation_id,
    merge_all,
    observe,
)
from kamiyo.core.margin import Direction
from kamiyo.core.markets import protocol_of
from kamiyo.core.money import Price, Size, Usd
from kamiyo.storage import copy_text as text

FILL_COLUMNS = (
    "chain", "protocol", "timestamp", "liquidation_id", "asset", "tid", "user", "side", "method",
    "price", "size", "mark_price", "source", "hash", "role", "liquidated_user", "direction_text",
    "margin_mode", "closed_pnl", "fee", "position_size_before", "counterparty", "observations",
)  # fmt: skip
LIQUIDATION_COLUMNS = (
    "chain", "protocol", "timestamp", "liquidation_id", "user", "asset", "side", "method", "size",
    "liquidation_price", "mark_price", "amount_usd", "leverage", "margin_mode", "fill_count", "source",
    "observed_by", "version", "metadata",
)  # fmt: skip

# What finds a liquidation's rows: the partitioning columns, then its identity.
Place = tuple[Chain, Protocol, datetime, LiquidationId]


class FillRows(msgspec.Struct, frozen=True):
    """Fills ready to be stored, each once; the row of each; and what they share.

    Rows are in the order of their keys, because what is new then goes to one end of the index. Fills are in
    the order they were made in: going through them in another takes several times as long.
    """

    observed: Mapping[FillKey, ObservedFill]
    lines: Mapping[FillKey, str]
    shared: frozenset[tuple[Chain, Asset, datetime]]


def fill_rows(fills: Sequence[LiquidatedFill]) -> FillRows:
    """The rows of these fills: all that can be done before anybody else has to wait for it."""
    observed = merge_all((fill_key(liquidation_id(fill), fill), observe(fill)) for fill in fills)
    lines = {key: fill_line(key, fill) for key, fill in observed.items()}
    lines = {key: lines[key] for key in sorted(lines)}
    return FillRows(observed, lines, frozenset([(fill.chain, fill.asset, fill.timestamp) for fill in fills]))


def fill_line(key: FillKey, observed: ObservedFill) -> str:
    """A row of ``liquidation_fills``, in the order of its columns."""
    fill = observed.fill
    side, price, size, mark_price, liquidated_user, direction, margin_mode, pnl, fee, before = fill.content
    seen = observed.observations
    return "\t".join(
        (
            _place_text(fill.chain, fill.asset, fill.timestamp),
            key[0],
            text.name(fill.asset),
            str(fill.tid),
            fill.user,
            side,
            fill.method,
            price,
            size,
            mark_price,
            text.name(fill.source),
            fill.hash or text.NULL,
            fill.role,
            liquidated_user,
            text.name(direction),
            margin_mode or text.NULL,
            pnl or text.NULL,
            fee or text.NULL,
            before or text.NULL,
            observed.counterparty or text.NULL,
            text.array(tuple(seen) if len(seen) == 1 else sorted(seen)),
        )
    )


def liquidation_row(each: Liquidation) -> tuple[str, bytes]:
    """A row of ``liquidations``, in the order of its columns, and the message that tells of it."""
    metadata = metadata_json(each.metadata)
    line = "\t".join(
        (
            _place_text(each.chain, each.asset, each.timestamp),
            each.liquidation_id,
            each.user,
            text.name(each.asset),
            each.side,
            each.method,
            each.size,
            each.liquidation_price,
            each.mark_price,
            each.amount_usd,
            each.leverage or text.NULL,
            each.margin_mode or text.NULL,
            str(each.fill_count),
            text.name(each.source),
            text.names(each.observed_by),
            str(each.version),
            text.escaped(metadata),
        )
    )
    return line, liquidation_json(each, metadata)


def place_of(identity: LiquidationId, fill: LiquidatedFill) -> Place:
    """Where the rows of this fill's liquidation are."""
    return fill.chain, protocol_of(fill.asset), fill.timestamp, identity


@lru_cache(maxsize=4096)  # a block's fills share all of it but for the asset
def _place_text(chain: Chain, asset: Asset, moment: datetime) -> str:
    return "\t".join((text.name(chain), text.name(protocol_of(asset)), moment.isoformat()))


def fill_from_row(row: asyncpg.Record | Mapping[str, object]) -> ObservedFill:
    """A stored fill as the value it was."""
    record = msgspec.convert(dict(row), _FillRow, strict=False)
    return ObservedFill(
        fill=record.as_fill(),
        observations=frozenset(record.observations),
        counterparty=record.counterparty,
    )


class _FillRow(msgspec.Struct, frozen=True, kw_only=True):
    chain: Chain
    asset: Asset
    user: Address
    side: Direction
    method: LiquidationMethod
    price: Price
    size: Size
    mark_price: Price
    timestamp: datetime
    source: SourceName
    hash: TransactionHash | None
    tid: int
    role: FillRole
    liquidated_user: Address
    direction_text: str
    margin_mode: MarginMode | None
    closed_pnl: Usd | None
    fee: Usd | None
    position_size_before: Size | None
    counterparty: Address | None
    observations: list[str]

    def as_fill(self) -> LiquidatedFill:
        names = LiquidatedFill.__struct_fields__
        values = {name: getattr(self, name) for name in names}
        if self.role is FillRole.VICTIM:  # the column holds what another row told
            values["counterparty"] = None
        return LiquidatedFill(**values)
