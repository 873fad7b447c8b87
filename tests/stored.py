"""What a PostgreSQL journal holds, in the form in which ``tests.fakes`` shows its own."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec

from kamiyo.core.claims import Claim, ClaimedPosition, ClaimedTotal
from kamiyo.core.codec import parse_metadata
from kamiyo.core.liquidations import Liquidation, fill_key
from kamiyo.core.money import plain
from kamiyo.core.ports import Counted
from kamiyo.core.states import Position
from kamiyo.core.time import rfc3339
from kamiyo.storage.fill_rows import fill_from_row
from kamiyo.storage.pool import Connection, Pool
from tests.fake_states import Row
from tests.fakes import Stored

RECORDED = {"recorded_at", "updated_at", "first_seen_at", "detected_at", "last_fetch", "state_changed_at"}
_NUMBERS = (
    "mark_price", "oracle_price", "mid_price", "open_interest", "funding_rate", "premium", "day_volume_usd",
)  # fmt: skip
_MARKET = ("protocol", "timestamp", "source", *_NUMBERS)
_VAULT = ("timestamp", "source", "account_value", "total_pnl")
_STATES = {
    "market_states": (("asset", "chain"), _MARKET),
    "market_minutes": (("asset", "chain", "minute"), _MARKET),
    "vault_states": (("vault", "chain"), (*_VAULT, "name", "parent", "children")),
    "vault_minutes": (("vault", "chain", "minute"), _VAULT),
    "account_states": (
        ("user", "protocol", "chain"),
        ("timestamp", "source", "account_value", "maintenance_margin"),
    ),
}
_CLAIMS: dict[str, tuple[str, type[msgspec.Struct]]] = {
    "claims": ("claim_id", Claim),
    "claimed_totals": ("total_id", ClaimedTotal),
    "claimed_positions": ("position_id", ClaimedPosition),
}
_POSITIONS = 'SELECT * FROM account_positions WHERE "user" = $1 AND protocol = $2 AND chain = $3'
_messages = msgspec.json.Decoder(list[msgspec.Raw])


async def stored_in(pool: Pool) -> Stored:
    async with pool.acquire() as connection:
        return await _stored(connection)


async def table(connection: Connection, name: str) -> list[dict[str, Any]]:
    """Every row of a table, in one order, without when it was recorded."""
    rows = [dict(row) for row in await connection.fetch(f"SELECT * FROM {name}")]
    plain = [{key: value for key, value in row.items() if key not in RECORDED} for row in rows]
    return sorted(plain, key=repr)


async def _stored(connection: Connection) -> Stored:
    fills = [
        (row["liquidation_id"], fill_from_row(row))
        for row in await connection.fetch("SELECT * FROM liquidation_fills")
    ]
    folded = [_liquidation(row) for row in await connection.fetch("SELECT * FROM liquidations")]
    exploits = await connection.fetch("SELECT tx_hash, version FROM exploits")
    published = await _published(connection)
    return Stored(
        fills={fill_key(identity, each.fill): each for identity, each in fills},
        liquidations={each.liquidation_id: each for each in folded},
        accounts=frozenset(map(_account, await connection.fetch("SELECT * FROM account_liquidations"))),
        movements=frozenset(map(_movement, await connection.fetch("SELECT * FROM ledger_movements"))),
        exploits={row["tx_hash"]: (_latest(published, row["tx_hash"]), row["version"]) for row in exploits},
        honest_cases={
            row["case_id"]: b"" for row in await connection.fetch("SELECT case_id FROM honest_cases")
        },
        rejects=frozenset(
            tuple(row[name] for name in ("source", "stream", "rule", "detail", "payload", "payload_bytes"))
            for row in await connection.fetch("SELECT * FROM rejects")
        ),
        gaps=frozenset(
            tuple(row[name] for name in ("source", "scale", "scope", "first", "after_last"))
            for row in await connection.fetch("SELECT * FROM gaps")
        ),
        spans={_scope(row): _span(row) for row in await connection.fetch("SELECT * FROM spans")},
        block_hours={
            (row["source"], row["chain"], row["hour"]): (_ranges(row), row["first_at"], row["last_at"])
            for row in await connection.fetch("SELECT * FROM block_hours")
        },
        cursors={
            row["name"]: tuple(row[name] for name in ("cursor", "newest_block", "heard_at", "last_event_at"))
            for row in await connection.fetch("SELECT * FROM sources")
        },
        published=published,
        states=await _states(connection),
        claims=await _claims(connection),
    )


async def _states(connection: Connection) -> dict[Row, Row]:
    found: dict[Row, Row] = {}
    for name, (keys, rest) in _STATES.items():
        for row in await connection.fetch(f"SELECT * FROM {name}"):
            found[name, *(row[key] for key in keys)] = tuple(_plainly(row[each]) for each in rest)
    for key in [key for key in found if key[0] == "account_states"]:
        positions = await connection.fetch(_POSITIONS, *key[1:])
        found[key] = (*found[key], tuple(sorted(repr(_position(each)) for each in positions)))
    return found


async def _claims(connection: Connection) -> dict[Row, Row]:
    found: dict[Row, Row] = {}
    for name, (key, kind) in _CLAIMS.items():
        for row in await connection.fetch(f"SELECT * FROM {name}"):
            found[name, row[key]] = tuple(row[each] for each in kind.__struct_fields__)
    return found


def _plainly(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _position(row: asyncpg.Record) -> Position:
    return msgspec.convert({name: row[name] for name in Position.__struct_fields__}, Position)


def _account(row: asyncpg.Record) -> tuple[object, ...]:
    names = ("chain", "timestamp", "user", "hash", "digest", "amount_usd", "account_value", "margin_mode")
    positions = msgspec.json.encode(msgspec.json.decode(row["positions"]))
    return (*(row[name] for name in names), positions, row["source"])


def _movement(row: asyncpg.Record) -> tuple[object, ...]:
    names = ("chain", "timestamp", "hash", "type", "digest")
    return (*(row[name] for name in names), tuple(row["users"]), row["delta"].encode(), row["source"])


def _liquidation(row: asyncpg.Record) -> Liquidation:
    told = {name: plain(each) if isinstance(each, Decimal) else each for name, each in row.items()}
    metadata = msgspec.structs.asdict(parse_metadata(row["metadata"]))
    told |= {"timestamp": rfc3339(row["timestamp"]), "metadata": metadata}
    return msgspec.convert(told, Liquidation)


async def _published(connection: Connection) -> tuple[tuple[str, bytes], ...]:
    rows = await connection.fetch("SELECT channel, messages FROM outbox ORDER BY xid, id")
    return tuple(
        (row["channel"], bytes(message))
        for row in rows
        if row["channel"] != "sources"
        for message in _messages.decode(row["messages"])
    )


def _latest(published: tuple[tuple[str, bytes], ...], identity: str) -> bytes:
    told = [message for channel, message in published if channel == "exploits"]
    return next(
        message for message in reversed(told) if msgspec.json.decode(message, type=_Named).tx_hash == identity
    )


class _Named(msgspec.Struct):
    tx_hash: str


def _scope(row: asyncpg.Record) -> tuple[str, str]:
    return row["source"], row["scope"]


def _span(row: asyncpg.Record) -> tuple[tuple[tuple[int, int], ...], Mapping[Counted, int]]:
    return _ranges(row), {name: row[name] for name in Counted if row[name]}


def _ranges(row: asyncpg.Record) -> tuple[tuple[int, int], ...]:
    return tuple((each.lower, each.upper) for each in row["ranges"])
