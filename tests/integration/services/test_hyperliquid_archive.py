"""The archive in a real S3 server: whatever happens on the way, what it says is whole, or said not to be."""

import random
import tracemalloc
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import lz4.frame
import pytest

from kamiyo.aggregators._node_payloads import FILLS_BY_BLOCK
from kamiyo.aggregators._node_payloads import normalize as normalize_line
from kamiyo.aggregators.base import Alive, NotConfigured, StreamItem, Toolbox
from kamiyo.aggregators.hyperliquid_archive import (
    Decode,
    HyperliquidArchiveAggregator,
    HyperliquidArchiveSettings,
)
from kamiyo.core.archives import ArchiveObject
from kamiyo.core.errors import CorruptObject, RateLimited, SourceUnavailable
from kamiyo.core.events import Gap, LiquidatedFill
from kamiyo.core.liquidations import liquidation_id
from kamiyo.core.ports import Counted, Normalized, Raw
from kamiyo.core.states import MarketState
from kamiyo.core.time import EPOCH
from kamiyo.kit.object_store import buckets_of
from kamiyo.kit.recordings import read_lines
from kamiyo.kit.secret import Secret
from kamiyo.kit.transport import open_session
from tests.builders import CHAIN, MAKER, VICTIM, a_raw, block_line, fill_json
from tests.fakes import ManualClock, MemoryUsdBudget
from tests.services.hearing import Heard, drained, logged
from tests.services.s3 import (
    DENIED,
    REGION,
    SLOW_DOWN,
    Buckets,
    FaultyBuckets,
    cut_after,
    open_buckets,
    open_faulty,
)
from tests.services.server import Reply, Request

