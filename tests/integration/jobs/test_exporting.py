"""Exports of a real database, read back by strangers: exact, whole, and the same whoever died."""

import asyncio
import csv
import hashlib
import io
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import polars as pl
import pytest

from kamiyo.api.services.export_about import describe_rows
from kamiyo.core.exports import ExportDataset, ExportFormat, ExportState, lease_name
from kamiyo.jobs.exporting import ExportKeeper, expire_once, run_exports
from kamiyo.kit.clock import SystemClock
from kamiyo.kit.parquet import metadata_of
from kamiyo.processing.exporting import ExportGoneError, NotWrittenError
from kamiyo.processing.tabulating import table_of
from kamiyo.storage.export_sets import SETS, PageOfSet, PostgresLists, ReadPage
from kamiyo.storage.exports import PostgresExports
from kamiyo.storage.leases import PostgresLeases
from kamiyo.storage.pool import Pool, open_pool
from kamiyo.storage.read_exports import read_export
from tests.builders import VICTIM
from tests.exporting import (
    AT,
    FORMULA,
    KEEP,
    PRICE,
    Written,
    a_writer,
    ask,
    describe,
    lines,
    policy,
    store_everything,
    store_fills,
    write,
)

CLOCK = SystemClock()


@pytest.fixture
def exports(pool: Pool, tmp_path: Path) -> PostgresExports:
    """Give the exports of a database, with files below the test's folder."""
    return PostgresExports(pool, CLOCK, policy(tmp_path / "exports"))


async def written(pool: Pool, exports: PostgresExports, dataset: str, kind: str, **filters: Any) -> Written:
    number = await ask(exports, dataset, kind, **filters)
    return await write(pool, exports, CLOCK, number, rows_in_a_part=3)


async def rows_of(pool: Pool, dataset: ExportDataset) -> list[bytes]:
    """Every row of a list as the API encodes it."""
    async with pool.acquire() as connection:
        page = await SETS[dataset].page(connection, b"{}", None, 1_000)
    return [msgspec.json.encode(row) for row in page.rows]


def from_csv(path: Path) -> list[dict[str, str]]:
    """Rows as a stranger reads them, with one apostrophe taken away that guards a text."""
    rows = csv.DictReader(io.StringIO(path.read_bytes().decode(), newline=""), strict=True)
    return [{name: text.removeprefix("'") for name, text in row.items()} for row in rows]


@pytest.mark.parametrize("dataset", ExportDataset)
async def test_a_list_is_the_same_in_every_format(pool, exports, dataset) -> None:
    """NDJSON is the API's rows byte for byte; CSV and Parquet hold the same, number by number."""
    await store_everything(pool)
    expected = await rows_of(pool, dataset)
    assert expected
    ndjson = await written(pool, exports, dataset, "ndjson")
    assert ndjson.path.read_bytes().splitlines() == expected
    told = from_csv((await written(pool, exports, dataset, "csv")).path)
    table = pl.read_parquet((await written(pool, exports, dataset, "parquet")).path)
    assert [len(told), table.height, ndjson.file.rows] == [len(expected)] * 3
    columns = table_of(dataset)
    assert table.columns == columns.names == list(told[0])
    async with pool.acquire() as connection:
        page = await SETS[dataset].page(connection, b"{}", None, 1_000)
    for row, text, cells in zip(page.rows, told, table.iter_rows(), strict=True):
        shown = columns.cells(row)
        assert [same(cell, own) for cell, own in zip(cells, shown, strict=True)] == shown
        assert list(text.values()) == [in_csv(cell) for cell in shown]


def ask_duckdb(statement: str) -> list[Any]:
    with duckdb.connect() as connection:
        return connection.execute(statement).fetchall()


def same(cell: Any, shown: Any) -> Any:
    """The cell of a Parquet file as the API shows it."""
    if isinstance(cell, Decimal):
        return str(shown) if Decimal(shown) == cell else format(cell, "f")
    if hasattr(cell, "isoformat"):
        return cell.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return cell


def in_csv(cell: Any) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, list):
        return msgspec.json.encode(cell).decode()
    return "" if cell is None else str(cell).removeprefix("'")


async def test_decimals_survive_duckdb_and_polars(pool, exports) -> None:
    """The smallest and the widest numbers come back to their last digit, and unknown is null."""
    await store_everything(pool)
    markets = (await written(pool, exports, "markets", "parquet")).path
    found = ask_duckdb(f"SELECT asset, mark_price, mid_price FROM '{markets}' ORDER BY asset")
    assert [(row[0], row[1]) for row in found] == [("BTC", Decimal("3000.5")), ("ETH", PRICE)]
    assert found[0][2] is None
    assert pl.read_parquet(markets).filter(asset="ETH")["mark_price"].to_list() == [PRICE]
    claims = await written(pool, exports, "claims", "parquet")
    described = ask_duckdb(f"DESCRIBE SELECT price, amount_usd, timestamp FROM '{claims.path}'")
    assert [row[1] for row in described] == [
        "DECIMAL(38,16)",  # 22 digits before the point leave room for 16 after it
        "DECIMAL(38,18)",
        "TIMESTAMP WITH TIME ZONE",
    ]
    prices = ask_duckdb(f"SELECT price FROM '{claims.path}' ORDER BY ordinal")
    assert prices == [(Decimal("3000.5"),), (Decimal("1234567890123456789012.5"),), (None,)]


