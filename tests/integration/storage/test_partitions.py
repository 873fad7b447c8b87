"""Partitions are there before they are needed, made where history needs them, and gone when they are old."""

from datetime import UTC, date, datetime, timedelta

import pytest

from kamiyo.core.errors import StorageUnavailable
from kamiyo.core.ids import Asset
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.partitions import (
    OUTBOX_DAYS_KEPT,
    drop_old_outbox_days,
    ensure_months,
    ensure_outbox_days,
    months_ahead,
)
from kamiyo.storage.pool import connect, open_pool
from tests.builders import a_batch, a_liquidated_fill


async def partitions(connection, of: str) -> set[str]:
    rows = await connection.fetch(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = $1::regclass", of
    )
    return {row["name"].removeprefix(f"{of}_") for row in rows}


async def test_months_are_made_ahead_once(own_database_url: str) -> None:
    """The last month, this one and the next two, over the turn of a year, however often asked for."""
    december = datetime(2030, 12, 31, 23, 59, tzinfo=UTC)
    assert months_ahead(december) == [(2030, 11), (2030, 12), (2031, 1), (2031, 2)]
    async with connect(own_database_url) as connection:
        for _ in range(2):
            await ensure_months(connection, months_ahead(december))
        for parent in ("liquidations_first_dex", "liquidation_fills_builder_dexes", "ledger_movements"):
            assert {"203011", "203012", "203101", "203102"} <= await partitions(connection, parent)


async def test_a_fact_of_long_ago_gets_its_partition_on_demand(own_database_url: str) -> None:
    """History can be read in whatever order; a fact of each kind of market lands in its own month."""
    async with open_pool(own_database_url, size=2) as pool:
        journal = PostgresJournal(pool)
        old = datetime(2023, 3, 31, 23, 59, 59, 999_000, tzinfo=UTC)
        fills = [a_liquidated_fill(timestamp=old, asset=Asset(name)) for name in ("ETH", "xyz:TSLA")]
        await journal.write(a_batch(events=tuple(fills)))
        async with pool.acquire() as connection:
            found = await connection.fetch("SELECT tableoid::regclass::text AS name FROM liquidations")
            assert {row["name"] for row in found} == {
                "liquidations_first_dex_202303",
                "liquidations_builder_dexes_202303",
            }


async def test_old_days_go_with_the_positions_that_lead_to_them(own_database_url: str) -> None:
    """What no cursor may resume from any more is dropped, the day kept last stays."""
    today = date(2031, 5, 20)
    oldest = today - timedelta(days=OUTBOX_DAYS_KEPT)
    async with connect(own_database_url) as connection:
        for day in (oldest - timedelta(days=1), oldest + timedelta(days=1), today):
            await ensure_outbox_days(connection, day)
        for at, day in enumerate((oldest - timedelta(days=1), oldest, today), start=1):
            await connection.execute(
                "INSERT INTO outbox (day, channel, message_count, messages) VALUES ($1, 'c', 1, '[1]')", day
            )
            await connection.execute(
                "INSERT INTO stream_positions VALUES ('e', $1, 1, $2, 1, now())", at, day
            )
        dropped = await drop_old_outbox_days(connection, today)
        assert f"outbox_{oldest - timedelta(days=1):%Y%m%d}" in dropped
        assert f"outbox_{oldest:%Y%m%d}" not in dropped
        left = await connection.fetch("SELECT day FROM stream_positions ORDER BY day")
        assert [row["day"] for row in left] == [oldest, today]
        assert await connection.fetchval("SELECT count(*) FROM outbox") == 2
        assert await drop_old_outbox_days(connection, today) == []


async def test_a_partition_lost_behind_our_back_is_made_again(own_database_url: str) -> None:
    """A batch without its partition is not refused for good: it fails once and the next try stores it."""
    async with open_pool(own_database_url, size=2) as pool:
        journal = PostgresJournal(pool)
        await journal.write(a_batch())
        async with pool.acquire() as connection:
            await connection.execute(
                "DROP TABLE liquidation_fills_first_dex_202510, liquidations_first_dex_202510"
            )
        with pytest.raises(StorageUnavailable, match="no partition"):
            await journal.write(a_batch(events=(a_liquidated_fill(tid=7),)))
        written = await journal.write(a_batch(events=(a_liquidated_fill(tid=7),)))
        assert written.new_fills == 1


async def test_keys_are_ordered_by_their_bytes(own_database_url: str) -> None:
    """Order is the same on every server: capitals before small letters, whatever its language."""
    async with open_pool(own_database_url, size=2) as pool:
        fills = [a_liquidated_fill(asset=Asset(name)) for name in ("kPEPE", "ZRO", "a", "B")]
        await PostgresJournal(pool).write(a_batch(events=tuple(fills)))
        async with pool.acquire() as connection:
            found = await connection.fetch("SELECT asset FROM liquidations ORDER BY asset")
            assert [row["asset"] for row in found] == ["B", "ZRO", "a", "kPEPE"]
