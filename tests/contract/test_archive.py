"""What every archive promises, asked of the one in memory and of those that ship."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import lz4.frame
import pytest

from kamiyo.aggregators.base import Archive, BaseAggregator, Toolbox
from kamiyo.aggregators.hyperliquid_archive import HyperliquidArchiveAggregator, HyperliquidArchiveSettings
from kamiyo.core.archives import ArchiveObject
from kamiyo.core.errors import CorruptObject, KamiyoError, NoSuchThing
from kamiyo.core.events import LiquidatedFill
from kamiyo.core.ports import Raw
from kamiyo.core.sources import CoverageLabel, SourceType, Subject
from kamiyo.core.time import HOUR
from kamiyo.kit.clock import SystemClock
from kamiyo.kit.object_store import buckets_of
from kamiyo.kit.secret import Secret
from kamiyo.kit.transport import HttpSession, open_session
from kamiyo.processing.backfill import archive_of, read_object
from tests.archives import BLOCKS, MemoryArchive, hour, lines_of_hour
from tests.fakes import MemoryJournal
from tests.services.s3 import Buckets, open_buckets

NODE_BUCKET = "hl-mainnet-node-data"
OWNER = {
    "authorization": "AWS4-HMAC-SHA256 Credential=key/20251010/ap-northeast-1/s3/aws4_request, "
    "SignedHeaders=host, Signature=0"
}

Put = Callable[[int, Sequence[bytes]], Awaitable[None]]


@dataclass(frozen=True)
class Kept:
    """An archive, and how the n-th hour's lines come into it, are cut off there, or are taken out of it."""

    aggregator: BaseAggregator
    put: Put
    cut: Callable[[int], Awaitable[None]]
    remove: Callable[[int], Awaitable[None]]

    @property
    def archive(self) -> Archive:
        archive = archive_of(self.aggregator)
        assert archive is not None
        return archive


def _in_memory() -> Kept:
    archive = MemoryArchive(clock=SystemClock())

    async def put(number: int, lines: Sequence[bytes]) -> None:
        archive.keep(number, lines)

    async def cut(number: int) -> None:
        archive.keep(number, [*lines_of_hour(number)[:3], b"CORRUPT"])

    async def remove(number: int) -> None:
        del archive.objects[f"hourly/{hour(number):%Y%m%d/%H}.lz4"]

    return Kept(archive, put, cut, remove)


@pytest.fixture(scope="module")
def buckets() -> Iterator[Buckets]:
    """Start a service that keeps objects."""
    with open_buckets() as opened:
        yield opened


async def _of_the_venue(buckets: Buckets, session: HttpSession) -> Kept:
    buckets.empty()
    buckets.create(NODE_BUCKET)
    settings = HyperliquidArchiveSettings(
        endpoint=buckets.url,
        access_key_id=Secret("key"),
        secret_access_key=Secret("secret"),
        streams="node_fills_by_block",
    )
    tools = Toolbox(clock=SystemClock(), session=session, open_store=buckets_of(session))

    def url(number: int) -> str:
        key = f"node_fills_by_block/hourly/{hour(number):%Y%m%d}/{hour(number).hour}.lz4"
        return f"{buckets.url}/{NODE_BUCKET}/{key}"

    async def write(number: int, content: bytes) -> None:
        answer = await session.request("PUT", url(number), body=content, headers=OWNER)
        assert answer.status == 200

    async def put(number: int, lines: Sequence[bytes]) -> None:
        await write(number, lz4.frame.compress(b"\n".join(lines) + b"\n"))

    async def cut(number: int) -> None:
        await write(number, lz4.frame.compress(b"\n".join(lines_of_hour(number)))[:-20])

    async def remove(number: int) -> None:
        assert (await session.request("DELETE", url(number), headers=OWNER)).status == 204

    return Kept(HyperliquidArchiveAggregator(settings, tools), put, cut, remove)


@pytest.fixture(params=["memory", "hyperliquid_archive"])
async def kept(request: pytest.FixtureRequest) -> AsyncIterator[Kept]:
    """Give each kind of archive in turn."""
    if request.param == "memory":
        yield _in_memory()
        return
    async with open_session() as session:
        yield await _of_the_venue(request.getfixturevalue("buckets"), session)


async def listed(kept: Kept, start: datetime, end: datetime) -> list[ArchiveObject]:
    return list(await kept.archive.list_objects(start, end))


async def raws(kept: Kept, found: ArchiveObject) -> list[Raw]:
    items = [item async for item in kept.archive.read_object(found)]
    assert all(isinstance(item, Raw) for item in items)
    return [item for item in items if isinstance(item, Raw)]


async def test_what_it_keeps_is_listed_in_order(kept: Kept) -> None:
    """What touches the time that is asked for, each object once, and nothing else."""
    for number in (3, 1, 2):
        await kept.put(number, lines_of_hour(number))
    name = kept.aggregator.name
    everything = await listed(kept, hour(0), hour(9))
    assert [each.start for each in everything] == [hour(1), hour(2), hour(3)]
    assert {each.source for each in everything} == {name}
    assert all(each.size > 0 and each.etag and each.length == HOUR for each in everything)
    assert len({each.name for each in everything}) == 3
    assert await listed(kept, hour(2), hour(3)) == everything[1:2]
    within = await listed(kept, hour(1) + timedelta(minutes=59), hour(2) + timedelta(minutes=1))
    assert within == everything[:2]
    assert await listed(kept, hour(4), hour(9)) == []


