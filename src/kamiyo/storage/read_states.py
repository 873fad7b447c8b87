"""Read markets, vaults and positions back for people, each row with the moment it was true at."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

import asyncpg
import msgspec

from kamiyo.core.margin import Direction
from kamiyo.storage.pool import Connection
from kamiyo.storage.read_rows import Condition, Place, Rank, as_digits, as_moment, given, where

T = TypeVar("T", bound=msgspec.Struct)

_MARKET_NUMBERS = f"""
{as_digits("mark_price")}, {as_digits("oracle_price")}, {as_digits("mid_price")},
{as_digits("round((mark_price - oracle_price) / oracle_price, 6)")}, {as_digits("open_interest")},
{as_digits("open_interest * mark_price")}, {as_digits("funding_rate")}, {as_digits("premium")},
{as_digits("day_volume_usd")}
"""
_VAULT_NUMBERS = f"{as_digits('account_value')}, {as_digits('total_pnl')}"
_TRUE_AT = f"source, {as_moment('timestamp')}"
_MARKET_COLUMNS = f"chain, protocol, asset, {_MARKET_NUMBERS}, {_TRUE_AT}"
_VAULT_COLUMNS = f"chain, vault, name, parent, children, {_VAULT_NUMBERS}, {_TRUE_AT}"
_POSITION_COLUMNS = f"""
chain, protocol, "user", asset, side, {as_digits("size")}, {as_digits("amount_usd")},
{as_digits("entry_price")}, {as_digits("mark_price")}, {as_digits("liquidation_price")},
{as_digits("distance")}, {as_digits("leverage")}, margin_mode, {_TRUE_AT}
"""
# The very expression account_positions is indexed by: what no price liquidates is the furthest away.
_DISTANCE = "coalesce(distance, 'Infinity'::numeric)"
_LOOKS = f"""
SELECT count(DISTINCT "user"), {as_moment("min(timestamp)")}, {as_moment("max(timestamp)")}
FROM account_states WHERE {{condition}}
"""  # noqa: S608


class StateTable(enum.StrEnum):
    """Where the newest states of a kind are."""

    MARKETS = "market_states"
    VAULTS = "vault_states"
    POSITIONS = "account_states"  # a look that shows no position is heard as well


class MarketSort(enum.StrEnum):
    """What a list of markets is in the order of: USD held open, USD traded in a day, or the name."""

    OPEN_INTEREST = "open_interest"
    VOLUME = "volume"
    ASSET = "asset"


class MarketText(msgspec.Struct, frozen=True, gc=False):
    """A market's state, as text. ``oracle_deviation``: how far the mark is above the oracle, a fraction."""

    chain: str
    protocol: str
    asset: str
    mark_price: str
    oracle_price: str
    mid_price: str | None
    oracle_deviation: str
    open_interest: str | None
    open_interest_usd: str | None
    funding_rate: str | None
    premium: str | None
    day_volume_usd: str | None
    source: str
    timestamp: str


class MarketMinuteText(msgspec.Struct, frozen=True, gc=False):
    """The last state of a market within a minute, as text."""

    minute: str
    mark_price: str
    oracle_price: str
    mid_price: str | None
    oracle_deviation: str
    open_interest: str | None
    open_interest_usd: str | None
    funding_rate: str | None
    premium: str | None
    day_volume_usd: str | None
    source: str
    timestamp: str


class VaultText(msgspec.Struct, frozen=True, gc=False):
    """A vault's state, as text."""

    chain: str
    vault: str
    name: str
    parent: str | None
    children: list[str]
    account_value: str | None
    total_pnl: str | None
    source: str
    timestamp: str


class VaultMinuteText(msgspec.Struct, frozen=True, gc=False):
    """The last state of a vault within a minute, as text."""

    minute: str
    account_value: str | None
    total_pnl: str | None
    source: str
    timestamp: str


class PositionText(msgspec.Struct, frozen=True, gc=False):
    """An open position as the newest look at its account shows it, as text."""

    chain: str
    protocol: str
    user: str
    asset: str
    side: str
    size: str
    amount_usd: str
    entry_price: str | None
    mark_price: str
    liquidation_price: str | None
    distance: str | None
    leverage: str | None
    margin_mode: str
    source: str
    timestamp: str


class MarketFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which markets are asked for."""

    chain: str | None = None
    protocol: str | None = None
    asset: str | None = None


class VaultFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which vaults are asked for."""

    chain: str | None = None
    parent: str | None = None


class PositionFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which positions are asked for; one that no price liquidates is within no distance."""

    chain: str | None = None
    protocol: str | None = None
    asset: str | None = None
    user: str | None = None
    side: Direction | None = None
    max_distance: Decimal | None = None


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """Which minutes are asked for, ``end`` exclusive, and in which order."""

    start: datetime | None
    end: datetime | None
    past: Place | None
    limit: int
    descending: bool


class Looks(msgspec.Struct, frozen=True):
    """How many accounts were looked at, and when the oldest and newest of these looks was."""

    accounts: int
    oldest_at: str | None
    newest_at: str | None


async def read_markets(
    connection: Connection,
    wanted: MarketFilter,
    *,
    sort: MarketSort,
    past: Rank | None,
    limit: int,
    descending: bool,
) -> list[tuple[Rank, datetime, MarketText]]:
    """One page of the newest states, the unknown last, each with its place and its moment."""
    list_of = _List(StateTable.MARKETS, _number(_SORTS[sort], descending=descending), ("asset", "chain"))
    statement, values = list_of.page(_MARKET_COLUMNS, _same(wanted), past, descending=descending)
    return _ranked(await connection.fetch(f"{statement} LIMIT {limit}", *values), 2, MarketText)


async def read_vaults(
    connection: Connection, wanted: VaultFilter, *, past: Rank | None, limit: int, descending: bool
) -> list[tuple[Rank, datetime, VaultText]]:
    """One page of the newest states by account value, the unknown last."""
    list_of = _List(StateTable.VAULTS, _number("account_value", descending=descending), ("vault", "chain"))
    statement, values = list_of.page(_VAULT_COLUMNS, _same(wanted), past, descending=descending)
    return _ranked(await connection.fetch(f"{statement} LIMIT {limit}", *values), 2, VaultText)


async def read_positions(
    connection: Connection, wanted: PositionFilter, *, past: Rank | None, limit: int
) -> list[tuple[Rank, datetime, PositionText]]:
    """One page of open positions, the nearest to its liquidation first."""
    statement, values = positions_page(wanted, past)
    return _ranked(await connection.fetch(f"{statement} LIMIT {limit}", *values), 3, PositionText)


def positions_page(wanted: PositionFilter, past: Rank | None) -> tuple[str, list[object]]:
    """The statement behind ``read_positions`` without its limit, and its values."""
    same = msgspec.structs.replace(wanted, max_distance=None)
    nearby = given(f"{_DISTANCE} <= {{}}", wanted.max_distance)
    list_of = _List("account_positions", _DISTANCE, ("user", "asset", "chain"))
    return list_of.page(_POSITION_COLUMNS, [*_same(same), *nearby], past, descending=False)


async def read_looks(
    connection: Connection, *, chain: str | None, protocol: str | None, user: str | None
) -> Looks:
    """How many accounts the positions are of, and of when."""
    condition, values = where(
        [*given("chain = {}", chain), *given("protocol = {}", protocol), *given('"user" = {}', user)]
    )
    row = await connection.fetchrow(_LOOKS.format(condition=condition), *values)
    return Looks(0, None, None) if row is None else Looks(*row)


async def read_newest(connection: Connection, table: StateTable) -> dict[str, datetime]:
    """The moment of the newest state of each source that ever told of one."""
    rows = await connection.fetch(
        f"SELECT source, max(timestamp) FROM {table} GROUP BY source ORDER BY source"  # noqa: S608
    )
    return {row[0]: row[1] for row in rows}


async def read_market(
    connection: Connection, asset: str, chain: str | None
) -> tuple[datetime, MarketText] | None:
    """The newest state of a market, on the chain that was heard last unless one is named."""
    found = await _newest_of(connection, _MARKET_COLUMNS, StateTable.MARKETS, ("asset", asset), chain)
    return None if found is None else (found[0], MarketText(*found[1]))


async def read_vault(
    connection: Connection, vault: str, chain: str | None
) -> tuple[datetime, VaultText] | None:
    """The same of a vault."""
    found = await _newest_of(connection, _VAULT_COLUMNS, StateTable.VAULTS, ("vault", vault), chain)
    return None if found is None else (found[0], VaultText(*found[1]))


async def read_market_minutes(
    connection: Connection, market: MarketText, stretch: Stretch
) -> list[tuple[Place, MarketMinuteText]]:
    """The minutes of a market's stretch."""
    same = [("asset = {}", (market.asset,)), ("chain = {}", (market.chain,))]
    rows = await _read_minutes(connection, "market_minutes", _MARKET_NUMBERS, same, stretch)
    return [(Place(row[0], market.asset), MarketMinuteText(*row[1:])) for row in rows]