NODE_DATA, ARCHIVE = "hl-mainnet-node-data", "hyperliquid-archive"
KEY_ID, SECRET, TOKEN = "CANARY-KEY-ID", "CANARY-SECRET-KEY", "CANARY-SESSION-TOKEN"
DAY = datetime(2025, 10, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOW = DAY + timedelta(days=1, hours=3, minutes=30)
RECORDED = "hl-node-fills-2025-10-27/node_fills_by_block_20251027_1700.jsonl.zst"


@dataclass
class Lab:
    """The archive as a process would build it, and the server it asks."""

    faulty: FaultyBuckets
    tools: Toolbox
    clock: ManualClock
    money: MemoryUsdBudget
    created: set[str] = field(default_factory=set)

    def put(self, key: str, content: bytes, bucket: str = NODE_DATA) -> None:
        self.faulty.buckets.put(bucket, key, content)

    def build(self, **settings: Any) -> HyperliquidArchiveAggregator:
        values: dict[str, Any] = {
            "access_key_id": Secret(KEY_ID),
            "secret_access_key": Secret(SECRET),
            "session_token": Secret(TOKEN),
            "endpoint": self.faulty.url,
        }
        return HyperliquidArchiveAggregator(HyperliquidArchiveSettings(**(values | settings)), self.tools)

    async def the_object(self) -> ArchiveObject:
        [found] = await self.build().list_objects(DAY, DAY + 24 * HOUR)
        return found


@pytest.fixture(scope="module")
def buckets() -> Iterator[Buckets]:
    with open_buckets() as made:
        yield made


@pytest.fixture
async def lab(buckets: Buckets) -> AsyncIterator[Lab]:
    """Run both buckets anew, empty."""
    buckets.empty()
    buckets.create(NODE_DATA)
    buckets.create(ARCHIVE, "eu-west-1")
    async with open_faulty(buckets) as faulty, open_session() as session:
        clock = ManualClock(NOW)
        money = MemoryUsdBudget(clock)
        tools = Toolbox(clock=clock, session=session, money=money, open_store=buckets_of(session))
        yield Lab(faulty, tools, clock, money)


def hour_key(hour: int, stream: str = FILLS_BY_BLOCK, day: str = "20251010") -> str:
    return f"{stream}/hourly/{day}/{hour}.lz4"


def blocks(first: int, number: int, liquidations: int = 1, fills: int = 3) -> bytes:
    """Lines of blocks, the first of which hold a liquidation each; their hashes cannot be packed."""
    lines: list[bytes] = []
    chance = random.Random(first)
    for block in range(first, first + number):
        rows = [
            (
                MAKER,
                fill_json(liquidation=None, tid=10 * block + each, hash=f"0x{chance.randbytes(32).hex()}"),
            )
            for each in range(fills)
        ]
        if block < first + liquidations:
            rows.append((VICTIM, fill_json(tid=10 * block + 9, hash=f"0x{block:064x}")))
        lines.append(block_line(*rows, number=block) + b"\n")
    return b"".join(lines)


def packed(content: bytes) -> bytes:
    """As the venue packs: in blocks, of which each is read by itself."""
    return lz4.frame.compress(content, block_size=lz4.frame.BLOCKSIZE_MAX64KB, compression_level=-1)


@dataclass
class Told(Heard):
    """What was given before it ended, or failed."""

    error: Exception | None = None

    async def take_all(self, items: AsyncGenerator[StreamItem, None]) -> None:
        async with aclosing(items):
            async for item in items:
                self.take(item)

    @property
    def content(self) -> bytes:
        return b"".join(each.payload for each in self.raws)


async def read(archive: HyperliquidArchiveAggregator, found: ArchiveObject, *assets: str) -> Told:
    told = Told()
    try:
        await told.take_all(archive.read_object(found, assets=assets))
    except (CorruptObject, SourceUnavailable) as error:
        told.error = error
    return told


def said(archive: HyperliquidArchiveAggregator, heard: Told) -> list[Normalized]:
    return [archive.normalize(raw) for raw in heard.raws]


# --- what it keeps ----------------------------------------------------------------------------------------


async def test_objects_of_a_time_are_listed_in_its_order(lab: Lab) -> None:
    """Of every stream that is asked for, and nothing else of what lies there."""
    for hour in (0, 2, 10, 21, 22):
        lab.put(hour_key(hour), b"x" * (hour + 1))
    for key in (
        hour_key(9, day="20251009"),
        hour_key(3, day="20251011"),
        hour_key(21, "misc_events_by_block"),
    ):
        lab.put(key, b"x")
    lab.put(hour_key(21, "node_trades"), b"x")
    lab.put(f"{FILLS_BY_BLOCK}/hourly/20251010/readme.txt", b"x")
    lab.put("asset_ctxs/20251010.csv.lz4", b"x", ARCHIVE)
    archive = lab.build()
    found = await archive.list_objects(DAY + 2 * HOUR, DAY + 22 * HOUR)
    assert [each.key for each in found] == [
        hour_key(2),
        hour_key(10),
        hour_key(21, "misc_events_by_block"),
        hour_key(21),
    ]
    assert found[1] == ArchiveObject(
        source=archive.name,
        bucket=NODE_DATA,
        key=hour_key(10),
        stream=FILLS_BY_BLOCK,
        start=DAY + 10 * HOUR,
        length=HOUR,
        size=11,
        etag=found[1].etag,
    )
    several = lab.build(streams="asset_ctxs, node_trades")
    keys = [each.name for each in await several.list_objects(DAY + 21 * HOUR, DAY + 22 * HOUR)]
    assert keys == [
        f"s3://{ARCHIVE}/asset_ctxs/20251010.csv.lz4",
        f"s3://{NODE_DATA}/{hour_key(21, 'node_trades')}",
    ]
    assert await lab.build(streams="node_fills").list_objects(DAY, DAY + HOUR) == []


async def test_each_bucket_is_asked_in_its_own_region(lab: Lab) -> None:
    """The two of the venue are not in the same one."""
    await lab.build(streams=f"{FILLS_BY_BLOCK}, asset_ctxs").list_objects(DAY, DAY + HOUR)
    regions = {
        (each.path, region)
        for each in lab.faulty.requests
        for region in (REGION, "eu-west-1")
        if region in each.headers.get("authorization", "")
    }
    assert regions == {(f"/{NODE_DATA}", REGION), (f"/{ARCHIVE}", "eu-west-1")}


async def test_the_recorded_blocks_say_the_same_as_through_the_node(lab: Lab, shared_data: Path) -> None:
    """700 real blocks: the same liquidations, rows and blocks, and every fill where all are decoded."""
    lines = [line for _offset, line in read_lines(shared_data / RECORDED)]
    lab.put(hour_key(17, day="20251027"), lz4.frame.compress(b"".join(line + b"\n" for line in lines)))
    by_line = [normalize_line(a_raw(stream=FILLS_BY_BLOCK, payload=line, span=None), CHAIN) for line in lines]
    expected = [each for one in by_line for each in one.events if isinstance(each, LiquidatedFill)]
    for decode in Decode:
        archive = lab.build(decode=decode)
        [found] = await archive.list_objects(
            datetime(2025, 10, 27, 17, tzinfo=UTC), datetime(2025, 10, 28, tzinfo=UTC)
        )
        told = said(archive, await read(archive, found))
        fills = [each for one in told for each in one.events if isinstance(each, LiquidatedFill)]
        assert len(fills) == 2
        assert [liquidation_id(each) for each in fills] == [liquidation_id(each) for each in expected]
        assert [each.content for each in fills] == [each.content for each in expected]
        runs = [run for one in told for run in one.block_runs]
        assert runs[0].first == 777010829
        assert runs[-1].last == 777011528
        assert all(before.last + 1 == after.first for before, after in pairwise(runs))
        counted = sum(one.counts[Counted.FILLS] for one in told)
        assert counted == (4924 if decode is Decode.ALL else 2)


# --- reading ----------------------------------------------------------------------------------------------


async def test_an_object_is_given_in_chunks_of_whole_lines(lab: Lab) -> None:
    """With where they stand, under the name of this content, and without a cursor."""
    content = blocks(1, 3_000)
    lab.put(hour_key(21), packed(content))
    archive, found = lab.build(), await lab.the_object()
    heard = await read(archive, found)
    assert heard.error is None
    assert heard.content == content
    assert len(heard.raws) > 2
    spans = [raw.span for raw in heard.raws if raw.span is not None]
    assert {span.scope for span in spans} == {f"{found.name}#{found.etag.strip(chr(34))}"}
    assert [span.start for span in spans] == [0, *(span.end for span in spans[:-1])]
    assert spans[-1].end == len(content)
    assert {(raw.stream, raw.cursor) for raw in heard.raws} == {("archive/node_fills_by_block", None)}
    [event] = [event for one in said(archive, heard) for event in one.events]
    assert isinstance(event, LiquidatedFill)


async def test_appended_frames_and_a_last_line_without_its_end_are_read(lab: Lab) -> None:
    """All of it counts."""
    lab.put(hour_key(21), packed(blocks(1, 2)) + packed(b"") + packed(blocks(3, 2)[:-1]))
    archive = lab.build()
    [told] = said(archive, await read(archive, await lab.the_object()))
    assert [(run.first, run.last) for run in told.block_runs] == [(1, 4)]
    assert len(told.events) == 2


async def test_of_some_assets_only_chunks_that_name_one_are_given(lab: Lab) -> None:
    """What concerns none of them need not be looked at."""
    lab.put(hour_key(21), packed(blocks(1, 1)))
    archive, found = lab.build(), await lab.the_object()
    assert len((await read(archive, found, "BTC", "ETH")).raws) == 1
    assert (await read(archive, found, "BTC")).items == []


async def test_a_lost_connection_is_taken_up_where_it_broke(lab: Lab) -> None:
    """However often: nothing is read twice, nothing is missing, and the same chunks come out."""
    content = blocks(1, 8_000)
    whole = packed(content)
    lab.put(hour_key(21), whole)
    archive, found = lab.build(), await lab.the_object()
    straight = await read(archive, found)
    before = len(lab.faulty.reads())
    assert len(whole) > 1_600_000
    lab.faulty.faults = [cut_after(600_000), cut_after(0), cut_after(900_000), SLOW_DOWN]
    heard = await read(archive, found)
    assert heard.error is None
    assert [(raw.span, raw.payload) for raw in heard.raws] == [
        (raw.span, raw.payload) for raw in straight.raws
    ]
    reads = lab.faulty.reads()[before:]
    assert len(reads) == 5
    assert {each.headers["if-match"] for each in reads} == {found.etag}
    starts = [int(each.headers["range"].removeprefix("bytes=").removesuffix("-")) for each in reads[1:]]
    assert 0 < starts[0] <= 600_000
    assert starts[0] == starts[1]
    assert starts[1] < starts[2] == starts[3] < len(whole)
    assert lab.clock.slept == [timedelta(seconds=each) for each in (1, 2, 1, 2)]


async def test_who_never_answers_is_given_up_after_six_tries(lab: Lab) -> None:
    """It may work later; meanwhile the tries become fewer."""
    lab.put(hour_key(21), packed(blocks(1, 1)))
    archive, found = lab.build(), await lab.the_object()
    lab.faulty.meddle = SLOW_DOWN
    before = len(lab.faulty.requests)
    heard = await read(archive, found)
    assert isinstance(heard.error, RateLimited)
    assert len(lab.faulty.requests) - before == 6 + 1  # and one that looks for the region
    assert lab.clock.slept == [timedelta(seconds=each) for each in (1, 2, 4, 8, 16)]


async def test_an_object_that_changes_while_it_is_read_is_said_to(lab: Lab) -> None:
    """Two contents are never put together."""
    content = blocks(1, 8_000)
    lab.put(hour_key(21), packed(content))
    archive, found = lab.build(), await lab.the_object()

    def replace(_request: Request, reply: Reply) -> Reply:
        lab.put(hour_key(21), packed(blocks(2, 8_000)))
        return Reply(reply.status, reply.body, reply.headers, cut_after=900_000)

    lab.faulty.faults = [replace]
    heard = await read(archive, found)
    assert isinstance(heard.error, CorruptObject)
    assert f"{found.name}: 412" in str(heard.error)
    assert "list it again" in str(heard.error)
    assert heard.content
    assert content.startswith(heard.content)


async def test_an_object_that_is_gone_is_named(lab: Lab) -> None:
    """As it is now there is nothing to read."""
    lab.put(hour_key(21), packed(blocks(1, 1)))
    archive, found = lab.build(), await lab.the_object()
    lab.faulty.buckets.empty()
    lab.faulty.buckets.create(NODE_DATA)
    heard = await read(archive, found)
    assert isinstance(heard.error, CorruptObject)
    assert f"{found.name}: 404" in str(heard.error)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda whole: whole[: len(whole) // 2], "ends in the middle of its packing"),
        (lambda whole: whole[:-4], "ends in the middle of its packing"),
        (lambda whole: whole + b"rubbish", "packing is damaged"),
        (lambda whole: whole[:300_000] + b"\xff" * 900 + whole[300_900:], "packing is damaged"),
    ],
)
async def test_a_corrupt_object_is_named_after_all_that_is_good_in_it(
    lab: Lab, spoil: Any, reason: str
) -> None:
    """Only whole lines before the damage are given, and the damage is never taken for an end."""
    content = blocks(1, 8_000)
    lab.put(hour_key(21), spoil(packed(content)))
    archive, found = lab.build(), await lab.the_object()
    heard = await read(archive, found)
    assert isinstance(heard.error, CorruptObject)
    assert str(heard.error).startswith(f"{found.name}: ")
    assert reason in str(heard.error)
    assert heard.content.endswith(b"}\n")
    assert content.startswith(heard.content)
    assert len(heard.content) > 500_000


