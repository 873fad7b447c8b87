from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from kamiyo.aggregators.base import Alive
from kamiyo.core.errors import StorageRefused, StorageUnavailable
from kamiyo.core.ids import Cursor
from kamiyo.core.ports import Batch, Counted, Raw
from kamiyo.processing.deduplicator import Deduplicator
from kamiyo.processing.pipeline import Pipeline
from tests.builders import NODE, NOW, VICTIM, a_gap, a_liquidated_fill, a_raw, a_span, block_line, fill_json
from tests.fakes import ManualClock, MemoryJournal, ScriptedAggregator, StoppedError


def line(tid: int, number: int = 1, *, cursor: str | None = None, at: int | None = None, **fill) -> Raw:
    """One block with one row of the victim of a liquidation."""
    span = None if at is None else a_span(start=at, end=at + 10)
    payload = block_line((VICTIM, fill_json(tid=tid, **fill)), number=number)
    return a_raw(payload=payload, cursor=None if cursor is None else Cursor(cursor), span=span)


def pipeline(
    journal: MemoryJournal, *, newest_block: int | None = None, deduplicator: Deduplicator | None = None
) -> Pipeline:
    return Pipeline(
        ScriptedAggregator(),
        journal,
        ManualClock(),
        newest_block=newest_block,
        deduplicator=deduplicator,
    )


async def test_one_transaction_holds_all_that_a_batch_says() -> None:
    """Facts, refusals, gaps, tallies, the cursor and the source's clocks are written together."""
    journal = MemoryJournal()
    later = a_raw(payload=b"junk", received_at=NOW + timedelta(seconds=2), span=a_span(start=20, end=25))

    [outcome] = await pipeline(journal).run(
        [line(1, 5, cursor="5", at=0), a_gap(), line(2, 7, cursor="7", at=10), later]
    )

    [batch] = journal.batches
    assert outcome.batch is batch
    assert [event.tid for event in batch.events if event == a_liquidated_fill(tid=event.tid)] == [1, 2]  # type: ignore[union-attr]
    assert [each.rule for each in batch.rejects] == ["malformed"]
    assert [(gap.first, gap.after_last) for gap in batch.gaps] == [(100, 110), (6, 7)]
    assert [(tally.span.start, tally.counts[Counted.PAYLOADS]) for tally in batch.tallies] == [
        (0, 1),
        (10, 1),
        (20, 1),
    ]
    assert (batch.source, batch.cursor, batch.newest_block) == (NODE, "7", 7)
    assert [(run.first, run.last) for run in batch.block_runs] == [(5, 5), (7, 7)]
    assert (batch.heard_at, batch.last_event_at) == (later.received_at, NOW.replace(microsecond=250_123))
    assert outcome.counts[Counted.LIQUIDATED_FILLS] == outcome.written.new_fills == 2
    assert outcome.counts[Counted.REJECTS] == 1


async def test_an_answer_with_nothing_new_is_a_word_of_life() -> None:
    """It moves the source's clock, and its cursor where it names one, and stores nothing else."""
    journal = MemoryJournal()
    alive = [Alive(NOW, Cursor("8")), Alive(NOW + timedelta(seconds=1))]
    [outcome] = await pipeline(journal).run(alive)
    [batch] = journal.batches
    assert (batch.heard_at, batch.cursor, batch.last_event_at) == (alive[1].heard_at, "8", None)
    assert (batch.events, batch.rejects, batch.gaps, outcome.counts) == ((), (), (), {})


async def test_the_newest_fact_counts_not_the_last() -> None:
    """A payload with an older time does not turn a source's clock back."""
    journal = MemoryJournal()
    old = line(2, 2)
    old = a_raw(payload=old.payload.replace(b"2025-10-10T21:16:00.250123456", b"2025-10-10T21:15:00.0"))
    await pipeline(journal).run([line(1, 1), old])
    assert journal.batches[0].last_event_at == NOW.replace(microsecond=250_123)


