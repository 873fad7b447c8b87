"""One batch, one transaction: everything a batch says is stored, or nothing of it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from datetime import date, datetime, timedelta
from typing import TypeVar

import msgspec

from kamiyo.core.cases import Matching, NoMatching
from kamiyo.core.codec import to_json
from kamiyo.core.errors import StorageUnavailable
from kamiyo.core.events import AccountLiquidation, LedgerMovement, LiquidatedFill
from kamiyo.core.exploits import HonestCase
from kamiyo.core.ids import Cursor, SourceName
from kamiyo.core.ports import Batch, Event, Lease, Written
from kamiyo.core.sources import SourceDescription, SourceState
from kamiyo.core.states import AccountState, MarketState, VaultState
from kamiyo.core.time import Clock
from kamiyo.kit.clock import SystemClock
from kamiyo.storage import accounting, outbox, sources, states
from kamiyo.storage.block_hours import HeardMinutes, store_block_runs, store_fill_hours
from kamiyo.storage.casebook import lock_casebook, store_reports
from kamiyo.storage.claims import store_claims
from kamiyo.storage.exploits import store_honest_case
from kamiyo.storage.fill_rows import FillRows, fill_rows
from kamiyo.storage.fills import store_fills
from kamiyo.storage.leases import hold_fast
from kamiyo.storage.partitions import Month, ensure_months, ensure_outbox_days, month_of
from kamiyo.storage.pool import Connection, Pool, translated
from kamiyo.storage.retained import hold_limits, is_old, read_limits, within

_WRITE_ACCOUNT_LIQUIDATION = """
INSERT INTO account_liquidations
    (chain, timestamp, "user", hash, digest, amount_usd, account_value, margin_mode, positions, source)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING
"""
_WRITE_LEDGER_MOVEMENT = """
INSERT INTO ledger_movements (chain, timestamp, hash, type, digest, users, delta, source)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING
"""

_BY_MONTH = (LiquidatedFill, AccountLiquidation, LedgerMovement, MarketState, VaultState, AccountState)

_LOOK_AGAIN = timedelta(seconds=1)

E = TypeVar("E")


class PostgresJournal:
    """The journal in PostgreSQL. Safe to share between tasks; every write takes a connection of its own.

    ``clock`` is the machine's, ``shown_clock`` that of what is stored: not now where it is replayed.
    ``matching`` says which reports tell of the same case; without it each is a case of its own.
    """

    def __init__(
        self,
        pool: Pool,
        clock: Clock | None = None,
        *,
        shown_clock: Clock | None = None,
        matching: Matching | None = None,
    ) -> None:
        self._pool = pool
        self._matching = matching or NoMatching()
        self._clock = clock or SystemClock()
        self._shown_clock = shown_clock or self._clock
        self._months: set[Month] = set()
        self._heard = HeardMinutes()
        self._outbox_day: date | None = None
        self._lease: Lease | None = None
        self._quiet = False

    def under(self, lease: Lease) -> PostgresJournal:
        """The same journal, whose writes and reports are LeaseLost once somebody else holds the lease."""
        fenced = copy(self)
        fenced._lease = lease  # noqa: SLF001 -- our own copy
        return fenced

    def quiet(self) -> PostgresJournal:
        """The same journal for history: what it stores is told to nobody, and moves no cursor or block."""
        silent = copy(self)
        silent._quiet = True  # noqa: SLF001 -- our own copy
        return silent

    async def write(self, batch: Batch) -> Written:
        """Store the batch in one transaction; StorageUnavailable if that may work later."""
        rows = fill_rows(_only(LiquidatedFill, batch.events))  # before anybody waits for our locks
        if self._quiet:
            batch = msgspec.structs.replace(batch, cursor=None, newest_block=None)
        try:
            async with translated(), self._pool.acquire() as connection:
                limits = await read_limits(connection) if is_old(batch, self._clock.now()) else None
                if limits:
                    batch = within(batch, limits)
                    rows = fill_rows(_only(LiquidatedFill, batch.events))
                await self._ensure_partitions(connection, batch.events)
                async with connection.transaction():
                    if limits is not None:
                        await hold_limits(connection, limits)
                    now = self._shown_clock.now()
                    written = await _write(connection, batch, rows, self._matching, now, quiet=self._quiet)
                    await self._heard.store(connection, batch)
                    await sources.advance(connection, batch, now)
                    await hold_fast(connection, self._lease)
        except StorageUnavailable:
            # Maybe a partition is gone that was there: a database can be restored behind our back.
            self._months, self._outbox_day = set(), None
            self._heard.forget()
            raise
        self._heard.stored(batch)
        return written

    async def cursor(self, source: SourceName) -> Cursor | None:
        """Where the source resumes, or None at its beginning."""
        async with translated(), self._pool.acquire() as connection:
            return await sources.read_cursor(connection, source)

    async def newest_block(self, source: SourceName) -> int | None:
        """The highest block number a source's stored batches reached, or None."""
        async with translated(), self._pool.acquire() as connection:
            return await sources.read_newest_block(connection, source)

    async def register(
        self, description: SourceDescription, state: SourceState = SourceState.STARTING
    ) -> bool:
        """Make the source known, a new one in this state; whether it is switched on."""
        async with translated(), self._pool.acquire() as connection:
            return await sources.register(connection, description, self._shown_clock.now(), state)

    async def report_state(self, source: SourceName, state: SourceState, detail: str) -> None:
        """Keep what the ingesting process knows of the source's state."""
        async with translated(), self._pool.acquire() as connection:
            await self._ensure_today(connection)
            now = self._shown_clock.now()
            await sources.report_state(connection, source, state, detail, now, lease=self._lease)

    async def priorities(self) -> Mapping[SourceName, int]:
        """The priority of every source that was ever made known, as operators set it."""
        async with translated(), self._pool.acquire() as connection:
            return {each.name: each.priority for each in await sources.list_sources(connection)}

    async def until_switched(self, source: SourceName, *, active: bool) -> None:
        """Return once the source is switched so; at once where it is."""
        while await self._is_active(source) is not active:
            await self._clock.sleep(_LOOK_AGAIN)

    async def _is_active(self, source: SourceName) -> bool:
        async with translated(), self._pool.acquire() as connection:
            return await sources.is_active(connection, source)

    async def _ensure_partitions(self, connection: Connection, events: Iterable[Event]) -> None:
        # Housekeeping makes them ahead of need; this is for history, and for when nobody kept house.
        await self._ensure_today(connection)
        moments = {e.timestamp for e in events if isinstance(e, _BY_MONTH)}
        missing = {month_of(moment) for moment in moments} - self._months
        if missing:
            await ensure_months(connection, missing)
            self._months |= missing

    async def _ensure_today(self, connection: Connection) -> None:
        """Whatever is stored may have to be told of, so there must be a day to tell it in."""
        today = self._clock.now().date()
        if today != self._outbox_day:
            await ensure_outbox_days(connection, today)
            self._outbox_day = today


