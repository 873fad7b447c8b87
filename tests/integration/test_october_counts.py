"""10 October 2025, counted: what is stored of it against what others counted on the chain, table by table."""

from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import lz4.frame
import pytest

from kamiyo.aggregators._hyperliquid_archive.chunks import stream_name, whole_line_chunks
from kamiyo.aggregators._hyperliquid_archive.frames import Frames
from kamiyo.aggregators.base import BaseAggregator, Toolbox
from kamiyo.aggregators.hyperliquid_archive import HyperliquidArchiveAggregator, HyperliquidArchiveSettings
from kamiyo.aggregators.hyperliquid_node import HyperliquidNodeAggregator, HyperliquidNodeSettings
from kamiyo.core.events import LiquidatedFill, LiquidationMethod
from kamiyo.core.liquidations import fill_key, liquidation_id
from kamiyo.core.ports import Counted, Normalized, Raw, Span
from kamiyo.kit.clock import SystemClock
from kamiyo.processing.pipeline import Pipeline
from kamiyo.processing.replay import replay
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.pool import Pool
from kamiyo.storage.read_stats import read_liquidation_sums
from tests.october import FIRST_BLOCK, FOLDER, lines, table, timing, totals

DAY = datetime(2025, 10, 10, tzinfo=UTC)
STREAM = "node_fills_by_block"
BY_METHOD = "SELECT method, count(*) FROM liquidation_fills GROUP BY method"
BY_ASSET = "SELECT asset, count(*) FROM liquidation_fills WHERE method = 'adl' GROUP BY asset"
BY_USER = 'SELECT "user", count(*) FROM liquidation_fills WHERE method = \'adl\' GROUP BY "user"'
WITHOUT_COUNTERPARTY = (
    "SELECT count(*) FROM liquidation_fills WHERE method = 'market' AND counterparty IS NULL"
)


@pytest.fixture(scope="module")
def october(shared_data: Path) -> bytes:
    """What a node would have written in those twelve minutes."""
    if not (shared_data / FOLDER).is_dir():
        pytest.skip(f"needs what others counted of that day: {shared_data / FOLDER} does not exist")
    return b"".join(line + b"\n" for line in lines(shared_data))


async def of_a_node(content: bytes, folder: Path) -> tuple[BaseAggregator, list[Raw]]:
    """Read it as the files of a node."""
    file = folder / STREAM / "hourly" / "20251010" / "21"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    node = HyperliquidNodeAggregator(HyperliquidNodeSettings(path=str(folder)), Toolbox(clock=SystemClock()))
    async with aclosing(node.stream(None, follow=False)) as items:
        return node, [item async for item in items if isinstance(item, Raw)]


def of_an_archive(content: bytes) -> tuple[BaseAggregator, list[Raw]]:
    """Read it as an object of the archive."""
    archive = HyperliquidArchiveAggregator(HyperliquidArchiveSettings(), Toolbox(clock=SystemClock()))
    frames, now = Frames(), datetime.now(UTC)
    chunks = whole_line_chunks(frames.unpack(lz4.frame.compress(content)))
    return archive, [
        Raw(
            source=archive.name,
            stream=stream_name(STREAM),
            payload=chunk.content,
            received_at=now,
            span=Span("s3://archive/21.lz4#1", chunk.start, chunk.end),
        )
        for chunk in chunks
    ]


async def counted(pool: Pool, statement: str) -> Counter[str]:
    async with pool.acquire() as connection:
        return Counter({row[0]: row[1] for row in await connection.fetch(statement)})


async def test_each_trade_of_october_is_stored_once_and_by_its_method(
    pool: Pool, shared_data: Path, october: bytes, tmp_path: Path
) -> None:
    """Of 98,620 rows 34,983 trades are auto-deleveragings and 14,327 ordinary, where rows give 63,637.

    Each is stored under whom and in what it was, and all of them are worth what they were.
    """
    said = totals(shared_data)
    rows, adl = said["liquidations"]["events"], said["adl"]["events"]
    ordinary = (rows - adl) // 2
    assert (adl, ordinary, rows) == (34_983, 14_327, 63_637)  # the source is the one that was read

    node, raws = await of_a_node(october, tmp_path)
    account = await replay(
        raws, Pipeline(node, PostgresJournal(pool), SystemClock()), progress=lambda _done: None
    )

    assert (account.counts[Counted.FILLS], account.counts[Counted.REFUSED_FILLS]) == (rows + adl, 0)
    assert account.counts[Counted.UNDERWATER_FILLS] == adl
    assert account.new_fills == adl + ordinary
    await check(pool, shared_data)


def test_the_archive_tells_the_same_trades_of_october(shared_data: Path, october: bytes) -> None:
    """Packed as an object and read in chunks, they are as many, by method and by who was deleveraged."""
    said = totals(shared_data)
    adl = said["adl"]["events"]
    archive, raws = of_an_archive(october)
    several = [archive.normalize(raw) for raw in raws]
    trades = {
        fill_key(liquidation_id(fill), fill): fill
        for each in several
        for fill in each.events
        if isinstance(fill, LiquidatedFill)
    }
    by_method = Counter(fill.method.value for fill in trades.values())
    assert by_method == {"adl": adl, "market": (said["liquidations"]["events"] - adl) // 2}
    by_user = Counter(fill.user for fill in trades.values() if fill.method is LiquidationMethod.ADL)
    assert by_user == deleveraged(shared_data)
    [run] = merged(several)
    assert run == (FIRST_BLOCK, FIRST_BLOCK + len(timing(shared_data).timeline) - 1)


def merged(several: Sequence[Normalized]) -> list[tuple[int, int]]:
    """The runs of blocks, those joined that follow one another."""
    found: list[tuple[int, int]] = []
    for run in (run for each in several for run in each.block_runs):
        first = found.pop()[0] if found and found[-1][1] + 1 == run.first else run.first
        found.append((first, run.last))
    return found


def deleveraged(shared_data: Path) -> dict[str, int]:
    """How many times each user was, as the source has it."""
    return {row["user"]: int(row["num_adl_events"]) for row in table(shared_data, "adl_by_user.csv")}


async def check(pool: Pool, shared_data: Path) -> None:
    """What is stored is what the source says, in each of its tables."""
    said = totals(shared_data)
    adl = said["adl"]["events"]
    ordinary = (said["liquidations"]["events"] - adl) // 2
    assert await counted(pool, BY_METHOD) == {"adl": adl, "market": ordinary}
    by_asset = {row["coin"]: int(row["num_events"]) for row in table(shared_data, "adl_by_coin.csv")}
    assert await counted(pool, BY_ASSET) == by_asset
    assert await counted(pool, BY_USER) == deleveraged(shared_data)
    async with pool.acquire() as connection:
        assert await connection.fetchval(WITHOUT_COUNTERPARTY) == 0
        sums = await read_liquidation_sums(connection, DAY, DAY + timedelta(days=1))
    usd = {each.method: each.amount_usd for each in sums if each.side is None and each.asset is None}
    into_the_book = (said["liquidations"]["notional"] - said["adl"]["notional"]) / 2
    assert usd.keys() == {"adl", "market"}
    assert usd["adl"] == pytest.approx(Decimal(str(said["adl"]["notional"])), rel=Decimal("1e-6"))
    assert usd["market"] == pytest.approx(Decimal(str(into_the_book)), rel=Decimal("1e-6"))