async def test_a_time_still_to_come_is_not_what_a_source_has_told_of() -> None:
    """One wrong date does not make everything that follows look old until that day has come."""
    journal = MemoryJournal()
    future = a_raw(payload=line(2, 2).payload.replace(b"2025-10-10T21:16:00", b"2099-10-10T21:16:00"))
    await pipeline(journal).run([line(1, 1), future])
    await pipeline(journal).run([future])
    told = [(batch.first_event_at, batch.last_event_at) for batch in journal.batches]
    assert told == [(NOW.replace(microsecond=250_123),) * 2, (None, None)]


async def test_what_was_stored_is_not_stored_again() -> None:
    """The next batch does not repeat the facts of a stored one."""
    journal = MemoryJournal()
    running = pipeline(journal)
    await running.run([line(1)])
    await running.run([line(1), line(2)])
    assert [len(batch.events) for batch in journal.batches] == [1, 1]


@pytest.mark.parametrize("error", [StorageUnavailable("gone"), StoppedError()])
async def test_a_batch_that_was_not_stored_leaves_everything_as_it_was(error: Exception) -> None:
    """After a failure the same payloads give the same batch: nothing was remembered, no block was passed."""
    journal = MemoryJournal()
    running = pipeline(journal, newest_block=3)
    journal.unavailable = [error]
    with pytest.raises(type(error)):
        await running.run([line(1, 5), line(2, 6)])
    assert journal.batches == []

    await running.run([line(1, 5), line(2, 6)])

    [batch] = journal.batches
    assert len(batch.events) == 2
    assert [(gap.first, gap.after_last) for gap in batch.gaps] == [(4, 5)]


async def test_a_normalizer_that_breaks_leaves_nothing_behind() -> None:
    """A fault in a source's own code takes none of its batch's payloads for known."""
    journal, broken = MemoryJournal(), [True]
    aggregator = ScriptedAggregator()
    original = aggregator.normalize

    def normalize(raw: Raw):
        if broken and raw.payload == b"poison":
            raise ZeroDivisionError
        return original(raw)

    running = Pipeline(ScriptedAggregator(normalize=normalize), journal, ManualClock())
    with pytest.raises(ZeroDivisionError):
        await running.run([line(1), a_raw(payload=b"poison")])
    broken.clear()
    await running.run([line(1), a_raw(payload=b"poison")])
    assert [len(batch.events) for batch in journal.batches] == [1]


def holds(tid: int):
    return lambda batch: any(getattr(event, "tid", None) == tid for event in batch.events)


async def test_one_poisonous_payload_never_stops_the_stream() -> None:
    """What the database refuses becomes a reject with the whole payload; everything else is stored."""
    journal = MemoryJournal(refuses=holds(2))
    await journal.register(ScriptedAggregator().description)
    poison = line(2, 11, cursor="2", at=10)
    running = pipeline(journal, newest_block=9)

    outcomes = await running.run([line(1, 10, cursor="1", at=0), poison, line(3, 12, cursor="3", at=20)])

    stored = journal.stored()
    assert sorted(tid for _identity, _asset, tid in stored.fills) == [1, 3]
    [(_source, _stream, rule, detail, payload, _length)] = stored.rejects
    assert (rule, detail, payload) == ("storage_refused", "refused by the script", poison.payload)
    assert stored.cursors[NODE][:2] == ("3", 12)
    assert stored.gaps == frozenset()  # the refused block was read: it is no gap
    [(ranges, counts)] = stored.spans.values()
    assert ranges == ((0, 30),)
    assert counts[Counted.PAYLOADS] == 3
    assert sum((outcome.counts for outcome in outcomes), outcomes[0].counts - outcomes[0].counts) == {
        Counted.PAYLOADS: 3,
        Counted.FILLS: 2,
        Counted.LIQUIDATED_FILLS: 2,
        Counted.REJECTS: 1,
    }


