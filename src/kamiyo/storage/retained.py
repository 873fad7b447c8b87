"""What is not stored any more because its time is past: looked at by whoever writes what is old.

Whoever raises a limit waits for the writers that began under the one before, and later ones see the new one.
So nobody writes into what is about to be dropped, and nothing that was dropped comes back unnoticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from kamiyo.core.errors import StorageUnavailable
from kamiyo.core.events import AccountLiquidation, LedgerMovement, LiquidatedFill
from kamiyo.core.ports import Batch, Event
from kamiyo.core.retention import Dataset, Retained, month_start
from kamiyo.core.states import MarketState, VaultState
from kamiyo.kit import metrics
from kamiyo.storage.pool import Connection

Limits = Mapping[Dataset, datetime]

LOCK = 7_264_112
_Dated = LiquidatedFill | AccountLiquidation | LedgerMovement | MarketState | VaultState
_DATASETS: Mapping[type[_Dated], Dataset] = {
    LiquidatedFill: Dataset.LIQUIDATIONS,
    AccountLiquidation: Dataset.ACCOUNT_LIQUIDATIONS,
    LedgerMovement: Dataset.LEDGER_MOVEMENTS,
    MarketState: Dataset.MARKET_MINUTES,
    VaultState: Dataset.VAULT_MINUTES,
}
_READ = "SELECT dataset, stored_from, dropped_before, changed_at FROM retained ORDER BY dataset"
_DAY = timedelta(days=1)


async def read_retained(connection: Connection) -> list[Retained]:
    """Every dataset whose past was, or is, let go."""
    rows = await connection.fetch(_READ)
    return [msgspec.convert(dict(row), Retained) for row in rows]


async def read_limits(connection: Connection) -> Limits:
    """From when on each dataset that goes by months is stored; one that is stored for ever is not in it."""
    found = await read_retained(connection)
    return {each.dataset: each.stored_from for each in found if each.stored_from is not None}


def is_old(batch: Batch, now: datetime) -> bool:
    """Whether a limit may concern any of it: none is ever later than the beginning of the last month."""
    moments = [each.first_at for each in batch.block_runs]
    moments += [each.timestamp for each in batch.events if isinstance(each, _Dated)]
    return bool(moments) and min(moments) < month_start(month_start(now) - _DAY)


def within(batch: Batch, limits: Limits) -> Batch:
    """The batch without what is not stored any more. Blocks whose rows are not do not count as read."""
    if not limits:
        return batch
    first = limits.get(Dataset.LIQUIDATIONS)
    return msgspec.structs.replace(
        batch,
        events=tuple(each for each in batch.events if _is_kept(each, limits)),
        block_runs=tuple(each for each in batch.block_runs if first is None or each.first_at >= first),
    )


async def hold_limits(connection: Connection, limits: Limits) -> None:
    """StorageUnavailable if these are the limits no more; else they stay until the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock_shared($1)", LOCK)
    if await read_limits(connection) != limits:
        raise StorageUnavailable("what is kept has changed meanwhile")


def _is_kept(event: Event, limits: Limits) -> bool:
    if not isinstance(event, _Dated):
        return True
    dataset = _DATASETS[type(event)]
    kept = dataset not in limits or event.timestamp >= limits[dataset]
    if not kept:
        metrics.EXPIRED_EVENTS.labels(dataset).inc()
    return kept
