"""What is past its time goes, whole and only then: on a real database, with others at work in it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from kamiyo.core.archives import BlockRun
from kamiyo.core.backfills import BackfillPlan, BackfillReason, BackfillRequest
from kamiyo.core.errors import InvalidQuery, StorageUnavailable
from kamiyo.core.ids import Asset
from kamiyo.core.ports import Batch
from kamiyo.core.retention import Dataset, Policy, RetentionRule, policies_of
from kamiyo.jobs import retaining
from kamiyo.jobs.retaining import keep_retention, look_ahead, retain_once
from kamiyo.kit import metrics
from kamiyo.kit.parquet import metadata_of
from kamiyo.storage.backfills import PostgresBackfills
from kamiyo.storage.gaps import PostgresGaps
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.pool import Pool, open_pool
from kamiyo.storage.retained import LOCK, hold_limits, read_limits
from kamiyo.storage.retention import set_limits
from tests.builders import NODE, a_batch, a_gap, a_liquidated_fill
from tests.fakes import ManualClock, StoppedError

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
OLD, KEPT = datetime(2025, 10, 10, 21, 15, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
FILLS = "liquidation_fills_first_dex_202510"
TABLES = "SELECT relname FROM pg_class WHERE relname ~ '^liquidation.*_202510$' ORDER BY relname"


@pytest.fixture
async def own_pool(own_database_url: str) -> AsyncIterator[Pool]:
    """Give a pool on a database that loses partitions."""
    async with open_pool(own_database_url, size=6) as opened:
        yield opened


def policies(**rules: Mapping[str, str]) -> tuple[Policy, ...]:
    return policies_of({name: RetentionRule(**rule) for name, rule in rules.items()})


def facts(moment: datetime, count: int = 3) -> Batch:
    fills = [
        a_liquidated_fill(timestamp=moment + timedelta(seconds=number), tid=number, asset=Asset(asset))
        for number in range(count)
        for asset in ("ETH", "xyz:TSLA")
    ]
    return a_batch(events=tuple(fills))


async def stored(pool: Pool) -> dict[str, int]:
    return {
        name: await pool.fetchval(f"SELECT count(*) FROM {name}")
        for name in ("liquidation_fills", "liquidations")
    }


async def tables(pool: Pool) -> list[str]:
    return [row[0] for row in await pool.fetch(TABLES)]


async def fill_both(pool: Pool) -> PostgresJournal:
    journal = PostgresJournal(pool, ManualClock(NOW))
    await journal.write(facts(OLD))
    await journal.write(facts(KEPT))
    assert await stored(pool) == {"liquidation_fills": 12, "liquidations": 12}
    return journal


async def test_a_month_past_its_time_goes_with_its_fills(own_pool: Pool) -> None:
    """Both tables, all perp dexes; the months that are kept stay, and so does what is kept for ever."""
    await fill_both(own_pool)
    before = metrics.RETENTION_ROWS.labels("liquidations")._value.get()
    clock = ManualClock(NOW)
    assert await retain_once(own_pool, policies(), clock)
    assert len(await tables(own_pool)) == 6
    assert await retain_once(own_pool, policies(liquidations={"keep": "3 months"}), clock)
    assert await tables(own_pool) == []
    assert await stored(own_pool) == {"liquidation_fills": 6, "liquidations": 6}
    assert metrics.RETENTION_ROWS.labels("liquidations")._value.get() - before == 12
    rows = await own_pool.fetch("SELECT * FROM dropped_partitions ORDER BY name")
    assert {row["name"]: row["rows"] for row in rows} == {
        "liquidation_fills_builder_dexes_202510": 3,
        FILLS: 3,
        "liquidations_builder_dexes_202510": 3,
        "liquidations_first_dex_202510": 3,
    }
    retained = await own_pool.fetchrow("SELECT * FROM retained WHERE dataset = 'liquidations'")
    assert retained is not None
    assert retained["stored_from"] == datetime(2025, 12, 1, tzinfo=UTC)
    assert retained["dropped_before"] == datetime(2025, 11, 1, tzinfo=UTC)


async def test_what_was_dropped_does_not_come_back_unnoticed(own_pool: Pool) -> None:
    """Facts of that time are counted and left out; once the policy allows them they are stored again."""
    journal = await fill_both(own_pool)
    clock = ManualClock(NOW)
    await retain_once(own_pool, policies(liquidations={"keep": "3 months"}), clock)
    expired = metrics.EXPIRED_EVENTS.labels("liquidations")
    before = expired._value.get()
    mixed = a_batch(events=(*facts(OLD).events, *facts(KEPT + timedelta(days=1)).events))
    written = await journal.write(mixed)
    assert written.new_fills == 6
    assert expired._value.get() - before == 6
    assert await tables(own_pool) == []
    await retain_once(own_pool, policies(liquidations={"keep": "ever"}), clock)
    with pytest.raises(StorageUnavailable, match="no partition"):
        await journal.write(mixed)  # it knew the partition; the next try makes it again
    assert (await journal.write(mixed)).new_fills == 6
    retained = await own_pool.fetchrow("SELECT * FROM retained WHERE dataset = 'liquidations'")
    assert retained is not None
    assert (retained["stored_from"], retained["dropped_before"]) == (None, datetime(2025, 11, 1, tzinfo=UTC))


async def test_a_backfill_of_a_time_that_is_not_kept_is_refused(pool: Pool) -> None:
    """It says what to do; later times are read, and gaps of that time are left alone."""
    clock = ManualClock(NOW)
    backfills, gaps = PostgresBackfills(pool, clock), PostgresGaps(pool, clock)
    for moment in (OLD, KEPT):
        gap = a_gap(first=int(moment.timestamp()), started_at=moment, ended_at=moment)
        await PostgresJournal(pool, clock).write(a_batch(gaps=(gap,)))
    assert len(await gaps.open_gaps([NODE])) == 2
    await retain_once(pool, policies(liquidations={"keep": "3 months"}), clock)
    wanted = BackfillRequest(source=NODE, start=OLD, end=NOW)
    with pytest.raises(InvalidQuery, match=r"2025-12-01.* not kept.*retention\.liquidations\.keep"):
        await backfills.plan(BackfillPlan(request=wanted, objects=(), cost_usd=Decimal(0)))
    for other in (
        msgspec.structs.replace(wanted, start=KEPT),
        msgspec.structs.replace(wanted, reason=BackfillReason.GAP),
    ):
        assert await backfills.plan(BackfillPlan(request=other, objects=(), cost_usd=Decimal(0)))
    assert [gap.started_at for gap in await gaps.open_gaps([NODE])] == [KEPT]


async def test_blocks_of_a_time_that_is_not_kept_do_not_count_as_read(pool: Pool) -> None:
    """Or an hour without its fills would look complete."""
    clock = ManualClock(NOW)
    await retain_once(pool, policies(liquidations={"keep": "3 months"}), clock)
    runs = tuple(
        BlockRun(first=number, last=number + 9, first_at=moment, last_at=moment + timedelta(seconds=1))
        for number, moment in ((10, OLD), (100, KEPT))
    )
    await PostgresJournal(pool, clock).write(a_batch(block_runs=runs))
    assert [row[0] for row in await pool.fetch("SELECT hour FROM block_hours")] == [KEPT]


async def test_a_month_is_written_to_files_before_it_goes(own_pool: Pool, tmp_path: Path) -> None:
    """Every row and every digit, too long numbers as text; a second time beside the first."""
    long = Decimal("1.0000000000000000000000000000000000000000000000000001")
    await fill_both(own_pool)
    await own_pool.execute("UPDATE liquidations SET liquidation_price = $1 WHERE timestamp < $2", long, KEPT)
    expected = [tuple(row) for row in await own_pool.fetch(f"SELECT * FROM {FILLS} ORDER BY tid")]
    rule = {"keep": "3 months", "export_to": str(tmp_path)}
    assert await retain_once(own_pool, policies(liquidations=rule), ManualClock(NOW))
    folder = tmp_path / "liquidations"
    assert sorted(file.name for file in folder.iterdir()) == [
        "liquidation_fills_builder_dexes_202510.parquet",
        f"{FILLS}.parquet",
        "liquidations_builder_dexes_202510.parquet",
        "liquidations_first_dex_202510.parquet",
    ]
    file = folder / f"{FILLS}.parquet"
    found = pl.read_parquet(file).sort("tid")
    assert [tuple(row) for row in found.iter_rows()] == expected
    assert metadata_of(file)["kamiyo.rows"] == "3"
    folds = pl.read_parquet(folder / "liquidations_first_dex_202510.parquet")
    assert set(folds["liquidation_price"]) == {str(long)}
    record = await own_pool.fetchrow("SELECT * FROM dropped_partitions WHERE name = $1", FILLS)
    assert record is not None
    assert record["exported_to"].endswith(str(file))
    assert record["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    content = file.read_bytes()
    await retain_once(own_pool, policies(), ManualClock(NOW))
    await PostgresJournal(own_pool).write(facts(OLD, 1))
    assert await retain_once(own_pool, policies(liquidations=rule), ManualClock(NOW))
    assert file.read_bytes() == content
    assert pl.read_parquet(folder / f"{FILLS}-2.parquet").height == 1


async def test_a_month_that_could_not_be_written_stays(own_pool: Pool, tmp_path: Path) -> None:
    """It is tried again in the next round."""
    await fill_both(own_pool)
    blocked = tmp_path / "liquidations"
    blocked.write_bytes(b"")
    rule = {"keep": "3 months", "export_to": str(tmp_path)}
    assert not await retain_once(own_pool, policies(liquidations=rule), ManualClock(NOW))
    assert len(await tables(own_pool)) == 6
    blocked.unlink()
    assert await retain_once(own_pool, policies(liquidations=rule), ManualClock(NOW))
    assert await tables(own_pool) == []


async def test_whoever_dies_between_writing_and_dropping_is_followed_by_another(
    own_pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files are written again with the same rows, and nothing was dropped without them."""
    await fill_both(own_pool)
    rule = policies(liquidations={"keep": "3 months", "export_to": str(tmp_path)})

    async def die(*_arguments: Any) -> bool:
        raise StoppedError

    with monkeypatch.context() as context:
        context.setattr(retaining, "drop_month", die)
        with pytest.raises(StoppedError):
            await retain_once(own_pool, rule, ManualClock(NOW))
    files = {file.name: file.read_bytes() for file in (tmp_path / "liquidations").iterdir()}
    assert (len(files), len(await tables(own_pool))) == (4, 6)
    assert await own_pool.fetchval("SELECT count(*) FROM dropped_partitions") == 0
    assert await retain_once(own_pool, rule, ManualClock(NOW))
    assert await tables(own_pool) == []
    assert {file.name: file.read_bytes() for file in (tmp_path / "liquidations").iterdir()} == files
    assert await own_pool.fetchval("SELECT sum(rows) FROM dropped_partitions") == 12


