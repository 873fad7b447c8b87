"""Close gaps: queue the objects of an archive that hold what a source did not hear, within a day's money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from kamiyo.aggregators.base import Archive, BaseAggregator
from kamiyo.core.archives import ArchiveObject
from kamiyo.core.backfills import (
    BackfillPlan,
    BackfillReason,
    BackfillRequest,
    ObjectState,
    Stretch,
    closable,
    identity_of,
    joined,
    unread,
)
from kamiyo.core.errors import SourceUnavailable
from kamiyo.core.ids import SourceName
from kamiyo.core.ports import Leases, UsdBudget
from kamiyo.core.time import Clock
from kamiyo.kit.supervision import failure_of
from kamiyo.processing.backfill import archive_of
from kamiyo.storage.backfills import PostgresBackfills
from kamiyo.storage.gaps import PostgresGaps

EVERY = timedelta(minutes=10)
BY = "gaps"
_LEASE = "backfill/gaps"
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class GapFiller:
    """Closes what archives filled, and queues what they can fill.

    ``sources`` are those whose gaps count, by archive: of the same chain, and no archives themselves. An
    archive is asked only for what ended ``delay`` ago.
    """

    archives: Sequence[BaseAggregator]
    sources: Mapping[SourceName, Sequence[SourceName]]
    gaps: PostgresGaps
    backfills: PostgresBackfills
    leases: Leases
    money: UsdBudget
    clock: Clock
    delay: timedelta

    async def run(self) -> None:
        """Look after gaps now and then, for ever; StorageUnavailable where that cannot be told."""
        while True:
            await self.run_once()
            await self.clock.sleep(EVERY)

    async def run_once(self) -> None:
        """Look after all gaps once, unless another worker does."""
        async with self.leases.hold(_LEASE) as lease:
            if lease is None:
                return
            for aggregator in self.archives:
                stretches = await self._close_filled(aggregator)
                archive = archive_of(aggregator)
                if archive is not None and stretches and aggregator.active and archive.daily_limit_usd > 0:
                    await self._fill(aggregator.name, archive, joined(stretches))

    async def _close_filled(self, aggregator: BaseAggregator) -> list[Stretch]:
        """Close the gaps the archive's blocks fill; the times of others, if what they held would be kept."""
        left: list[Stretch] = []
        stored_from = await self.gaps.stored_from()
        gaps = await self.gaps.open_gaps(self.sources[aggregator.name])
        for gap, stretch in closable(gaps, self.clock.now(), self.delay):
            if not await self.gaps.is_filled(gap, stretch, aggregator.name, aggregator.chain):
                if stored_from is None or stretch[0] >= stored_from:
                    left.append(stretch)
            elif await self.gaps.close(gap):
                _log.info(
                    "gap_closed", source=gap.source, scale=gap.scale, first=gap.first, by=aggregator.name
                )
        return left

    async def _fill(self, source: SourceName, archive: Archive, stretches: Sequence[Stretch]) -> None:
        objects = await self._listed(source, archive, stretches)
        known = await self.backfills.read_before(source, objects, tuple(ObjectState))
        paid = await self._paid(source, archive, unread(objects, known))
        if not paid:
            return
        request = BackfillRequest(
            source=source,
            start=min(each.start for each in paid),
            end=max(each.end for each in paid),
            reason=BackfillReason.GAP,
            requested_by=BY,
        )
        cost = archive.cost_usd(len(paid), sum(each.size for each in paid))
        await self.backfills.plan(BackfillPlan(request=request, objects=tuple(paid), cost_usd=cost))
        _log.info("gaps_queued", source=source, objects=len(paid), cost_usd=str(cost))

    async def _listed(
        self, source: SourceName, archive: Archive, stretches: Sequence[Stretch]
    ) -> list[ArchiveObject]:
        """What the archive has of these times, each object once; nothing while it cannot be asked."""
        found: dict[tuple[str, str, str], ArchiveObject] = {}

        async def ask() -> None:
            for start, end in stretches:
                found.update((identity_of(each), each) for each in await archive.list_objects(start, end))

        error = await failure_of(ask)
        if error is not None and not isinstance(error, SourceUnavailable):
            raise error
        if error is not None:
            _log.info("archive_not_asked", source=source, detail=str(error))
        return list(found.values())

    async def _paid(
        self, source: SourceName, archive: Archive, objects: Sequence[ArchiveObject]
    ) -> list[ArchiveObject]:
        """As many of the objects as the day's money is enough for, the newest first; it is spent."""
        paid: list[ArchiveObject] = []
        for each in sorted(objects, key=_place, reverse=True):
            cost, limit = archive.cost_usd(1, each.size), archive.daily_limit_usd
            if await self.money.set_aside(source, cost, daily_limit_usd=limit) is None:
                _log.info("gaps_wait_for_money", source=source, objects=len(objects) - len(paid))
                break
            paid.append(each)
        return sorted(paid, key=_place)


def _place(found: ArchiveObject) -> tuple[datetime, str]:
    return found.start, found.key
