"""Store what others say happened: each order once, and the newest word on each total and position."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from kamiyo.core.claims import Claim, ClaimedPosition, ClaimedTotal
from kamiyo.core.codec import to_json
from kamiyo.core.ports import Event
from kamiyo.storage import outbox
from kamiyo.storage.pool import Connection

_Columns = dict[str, str]  # names and types


_CLAIM: _Columns = {
    "claim_id": "text", "source": "text", "exchange": "text", "pair": "text", "asset": "text", "side": "text",
    "price": "numeric", "amount_usd": "numeric", "timestamp": "timestamptz", "ordinal": "integer",
}  # fmt: skip
_TOTAL: _Columns = {
    "observed_at": "timestamptz", "total_id": "text", "source": "text", "exchange": "text", "asset": "text",
    "start": "timestamptz", "window_seconds": "integer", "rolling": "boolean", "long_usd": "numeric",
    "short_usd": "numeric", "total_usd": "numeric",
}  # fmt: skip
_POSITION: _Columns = {
    "timestamp": "timestamptz", "position_id": "text", "source": "text", "user": "text", "asset": "text",
    "action": "text", "side": "text", "size": "numeric", "entry_price": "numeric", "mark_price": "numeric",
    "liquidation_price": "numeric", "value_usd": "numeric", "leverage": "numeric", "margin_mode": "text",
    "margin_usd": "numeric", "unrealized_pnl_usd": "numeric", "funding_usd": "numeric",
    "opened_at": "timestamptz",
}  # fmt: skip
# The order of two words of one moment: what is unknown stands below all that is known.
_COMPARED = {
    "timestamptz": "coalesce({}, '-infinity')",
    "text": "coalesce({}, '') COLLATE \"C\"",
    "integer": "{}",
    "boolean": "{}",
    "numeric": "coalesce({}, '-Infinity')",
}

T = TypeVar("T", bound=msgspec.Struct)


def _names(columns: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)


def _heard(columns: _Columns) -> str:
    arrays = ", ".join(f"${at}::{kind}[]" for at, kind in enumerate(columns.values(), 1))
    return f"SELECT * FROM unnest({arrays}) AS heard ({_names(columns)})"  # noqa: S608


def _rank(columns: _Columns, of: str) -> str:
    return ", ".join(_COMPARED[kind].format(f'{of}."{name}"') for name, kind in columns.items())


def _keep_newest(table: str, key: str, columns: _Columns) -> str:
    """SQL that keeps the newest word on each key; keys come in order, so that no two writers deadlock."""
    updates = ", ".join(f'"{name}" = excluded."{name}"' for name in columns if name != key)
    return f"""
    INSERT INTO {table} AS kept ({_names(columns)})
    SELECT DISTINCT ON ({key}) {_names(columns)} FROM ({_heard(columns)}) AS heard
    ORDER BY {key}, ROW({_rank(columns, "heard")}) DESC
    ON CONFLICT ({key}) DO UPDATE SET {updates}
    WHERE ({_rank(columns, "excluded")}) > ({_rank(columns, "kept")})"""  # noqa: S608


_WRITE_CLAIMS = f"""
INSERT INTO claims ({_names(_CLAIM)}) {_heard(_CLAIM)} ORDER BY timestamp, claim_id
ON CONFLICT DO NOTHING RETURNING claim_id
"""
_WRITE_TOTALS = _keep_newest("claimed_totals", "total_id", _TOTAL)
_WRITE_POSITIONS = _keep_newest("claimed_positions", "position_id", _POSITION)


async def store_claims(connection: Connection, events: Sequence[Event], *, quiet: bool = False) -> int:
    """Store the claims among the events, in the caller's transaction, and tell of new ones; what changed.

    ``quiet`` tells nobody.
    """
    orders = {each.claim_id: each for each in _only(Claim, events)}
    changed = 0
    if orders:
        rows = await connection.fetch(_WRITE_CLAIMS, *_columns(orders.values(), _CLAIM))
        new = {row[0] for row in rows}
        told = [] if quiet else [claim_json(each) for key, each in orders.items() if key in new]
        await outbox.publish(connection, "claims", told)
        changed = len(new)
    changed += await _replace(connection, _WRITE_TOTALS, _only(ClaimedTotal, events), _TOTAL)
    return changed + await _replace(connection, _WRITE_POSITIONS, _only(ClaimedPosition, events), _POSITION)


def claim_json(claim: Claim) -> bytes:
    """What subscribers are told of an order: what the list of claims shows of it."""
    return to_json({"claim_id": claim.claim_id} | msgspec.structs.asdict(claim))


async def _replace(
    connection: Connection, statement: str, words: Sequence[ClaimedTotal | ClaimedPosition], columns: _Columns
) -> int:
    if not words:
        return 0
    result = await connection.execute(statement, *_columns(words, columns))
    return int(result.rpartition(" ")[2])


def _only(kind: type[T], events: Iterable[Event]) -> list[T]:
    return [event for event in events if type(event) is kind]


def _columns(words: Iterable[Any], columns: _Columns) -> list[list[Any]]:
    """The arrays of the statement: columns have the names of fields and properties."""
    found = list(words)
    return [[getattr(each, name) for each in found] for name in columns]