async def read_vault_minutes(
    connection: Connection, vault: VaultText, stretch: Stretch
) -> list[tuple[Place, VaultMinuteText]]:
    """The minutes of a vault's stretch."""
    same = [("vault = {}", (vault.vault,)), ("chain = {}", (vault.chain,))]
    rows = await _read_minutes(connection, "vault_minutes", _VAULT_NUMBERS, same, stretch)
    return [(Place(row[0], vault.vault), VaultMinuteText(*row[1:])) for row in rows]


_SORTS = {
    MarketSort.OPEN_INTEREST: "open_interest * mark_price",
    MarketSort.VOLUME: "day_volume_usd",
    MarketSort.ASSET: "0::numeric",
}


class _List(msgspec.Struct, frozen=True):
    """A table in the order of a number, and of texts that tell rows of one number apart."""

    table: str
    number: str
    keys: tuple[str, ...]

    def page(
        self, columns: str, conditions: Sequence[Condition], past: Rank | None, *, descending: bool
    ) -> tuple[str, list[object]]:
        """A statement without a limit, and its values."""
        place = [self.number, *(f'"{key}"' for key in self.keys)]
        after = [] if past is None else [self._after(place, past, "<" if descending else ">")]
        condition, values = where([*conditions, *after])
        order = ", ".join(f"{each} {'DESC' if descending else 'ASC'}" for each in place)
        statement = (
            f"SELECT ({place[0]})::text, {', '.join(place[1:])}, timestamp, {columns} FROM {self.table} "  # noqa: S608
            f"WHERE {condition} ORDER BY {order}"
        )
        return statement, values

    @staticmethod
    def _after(place: Sequence[str], past: Rank, sign: str) -> Condition:
        marks = ", ".join(["{}::text::numeric", *("{}" for _ in past.keys)])
        return f"({', '.join(place)}) {sign} ({marks})", (past.number, *past.keys)


def _number(expression: str, *, descending: bool) -> str:
    return f"coalesce({expression}, '{'-' if descending else ''}Infinity'::numeric)"


def _same(wanted: MarketFilter | VaultFilter | PositionFilter) -> list[Condition]:
    return [
        condition
        for name, value in msgspec.structs.asdict(wanted).items()
        for condition in given(f'"{name}" = {{}}', value)
    ]


def _ranked(rows: Iterable[asyncpg.Record], keys: int, kind: type[T]) -> list[tuple[Rank, datetime, T]]:
    return [(Rank(row[0], tuple(row[1 : 1 + keys])), row[1 + keys], kind(*row[2 + keys :])) for row in rows]


async def _newest_of(
    connection: Connection, columns: str, table: StateTable, key: tuple[str, str], chain: str | None
) -> tuple[datetime, Sequence[Any]] | None:
    condition, values = where([(f"{key[0]} = {{}}", (key[1],)), *given("chain = {}", chain)])
    row = await connection.fetchrow(
        f"SELECT timestamp, {columns} FROM {table} WHERE {condition} "  # noqa: S608
        "ORDER BY timestamp DESC, chain LIMIT 1",
        *values,
    )
    return None if row is None else (row[0], tuple(row)[1:])


async def _read_minutes(
    connection: Connection, table: str, numbers: str, same: Sequence[Condition], stretch: Stretch
) -> list[asyncpg.Record]:
    past = None if stretch.past is None else stretch.past.timestamp
    condition, values = where(
        [
            *same,
            *given("minute >= {}", stretch.start),
            *given("minute < {}", stretch.end),
            *given("minute < {}" if stretch.descending else "minute > {}", past),
        ]
    )
    return await connection.fetch(
        f"SELECT minute, {as_moment('minute')}, {numbers}, {_TRUE_AT} FROM {table} WHERE {condition} "  # noqa: S608
        f"ORDER BY minute {'DESC' if stretch.descending else 'ASC'} LIMIT {stretch.limit}",
        *values,
    )
