"""One batch through every stage, into one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from kamiyo.aggregators.base import Alive, BaseAggregator
from kamiyo.core.errors import StorageRefused
from kamiyo.core.events import Gap
from kamiyo.core.ids import Cursor
from kamiyo.core.ports import Batch, Counted, Event, Journal, Raw, Reject, Tally, Written, reject
from kamiyo.core.time import Clock
from kamiyo.core.validation import not_from_the_future
from kamiyo.kit import metrics
from kamiyo.processing.continuity import Continuity
from kamiyo.processing.deduplicator import Deduplicator
from kamiyo.processing.normalizer import normalize
from kamiyo.processing.validator import validate

MAX_BATCH_PAYLOADS = 500

Item = Raw | Gap | Alive


@dataclass(slots=True)
class _Draft:
    """A batch while it is being put together."""

    events: list[Event] = field(default_factory=list[Event])
    rejects: list[Reject] = field(default_factory=list[Reject])
    gaps: list[Gap] = field(default_factory=list[Gap])
    tallies: list[Tally] = field(default_factory=list[Tally])
    counts: Counter[Counted] = field(default_factory=Counter[Counted])
    cursor: Cursor | None = None
    heard_at: datetime | None = None
    first_event_at: datetime | None = None
    last_event_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one batch held, and what storing it changed."""

    batch: Batch
    counts: Counter[Counted]
    written: Written


class Pipeline:
    """The stages of one source, with the memory they need. One batch at a time."""

    def __init__(
        self,
        aggregator: BaseAggregator,
        journal: Journal,
        clock: Clock,
        *,
        newest_block: int | None = None,
        deduplicator: Deduplicator | None = None,
    ) -> None:
        self._aggregator = aggregator
        self._journal = journal
        self._clock = clock
        self._deduplicator = Deduplicator() if deduplicator is None else deduplicator
        self._continuity = Continuity(aggregator.name, newest_block)

    async def run(self, items: Sequence[Item]) -> list[Outcome]:
        """Store what these payloads say, as a rule in one transaction: one outcome for each there was.

        StorageUnavailable leaves everything as it was before.

        A batch the database refuses for good is stored payload by payload, and the one it refuses
        becomes a reject: one poisonous payload never stops the stream.
        """
        try:
            return await self._run(items)
        except BaseException:
            self._undo()
            raise

    async def _run(self, items: Sequence[Item]) -> list[Outcome]:
        batch, counts = self._prepare(items)
        try:
            return [await self._store(batch, counts)]
        except StorageRefused as error:
            if len(items) == 1:
                self._deduplicator.forget_batch()  # but not the block: it was read
                return [await self._store(*_refusal(items[0], batch, error))]
        self._undo()
        return [outcome for item in items for outcome in await self._run([item])]

    async def _store(self, batch: Batch, counts: Counter[Counted]) -> Outcome:
        written = await self._journal.write(batch)
        self._deduplicator.remember_batch()
        self._continuity.batch_stored()
        _count(batch, counts, written)
        return Outcome(batch, counts, written)

    def _prepare(self, items: Sequence[Item]) -> tuple[Batch, Counter[Counted]]:
        draft, now = _Draft(), self._clock.now()
        for item in items:
            if isinstance(item, Raw):
                self._take(draft, item, now)
            elif isinstance(item, Gap):
                draft.gaps.append(item)
            else:
                draft.heard_at = item.heard_at
                draft.cursor = item.cursor or draft.cursor
        batch = Batch(
            source=self._aggregator.name,
            chain=self._aggregator.chain,
            events=tuple(draft.events),
            rejects=tuple(draft.rejects),
            gaps=tuple(draft.gaps),
            tallies=tuple(draft.tallies),
            block_runs=self._continuity.block_runs,
            cursor=draft.cursor,
            newest_block=self._continuity.newest_block,
            heard_at=draft.heard_at,
            first_event_at=draft.first_event_at,
            last_event_at=draft.last_event_at,
        )
        return batch, draft.counts

    def _take(self, draft: _Draft, raw: Raw, now: datetime) -> None:
        read = normalize(self._aggregator.normalize, raw)
        fresh = self._deduplicator.fresh(read)
        normalized = validate(fresh, raw, now)
        # Of what is read again the refused rows may be gone already: its blocks are no more whole for that.
        sound = normalized is fresh if fresh is read else validate(read, raw, now) is read
        draft.gaps += self._continuity.follow(normalized, now, sound=sound)
        draft.events += normalized.events
        draft.rejects += normalized.rejects
        draft.counts.update(normalized.counts)
        if raw.span is not None:
            draft.tallies.append(Tally(span=raw.span, counts=normalized.counts))
        draft.cursor = raw.cursor or draft.cursor
        draft.heard_at = raw.received_at
        told_of = normalized.last_event_at
        # A time still to come, once kept, would outrank every true one until it has passed.
        if told_of is not None and not_from_the_future(told_of, now):
            draft.first_event_at = min(draft.first_event_at or told_of, told_of)
            draft.last_event_at = max(draft.last_event_at or told_of, told_of)

    def _undo(self) -> None:
        self._deduplicator.forget_batch()
        self._continuity.batch_failed()


def _refusal(item: Item, batch: Batch, error: StorageRefused) -> tuple[Batch, Counter[Counted]]:
    """What is stored of a payload the database does not take: that it came, and why it is not here."""
    if not isinstance(item, Raw):
        raise error
    counts = Counter({Counted.PAYLOADS: 1, Counted.REJECTS: 1})
    refusal = msgspec.structs.replace(
        batch,
        events=(),
        rejects=(reject(item, rule="storage_refused", detail=str(error)),),
        tallies=() if item.span is None else (Tally(span=item.span, counts=counts),),
        block_runs=(),
        first_event_at=None,
        last_event_at=None,
    )
    return refusal, counts


def _count(batch: Batch, counts: Counter[Counted], written: Written) -> None:
    for name, number in counts.items():
        metrics.INGESTED.labels(source=batch.source, kind=name).inc(number)
    for each in batch.rejects:
        metrics.REJECTS.labels(source=batch.source, rule=each.rule).inc()
    metrics.GAPS.labels(source=batch.source).inc(len(batch.gaps))
    metrics.CHANGED_LIQUIDATIONS.labels(source=batch.source).inc(written.changed_liquidations)
    if batch.heard_at is not None and batch.last_event_at is not None:
        lag = (batch.heard_at - batch.last_event_at).total_seconds()
        metrics.SOURCE_LAG.labels(source=batch.source).set(lag)