@pytest.mark.parametrize("content", [b"", b"no frame"])
async def test_an_object_that_holds_nothing_is_corrupt(lab: Lab, content: bytes) -> None:
    """An empty one is not an hour in which nothing happened."""
    lab.put(hour_key(21), content)
    heard = await read(lab.build(), await lab.the_object())
    assert isinstance(heard.error, CorruptObject)
    assert heard.items == []


async def test_little_memory_is_used_however_much_an_object_unpacks_to(lab: Lab) -> None:
    """A few hundred kilobytes of it can hold a hundred megabytes, even in one line."""
    lab.put(hour_key(21), lz4.frame.compress(b"\n".join((b"x" * (30 << 20), *[b"y" * 99] * 700_000))))
    archive, found = lab.build(), await lab.the_object()
    tracemalloc.start()
    try:
        largest = size = 0
        async with aclosing(archive.read_object(found)) as items:
            async for item in items:
                assert isinstance(item, Raw)
                largest = max(largest, len(item.payload))
                size += len(item.payload)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size > 60 << 20
    assert largest <= 1 << 20
    assert peak < 40 << 20


# --- markets ----------------------------------------------------------------------------------------------


async def test_a_day_of_markets_is_read_with_its_columns_names(lab: Lab) -> None:
    """Every chunk can be understood alone."""
    rows = [
        f"2025-10-10T{minute // 60:02}:{minute % 60:02}:00Z,A{market},{market + 1}.5,2.5"
        for minute in range(1440)
        for market in range(30)
    ]
    text = "\n".join(("time,coin,mark_px,oracle_px", *rows))
    lab.put("asset_ctxs/20251010.csv.lz4", packed(text.encode()), ARCHIVE)
    archive = lab.build(streams="asset_ctxs")
    [found] = await archive.list_objects(DAY, DAY + HOUR)
    heard = await read(archive, found)
    assert len(heard.raws) > 1
    states = [each for one in said(archive, heard) for each in one.events if isinstance(each, MarketState)]
    assert len(states) == 1440 * 30
    assert (states[-1].asset, states[-1].mark_price) == ("A29", Decimal("30.5"))
    assert not [each for one in said(archive, heard) for each in one.rejects]