async def test_a_number_no_decimal_holds_stays_text(pool, exports) -> None:
    """Nothing is rounded: its column is text, and the file says so."""
    await store_everything(pool)
    async with pool.acquire() as connection:
        wide = "UPDATE claims SET price = 12345678901234567890123.0000000000000000000001 WHERE ordinal = 1"
        await connection.execute(wide)
    found = await written(pool, exports, "claims", "parquet")
    assert found.metadata["numbers_as_text"] == ["price"]
    prices = ask_duckdb(f"SELECT price FROM '{found.path}' ORDER BY ordinal")
    assert prices[1] == ("12345678901234567890123.0000000000000000000001",)


async def test_a_parquet_file_says_what_is_known_of_its_rows(pool, exports) -> None:
    """Coverage, freshness, filters, gaps and version are in it, for whoever has nothing but the file."""
    await store_everything(pool)
    number = await ask(exports, "liquidations", "parquet", asset="ETH")
    found = await write(pool, exports, CLOCK, number, describe=describe_rows)
    told = metadata_of(found.path)
    assert told["kamiyo.dataset"] == "liquidations"
    assert told["kamiyo.filters"] == '{"asset":"ETH"}'
    assert told["kamiyo.coverage_label"] == "not measured"
    assert (told["kamiyo.measured_pct"], told["kamiyo.stale"]) == ("null", "true")
    assert (told["kamiyo.version"], told["kamiyo.rows"], told["kamiyo.gaps"]) == ("1.2.3", "3", "[]")
    assert msgspec.json.decode(told["kamiyo.warnings"])
    assert found.path.stat().st_mode & 0o777 == 0o600
    assert found.path.parent.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in found.path.parent.iterdir()] == ["liquidations.parquet"]


@pytest.mark.parametrize("dataset", ExportDataset)
async def test_every_list_says_how_far_its_rows_may_be_believed(pool, exports, dataset) -> None:
    """In the words the list itself is shown with."""
    await store_everything(pool)
    number = await ask(exports, dataset, "ndjson")
    found = (await write(pool, exports, CLOCK, number, describe=describe_rows)).metadata
    assert found["coverage"]["label"]
    assert {"measured_pct", "measured_at", "sources"} <= set(found["coverage"])
    assert found["warnings"]
    assert found["read_from"] <= found["read_until"]


async def test_what_a_spreadsheet_would_run_is_text(pool, exports) -> None:
    """A cell that looks like a formula begins with an apostrophe; quotes and new lines stay in their cell."""
    await store_everything(pool)
    path = (await written(pool, exports, "exploits", "csv")).path
    [row] = csv.DictReader(io.StringIO(path.read_bytes().decode(), newline=""), strict=True)
    assert row["name"] == f"'{FORMULA}"
    assert row["description"] == 'He said "no",\r\nand -1+1'
    assert row["amount_usd"] == ""


@pytest.mark.parametrize("kind", ExportFormat)
async def test_nothing_that_fits_is_a_file_too(pool, exports, kind: ExportFormat) -> None:
    """Without a row, and with the columns where the format has any."""
    found = await written(pool, exports, "liquidations", kind)
    assert found.file.rows == 0
    content = found.path.read_bytes()
    match kind:
        case ExportFormat.CSV:
            assert content.decode() == ",".join(table_of(ExportDataset.LIQUIDATIONS).names) + "\r\n"
        case ExportFormat.NDJSON:
            assert content == b""
        case ExportFormat.PARQUET:
            assert ask_duckdb(f"SELECT count(*), max(amount_usd) FROM '{found.path}'") == [(0, None)]


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"asset": "BTC"}, 2),
        ({"user": VICTIM}, 3),
        ({"start": AT + timedelta(seconds=1), "end": AT + timedelta(seconds=3)}, 4),
        ({"protocol": "xyz"}, 2),
        ({"min_usd": "0.1"}, 4),
    ],
)
async def test_filters_are_honoured(pool, exports, filters, count) -> None:
    """Those of the list, across the borders of parts."""
    await store_fills(pool, 7)
    found = await written(pool, exports, "liquidations", "ndjson", **filters)
    assert len(lines(found.path)) == found.file.rows == count


