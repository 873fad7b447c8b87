"""What sources may spend in a day: one account of each in the database, for all processes."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec

from kamiyo.core.ids import SourceName
from kamiyo.core.time import Clock
from kamiyo.storage.pool import Connection, Pool, translated

# One statement: the row is locked before it is looked at, so two who ask at once ask one after the other.
_SET_ASIDE = """
INSERT INTO daily_spending AS known (day, source, spent_usd, limit_usd)
SELECT $1, $2, $3::numeric, $4::numeric WHERE $3::numeric <= $4::numeric
ON CONFLICT (day, source) DO UPDATE
SET spent_usd = known.spent_usd + excluded.spent_usd, limit_usd = excluded.limit_usd, updated_at = now()
WHERE known.spent_usd + excluded.spent_usd <= excluded.limit_usd
RETURNING true
"""
_CHANGE = """
UPDATE daily_spending SET spent_usd = spent_usd + $3, updated_at = now() WHERE day = $1 AND source = $2
"""
_READ = "SELECT source, spent_usd, limit_usd FROM daily_spending WHERE day = $1 ORDER BY source"


class DailySpending(msgspec.Struct, frozen=True, kw_only=True):
    """What a source spent in one day, with what is set aside, and what it was allowed."""

    source: SourceName
    spent_usd: Decimal
    limit_usd: Decimal


class PostgresUsdBudget:
    """Guards what is spent in a UTC day, whoever asks at once and whoever dies in between.

    The day is that of the clock when the money was set aside, however late it is settled.
    """

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def set_aside(
        self, source: SourceName, amount_usd: Decimal, *, daily_limit_usd: Decimal
    ) -> PostgresUsdSpending | None:
        """Take an amount out of today's limit; None where that much is not left."""
        if amount_usd < 0:
            raise ValueError(f"{source} would set aside {amount_usd} USD")
        day = spending_day(self._clock.now())
        async with translated(), self._pool.acquire() as connection:
            taken = await connection.fetchval(_SET_ASIDE, day, source, amount_usd, daily_limit_usd)
        return PostgresUsdSpending(self._pool, day, source, amount_usd) if taken else None


class PostgresUsdSpending:
    """Money set aside on one day."""

    def __init__(self, pool: Pool, day: date, source: SourceName, amount_usd: Decimal) -> None:
        self._pool = pool
        self._day = day
        self._source = source
        self._amount = amount_usd
        self._settled = False

    async def settle(self, amount_usd: Decimal) -> None:
        """Say what it cost, once; ValueError for a second time.

        Where the database does not answer, nobody knows whether it heard: it is not told again, and the
        whole amount may stay spent.
        """
        if self._settled or amount_usd < 0:
            raise ValueError(f"{self._source} would settle {amount_usd} USD, {self._settled=}")
        self._settled = True
        async with translated(), self._pool.acquire() as connection:
            await connection.execute(_CHANGE, self._day, self._source, amount_usd - self._amount)


def spending_day(moment: datetime) -> date:
    """The day whose limit counts at a moment."""
    return moment.astimezone(UTC).date()


async def read_spending(connection: Connection, day: date) -> tuple[DailySpending, ...]:
    """What was spent on a day, of every source that spent any."""
    return tuple(
        DailySpending(source=row["source"], spent_usd=row["spent_usd"], limit_usd=row["limit_usd"])
        for row in await connection.fetch(_READ, day)
    )
