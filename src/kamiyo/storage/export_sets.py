"""The lists that can be written to files: how each is read page by page, and what its columns hold."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

import msgspec

from kamiyo.core.exports import About, ExportDataset
from kamiyo.storage.pool import Connection, Pool, translated
from kamiyo.storage.read_cases import ReportFilter, ReportRow, read_reports
from kamiyo.storage.read_claims import (
    ClaimedPositionFilter,
    ClaimedPositionText,
    ClaimedTotalFilter,
    ClaimedTotalText,
    ClaimFilter,
    ClaimText,
    read_claimed_positions,
    read_claimed_totals,
    read_claims,
)
from kamiyo.storage.read_exploits import CaseFilter, read_exploits, read_honest_cases
from kamiyo.storage.read_liquidations import LiquidationFilter, read_liquidations
from kamiyo.storage.read_rows import ExploitText, HonestCaseText, LiquidationText, Place, Rank
from kamiyo.storage.read_states import (
    MarketFilter,
    MarketSort,
    MarketText,
    PositionFilter,
    PositionText,
    VaultFilter,
    VaultText,
    read_markets,
    read_positions,
    read_vaults,
)

F = TypeVar("F", bound=msgspec.Struct)
P = TypeVar("P", Place, Rank)
F_contra = TypeVar("F_contra", contravariant=True)


class _ReadInTime(Protocol[F_contra]):
    """How a list in the order of time is read."""

    async def __call__(
        self, connection: Connection, wanted: F_contra, /, *, past: Place | None, limit: int, descending: bool
    ) -> Sequence[tuple[Place, msgspec.Struct]]:
        """One page, each row with its place."""
        ...


_Read: TypeAlias = Callable[[Connection, F, P | None, int], Awaitable[Sequence[tuple[P, msgspec.Struct]]]]


class PageOfSet(NamedTuple):
    """Rows of a list, and the place of the last one, from which it is read on; None without any row."""

    rows: list[msgspec.Struct]
    last: bytes | None


ReadPage: TypeAlias = Callable[[bytes, bytes | None, int], Awaitable[PageOfSet]]
Describe: TypeAlias = Callable[[Connection, ExportDataset, bytes, datetime], Awaitable[About]]


class FactsColumns(msgspec.Struct, frozen=True, kw_only=True):
    """What a report says happened, as columns."""

    name: str | None = None
    protocol: str | None = None
    chains: list[str] = []
    assets: list[str] = []
    amount_usd: str | None = None
    amount_usd_low: str | None = None
    amount_usd_high: str | None = None
    amounts: msgspec.Raw = msgspec.Raw(b"[]")
    returned_usd: str | None = None
    addresses: list[str] = []
    transactions: list[str] = []
    occurred_at: str | None = None
    precision: str | None = None
    ended_at: str | None = None
    category: str | None = None
    confidence: msgspec.Raw = msgspec.Raw(b"{}")


class ReportColumns(msgspec.Struct, frozen=True, kw_only=True):
    """A report as columns, with the case it belongs to and how often it was edited."""

    tx_hash: str = ""
    version: int = 0
    report_id: str
    source: str
    medium: str
    origin: str
    source_url: str
    title: str
    text: str
    grade: str
    kind: str
    published_at: str
    received_at: str
    edited_at: str | None = None
    deleted_at: str | None = None
    repost_of: str | None = None
    facts: FactsColumns = FactsColumns()
    curated: msgspec.Raw = msgspec.Raw(b"null")
    citations: msgspec.Raw = msgspec.Raw(b"[]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSet(Generic[F, P]):
    """A list that can be written: what may be asked of it, and how it is read.

    ``table`` is what a row is in columns. Where rows may move to another place, all are read as they are at
    one moment; else they may be read in parts, each at another moment, and none is met twice or missed.
    """

    wanted: type[F]
    table: type[msgspec.Struct]
    place: type[P]
    read: _Read[F, P]
    decimals: frozenset[str]
    moments: frozenset[str]
    rows_stay: bool = False

    async def page(self, connection: Connection, filters: bytes, past: bytes | None, limit: int) -> PageOfSet:
        """At most ``limit`` rows that fit, beginning after ``past``."""
        wanted = msgspec.json.decode(filters, type=self.wanted)
        after = None if past is None else msgspec.json.decode(past, type=self.place)
        found = await self.read(connection, wanted, after, limit)
        return PageOfSet([row for _place, row in found], msgspec.json.encode(found[-1][0]) if found else None)


def _in_time(read: _ReadInTime[F]) -> _Read[F, Place]:
    async def page(
        connection: Connection, wanted: F, past: Place | None, limit: int
    ) -> Sequence[tuple[Place, msgspec.Struct]]:
        return await read(connection, wanted, past=past, limit=limit, descending=False)

    return page


# Without the age a list shows: of a row in a file it would be wrong a second later.
async def _markets(
    connection: Connection, wanted: MarketFilter, past: Rank | None, limit: int
) -> Sequence[tuple[Rank, msgspec.Struct]]:
    found = await read_markets(
        connection, wanted, sort=MarketSort.ASSET, past=past, limit=limit, descending=False
    )
    return [(rank, row) for rank, _moment, row in found]


async def _vaults(
    connection: Connection, wanted: VaultFilter, past: Rank | None, limit: int
) -> Sequence[tuple[Rank, msgspec.Struct]]:
    found = await read_vaults(connection, wanted, past=past, limit=limit, descending=True)
    return [(rank, row) for rank, _moment, row in found]


async def _positions(
    connection: Connection, wanted: PositionFilter, past: Rank | None, limit: int
) -> Sequence[tuple[Rank, msgspec.Struct]]:
    found = await read_positions(connection, wanted, past=past, limit=limit)
    return [(rank, row) for rank, _moment, row in found]


_CASE_MOMENTS = frozenset({"timestamp", "ended_at"})
_STATE_MOMENTS = frozenset({"timestamp"})
_REPORT_AMOUNTS = ("amount_usd", "amount_usd_low", "amount_usd_high", "returned_usd")

SETS: Mapping[ExportDataset, ExportSet[Any, Any]] = MappingProxyType(
    {
        ExportDataset.LIQUIDATIONS: ExportSet(
            wanted=LiquidationFilter,
            table=LiquidationText,
            read=_in_time(read_liquidations),
            place=Place,
            decimals=frozenset(
                {
                    "size",
                    "liquidation_price",
                    "mark_price",
                    "amount_usd",
                    "leverage",
                    "metadata_closed_pnl",
                    "metadata_fee",
                    "metadata_position_size_before",
                }
            ),
            moments=frozenset({"timestamp"}),
            rows_stay=True,
        ),
        ExportDataset.EXPLOITS: ExportSet(
            wanted=CaseFilter,
            table=ExploitText,
            read=_in_time(read_exploits),
            place=Place,
            decimals=frozenset({"amount_usd", "amount_usd_low", "amount_usd_high"}),
            moments=_CASE_MOMENTS,
        ),
        ExportDataset.HONEST_CASES: ExportSet(
            wanted=CaseFilter,
            table=HonestCaseText,
            read=_in_time(read_honest_cases),
            place=Place,
            decimals=frozenset(),
            moments=_CASE_MOMENTS,
        ),
        ExportDataset.REPORTS: ExportSet(
            wanted=ReportFilter,
            table=ReportColumns,
            read=_in_time(read_reports),
            place=Place,
            decimals=frozenset(f"facts_{name}" for name in _REPORT_AMOUNTS),
            moments=frozenset(
                {
                    "published_at",
                    "received_at",
                    "edited_at",
                    "deleted_at",
                    "facts_occurred_at",
                    "facts_ended_at",
                }
            ),
        ),
        ExportDataset.MARKETS: ExportSet(
            wanted=MarketFilter,
            table=MarketText,
            read=_markets,
            place=Rank,
            decimals=frozenset(
                {
                    "mark_price",
                    "oracle_price",
                    "mid_price",
                    "oracle_deviation",
                    "open_interest",
                    "open_interest_usd",
                    "funding_rate",
                    "premium",
                    "day_volume_usd",
                }
            ),
            moments=_STATE_MOMENTS,
        ),
        ExportDataset.VAULTS: ExportSet(
            wanted=VaultFilter,
            table=VaultText,
            read=_vaults,
            place=Rank,
            decimals=frozenset({"account_value", "total_pnl"}),
            moments=_STATE_MOMENTS,
        ),
        ExportDataset.POSITIONS: ExportSet(
            wanted=PositionFilter,
            table=PositionText,
            read=_positions,
            place=Rank,
            decimals=frozenset(
                {
                    "size",
                    "amount_usd",
                    "entry_price",
                    "mark_price",
                    "liquidation_price",
                    "distance",
                    "leverage",
                }
            ),
            moments=_STATE_MOMENTS,
        ),
        ExportDataset.CLAIMS: ExportSet(
            wanted=ClaimFilter,
            table=ClaimText,
            read=_in_time(read_claims),
            place=Place,
            decimals=frozenset({"price", "amount_usd"}),
            moments=frozenset({"timestamp"}),
            rows_stay=True,
        ),
        ExportDataset.CLAIMED_TOTALS: ExportSet(
            wanted=ClaimedTotalFilter,
            table=ClaimedTotalText,
            read=_in_time(read_claimed_totals),
            place=Place,
            decimals=frozenset({"long_usd", "short_usd", "total_usd"}),
            moments=frozenset({"start", "observed_at"}),
            rows_stay=True,
        ),
        ExportDataset.CLAIMED_POSITIONS: ExportSet(
            wanted=ClaimedPositionFilter,
            table=ClaimedPositionText,
            read=_in_time(read_claimed_positions),
            place=Place,
            decimals=frozenset(
                {
                    "size",
                    "value_usd",
                    "entry_price",
                    "mark_price",
                    "liquidation_price",
                    "leverage",
                    "margin_usd",
                    "unrealized_pnl_usd",
                    "funding_usd",
                }
            ),
            moments=frozenset({"opened_at", "timestamp"}),
            rows_stay=True,
        ),
    }
)

_PATIENCE = "SET LOCAL idle_in_transaction_session_timeout = '60s'"  # it holds nothing others wait for
_report = msgspec.json.Decoder(ReportColumns)


def in_columns(row: msgspec.Struct) -> msgspec.Struct:
    """A row of a list as what its set calls a table's row."""
    if not isinstance(row, ReportRow):
        return row
    report = _report.decode(row.report)
    return msgspec.structs.replace(report, tx_hash=row.tx_hash, version=row.version)


class PostgresLists:
    """The lists of a database, each read as it is at one moment. ``describe`` says what to believe of one."""

    def __init__(self, pool: Pool, describe: Describe) -> None:
        self._pool = pool
        self._describe = describe

    @asynccontextmanager
    async def reading(self, dataset: ExportDataset) -> AsyncGenerator[ReadPage]:
        """What reads pages of a list, by its filters, after a place, so many rows at most."""
        async with self._one_moment() as connection:
            yield partial(SETS[dataset].page, connection)

    async def describe(self, dataset: ExportDataset, filters: bytes, now: datetime) -> About:
        """What is to be believed of the rows of a list."""
        async with self._one_moment() as connection:
            return await self._describe(connection, dataset, filters, now)

    @asynccontextmanager
    async def _one_moment(self) -> AsyncGenerator[Connection]:
        async with (
            translated(),
            self._pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            await connection.execute(_PATIENCE)
            yield connection