async def test_a_month_in_use_is_left_alone_and_nobody_waits(own_pool: Pool) -> None:
    """While somebody reads the table the drop gives up soon, again and again; writers go on meanwhile."""
    journal = await fill_both(own_pool)
    rule = policies(liquidations={"keep": "3 months"})
    await journal.write(facts(NOW, 1))  # so that its partition is there
    written = 1
    async with own_pool.acquire() as reader, reader.transaction():
        await reader.execute("SELECT count(*) FROM liquidations")
        trying = asyncio.ensure_future(retain_once(own_pool, rule, ManualClock(NOW)))
        while not trying.done():
            async with asyncio.timeout(2):
                await journal.write(facts(NOW + timedelta(seconds=10 * written), 1))
            written += 1
        assert not trying.result()
    assert written > 2
    assert len(await tables(own_pool)) == 6
    assert await retain_once(own_pool, rule, ManualClock(NOW))
    assert (await stored(own_pool))["liquidation_fills"] == 6 + 2 * written


async def test_live_writing_goes_on_while_months_go(own_pool: Pool) -> None:
    """Nothing of what is written meanwhile is lost, and no write fails."""
    journal = await fill_both(own_pool)
    rule = policies(liquidations={"keep": "3 months"})
    stop = asyncio.Event()
    written = 0

    async def write() -> None:
        nonlocal written
        while not stop.is_set():
            await journal.write(facts(NOW + timedelta(seconds=10 * written), 2))
            written += 1

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(write())
        while written < 3:
            await asyncio.sleep(0)
        assert await retain_once(own_pool, rule, ManualClock(NOW))
        reached = written
        while written < reached + 3:
            await asyncio.sleep(0)
        stop.set()
    assert await tables(own_pool) == []
    assert await stored(own_pool) == {"liquidation_fills": 6 + 4 * written, "liquidations": 6 + 4 * written}