async def test_a_day_of_markets_without_a_needed_column_is_corrupt(lab: Lab) -> None:
    """It is named with what it lacks, once."""
    lab.put("asset_ctxs/20251010.csv.lz4", packed(b"time,coin,mark_px\n" + b"x,y,z\n" * 9), ARCHIVE)
    archive = lab.build(streams="asset_ctxs")
    [found] = await archive.list_objects(DAY, DAY + HOUR)
    heard = await read(archive, found)
    assert isinstance(heard.error, CorruptObject)
    assert "20251010.csv.lz4: its first line lacks the columns oraclepx" in str(heard.error)
    assert heard.items == []


# --- refusals and secrets ---------------------------------------------------------------------------------


async def test_a_refusal_says_what_to_do_and_is_not_asked_again(lab: Lab) -> None:
    """Neither a listing nor an object: no waiting helps against a wrong key."""
    lab.put(hour_key(21), packed(blocks(1, 1)))
    archive, found = lab.build(region=REGION), await lab.the_object()
    lab.faulty.meddle = DENIED
    before = len(lab.faulty.requests)
    heard = await read(archive, found)
    assert type(heard.error) is SourceUnavailable
    assert "403 AccessDenied: see that sources.hyperliquid_archive.access_key_id" in str(heard.error)
    with pytest.raises(SourceUnavailable, match="s3:ListBucket and s3:GetObject as requester"):
        await archive.list_objects(DAY, DAY + HOUR)
    assert len(lab.faulty.requests) - before == 2
    assert lab.clock.slept == []


