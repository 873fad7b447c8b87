"""Keep which makers were chosen from a measured day, and whose fills each source follows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

import asyncpg
import msgspec

from kamiyo.core.ids import Address, Chain, SourceName
from kamiyo.core.slots import CHOICE_KEPT_DAYS, HeldSlot, MakerYield, MeasuredDay
from kamiyo.core.time import Clock
from kamiyo.storage.pool import Connection, Pool, translated
from kamiyo.storage.read_rows import as_digits, as_moment

# An hour is measured once a reference read all of its blocks, whoever was compared with it.
_MEASURED = "(reference IS NOT NULL OR reason = 'is_reference')"
_CHAINS = f"SELECT DISTINCT chain FROM coverage_hours WHERE hour < $1 AND {_MEASURED} ORDER BY chain"  # noqa: S608
_DAY = f"""
WITH newest AS (
    SELECT date_trunc('day', max(hour), 'UTC') AS day FROM coverage_hours
    WHERE chain = $1 AND hour < $2 AND {_MEASURED}
)
SELECT day, array_agg(DISTINCT hour ORDER BY hour)
FROM newest JOIN coverage_hours ON hour >= day AND hour < day + interval '24 hours'
WHERE chain = $1 AND {_MEASURED} GROUP BY day
"""  # noqa: S608
# Each fill has one counterparty, so that nothing is counted for two makers; null is of a maker nobody named.
_YIELD = """
SELECT counterparty, sum(price * size) AS amount_usd, count(*) AS fills, count(DISTINCT asset) AS assets
FROM liquidation_fills
WHERE chain = $1 AND method = 'market' AND timestamp >= $2 AND timestamp < $2 + interval '24 hours'
    AND date_trunc('hour', timestamp, 'UTC') = ANY($3)
GROUP BY counterparty ORDER BY amount_usd DESC, counterparty
"""
_TURN = "SELECT pg_advisory_xact_lock(hashtextextended('user_slots/' || $1, 0))"
_CHOSEN_FROM = "SELECT day, hours FROM chosen_users WHERE chain = $1 ORDER BY day DESC LIMIT 1"
_HOLDING = 'SELECT DISTINCT "user" FROM user_slots WHERE chain = $1'
_FORGET = 'DELETE FROM chosen_users WHERE chain = $1 AND "user" <> ALL($2) RETURNING "user"'
_CHOOSE = """
INSERT INTO chosen_users
    (chain, "user", position, day, hours, amount_usd, total_usd, fills, assets, chosen_at)
SELECT $1, chosen."user", chosen.position, $2, $3, amount_usd, $4, fills, assets, $5
FROM unnest($6::text[], $7::numeric[], $8::bigint[], $9::int[])
    WITH ORDINALITY AS chosen ("user", amount_usd, fills, assets, position)
ON CONFLICT (chain, "user") DO UPDATE SET position = excluded.position, day = excluded.day,
    hours = excluded.hours, amount_usd = excluded.amount_usd, total_usd = excluded.total_usd,
    fills = excluded.fills, assets = excluded.assets
RETURNING "user", xmax = 0 AS joined
"""
_CHOSEN = 'SELECT "user" FROM chosen_users WHERE chain = $1 AND day >= $2 ORDER BY position'
_RELEASE = "DELETE FROM user_slots WHERE source = $1"
_HOLD = """
INSERT INTO user_slots (source, chain, "user", position, reason, held_since)
SELECT $1, $2, held."user", held.position, held.reason, held.held_since
FROM unnest($3::text[], $4::text[], $5::timestamptz[])
    WITH ORDINALITY AS held ("user", reason, held_since, position)
"""
_PERCENT = "CASE WHEN total_usd > 0 THEN round(100 * amount_usd / total_usd, 2) END"
_YIELD_COLUMNS = f"""
day, hours, {as_digits("amount_usd")} AS amount_usd, {as_digits("total_usd")} AS total_usd,
{as_digits(_PERCENT)} AS percent, fills, assets, {as_moment("chosen_at")} AS chosen_at
"""
_SLOTS = f"""
SELECT source, chain, s."user", s.position, reason, {as_moment("held_since")} AS held_since, {_YIELD_COLUMNS}
FROM user_slots s LEFT JOIN chosen_users c USING (chain, "user") ORDER BY source, s.position
"""  # noqa: S608
_CHOICE = f"""
SELECT chain, "user", position, {_YIELD_COLUMNS},
    EXISTS (SELECT FROM user_slots s WHERE s.chain = c.chain AND s."user" = c."user") AS followed
FROM chosen_users c ORDER BY chain, position
"""  # noqa: S608


class YieldText(msgspec.Struct, frozen=True, kw_only=True):
    """What a maker was chosen for, as text: what it took in a day's measured hours, and its share."""

    day: str
    hours: int
    amount_usd: str
    total_usd: str
    percent: str | None
    fills: int
    assets: int
    chosen_at: str


class SlotText(msgspec.Struct, frozen=True, kw_only=True):
    """An account that a source follows, as text; ``measured`` where it was chosen for a measured day, too."""

    source: str
    chain: str
    user: str
    position: int
    reason: str
    held_since: str
    measured: YieldText | None


