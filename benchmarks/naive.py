"""The pipeline one writes first: json, pydantic with Decimal on every field, and executemany."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import blake2b

import asyncpg
from pydantic import BaseModel

from kamiyo.storage.pool import Connection

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FILL = """
INSERT INTO liquidation_fills (chain, protocol, timestamp, liquidation_id, asset, tid, "user", side, method,
    price, size, mark_price, source, hash, role, liquidated_user, direction_text, closed_pnl, fee,
    position_size_before, observations)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
ON CONFLICT DO NOTHING
"""
_LIQUIDATION = """
INSERT INTO liquidations (chain, protocol, timestamp, liquidation_id, "user", asset, side, method, size,
    liquidation_price, mark_price, amount_usd, fill_count, source, observed_by, version, metadata)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) ON CONFLICT DO NOTHING
"""
_MESSAGE = "INSERT INTO outbox (channel, message_count, messages) VALUES ('liquidations', 1, $1)"


class Named(BaseModel):
    """The ``liquidation`` object."""

    liquidatedUser: str  # noqa: N815  (the venue's name)
    markPx: Decimal  # noqa: N815  (the venue's name)
    method: str


class NaiveFill(BaseModel):
    """A fill, every number a Decimal."""

    coin: str
    px: Decimal
    sz: Decimal
    side: str
    time: int
    startPosition: Decimal  # noqa: N815  (the venue's name)
    dir: str
    closedPnl: Decimal  # noqa: N815  (the venue's name)
    hash: str
    crossed: bool
    fee: Decimal
    tid: int
    liquidation: Named | None = None


async def store_block(connection: asyncpg.Connection[asyncpg.Record] | Connection, line: bytes) -> int:
    """Store a block's auto-deleveraged fills, their folds, and a message for each; how many rows it has."""
    rows = [(user, NaiveFill(**fill)) for user, fill in json.loads(line)["events"]]
    taken = [
        (user, fill) for user, fill in rows if fill.liquidation and user != fill.liquidation.liquidatedUser
    ]
    by_identity: dict[str, list[tuple[str, NaiveFill]]] = defaultdict(list)
    for user, fill in taken:
        by_identity[_identity(user, fill)].append((user, fill))
    async with connection.transaction():
        await connection.executemany(
            _FILL, [_fill_row(identity, *row) for identity, rows in by_identity.items() for row in rows]
        )
        await connection.executemany(
            _LIQUIDATION, [_liquidation_row(identity, fills) for identity, fills in by_identity.items()]
        )
        await connection.executemany(
            _MESSAGE, [(_message(identity, fills),) for identity, fills in by_identity.items()]
        )
        await connection.execute("NOTIFY kamiyo_outbox")
    return len(rows)


def _identity(user: str, fill: NaiveFill) -> str:
    transaction = "" if set(fill.hash[2:]) == {"0"} else fill.hash
    seed = f"hyperliquid|{transaction}|{user}|{fill.coin}|adl"
    return f"{fill.time:013d}-{blake2b(seed.encode(), digest_size=12).hexdigest()}"


def _fill_row(identity: str, user: str, fill: NaiveFill) -> tuple[object, ...]:
    named = fill.liquidation
    return (
        *(
            "hyperliquid",
            "hyperliquid",
            _moment(fill),
            identity,
            fill.coin,
            fill.tid,
            user,
            _side(fill),
            "adl",
        ),
        *(fill.px, fill.sz, named.markPx if named else None, "hyperliquid_node", fill.hash, "victim"),
        *(named.liquidatedUser if named else None, fill.dir, fill.closedPnl, fill.fee, fill.startPosition),
        [f"hyperliquid_node/victim/{hash((fill.px, fill.sz)) & 0xFFFFFFFF:08x}"],
    )


def _liquidation_row(identity: str, fills: list[tuple[str, NaiveFill]]) -> tuple[object, ...]:
    data = _folded(identity, fills)
    names = (
        *("chain", "protocol", "moment", "liquidation_id", "user", "asset", "side", "method", "size"),
        *("liquidation_price", "mark_price", "amount_usd", "fill_count", "source", "observed_by", "version"),
    )
    return (*(data[name] for name in names), json.dumps(data["metadata"], default=str))


def _message(identity: str, fills: list[tuple[str, NaiveFill]]) -> bytes:
    return json.dumps([_folded(identity, fills)], default=_shown).encode()


def _folded(identity: str, fills: list[tuple[str, NaiveFill]]) -> dict[str, object]:
    user, first = fills[0]
    size = sum((fill.sz for _user, fill in fills), Decimal(0))
    amount = sum((fill.px * fill.sz for _user, fill in fills), Decimal(0))
    return {
        "liquidation_id": identity,
        "chain": "hyperliquid",
        "protocol": "hyperliquid",
        "user": user,
        "asset": first.coin,
        "side": _side(first),
        "method": "adl",
        "size": size,
        "liquidation_price": amount / size,
        "mark_price": first.liquidation.markPx if first.liquidation else None,
        "amount_usd": amount,
        "leverage": None,
        "margin_mode": None,
        "fill_count": len(fills),
        "moment": _moment(first),
        "source": "hyperliquid_node",
        "observed_by": ["hyperliquid_node"],
        "version": len(fills),
        "metadata": {
            "hash": first.hash,
            "liquidated_user": first.liquidation.liquidatedUser if first.liquidation else None,
            "fill_directions": [first.dir],
            "closed_pnl": sum((fill.closedPnl for _user, fill in fills), Decimal(0)),
            "fee": sum((fill.fee for _user, fill in fills), Decimal(0)),
            "position_size_before": first.startPosition,
        },
    }


def _shown(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _moment(fill: NaiveFill) -> datetime:
    return _EPOCH + timedelta(milliseconds=fill.time)


def _side(fill: NaiveFill) -> str:
    return "long" if fill.side == "A" else "short"
