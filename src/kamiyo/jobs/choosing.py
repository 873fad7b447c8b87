"""Choose whose fills are worth a user slot, from what makers took of the newest measured day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import structlog

from kamiyo.core.ids import Chain
from kamiyo.core.money import plain
from kamiyo.core.slots import MakerYield, MeasuredDay, choose_makers
from kamiyo.core.time import Clock
from kamiyo.hyperliquid.limits import TRACKED_USERS
from kamiyo.storage.pool import Connection, Pool, translated
from kamiyo.storage.user_slots import (
    Rechosen,
    chosen_from,
    find_measured_hours,
    measured_chains,
    read_holding,
    read_yield,
    store_choice,
    take_turn,
)

# Some of the best may be liquidators or named in the settings: those have slots anyway.
CHOSEN = 2 * TRACKED_USERS

_EVERY = timedelta(minutes=10)
_log = structlog.get_logger()


async def keep_choosing(pool: Pool, clock: Clock, shown_clock: Clock) -> None:
    """Look every few minutes, for ever, whether more of the last day was measured than was chosen from.

    Any number of workers may: a chain is one worker's at a time, and nothing is chosen twice from the same.
    """
    while True:
        await choose_users(pool, shown_clock)
        await clock.sleep(_EVERY)


async def choose_users(pool: Pool, shown_clock: Clock) -> int:
    """Choose for every chain of which more is measured by now; for how many that was."""
    now = shown_clock.now()
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    async with translated(), pool.acquire() as connection:
        chains = await measured_chains(connection, today)
    return sum([await _choose_of(pool, chain, today, now) for chain in chains])


async def _choose_of(pool: Pool, chain: Chain, today: datetime, now: datetime) -> bool:
    async with translated(), pool.acquire() as connection, connection.transaction():
        await take_turn(connection, chain)
        hours = await find_measured_hours(connection, chain, today)
        if not hours or await chosen_from(connection, chain) == (hours[0].date(), len(hours)):
            return False
        measured = await read_yield(connection, chain, hours)
        if not measured.makers:  # of nobody anything is known, which says nothing against who was chosen
            return False
        chosen, changed = await _choose(connection, measured, now)
    _log.info(
        "makers_chosen",
        chain=chain,
        day=measured.day.isoformat(),
        hours=measured.hours,
        total_usd=plain(measured.total_usd),
        chosen={each.user: plain(each.amount_usd) for each in chosen},
        joined=changed.joined,
        left=changed.left,
    )
    return True


async def _choose(
    connection: Connection, measured: MeasuredDay, now: datetime
) -> tuple[tuple[MakerYield, ...], Rechosen]:
    chosen = choose_makers(measured, await read_holding(connection, measured.chain), CHOSEN)
    return chosen, await store_choice(connection, measured, chosen, now)