class Killed(BaseException):
    """What ends a process ends this one's writing."""


class Watched(PostgresLists):
    """The lists of a database, with somebody who is told before each page is read."""

    def __init__(self, pool: Pool, told: Callable[[bytes | None], Awaitable[None]]) -> None:
        super().__init__(pool, describe)
        self._told = told

    @asynccontextmanager
    async def reading(self, dataset: ExportDataset) -> AsyncGenerator[ReadPage]:
        async with super().reading(dataset) as read:

            async def watched(filters: bytes, past: bytes | None, limit: int) -> PageOfSet:
                await self._told(past)
                return await read(filters, past, limit)

            yield watched


@pytest.mark.parametrize("kind", ExportFormat)
@pytest.mark.parametrize("dies_after", [1, 2, 4])
async def test_a_killed_writing_goes_on_after_its_last_part(
    pool, exports, kind, dies_after, monkeypatch
) -> None:
    """What was on disk for good is not read again, and the file is that of a writing nobody killed."""
    await store_fills(pool, 10)
    straight = await written(pool, exports, "liquidations", kind)
    number = await ask(exports, "liquidations", kind)
    reads: list[bytes | None] = []

    async def told(past: bytes | None) -> None:
        reads.append(past)
        if len(reads) == dies_after:
            raise Killed

    lists = Watched(pool, told)
    with pytest.RaisesGroup(Killed, flatten_subgroups=True):
        await write(pool, exports, CLOCK, number, rows_in_a_part=3, lists=lists)
    assert len(reads) == dies_after
    kept = await exports.parts(number)
    assert len(kept) == dies_after - 1
    resumed = await write(pool, exports, CLOCK, number, rows_in_a_part=3, lists=lists)
    assert len(reads) == 5  # four pages, and the one that died
    assert resumed.file.rows == straight.file.rows == 10
    assert resumed.file.sha256 == hashlib.sha256(resumed.path.read_bytes()).hexdigest()
    if kind is ExportFormat.PARQUET:
        assert pl.read_parquet(resumed.path).equals(pl.read_parquet(straight.path))
    else:
        assert resumed.path.read_bytes() == straight.path.read_bytes()


@pytest.mark.parametrize("kind", ExportFormat)
async def test_a_file_that_is_not_what_was_kept_is_begun_anew(pool, exports, kind) -> None:
    """On another machine, or after a disk was restored: nothing is appended to what is not known."""
    await store_fills(pool, 10)
    straight = await written(pool, exports, "liquidations", kind)
    number = await ask(exports, "liquidations", kind)
    with pytest.RaisesGroup(Killed, flatten_subgroups=True):
        await write(pool, exports, CLOCK, number, rows_in_a_part=3, describe=dies_the_second_time())
    assert len(await exports.parts(number)) == 4
    export = await exports.look(number)
    for path in (exports.policy.folder / export.folder).iterdir():
        path.write_bytes(b"something else")
    again = await write(pool, exports, CLOCK, number, rows_in_a_part=3)
    assert again.file.rows == 10
    assert again.file.size == straight.file.size or kind is ExportFormat.PARQUET


def dies_the_second_time() -> Any:
    times: list[int] = []

    async def told(*arguments: Any) -> Any:
        times.append(1)
        if len(times) == 2:
            raise Killed
        return await describe(*arguments)

    return told


async def test_no_row_is_lost_or_doubled_while_others_write(pool, exports) -> None:
    """Rows that stood when the export began are in it once, whatever comes before, between and after."""
    await store_fills(pool, 10, first=100)
    added = iter((0, 10, 50, 200))

    async def told(_past: bytes | None) -> None:
        if (first := next(added, None)) is not None:
            await store_fills(pool, 2, first=first)

    number = await ask(exports, "liquidations", "ndjson")
    done = await write(pool, exports, CLOCK, number, rows_in_a_part=3, lists=Watched(pool, told))
    found = [row["liquidation_id"] for row in lines(done.path)]
    assert len(found) == len(set(found)) > 10
    assert found == sorted(found)
    async with pool.acquire() as connection:
        stood = "SELECT liquidation_id FROM liquidations WHERE timestamp BETWEEN $1 AND $2"
        rows = await connection.fetch(stood, AT + timedelta(seconds=50), AT + timedelta(seconds=54.5))
    assert {row[0] for row in rows} <= set(found)


async def test_more_than_there_is_room_for_is_refused(pool, tmp_path) -> None:
    """And nothing of it stays on the disk."""
    await store_fills(pool, 50)
    exports = PostgresExports(pool, CLOCK, policy(tmp_path / "exports", most_bytes=5_000))
    number = await ask(exports, "liquidations", "ndjson")
    with pytest.RaisesGroup(NotWrittenError, flatten_subgroups=True):
        await write(pool, exports, CLOCK, number)
    keeper = ExportKeeper(a_writer(pool, exports, CLOCK), exports, PostgresLeases(pool, CLOCK), CLOCK)
    assert await keeper.take_up(number) is None
    found = await shown(pool, number)
    assert (found.state, found.rows, found.bytes) == (ExportState.FAILED, 0, 0)
    assert "5,000 bytes" in found.detail
    assert list((tmp_path / "exports").iterdir()) == []


