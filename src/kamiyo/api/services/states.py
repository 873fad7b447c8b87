"""What stands now: markets, vaults and open positions, each row as old as it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeAlias

import msgspec

from kamiyo.api.dependencies import MarketQuery, MinuteQuery, PositionQuery, RankedQuery, VaultQuery
from kamiyo.api.pages import (
    Coverage,
    Freshness,
    ListMeta,
    Order,
    PageOf,
    build_page,
    read_cursor,
    read_rank,
)
from kamiyo.api.problems import Refused
from kamiyo.api.services.sources import (
    MARKETS,
    POSITIONS,
    VAULTS,
    describe,
    is_worth_a_warning,
    source_line,
    streams_of,
)
from kamiyo.api.state import ApiState
from kamiyo.core.errors import MalformedPayload
from kamiyo.core.ids import parse_address, parse_asset
from kamiyo.core.markets import protocol_of
from kamiyo.core.sources import CoverageLabel, SourceHealth, SourceStatus, health_of
from kamiyo.core.time import rfc3339
from kamiyo.storage.pool import Connection
from kamiyo.storage.read_rows import Place, Rank, reading
from kamiyo.storage.read_states import (
    Looks,
    MarketFilter,
    MarketSort,
    PositionFilter,
    StateTable,
    Stretch,
    VaultFilter,
    read_looks,
    read_market,
    read_market_minutes,
    read_markets,
    read_newest,
    read_positions,
    read_vault,
    read_vault_minutes,
    read_vaults,
)
from kamiyo.storage.sources import list_sources

_Found: TypeAlias = Sequence[tuple[Rank, datetime, msgspec.Struct]]
_Row: TypeAlias = Mapping[str, object]


class Dataset(msgspec.Struct, frozen=True):
    """States of one kind. ``patience``: how old the newest may be, and a row, before it is called stale."""

    name: str
    table: StateTable
    patience: timedelta
    row_patience: timedelta
    label: CoverageLabel


_MARKETS = Dataset(
    MARKETS, StateTable.MARKETS, timedelta(minutes=1), timedelta(minutes=1), CoverageLabel.NOT_MEASURED
)
_VAULTS = Dataset(
    VAULTS, StateTable.VAULTS, timedelta(minutes=10), timedelta(minutes=10), CoverageLabel.NOT_MEASURED
)
# Accounts are looked at by turns: a look is old long after the looking has stopped.
_POSITIONS = Dataset(
    POSITIONS, StateTable.POSITIONS, timedelta(minutes=10), timedelta(hours=1), CoverageLabel.SAMPLE
)


class Sample(msgspec.Struct, frozen=True):
    """Of how many accounts positions are known, and when the oldest and the newest look at them was."""

    accounts: int
    oldest_look_at: str | None
    newest_look_at: str | None


class SampleMeta(ListMeta, frozen=True, kw_only=True):
    """What stands beside a list that shows the accounts looked at, and no others."""

    sample: Sample


async def list_markets(state: ApiState, query: MarketQuery) -> bytes:
    """One page of the newest state of each market."""
    by_name = query.sort is MarketSort.ASSET
    order = query.order or (Order.ASCENDING if by_name else Order.DESCENDING)
    wanted = MarketFilter(chain=query.chain, protocol=query.protocol, asset=query.asset)
    past = _past(query, f"{MARKETS}/{query.sort}", order, 2)
    now = state.clock.now()
    async with reading(state.pool) as connection:
        found = await read_markets(
            connection,
            wanted,
            sort=query.sort,
            past=past,
            limit=query.limit + 1,
            descending=order is Order.DESCENDING,
        )
        known = await _freshness(connection, _MARKETS, now)
    page = PageOf(f"{MARKETS}/{query.sort}", order, query.limit)
    return _encode(*build_page(_aged(found, _MARKETS, now), page, known, state.showing))


async def list_vaults(state: ApiState, query: VaultQuery) -> bytes:
    """One page of the newest state of each vault."""
    wanted = VaultFilter(chain=query.chain, parent=query.parent)
    past = _past(query, VAULTS, query.order, 2)
    now = state.clock.now()
    async with reading(state.pool) as connection:
        descending = query.order is Order.DESCENDING
        found = await read_vaults(connection, wanted, past=past, limit=query.limit + 1, descending=descending)
        known = await _freshness(connection, _VAULTS, now)
    page = PageOf(VAULTS, query.order, query.limit)
    return _encode(*build_page(_aged(found, _VAULTS, now), page, known, state.showing))


async def list_positions(state: ApiState, query: PositionQuery) -> bytes:
    """One page of open positions, the nearest to its liquidation first, and of how many accounts they are."""
    wanted = PositionFilter(**{name: getattr(query, name) for name in PositionFilter.__struct_fields__})
    past = _past(query, POSITIONS, Order.ASCENDING, 3)
    now = state.clock.now()
    async with reading(state.pool) as connection:
        found = await read_positions(connection, wanted, past=past, limit=query.limit + 1)
        known, looks = await read_sample(connection, wanted, now)
    page = PageOf(POSITIONS, Order.ASCENDING, query.limit)
    rows, meta = build_page(_aged(found, _POSITIONS, now), page, known, state.showing)
    sample = Sample(looks.accounts, looks.oldest_at, looks.newest_at)
    return _encode(rows, SampleMeta(**msgspec.structs.asdict(meta), sample=sample))


async def show_market(state: ApiState, asset: str, query: MinuteQuery) -> bytes:
    """The newest state of one market, and minutes of it."""
    return await _show(state, _MARKETS, query, _market(asset, query))


async def show_vault(state: ApiState, vault: str, query: MinuteQuery) -> bytes:
    """The newest state of one vault, and minutes of it."""
    return await _show(state, _VAULTS, query, _vault(vault, query))


async def read_sample(
    connection: Connection, wanted: PositionFilter, now: datetime
) -> tuple[Freshness, Looks]:
    """How far positions may be believed, and of how many accounts they are."""
    dex = wanted.protocol or (None if wanted.asset is None else protocol_of(parse_asset(wanted.asset)))
    looks = await read_looks(connection, chain=wanted.chain, protocol=dex, user=wanted.user)
    known = await _freshness(connection, _POSITIONS, now)
    warnings = [*known.warnings, _sample_warning(looks, wanted.user)]
    return msgspec.structs.replace(known, warnings=warnings), looks


async def read_state_freshness(connection: Connection, name: str, now: datetime) -> Freshness:
    """How far markets or vaults, whichever is named, may be believed."""
    return await _freshness(connection, _VAULTS if name == VAULTS else _MARKETS, now)


def judge_states(
    dataset: Dataset, sources: Sequence[SourceStatus], newest: Mapping[str, datetime], now: datetime
) -> Freshness:
    """How far states may be believed: stale unless a source that told of them is live and did so just now."""
    own = [each for each in sources if each.name in newest]
    live = [each for each in own if health_of(each, now) is SourceHealth.LIVE]
    fresh = any(now - newest[each.name] <= dataset.patience for each in live)
    shown = own or streams_of(sources)
    conditions = [describe(each, now) for each in shown if is_worth_a_warning(each, now)]
    if not own:
        warnings = [": ".join([f"no source has told of any {dataset.name}", *_joined(conditions)])]
    elif live and not fresh:
        warnings = [f"the newest of the {dataset.name} is of {rfc3339(max(newest.values()))}", *conditions]
    elif not live:
        warnings = [f"no source of {dataset.name} is live: {'; '.join(conditions)}"]
    else:
        warnings = conditions
    coverage = Coverage(label=dataset.label, sources=[source_line(each, now) for each in shown])
    return Freshness(as_of=rfc3339(now), stale=not fresh, coverage=coverage, warnings=warnings)


_Details: TypeAlias = tuple[datetime, msgspec.Struct, Sequence[tuple[Place, msgspec.Struct]]]
_Read: TypeAlias = Callable[[Connection, Stretch], Awaitable[_Details | None]]


def _market(asset: str, query: MinuteQuery) -> _Read:
    async def read(connection: Connection, stretch: Stretch) -> _Details | None:
        found = await read_market(connection, asset, query.chain) if _is_name(parse_asset, asset) else None
        return found and (*found, await read_market_minutes(connection, found[1], stretch))

    return read


def _vault(vault: str, query: MinuteQuery) -> _Read:
    async def read(connection: Connection, stretch: Stretch) -> _Details | None:
        known = _is_name(parse_address, vault)
        found = await read_vault(connection, vault.lower(), query.chain) if known else None
        return found and (*found, await read_vault_minutes(connection, found[1], stretch))

    return read


async def _show(state: ApiState, dataset: Dataset, query: MinuteQuery, read: _Read) -> bytes:
    page = PageOf(f"{dataset.name}/minutes", query.order, query.limit)
    stretch = Stretch(
        start=query.start,
        end=query.end,
        past=None if query.cursor is None else read_cursor(query.cursor, page.dataset, query.order),
        limit=query.limit + 1,
        descending=query.order is Order.DESCENDING,
    )
    now = state.clock.now()
    async with reading(state.pool) as connection:
        found = await read(connection, stretch)
        if found is None:
            raise Refused(404, "not_found", f"none of the stored {dataset.name} has this name")
        known = await _freshness(connection, dataset, now)
    moment, newest, minutes = found
    rows, meta = build_page(minutes, page, known, state.showing)
    return _encode({**_with_age(newest, moment, dataset, now), "minutes": rows}, meta)


def _past(query: RankedQuery, dataset: str, order: Order, keys: int) -> Rank | None:
    return None if query.cursor is None else read_rank(query.cursor, dataset, order, keys=keys)


async def _freshness(connection: Connection, dataset: Dataset, now: datetime) -> Freshness:
    newest = await read_newest(connection, dataset.table)
    return judge_states(dataset, await list_sources(connection), newest, now)


def _aged(found: _Found, dataset: Dataset, now: datetime) -> list[tuple[Rank, _Row]]:
    return [(rank, _with_age(row, moment, dataset, now)) for rank, moment, row in found]


def _with_age(row: msgspec.Struct, moment: datetime, dataset: Dataset, now: datetime) -> _Row:
    age = now - moment
    return msgspec.structs.asdict(row) | {
        "age_seconds": max(0, int(age.total_seconds())),
        "stale": age > dataset.row_patience,
    }


def _sample_warning(looks: Looks, user: str | None) -> str:
    if not looks.accounts:
        looked = "no account was ever" if user is None else "this account was never"
        return f"{looked} looked at: that no position is shown says nothing"
    if user is not None:
        return f"this account was last looked at {looks.newest_at}; distances are those of that look"
    return (
        f"a sample: the positions of {looks.accounts:,} accounts that were looked at between "
        f"{looks.oldest_at} and {looks.newest_at}; distances are those of these looks"
    )


def _is_name(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except MalformedPayload:
        return False
    return True


def _joined(conditions: Sequence[str]) -> list[str]:
    return ["; ".join(conditions)] if conditions else []


def _encode(data: object, meta: ListMeta) -> bytes:
    return msgspec.json.encode({"data": data, "meta": meta})