async def test_a_writer_that_began_before_the_limit_ends_before_it(own_pool: Pool) -> None:
    """The limit waits for it; whoever read the limits before, and comes later, tries again."""
    rule = policies(liquidations={"keep": "3 months"})
    async with own_pool.acquire() as writer, own_pool.acquire() as raiser:
        none = await read_limits(writer)
        async with writer.transaction():
            await hold_limits(writer, none)
            raising = asyncio.ensure_future(set_limits(raiser, rule, NOW))
            while not await own_pool.fetchval(
                "SELECT count(*) FROM pg_locks WHERE objid = $1 AND NOT granted", LOCK
            ):
                await asyncio.sleep(0.01)
        await raising
        assert (await read_limits(writer))[Dataset.LIQUIDATIONS] == datetime(2025, 12, 1, tzinfo=UTC)
        with pytest.raises(StorageUnavailable, match="changed"):
            async with writer.transaction():
                await hold_limits(writer, none)


async def test_of_several_workers_one_is_at_it(own_pool: Pool, tmp_path: Path) -> None:
    """Each month is written and dropped once, whoever does it."""
    await fill_both(own_pool)
    rule = policies(liquidations={"keep": "3 months", "export_to": str(tmp_path)})
    done = await asyncio.gather(*(retain_once(own_pool, rule, ManualClock(NOW)) for _ in range(3)))
    assert True in done
    assert await own_pool.fetchval("SELECT sum(rows) FROM dropped_partitions") == 12
    assert await retain_once(own_pool, rule, ManualClock(NOW))
    assert await own_pool.fetchval("SELECT sum(rows) FROM dropped_partitions") == 12