async def test_what_is_deleted_while_it_is_written_leaves_nothing(pool, exports) -> None:
    """Whoever writes it notices at the end of the part."""
    await store_fills(pool, 5)
    number = await ask(exports, "liquidations", "csv")

    export = await exports.look(number)
    keeper = ExportKeeper(a_writer(pool, exports, CLOCK), exports, PostgresLeases(pool, CLOCK), CLOCK)
    assert await exports.forget(number) == export.folder
    async with PostgresLeases(pool, CLOCK).hold(lease_name(number)) as lease:
        assert lease is not None
        with pytest.raises(ExportGoneError):
            await a_writer(pool, exports, CLOCK).write(export, lease)
    assert await keeper.take_up(number) is None


async def shown(pool: Pool, number: int) -> Any:
    async with pool.acquire() as connection:
        return await read_export(connection, number)


async def test_a_worker_writes_what_is_asked_for(database_url, pool, exports) -> None:
    """Two of a queue, each once, with the number of rows and the checksum of the file."""
    await store_fills(pool, 7)
    numbers = [await ask(exports, "liquidations", kind) for kind in ("csv", "ndjson")]
    async with open_pool(database_url, size=7) as own, open_pool(database_url, size=2) as of_leases:
        theirs = PostgresExports(own, CLOCK, exports.policy)
        keeper = ExportKeeper(a_writer(own, theirs, CLOCK), theirs, PostgresLeases(of_leases, CLOCK), CLOCK)
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(run_exports(keeper, theirs, own, CLOCK))
            while await exports.any_open():
                await asyncio.sleep(0.05)
            running.cancel()
    for number in numbers:
        found = await shown(pool, number)
        assert (found.state, found.rows) == (ExportState.DONE, 7)
        export = await exports.look(number)
        content = (exports.policy.folder / export.folder / export.file_name).read_bytes()
        assert (found.bytes, found.sha256) == (len(content), hashlib.sha256(content).hexdigest())


async def test_what_ends_its_writers_is_given_up(pool, exports) -> None:
    """After three who did not say why, nobody tries again."""
    number = await ask(exports, "liquidations", "csv")
    keeper = ExportKeeper(a_writer(pool, exports, CLOCK), exports, PostgresLeases(pool, CLOCK), CLOCK)
    async with pool.acquire() as connection:
        await connection.execute("UPDATE exports SET attempts = 3, failures = 0")
    assert await keeper.take_up(number) is None
    assert (await shown(pool, number)).detail == "whoever wrote it ended 3 times"


async def test_who_holds_the_lease_is_not_disturbed(pool, exports) -> None:
    """Another looks again a moment later."""
    number = await ask(exports, "liquidations", "csv")
    keeper = ExportKeeper(a_writer(pool, exports, CLOCK), exports, PostgresLeases(pool, CLOCK), CLOCK)
    async with PostgresLeases(pool, CLOCK).hold(lease_name(number)):
        assert await keeper.take_up(number) == timedelta(seconds=2)
    assert (await shown(pool, number)).state == ExportState.QUEUED


async def test_a_disk_that_cannot_be_written_fails_the_export(pool, tmp_path) -> None:
    """It says what is wrong with which file."""
    (tmp_path / "exports").write_text("not a folder")
    exports = PostgresExports(pool, CLOCK, policy(tmp_path / "exports"))
    number = await ask(exports, "liquidations", "csv")
    keeper = ExportKeeper(a_writer(pool, exports, CLOCK), exports, PostgresLeases(pool, CLOCK), CLOCK)
    assert await keeper.take_up(number) is None
    found = await shown(pool, number)
    assert (found.state, "exports" in found.detail) == (ExportState.FAILED, True)


async def test_what_is_past_its_time_goes(pool, exports) -> None:
    """With its file; so do folders nobody has known for days, and nothing younger."""
    old = await written(pool, exports, "markets", "csv")
    stray = exports.policy.folder / "stray"
    stray.mkdir()
    now = CLOCK.now()
    await expire_once(exports, now)
    assert old.path.exists()
    assert stray.exists()
    async with pool.acquire() as connection:
        await connection.execute("UPDATE exports SET expires_at = now() - interval '1 s'")
    await expire_once(exports, now + KEEP + timedelta(days=1, seconds=1))
    assert list(exports.policy.folder.iterdir()) == []
    assert await shown(pool, old.export.export_id) is None
