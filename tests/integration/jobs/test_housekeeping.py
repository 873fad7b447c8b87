"""Housekeeping on a real database, through days that pass in a moment."""

from datetime import UTC, datetime, timedelta

import pytest

from kamiyo.jobs.housekeeping import keep_house, keep_house_once
from kamiyo.storage.pool import open_pool
from tests.fakes import ManualClock, StoppedError

PARTITIONS = "SELECT oid::regclass::text FROM pg_class WHERE relispartition AND relkind = 'r'"
LATER = datetime(2031, 5, 20, 12, tzinfo=UTC)


class EndingClock(ManualClock):
    """A clock that ends the process after three waits."""

    async def sleep(self, duration: timedelta) -> None:
        """Wait without waiting."""
        await super().sleep(duration)
        if len(self.slept) == 3:
            raise StoppedError


async def test_what_will_be_needed_is_made_and_what_is_past_is_dropped(
    own_database_url: str,
) -> None:
    """Months and days ahead are there before their time, and doing it again changes nothing."""
    clock = ManualClock(LATER)
    async with open_pool(own_database_url, size=2) as pool:
        await keep_house_once(pool, clock)
        first = {row[0] for row in await pool.fetch(PARTITIONS)}
        await keep_house_once(pool, clock)
        assert {row[0] for row in await pool.fetch(PARTITIONS)} == first
        assert {"liquidations_first_dex_203107", "ledger_movements_203104", "outbox_20310523"} <= first
        clock.moment += timedelta(days=9)
        await keep_house_once(pool, clock)
        second = {row[0] for row in await pool.fetch(PARTITIONS)}
    assert first - second == {"outbox_20310519", "outbox_20310520", "outbox_20310521"}
    assert "outbox_20310601" in second


async def test_house_is_kept_once_an_hour(own_database_url: str) -> None:
    """Around the clock."""
    clock = EndingClock(LATER)
    async with open_pool(own_database_url, size=2) as pool:
        with pytest.raises(StoppedError):
            await keep_house(pool, clock)
    assert clock.slept == [timedelta(hours=1)] * 3