async def test_every_table_that_goes_by_months_can_be_written_to_a_file(
    own_pool: Pool, tmp_path: Path
) -> None:
    """Each kind of column there is has its kind in the file."""
    await PostgresJournal(own_pool, ManualClock(OLD)).write(facts(OLD))
    await own_pool.execute(
        """INSERT INTO account_liquidations VALUES ('c', $1, 'u', 'h', 'd', 1.5, 2.5, 'cross', '[]', 's');
        """.replace("$1", f"'{OLD}'")
        + f"""INSERT INTO ledger_movements VALUES ('c', '{OLD}', 'h', 't', 'd', '{{a,b}}', '{{}}', 's');
        INSERT INTO market_minutes VALUES ('c', 'p', 'ETH', '{OLD}', '{OLD}', 's', 1.25, 2);
        INSERT INTO vault_minutes VALUES ('c', 'v', '{OLD}', '{OLD}', 's', NULL, -3.5)"""
    )
    names = ("account_liquidations", "ledger_movements", "market_minutes", "vault_minutes")
    rule = {"keep": "62 days", "export_to": str(tmp_path)}
    assert await retain_once(own_pool, policies(**dict.fromkeys(names, rule)), ManualClock(NOW))
    found = {name: pl.read_parquet(tmp_path / name / f"{name}_202510.parquet").row(0) for name in names}
    assert found["account_liquidations"][5:7] == (Decimal("1.5"), Decimal("2.5"))
    assert found["ledger_movements"][5] == ["a", "b"]
    assert found["market_minutes"][6:8] == (Decimal("1.25"), Decimal(2))
    assert found["vault_minutes"][5:7] == (None, Decimal("-3.5"))
    assert await own_pool.fetchval("SELECT count(*) FROM dropped_partitions") == 4