async def test_a_bucket_that_is_not_there_is_a_setting_to_look_at(lab: Lab) -> None:
    """It may be there later, or under another name."""
    with pytest.raises(SourceUnavailable, match=r"no bucket nobodys-data.*node_bucket"):
        await lab.build(node_bucket="nobodys-data").list_objects(DAY, DAY + HOUR)


async def test_no_key_is_in_any_word_or_log(lab: Lab, capfd: pytest.CaptureFixture[str]) -> None:
    """Though the service repeats in its answers who asked."""
    lab.put(hour_key(21), packed(blocks(1, 1)))
    found = await lab.the_object()
    told: list[str] = []
    async with logged() as lines:
        for fault in (DENIED, SLOW_DOWN, cut_after(5), None):
            lab.faulty.meddle = fault
            archive = lab.build(region=REGION)
            heard = await read(archive, found)
            told.append(repr((archive, vars(archive), archive.description, heard, str(heard.error))))
    told += [*lines, *capfd.readouterr()]
    assert KEY_ID in repr(lab.faulty.requests)
    assert TOKEN in repr(lab.faulty.requests)
    assert not [each for each in (KEY_ID, SECRET, TOKEN) if each in "".join(told)]
    assert SECRET not in repr(lab.faulty.requests)


# --- by itself --------------------------------------------------------------------------------------------


def hours_of(items: list[StreamItem]) -> list[int]:
    return [
        int(each.span.scope.rpartition("/")[2].partition(".")[0])
        for each in items
        if isinstance(each, Raw) and each.span
    ]


@asynccontextmanager
async def nightly(lab: Lab, **settings: Any) -> AsyncIterator[HyperliquidArchiveAggregator]:
    yield lab.build(nightly=True, streams=FILLS_BY_BLOCK, **settings)


