"""An archive in memory, and objects for it: hours of blocks with one fill each, told apart by its number."""

import asyncio
from collections.abc import AsyncGenerator, Collection, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec

from kamiyo.aggregators.base import BaseAggregator, StreamItem
from kamiyo.core.archives import ArchiveObject, BlockRun
from kamiyo.core.errors import CorruptObject, NoSuchThing
from kamiyo.core.ids import Cursor
from kamiyo.core.ports import Normalized, Raw, Span
from kamiyo.core.sources import CoverageLabel, SourceType, Subject
from kamiyo.core.time import HOUR, Clock
from tests.builders import ARCHIVE, VICTIM, a_source_description, fill_json
from tests.fakes import node_normalize, tools

FIRST_HOUR = datetime(2025, 10, 10, 20, tzinfo=UTC)
BUCKET = "archive"
STREAM = "node_fills_by_block"
BLOCKS = 10
ASSETS = ("ETH", "BTC")
_EPOCH_BLOCK = 758_000_000
_millis = timedelta(milliseconds=1)


def hour(number: int) -> datetime:
    """Give the beginning of the n-th hour."""
    return FIRST_HOUR + number * HOUR


def line(number: int, moment: datetime, *, asset: str = "ETH") -> bytes:
    """Give a block with one liquidated fill, both numbered, as a node's files write it."""
    millis = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // _millis
    fill = fill_json(tid=number, time=millis, coin=asset, hash=f"0x{number:064x}")
    told = moment.isoformat(timespec="milliseconds").replace("+00:00", "") + "000000"
    return msgspec.json.encode(
        {
            "local_time": told,
            "block_time": told,
            "block_number": _EPOCH_BLOCK + number,
            "events": [[VICTIM, fill]],
        }
    )


def lines_of_hour(
    number: int, *, blocks: int = BLOCKS, assets: Sequence[str] = ("ETH", "BTC")
) -> list[bytes]:
    """Give the blocks of the n-th hour from its first moment to its last one, assets by turns."""
    step = (HOUR - timedelta(seconds=1)) / max(1, blocks - 1)
    return [
        line(number * blocks + at, hour(number) + at * step, asset=ASSETS[at % len(ASSETS)])
        for at in range(blocks)
    ]


class MemoryArchive(BaseAggregator):
    """An archive whose objects are lists of lines; each line is one payload.

    ``gate`` holds readings up where it is given, ``failures`` are raised by the next readings of a key.
    """

    def __init__(self, *, clock: Clock | None = None) -> None:
        self.description = a_source_description(
            name=ARCHIVE,
            type=SourceType.POLLED,
            label=CoverageLabel.DELAYED_COMPLETE,
            subject=Subject.VENUE,
            poll_every=HOUR,
        )
        super().__init__(tools())
        if clock is not None:
            self.clock = clock
        self.objects: dict[str, tuple[ArchiveObject, list[bytes]]] = {}
        self.daily_limit_usd = Decimal(1)
        self.price_usd = Decimal("0.1")  # of an object
        self.failures: dict[str, list[Exception]] = {}
        self.read: list[str] = []  # the keys of what was read, in order
        self.listed: list[tuple[datetime, datetime]] = []
        self.gate: asyncio.Event | None = None
        self.trouble: Exception | None = None  # of listing

    def keep(self, number: int, lines: Sequence[bytes] | None = None, *, etag: str = "1") -> ArchiveObject:
        """Add the object of the n-th hour."""
        held = lines_of_hour(number) if lines is None else list(lines)
        found = ArchiveObject(
            source=ARCHIVE,
            bucket=BUCKET,
            key=f"hourly/{hour(number):%Y%m%d/%H}.lz4",
            stream=STREAM,
            start=hour(number),
            length=HOUR,
            size=sum(map(len, held)),
            etag=etag,
        )
        self.objects[found.key] = (found, held)
        return found

    async def list_objects(self, start: datetime, end: datetime) -> list[ArchiveObject]:
        self.listed.append((start, end))
        if self.trouble is not None:
            raise self.trouble
        found = [each for each, _lines in self.objects.values() if each.start < end and start < each.end]
        return sorted(found, key=lambda each: (each.start, each.key))

    async def read_object(
        self, found: ArchiveObject, *, assets: Collection[str] = ()
    ) -> AsyncGenerator[StreamItem, None]:
        del assets  # a whole line is given; what of it is wanted is the reader's to say
        self.read.append(found.key)
        if self.gate is not None:
            await self.gate.wait()
        if self.failures.get(found.key):
            raise self.failures[found.key].pop(0)
        if found.key not in self.objects:
            raise NoSuchThing(f"{found.name} is gone")
        at = 0
        for each in self.objects[found.key][1]:
            if each == b"CORRUPT":
                raise CorruptObject(f"{found.name}: cut off after {at} bytes")
            span = Span(f"{found.name}#{found.etag}", at, at + len(each) + 1)
            at = span.end
            yield Raw(
                source=ARCHIVE,
                stream=found.stream,
                payload=each,
                received_at=self.clock.now(),
                span=span,
            )

    def cost_usd(self, objects: int, size: int) -> Decimal:
        del size
        return objects * self.price_usd

    async def stream(self, cursor: Cursor | None, *, follow: bool = True) -> AsyncGenerator[StreamItem, None]:
        del cursor, follow
        for item in list[StreamItem]():
            yield item

    def normalize(self, raw: Raw) -> Normalized:
        whole = node_normalize(raw)
        if whole.block is None or whole.last_event_at is None:
            return whole
        at = whole.last_event_at
        run = BlockRun(first=whole.block, last=whole.block, first_at=at, last_at=at)
        return msgspec.structs.replace(whole, block=None, block_runs=(run,))