async def test_rows_without_partitions_go_by_their_own_time(pool: Pool) -> None:
    """Refusals, closed gaps, rolling totals, claims and finished backfills; what is still open stays."""
    await pool.execute(
        """
        INSERT INTO rejects SELECT 's', 'x', 'r', n, '', '', 0, now(), '2025-01-01'
            FROM generate_series(1, 4500) n;
        INSERT INTO rejects VALUES ('s', 'x', 'r', 'new', '', '', 0, now(), '2026-03-01');
        INSERT INTO gaps VALUES ('s', 'block', '', 1, 2, '', NULL, NULL, '2025-01-01', '2025-01-02');
        INSERT INTO gaps VALUES ('s', 'block', '', 3, 4, '', NULL, NULL, '2025-01-01', NULL);
        INSERT INTO claims VALUES ('1', 's', 'e', 'p', 'ETH', NULL, NULL, NULL, '2025-01-01', 0);
        INSERT INTO claimed_totals VALUES ('1', 's', NULL, NULL, '2025-01-01', 60, true, now());
        INSERT INTO claimed_totals VALUES ('2', 's', NULL, NULL, '2025-01-01', 60, false, now())
        """
    )
    names = ("rejects", "closed_gaps", "claims", "rolling_totals", "backfills")
    rules = policies(**{name: {"keep": "6 months"} for name in names})
    assert await retain_once(pool, rules, ManualClock(NOW))
    left = {
        name: await pool.fetchval(f"SELECT count(*) FROM {name}")
        for name in ("rejects", "gaps", "claims", "claimed_totals")
    }
    assert left == {"rejects": 1, "gaps": 1, "claims": 0, "claimed_totals": 1}
    assert await pool.fetchval("SELECT dropped_before FROM retained WHERE dataset = 'rejects'") == datetime(
        2025, 9, 20, 12, tzinfo=UTC
    )
    assert await pool.fetchval("SELECT count(*) FROM retained WHERE dataset = 'backfills'") == 0


async def test_what_would_go_is_told_and_stays(own_pool: Pool) -> None:
    """When the oldest month goes, how much that is, and what is kept for ever."""
    await fill_both(own_pool)
    async with own_pool.acquire() as connection:
        told = await look_ahead(connection, policies(liquidations={"keep": "6 months"}))
    found = {each.dataset: each for each in told}
    assert set(found) == set(Dataset)
    liquidations = found["liquidations"]
    assert (liquidations.oldest_month, liquidations.goes_at) == (
        datetime(2025, 10, 1, tzinfo=UTC),
        datetime(2026, 5, 1, tzinfo=UTC),
    )
    assert liquidations.bytes
    assert (found["ledger_movements"].keep, found["ledger_movements"].goes_at) == ("ever", None)
    assert found["claims"].oldest_month is None
    assert len(await tables(own_pool)) == 6


async def test_it_is_looked_at_once_an_hour(pool: Pool) -> None:
    """Around the clock, beginning at once."""

    class EndingClock(ManualClock):
        async def sleep(self, duration: timedelta) -> None:
            await super().sleep(duration)
            if len(self.slept) == 3:
                raise StoppedError

    clock = EndingClock(NOW)
    with pytest.raises(StoppedError):
        await keep_retention(pool, policies(), clock)
    assert clock.slept == [timedelta(hours=1)] * 3
    assert metrics.RETENTION_DONE._value.get() == (NOW + timedelta(hours=2)).timestamp()
