"""Partitions made ahead of need: months of facts, days of the outbox."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from kamiyo.storage.pool import Connection, translated

OUTBOX_DAYS_KEPT = 7

_MONTHLY = (
    "liquidation_fills_first_dex",
    "liquidation_fills_builder_dexes",
    "liquidation_fills_other_chains",
    "liquidations_first_dex",
    "liquidations_builder_dexes",
    "liquidations_other_chains",
    "account_liquidations",
    "ledger_movements",
    "market_minutes",
    "vault_minutes",
)
_LOCK = 7_264_102
_CREATE = """
CREATE TABLE IF NOT EXISTS {parent}_{suffix} PARTITION OF {parent} FOR VALUES FROM ('{first}') TO ('{after}')
"""
_OUTBOX_PARTITIONS = """
SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'outbox'::regclass
"""

Month = tuple[int, int]


def month_of(moment: datetime) -> Month:
    """The UTC year and month a moment falls into."""
    return moment.astimezone(UTC).year, moment.astimezone(UTC).month


def months_ahead(now: datetime) -> list[Month]:
    """The months that must exist at any time: the last, this and the next two."""
    this = now.astimezone(UTC).date().replace(day=1)
    return [_shift(this, by) for by in (-1, 0, 1, 2)]


async def ensure_months(connection: Connection, months: Iterable[Month]) -> None:
    """Make the partitions of these months where they are missing. Runs in a transaction of its own."""
    statements = [_month_statement(parent, month) for month in sorted(set(months)) for parent in _MONTHLY]
    await _run(connection, statements)


async def ensure_outbox_days(connection: Connection, today: date) -> None:
    """Make yesterday's, today's and the next three days' outbox where they are missing."""
    days = [today + timedelta(days=by) for by in range(-1, 4)]
    await _run(connection, [_day_statement(day) for day in days])


async def drop_old_outbox_days(connection: Connection, today: date) -> list[str]:
    """Drop what no cursor may resume from any more; return the dropped partitions."""
    oldest = today - timedelta(days=OUTBOX_DAYS_KEPT)
    async with translated():
        names = [row[0] for row in await connection.fetch(_OUTBOX_PARTITIONS)]
        old = [name for name in names if name < f"outbox_{oldest:%Y%m%d}"]
        for name in old:
            async with connection.transaction():
                await connection.execute(f"DROP TABLE IF EXISTS {name}")
        await connection.execute("DELETE FROM stream_positions WHERE day < $1", oldest)
    return old


async def _run(connection: Connection, statements: list[str]) -> None:
    async with translated(), connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        await connection.execute(";\n".join(statements))


def _month_statement(parent: str, month: Month) -> str:
    first = date(*month, 1)
    after = date(*_shift(first, 1), 1)
    return _CREATE.format(
        parent=parent, suffix=f"{first:%Y%m}", first=f"{first} 00:00+00", after=f"{after} 00:00+00"
    )


def _day_statement(day: date) -> str:
    return _CREATE.format(parent="outbox", suffix=f"{day:%Y%m%d}", first=day, after=day + timedelta(days=1))


def _shift(first: date, by: int) -> Month:
    months = first.year * 12 + first.month - 1 + by
    return months // 12, months % 12 + 1
