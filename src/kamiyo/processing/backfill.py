"""One object of an archive through a pipeline of its own into the journal, apart from what is live."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from contextlib import aclosing

import msgspec

from kamiyo.aggregators.base import Archive, BaseAggregator, StreamItem, Toolbox, Waiting
from kamiyo.core.archives import ArchiveObject
from kamiyo.core.backfills import ObjectCounts
from kamiyo.core.errors import SourceUnavailable
from kamiyo.core.events import LiquidatedFill
from kamiyo.core.ids import Cursor
from kamiyo.core.ports import Event, Journal, Normalized, Raw
from kamiyo.core.states import MarketState
from kamiyo.core.time import Clock
from kamiyo.processing.pipeline import Item, Outcome, Pipeline

MAX_BATCH_BYTES = 2 << 20  # of payload: what is prepared at once holds up everybody else of the process
_MAX_BATCH_ITEMS = 64

Told = Callable[[ObjectCounts], Awaitable[None]]


def archive_of(aggregator: BaseAggregator) -> Archive | None:
    """The source as one whose past can be asked for; None where it is not."""
    return aggregator if isinstance(aggregator, Archive) else None


async def read_object(
    aggregator: BaseAggregator,
    found: ArchiveObject,
    journal: Journal,
    clock: Clock,
    *,
    assets: Collection[str] = (),
    told: Told,
) -> ObjectCounts:
    """Read an object from its beginning to its end and store what it says, told as history; what it held.

    Whatever was stored of it before is stored again without effect. ``told`` hears after each batch how far
    it is. SourceUnavailable for what may work later, CorruptObject for an object that never can be read.
    """
    archive = archive_of(aggregator)
    if archive is None:
        raise SourceUnavailable(f"{aggregator.name} keeps no history that could be read")
    normalizing = _OfAssets(aggregator, assets) if assets else aggregator
    pipeline = Pipeline(normalizing, journal.quiet(), clock)
    counts = ObjectCounts()
    async with aclosing(_batches(archive, found, assets)) as batches:
        async for batch in batches:
            outcomes = await pipeline.run(batch)
            counts += _counted(batch, outcomes)
            await told(counts)
    return counts


async def _batches(
    archive: Archive, found: ArchiveObject, assets: Collection[str]
) -> AsyncGenerator[list[Item]]:
    batch, size = list[Item](), 0
    async with aclosing(archive.read_object(found, assets=assets)) as items:
        async for item in items:
            if isinstance(item, Waiting):
                raise SourceUnavailable(item.detail)
            batch.append(_without_span(item) if assets and isinstance(item, Raw) else item)
            size += _size(item)
            if size >= MAX_BATCH_BYTES or len(batch) >= _MAX_BATCH_ITEMS:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


def _without_span(raw: Raw) -> Raw:
    """A payload of which only a part is kept must not be accounted for as read."""
    return msgspec.structs.replace(raw, span=None)


def _size(item: Item) -> int:
    return len(item.payload) if isinstance(item, Raw) else 0


def _counted(batch: Sequence[Item], outcomes: Sequence[Outcome]) -> ObjectCounts:
    events = [event for each in outcomes for event in each.batch.events]
    return ObjectCounts(
        bytes_read=sum(map(_size, batch)),
        payloads=sum(isinstance(item, Raw) for item in batch),
        liquidated_fills=sum(isinstance(event, LiquidatedFill) for event in events),
        new_fills=sum(each.written.new_fills for each in outcomes),
        rejects=sum(len(each.batch.rejects) for each in outcomes),
    )


class _OfAssets(BaseAggregator):
    """Another source, of whose payloads only what concerns some assets is told.

    Not which blocks they are of: a block that is kept in part was not read.
    """

    def __init__(self, whole: BaseAggregator, assets: Collection[str]) -> None:
        self.description = whole.description
        super().__init__(Toolbox(clock=whole.clock, session=whole.session))
        self.chain = whole.chain
        self._whole = whole
        self._assets = frozenset(assets)

    def stream(self, cursor: Cursor | None, *, follow: bool = True) -> AsyncGenerator[StreamItem, None]:
        """What the other gives."""
        return self._whole.stream(cursor, follow=follow)

    def normalize(self, raw: Raw) -> Normalized:
        """What a payload says of the assets."""
        return only_of(self._whole.normalize(raw), self._assets)


def only_of(normalized: Normalized, assets: Collection[str]) -> Normalized:
    """The part of a payload's content that concerns some assets; what has no asset concerns none."""
    return Normalized(
        events=tuple(event for event in normalized.events if _asset_of(event) in assets),
        fills=tuple(row for row in normalized.fills if row[1].asset in assets),
        trades=tuple(trade for trade in normalized.trades if trade.asset in assets),
        rejects=normalized.rejects,
        counts=normalized.counts,
        last_event_at=normalized.last_event_at,
    )


def _asset_of(event: Event) -> str | None:
    return event.asset if isinstance(event, LiquidatedFill | MarketState) else None
