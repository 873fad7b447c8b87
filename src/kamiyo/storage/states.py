"""Store what stood at a moment: the newest word on a market, a vault or an account replaces the one before.

Which of two words is the newer is decided by all they say, so that every order ends in the same rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from kamiyo.core.codec import to_json
from kamiyo.core.ids import Address, Chain, Protocol
from kamiyo.core.markets import protocol_of
from kamiyo.core.states import AccountState, MarketState, VaultState
from kamiyo.storage.pool import Connection

_Columns = dict[str, str]  # names and types
_AccountKey = tuple[Chain, Protocol, Address]
_Look = tuple[AccountState, str]  # with its digest

_MARKET_NUMBERS = (
    "mark_price", "oracle_price", "mid_price", "open_interest", "funding_rate", "premium", "day_volume_usd",
)  # fmt: skip
_MARKET: _Columns = {
    "timestamp": "timestamptz", "source": "text", "chain": "text", "protocol": "text", "asset": "text",
    **dict.fromkeys(_MARKET_NUMBERS, "numeric"),
}  # fmt: skip
_VAULT_MINUTE: _Columns = {
    "timestamp": "timestamptz", "source": "text", "chain": "text", "vault": "text",
    "account_value": "numeric", "total_pnl": "numeric",
}  # fmt: skip
_VAULT: _Columns = _VAULT_MINUTE | {"name": "text", "parent": "text", "children": "text[]"}
_ACCOUNT: _Columns = {
    "timestamp": "timestamptz", "source": "text", "chain": "text", "protocol": "text", "user": "text",
    "digest": "text", "account_value": "numeric", "maintenance_margin": "numeric",
}  # fmt: skip
_POSITION: _Columns = {
    "timestamp": "timestamptz", "source": "text", "chain": "text", "protocol": "text", "user": "text",
    "asset": "text", "side": "text", "size": "numeric", "entry_price": "numeric", "mark_price": "numeric",
    "amount_usd": "numeric", "liquidation_price": "numeric", "leverage": "numeric", "margin_mode": "text",
}  # fmt: skip
_COMPARED = {
    "timestamptz": "{}",
    "text": "coalesce({}, '') COLLATE \"C\"",  # by bytes, whatever the server's language
    "text[]": "{}",
    "numeric": "coalesce({}, '-Infinity')",  # what is unknown stands below all that is known
}
_DIGEST_BYTES = 12


def _names(columns: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)


def _heard(columns: _Columns) -> str:
    arrays = ", ".join(f"${at}::{kind}[]" for at, kind in enumerate(columns.values(), 1))
    return f"unnest({arrays}) AS heard ({_names(columns)})"


def _rank(columns: _Columns, of: str) -> str:
    return ", ".join(_COMPARED[kind].format(f'{of}."{name}"') for name, kind in columns.items())


def _keep_newest(table: str, key: Sequence[str], columns: _Columns) -> str:
    """SQL that keeps the newest heard row of each key; keys come in order, so no two writers deadlock."""
    names = [*columns, *(["minute"] if "minute" in key else [])]
    updates = ", ".join(f'"{name}" = excluded."{name}"' for name in columns if name not in key)
    return f"""
    INSERT INTO {table} AS kept ({_names(names)})
    SELECT DISTINCT ON ({_names(key)}) {_names(names)}
    FROM heard ORDER BY {_names(key)}, ROW({_rank(columns, "heard")}) DESC
    ON CONFLICT ({_names(key)}) DO UPDATE SET {updates}
    WHERE ({_rank(columns, "excluded")}) > ({_rank(columns, "kept")})"""  # noqa: S608


_MINUTE = "date_trunc('minute', heard.timestamp, 'UTC') AS minute"
_WRITE_MARKETS = f"""
WITH heard AS (SELECT *, {_MINUTE} FROM {_heard(_MARKET)}),
newest AS ({_keep_newest("market_states", ("asset", "chain"), _MARKET)})
{_keep_newest("market_minutes", ("asset", "minute", "chain"), _MARKET)}
"""  # noqa: S608
_WRITE_VAULTS = f"""
WITH heard AS (
    SELECT {_names(_VAULT_MINUTE)}, name, parent, string_to_array(children, ',') AS children, {_MINUTE}
    FROM {_heard(_VAULT | {"children": "text"})}
),
newest AS ({_keep_newest("vault_states", ("vault", "chain"), _VAULT)})
{_keep_newest("vault_minutes", ("vault", "minute", "chain"), _VAULT_MINUTE)}
"""  # noqa: S608
_WRITE_ACCOUNTS = f"""
WITH heard AS (SELECT * FROM {_heard(_ACCOUNT)})
{_keep_newest("account_states", ("user", "protocol", "chain"), _ACCOUNT)}
RETURNING chain, protocol, "user"
"""  # noqa: S608
_FORGET_POSITIONS = """
DELETE FROM account_positions AS kept
USING unnest($1::text[], $2::text[], $3::text[]) AS seen (chain, protocol, "user")
WHERE (kept."user", kept.protocol, kept.chain) = (seen."user", seen.protocol, seen.chain)
"""
_WRITE_POSITIONS = f"""
INSERT INTO account_positions ({_names(_POSITION)}, distance)
SELECT {_names(_POSITION)}, round(
    CASE side WHEN 'long' THEN mark_price - liquidation_price ELSE liquidation_price - mark_price END
    / mark_price, 6)