async def test_a_refused_payload_is_as_new_as_before() -> None:
    """Once the database takes it, the fact of a refused payload is stored and no duplicate."""
    journal = MemoryJournal(refuses=holds(1))
    running = pipeline(journal)
    await running.run([line(1)])
    journal.refuses = lambda _batch: False
    [outcome] = await running.run([line(1)])
    assert outcome.written.new_fills == 1


async def test_a_refused_payload_without_a_place_is_not_tallied() -> None:
    """Only what has a span can be counted once, so nothing else is."""
    journal = MemoryJournal(refuses=holds(1))
    await pipeline(journal).run([line(1)])
    assert journal.stored().spans == {}
    assert len(journal.stored().rejects) == 1


async def test_a_refused_gap_is_an_error() -> None:
    """A gap holds nothing a source sent: if it is refused, the fault is ours and is not hidden."""

    def has_gaps(batch: Batch) -> bool:
        return bool(batch.gaps)

    with pytest.raises(StorageRefused):
        await pipeline(MemoryJournal(refuses=has_gaps)).run([a_gap()])


async def test_a_gap_found_before_a_poisonous_payload_is_kept() -> None:
    """What was missing before a refused block is told all the same, once."""
    journal = MemoryJournal(refuses=holds(1))
    running = pipeline(journal, newest_block=3)
    await running.run([line(1, 6)])
    await running.run([line(2, 7)])
    assert journal.stored().gaps == {(NODE, "block", "", 4, 6)}


async def test_losing_the_database_while_a_batch_is_split_undoes_only_the_rest() -> None:
    """What was stored alone stays known, what was not is new again."""
    journal = MemoryJournal(refuses=lambda batch: len(batch.events) > 1)
    running = pipeline(journal)
    seen: list[str] = []

    def fail_at_second(stage: str) -> None:
        seen.append(stage)
        if stage == "commit" and seen.count("commit") == 2:
            raise StorageUnavailable

    journal.at = fail_at_second
    with pytest.raises(StorageUnavailable):
        await running.run([line(1), line(2)])
    assert [tid for _identity, _asset, tid in journal.stored().fills] == [1]
    journal.at = lambda _stage: None
    await running.run([line(1), line(2)])
    assert [len(batch.events) for batch in journal.batches] == [1, 1]


async def test_the_memory_it_is_given_is_used() -> None:
    """A memory of another size can be handed in."""
    deduplicator = Deduplicator(capacity=1)
    await pipeline(MemoryJournal(), deduplicator=deduplicator).run([line(1)])
    assert len(deduplicator) == 1


async def test_what_was_done_is_measured() -> None:
    """Counts, refusals, gaps, changed liquidations and the lag are told to whoever scrapes."""

    def read(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, {"source": NODE} | labels) or 0

    names = [
        ("kamiyo_ingested_total", {"kind": "liquidated_fills"}),
        ("kamiyo_rejects_total", {"rule": "malformed"}),
        ("kamiyo_gaps_total", {}),
        ("kamiyo_changed_liquidations_total", {}),
    ]
    before = [read(name, **labels) for name, labels in names]
    late = NOW + timedelta(seconds=5)
    await pipeline(MemoryJournal()).run([line(1), a_gap(), a_raw(payload=b"junk", received_at=late)])
    assert [read(name, **labels) - old for (name, labels), old in zip(names, before, strict=True)] == [
        1,
        1,
        1,
        1,
    ]
    assert read("kamiyo_source_lag_seconds") == pytest.approx(5, abs=0.001)


async def test_a_block_with_a_refused_row_is_never_whole_however_often_it_is_read() -> None:
    """What memory drops of a repetition does not make the block complete."""
    journal = MemoryJournal()
    running = pipeline(journal)
    bad, good = line(1, 5, px="0.0"), line(2, 6)
    for items in ([bad, bad, good], [good, bad]):
        await running.run(items)
    runs = [[(run.first, run.last) for run in batch.block_runs] for batch in journal.batches]
    assert runs == [[(6, 6)], [(6, 6)]]
    assert journal.batches[0].newest_block == 6
    assert journal.batches[0].gaps == ()
