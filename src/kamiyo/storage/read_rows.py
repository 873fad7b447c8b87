"""How a read begins and ends, and stored rows as the JSON they are shown as.

Rows come out of the database as text that needs no arithmetic any more: plain digits, RFC 3339. Encoding
them gives the very bytes ``core.codec.to_json`` gives for the value that was stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime

import msgspec

from kamiyo.storage.pool import Connection, Pool, translated

_PATIENCE_SECONDS = 10  # a reader gets its answer by then, or hears that there is none


class Place(msgspec.Struct, frozen=True):
    """Where a page of a list ended: the key of its last row."""

    timestamp: datetime
    key: str


class Rank(msgspec.Struct, frozen=True):
    """Where a page of a list in the order of a number ended: that number's digits, and what told rows apart.

    What is not known stands at the end of such a list: its number is infinite.
    """

    number: str
    keys: tuple[str, ...]


class LiquidationMetadataText(msgspec.Struct, frozen=True, gc=False):
    """``LiquidationMetadata``, as text."""

    hash: str | None
    liquidated_user: str
    fill_directions: list[str]
    closed_pnl: str | None
    fee: str | None
    position_size_before: str | None


class LiquidationText(msgspec.Struct, frozen=True, gc=False):
    """``Liquidation``, as text."""

    liquidation_id: str
    chain: str
    protocol: str
    user: str
    asset: str
    side: str
    method: str
    size: str
    liquidation_price: str
    mark_price: str
    amount_usd: str
    leverage: str | None
    margin_mode: str | None
    fill_count: int
    timestamp: str
    source: str
    observed_by: list[str]
    version: int
    metadata: LiquidationMetadataText


class FillText(msgspec.Struct, frozen=True, gc=False):
    """A liquidated fill with everybody's observations of it, as text."""

    asset: str
    tid: int
    user: str
    side: str
    method: str
    price: str
    size: str
    mark_price: str
    timestamp: str
    hash: str | None
    role: str
    liquidated_user: str
    direction_text: str
    margin_mode: str | None
    closed_pnl: str | None
    fee: str | None
    position_size_before: str | None
    counterparty: str | None
    source: str
    observations: list[str]


class TimelineEntryText(msgspec.Struct, frozen=True, gc=False):
    """``TimelineEntry``, as text."""

    timestamp: str
    precision: str
    event: str


class ReportLineText(msgspec.Struct, frozen=True, gc=False):
    """``ReportLine``, as text."""

    report_id: str
    source: str
    source_url: str
    title: str
    grade: str


class ExploitText(msgspec.Struct, frozen=True, gc=False):
    """``Exploit``, as text, without where each field comes from."""

    tx_hash: str
    name: str
    kind: str
    chain: str
    protocol: str
    amount_usd: str | None
    amount_usd_low: str | None
    amount_usd_high: str | None
    amount_note: str
    timestamp: str
    ended_at: str | None
    timestamp_precision: str
    source: str
    source_url: str
    category: str
    description: str
    recovery_status: str
    status: str
    confidence: str
    assets: list[str]
    addresses: list[str]
    aliases: list[str]
    timeline: list[TimelineEntryText]
    conflicts: list[str]
    reports: list[ReportLineText]
    version: int


class HonestCaseText(msgspec.Struct, frozen=True, gc=False):
    """``HonestCase``, as text."""

    case_id: str
    name: str
    chain: str
    protocol: str
    timestamp: str
    ended_at: str | None
    timestamp_precision: str
    category: str
    description: str
    assets: list[str]
    confidence: str
    reports: list[ReportLineText]


@asynccontextmanager
async def reading(pool: Pool) -> AsyncGenerator[Connection]:
    """A connection for one answer; StorageUnavailable if the database does not give it soon."""
    async with translated(), asyncio.timeout(_PATIENCE_SECONDS), pool.acquire() as connection:
        yield connection


def as_digits(column: str) -> str:
    """SQL for a number in plain digits without trailing zeros, as ``core.money.plain`` writes it."""
    return f"trim_scale({column})::text"


def as_moment(column: str) -> str:
    """SQL for a moment as ``core.time.rfc3339`` writes it."""
    return f"""to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""


Condition = tuple[str, tuple[object, ...]]


def where(conditions: Iterable[Condition]) -> tuple[str, list[object]]:
    """Conditions joined into one SQL text, and their values in order; each ``{}`` stands for one value.

    Only constants of ours become part of a statement, and only the conditions asked for: the planner sees
    which partitions and which index they need.
    """
    texts, values = list[str](), list[object]()
    for text, own in conditions:
        marks = (f"${len(values) + at}" for at in range(1, len(own) + 1))
        texts.append(text.format(*marks))
        values.extend(own)
    return " AND ".join(texts) or "true", values


def given(text: str, value: object) -> list[Condition]:
    """The condition, if its value was asked for."""
    return [] if value is None else [(text, (value,))]


def beyond(place: Place | None, key: str, *, descending: bool) -> list[Condition]:
    """What lies past a place; the first condition says again what the pruning of partitions understands."""
    if place is None:
        return []
    sign = "<" if descending else ">"
    return [
        (f"timestamp {sign}= {{}}", (place.timestamp,)),
        (f"(timestamp, {key}) {sign} ({{}}, {{}})", (place.timestamp, place.key)),
    ]