async def _write(
    connection: Connection,
    batch: Batch,
    rows: FillRows,
    matching: Matching,
    at: datetime,
    *,
    quiet: bool,
) -> Written:
    # What takes locks comes first: before this transaction gets its id, see storage.fills.
    await lock_casebook(connection, batch.events)
    stored = await store_fills(connection, rows)
    if stored.messages:
        await store_fill_hours(connection, ((chain, moment) for chain, _asset, moment in rows.shared))
    filed = await store_reports(connection, batch.events, matching, at)
    new_rows = await _store_accounts(connection, _only(AccountLiquidation, batch.events))
    new_rows += await _store_movements(connection, _only(LedgerMovement, batch.events))
    for case in _only(HonestCase, batch.events):
        new_rows += await store_honest_case(connection, case)
    new_rows += await states.store_markets(connection, _only(MarketState, batch.events))
    new_rows += await states.store_vaults(connection, _only(VaultState, batch.events))
    new_rows += await states.store_accounts(connection, _only(AccountState, batch.events))
    await accounting.store_rejects(connection, batch.rejects)
    await accounting.store_gaps(connection, batch.gaps)
    await accounting.store_tallies(connection, batch.source, batch.tallies)
    if not quiet:
        await outbox.publish(connection, "liquidations", stored.messages)
        await outbox.publish(connection, "exploits", filed.messages)
    new_rows += await store_claims(connection, batch.events, quiet=quiet)
    await store_block_runs(connection, batch)
    return Written(
        new_fills=stored.new_fills,
        changed_liquidations=len(stored.messages),
        new_rows=new_rows + filed.changed_reports,
    )


def _only(kind: type[E], events: Sequence[Event]) -> list[E]:
    return [event for event in events if type(event) is kind]  # isinstance() of an abstract class is slow


async def _store_accounts(connection: Connection, events: Sequence[AccountLiquidation]) -> int:
    rows = [
        (
            event.chain,
            event.timestamp,
            event.user,
            event.hash or "",
            event.digest,
            event.amount_usd,
            event.account_value,
            event.margin_mode,
            to_json(event.positions).decode(),
            event.source,
        )
        for event in events
    ]
    return await _insert(connection, _WRITE_ACCOUNT_LIQUIDATION, rows)


async def _store_movements(connection: Connection, events: Sequence[LedgerMovement]) -> int:
    rows = [
        (
            event.chain,
            event.timestamp,
            event.hash or "",
            event.type,
            event.digest,
            event.users,
            event.delta.decode(),
            event.source,
        )
        for event in events
    ]
    return await _insert(connection, _WRITE_LEDGER_MOVEMENT, rows)


async def _insert(connection: Connection, statement: str, rows: Sequence[tuple[object, ...]]) -> int:
    results = [await connection.execute(statement, *row) for row in rows]
    return sum(result == "INSERT 0 1" for result in results)