FROM {_heard(_POSITION)}
"""  # noqa: S608


async def store_markets(connection: Connection, states: Sequence[MarketState]) -> int:
    """Keep the newest state of each market, and of each minute of it; how many minutes changed."""
    rows = [
        (
            each.timestamp,
            each.source,
            each.chain,
            protocol_of(each.asset),
            each.asset,
            *(getattr(each, name) for name in _MARKET_NUMBERS),
        )
        for each in states
    ]
    return await _write(connection, _WRITE_MARKETS, rows)


async def store_vaults(connection: Connection, states: Sequence[VaultState]) -> int:
    """Keep the newest state of each vault, and of each minute of it; how many minutes changed."""
    rows = [
        (
            each.timestamp,
            each.source,
            each.chain,
            each.vault,
            each.account_value,
            each.total_pnl,
            each.name,
            each.parent,
            ",".join(each.children),
        )
        for each in states
    ]
    return await _write(connection, _WRITE_VAULTS, rows)


async def store_accounts(connection: Connection, states: Sequence[AccountState]) -> int:
    """Replace the positions of each account by those of the newest look at it; how many looks were newer."""
    if not states:
        return 0
    looks = _newest_looks(states)
    rows = [
        (each.timestamp, each.source, *key, digest, each.account_value, each.maintenance_margin)
        for key, (each, digest) in looks.items()
    ]
    # This locks the accounts, so that two writers replace the positions of one by turns.
    replaced = [tuple(row) for row in await connection.fetch(_WRITE_ACCOUNTS, *_columns(rows))]
    if replaced:
        await connection.execute(_FORGET_POSITIONS, *_columns(replaced))
    opened = [row for key in replaced for row in _position_rows(looks[key][0])]
    if opened:
        await connection.execute(_WRITE_POSITIONS, *_columns(opened))
    return len(replaced)


def _newest_looks(states: Sequence[AccountState]) -> dict[_AccountKey, _Look]:
    looks: dict[_AccountKey, _Look] = {}
    for each in states:
        key, look = (each.chain, each.protocol, each.user), (each, _digest(each))
        if key not in looks or _age_of(look) > _age_of(looks[key]):
            looks[key] = look
    return looks


def _age_of(look: _Look) -> tuple[object, ...]:
    state, digest = look
    return state.timestamp, state.source, digest


def _digest(state: AccountState) -> str:
    return hashlib.blake2b(to_json(state), digest_size=_DIGEST_BYTES).hexdigest()


def _position_rows(state: AccountState) -> list[tuple[object, ...]]:
    account = (state.timestamp, state.source, state.chain, state.protocol, state.user)
    return [
        (
            *account,
            each.asset,
            each.side,
            each.size,
            each.entry_price,
            each.mark_price,
            each.amount_usd,
            each.liquidation_price,
            each.leverage,
            each.margin_mode,
        )
        for each in state.positions
    ]


async def _write(connection: Connection, statement: str, rows: Sequence[tuple[object, ...]]) -> int:
    if not rows:
        return 0
    result = await connection.execute(statement, *_columns(rows))
    return int(result.rpartition(" ")[2])


def _columns(rows: Sequence[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]