class ChosenText(msgspec.Struct, frozen=True, kw_only=True):
    """A maker chosen for a measured day, as text; ``followed`` where it has a slot now."""

    chain: str
    user: str
    position: int
    followed: bool
    measured: YieldText


class Rechosen(msgspec.Struct, frozen=True):
    """What a new choice changed: who is new in it, and who left it."""

    joined: tuple[Address, ...]
    left: tuple[Address, ...]


class PostgresUserSlots:
    """The makers that were chosen, for sources that follow some, and what these say of it."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def chosen(self, chain: Chain) -> Sequence[Address]:
        """The makers chosen from the newest measured day, if that is not long ago; StorageUnavailable."""
        oldest = (self._clock.now() - timedelta(days=CHOICE_KEPT_DAYS)).date()
        async with translated(), self._pool.acquire() as connection:
            return [Address(row[0]) for row in await connection.fetch(_CHOSEN, chain, oldest)]

    async def tell(self, source: SourceName, chain: Chain, held: Sequence[HeldSlot]) -> None:
        """Keep whose fills the source follows now; StorageUnavailable."""
        users = [each.user for each in held]
        reasons = [each.reason.value for each in held]
        since = [each.held_since for each in held]
        async with translated(), self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_RELEASE, source)
            await connection.execute(_HOLD, source, chain, users, reasons, since)


async def measured_chains(connection: Connection, before: datetime) -> list[Chain]:
    """The chains of which any hour before this moment was measured."""
    return [Chain(row[0]) for row in await connection.fetch(_CHAINS, before)]


async def take_turn(connection: Connection, chain: Chain) -> None:
    """Choose alone for this chain until the transaction ends."""
    await connection.execute(_TURN, chain)


async def find_measured_hours(connection: Connection, chain: Chain, before: datetime) -> list[datetime]:
    """The measured hours of the newest day before this moment that has any."""
    row = await connection.fetchrow(_DAY, chain, before)
    return [] if row is None else list(row[1])


async def chosen_from(connection: Connection, chain: Chain) -> tuple[date, int] | None:
    """Which day, and how many measured hours of it, the present choice was made from."""
    row = await connection.fetchrow(_CHOSEN_FROM, chain)
    return None if row is None else (row[0], row[1])


async def read_yield(connection: Connection, chain: Chain, hours: Sequence[datetime]) -> MeasuredDay:
    """What each maker took of the liquidations into the book in these hours (at least one) of one day."""
    day = hours[0].replace(hour=0)
    rows = await connection.fetch(_YIELD, chain, day, hours)
    return MeasuredDay(
        chain=chain,
        day=day.date(),
        hours=len(hours),
        total_usd=sum((row["amount_usd"] for row in rows), Decimal(0)),
        makers=tuple(
            MakerYield(
                user=Address(row["counterparty"]),
                amount_usd=row["amount_usd"],
                fills=row["fills"],
                assets=row["assets"],
            )
            for row in rows
            if row["counterparty"] is not None
        ),
    )


async def read_holding(connection: Connection, chain: Chain) -> set[Address]:
    """Everybody who holds a slot of any source of the chain."""
    return {Address(row[0]) for row in await connection.fetch(_HOLDING, chain)}


async def store_choice(
    connection: Connection, measured: MeasuredDay, chosen: Sequence[MakerYield], at: datetime
) -> Rechosen:
    """Keep the choice instead of the one before; who was in that stays chosen since then."""
    users = [each.user for each in chosen]
    left = await connection.fetch(_FORGET, measured.chain, users)
    rows = await connection.fetch(
        _CHOOSE,
        measured.chain,
        measured.day,
        measured.hours,
        measured.total_usd,
        at,
        users,
        [each.amount_usd for each in chosen],
        [each.fills for each in chosen],
        [each.assets for each in chosen],
    )
    return Rechosen(
        joined=tuple(Address(row["user"]) for row in rows if row["joined"]),
        left=tuple(Address(row["user"]) for row in left),
    )


async def read_slots(connection: Connection) -> list[SlotText]:
    """Whose fills every source follows, by its own last word."""
    return [
        SlotText(
            source=row["source"],
            chain=row["chain"],
            user=row["user"],
            position=row["position"],
            reason=row["reason"],
            held_since=row["held_since"],
            measured=None if row["day"] is None else _yield_of(row),
        )
        for row in await connection.fetch(_SLOTS)
    ]


async def read_choice(connection: Connection) -> list[ChosenText]:
    """The makers that are chosen, the best first."""
    return [
        ChosenText(
            chain=row["chain"],
            user=row["user"],
            position=row["position"],
            followed=row["followed"],
            measured=_yield_of(row),
        )
        for row in await connection.fetch(_CHOICE)
    ]


def _yield_of(row: asyncpg.Record) -> YieldText:
    names = YieldText.__struct_fields__
    return YieldText(**{name: row[name] for name in names if name != "day"}, day=row["day"].isoformat())