async def test_without_keys_nobody_is_asked(lab: Lab) -> None:
    """The settings it lacks are named, wherever it is asked."""
    archive = lab.build(secret_access_key=None)
    [item] = (await drained(archive)).items
    assert isinstance(item, NotConfigured)
    assert "sources.hyperliquid_archive.access_key_id" in item.detail
    with pytest.raises(SourceUnavailable, match="secret_access_key: reading is paid for"):
        await archive.list_objects(DAY, DAY + HOUR)
    assert archive.daily_limit_usd == 0
    assert lab.faulty.requests == []


async def test_unless_it_is_asked_to_it_reads_nothing_by_itself(lab: Lab) -> None:
    """It is alive as the buckets answer, and says how it is read."""
    lab.put(hour_key(3, day="20251011"), packed(blocks(1, 1)))
    [item] = (await drained(lab.build())).items
    assert isinstance(item, Alive)
    assert "kamiyo backfill" in item.lacking
    assert lab.faulty.reads() == []
    lab.faulty.meddle = DENIED
    with pytest.raises(SourceUnavailable):
        await drained(lab.build())


async def test_every_night_it_reads_what_came_since(lab: Lab) -> None:
    """From yesterday on, each hour once; the running hour not before it is over."""
    for hour in range(24):
        lab.put(hour_key(hour), packed(blocks(100 * hour, 3)))
    lab.put(hour_key(3, day="20251011"), packed(blocks(1, 1)))
    async with nightly(lab) as archive:
        heard = await drained(archive)
        assert hours_of(heard.items) == list(range(24))
        assert not [each for each in heard.items if isinstance(each, Gap)]
        again = await drained(archive, heard.cursor)
        assert hours_of(again.items) == []
        lab.put(hour_key(0, day="20251011"), packed(blocks(2_400, 3)))
        lab.clock.moment += HOUR
        later = await drained(archive, again.cursor)
    gaps = [(each.first, each.after_last) for each in later.items if isinstance(each, Gap)]
    first = (DAY - EPOCH) // HOUR + 25
    assert hours_of(later.items) == [0, 3]
    assert gaps == [(first, first + 2)]


async def test_a_corrupt_hour_is_a_gap_and_stops_nothing_else(lab: Lab) -> None:
    """It is named, what was good in it is kept, and the next hour is read."""
    for hour in range(3):
        lab.put(hour_key(hour), packed(blocks(100 * hour, 3)))
    lab.put(hour_key(1), packed(blocks(100, 3))[:-4])
    async with nightly(lab) as archive:
        heard = await drained(archive)
    assert hours_of(heard.items) == [0, 1, 2]
    [gap] = [each for each in heard.items if isinstance(each, Gap)]
    assert gap.reason == f"s3://{NODE_DATA}/{hour_key(1)}: it ends in the middle of its packing"
    assert (gap.started_at, gap.ended_at, gap.scope) == (DAY + HOUR, DAY + 2 * HOUR, FILLS_BY_BLOCK)


async def test_no_night_costs_more_than_it_may(lab: Lab) -> None:
    """What it is not paid for waits for the next day, and goes on there."""
    for hour in range(3):
        lab.put(hour_key(hour), packed(blocks(100 * hour, 3)))
    prices = {"thousand_requests_usd": Decimal(10), "gigabyte_usd": Decimal(0)}
    async with nightly(lab, daily_limit_usd=Decimal("0.02"), **prices) as archive:
        first = await drained(archive)
        assert hours_of(first.items) == [0, 1]
        assert "limit is spent: 1 objects wait" in first.details[-1]
        assert lab.money.spent == {(NOW.date(), archive.name): Decimal("0.02")}
        assert hours_of((await drained(archive, first.cursor)).items) == []
        lab.clock.moment += timedelta(days=1)
        assert hours_of((await drained(archive, first.cursor)).items) == [2]


async def test_an_hour_that_was_not_read_to_its_end_is_read_again(lab: Lab) -> None:
    """The cursor never stands before what was not given."""
    lab.put(hour_key(0), packed(blocks(1, 3)))
    lab.put(hour_key(1), packed(blocks(4, 3)))
    async with nightly(lab) as archive:
        lab.faulty.faults = [lambda _request, reply: reply, *[SLOW_DOWN] * 6]
        first = Told()
        with pytest.raises(RateLimited):
            await first.take_all(archive.stream(None, follow=False))
        assert hours_of(first.items) == [0]
        assert hours_of((await drained(archive, first.cursor)).items) == [1]