async def test_all_of_an_object_is_given_once(kept: Kept) -> None:
    """Without a cursor, and with the place of each payload, which follow each other from its beginning."""
    await kept.put(1, lines_of_hour(1))
    (found,) = await listed(kept, hour(1), hour(2))
    given = await raws(kept, found)
    lines = b"\n".join(raw.payload.rstrip(b"\n") for raw in given).split(b"\n")
    assert lines == lines_of_hour(1)
    assert all((raw.cursor, raw.source) == (None, kept.aggregator.name) for raw in given)
    spans = [raw.span for raw in given]
    assert all(span is not None for span in spans)
    assert len({span.scope for span in spans if span}) == 1
    assert [span.start for span in spans if span] == [0, *(span.end for span in spans[:-1] if span)]
    assert [raw.payload for raw in await raws(kept, found)] == [raw.payload for raw in given]


async def test_another_content_is_counted_apart(kept: Kept) -> None:
    """A key that was written again is another object, and its bytes are others."""
    await kept.put(1, lines_of_hour(1))
    (before,) = await listed(kept, hour(1), hour(2))
    scopes = {raw.span.scope for raw in await raws(kept, before) if raw.span}
    if isinstance(kept.aggregator, MemoryArchive):
        kept.aggregator.keep(1, lines_of_hour(1)[:5], etag="2")
    else:
        await kept.put(1, lines_of_hour(1)[:5])
    (after,) = await listed(kept, hour(1), hour(2))
    assert after.etag != before.etag
    assert scopes.isdisjoint({raw.span.scope for raw in await raws(kept, after) if raw.span})


async def test_its_facts_and_blocks_are_stored(kept: Kept) -> None:
    """Through a pipeline of its own: every fill, and all blocks of the hour as one run."""
    await kept.put(1, lines_of_hour(1))
    (found,) = await listed(kept, hour(1), hour(2))
    journal = await stored(kept, found)
    assert len(journal.stored().fills) == BLOCKS
    ((key, (ranges, first_at, last_at)),) = journal.stored().block_hours.items()
    assert key == (kept.aggregator.name, kept.aggregator.chain, hour(1))
    assert len(ranges) == 1
    assert (first_at, last_at) == (hour(1), hour(2) - timedelta(seconds=1))


async def test_some_assets_can_be_asked_for(kept: Kept) -> None:
    """Whatever else it gives, nothing of these is missing."""
    await kept.put(1, lines_of_hour(1))
    (found,) = await listed(kept, hour(1), hour(2))
    journal = await stored(kept, found, assets=("BTC",))
    assert len(journal.stored().fills) == BLOCKS // 2
    events = [event for batch in journal.batches for event in batch.events]
    assert {event.asset for event in events if isinstance(event, LiquidatedFill)} == {"BTC"}


async def test_an_object_that_is_cut_off_says_so(kept: Kept) -> None:
    """By its name, and it never can be read; the next one can."""
    await kept.cut(1)
    await kept.put(2, lines_of_hour(2))
    cut, whole = await listed(kept, hour(1), hour(3))
    with pytest.raises(CorruptObject, match=cut.key):
        await raws(kept, cut)
    assert len(await raws(kept, whole)) > 0


async def test_an_object_that_is_gone_says_so(kept: Kept) -> None:
    """It was listed a moment ago."""
    await kept.put(1, lines_of_hour(1))
    (found,) = await listed(kept, hour(1), hour(2))
    await kept.remove(1)
    with pytest.raises(KamiyoError) as raised:
        await raws(kept, found)
    assert isinstance(raised.value, NoSuchThing | CorruptObject)


def test_more_costs_more(kept: Kept) -> None:
    """Nothing is free of which an object or a byte is read, and nothing costs nothing."""
    cost = kept.archive.cost_usd
    assert cost(0, 0) == 0
    assert cost(1, 0) <= cost(2, 10**9) <= cost(2, 10**12)
    assert cost(1, 10**9) > 0
    assert isinstance(cost(3, 10**9), Decimal)
    assert kept.archive.daily_limit_usd >= 0


def test_it_is_what_others_are_measured_by(kept: Kept) -> None:
    """All that happened on the venue, later."""
    described = kept.aggregator.description
    assert (described.type, described.subject) == (SourceType.POLLED, Subject.VENUE)
    assert described.label is CoverageLabel.DELAYED_COMPLETE


async def stored(kept: Kept, found: ArchiveObject, *, assets: Sequence[str] = ()) -> MemoryJournal:
    journal = MemoryJournal()
    await journal.register(kept.aggregator.description)

    async def told(_counts) -> None:
        pass

    await read_object(kept.aggregator, found, journal, SystemClock(), assets=assets, told=told)
    return journal
