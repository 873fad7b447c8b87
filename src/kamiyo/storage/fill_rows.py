"""Fills and liquidations as the rows they are stored in, and back: no database takes part in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

import asyncpg
import msgspec

from kamiyo.core.codec import to_json
from kamiyo.core.events import FillRole, LiquidatedFill
from kamiyo.core.ids import Address, Asset, Chain, LiquidationId, Protocol
from kamiyo.core.liquidations import (
    FillKey,
    Liquidation,
    ObservedFill,
    fill_key,
    liquidation_id,
    merge_all,
    observe,
)
from kamiyo.core.markets import protocol_of
from kamiyo.core.money import plain
from kamiyo.core.time import rfc3339
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
    return "\t".join(
        (
            _place_text(fill.chain, fill.asset, rfc3339(fill.timestamp)),
            key[0],
            text.name(fill.asset),
            str(fill.tid),
            fill.user,
            fill.side,
            fill.method,
            fill.price,
            fill.size,
            fill.mark_price,
            text.name(fill.source),
            fill.hash or text.NULL,
            fill.role,
            fill.liquidated_user,
            text.name(fill.direction_text),
            fill.margin_mode or text.NULL,
            fill.closed_pnl or text.NULL,
            fill.fee or text.NULL,
            fill.position_size_before or text.NULL,
            observed.counterparty or text.NULL,
            text.array(observed.observations),
        )
    )


def liquidation_row(each: Liquidation) -> tuple[str, bytes]:
    """A row of ``liquidations``, in the order of its columns, and the message that tells of it."""
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
            text.escaped(to_json(each.metadata).decode()),
        )
    )
    return line, to_json(each)


def place_of(identity: LiquidationId, fill: LiquidatedFill) -> Place:
    """Where the rows of this fill's liquidation are."""
    return fill.chain, protocol_of(fill.asset), fill.timestamp, identity


@lru_cache(maxsize=4096)  # a block's fills share all of it but for the asset
def _place_text(chain: Chain, asset: Asset, moment: str) -> str:
    return "\t".join((text.name(chain), text.name(protocol_of(asset)), moment))


def fill_from_row(row: asyncpg.Record | Mapping[str, object]) -> ObservedFill:
    """A stored fill as the value it was."""
    values = {name: plain(value) if isinstance(value, Decimal) else value for name, value in row.items()}
    counterparty, seen = values["counterparty"], msgspec.convert(values["observations"], list[str])
    if values["role"] == FillRole.VICTIM:
        values["counterparty"] = None  # the column holds what another row told
    return ObservedFill(
        fill=msgspec.convert(values, LiquidatedFill, strict=False),
        observations=tuple(sorted(seen)),
        counterparty=msgspec.convert(counterparty, Address | None),
    )
