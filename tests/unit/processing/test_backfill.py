"""One object of an archive through a pipeline of its own: all it says, once, and told to nobody."""

import pytest

from kamiyo.aggregators.base import Alive, NotConfigured
from kamiyo.core.backfills import ObjectCounts
from kamiyo.core.errors import CorruptObject, SourceUnavailable
from kamiyo.core.ids import Cursor
from kamiyo.core.ports import Counted, Normalized
from kamiyo.processing import backfill
from kamiyo.processing.backfill import archive_of, only_of, read_object
from tests.archives import BLOCKS, MemoryArchive, lines_of_hour
from tests.builders import (
    ARCHIVE,
    MAKER,
    NOW,
    a_batch,
    a_fill,
    a_ledger_movement,
    a_liquidated_fill,
    a_market_state,
    a_raw,
    a_reject,
    a_trade,
)
from tests.fakes import ManualClock, MemoryJournal, ScriptedAggregator


class Steps:
    """Everything that was told of a reading."""

    def __init__(self) -> None:
        self.told: list[ObjectCounts] = []

    async def __call__(self, counts: ObjectCounts) -> None:
        self.told.append(counts)


async def read(archive, found, journal=None, **options):
    journal = MemoryJournal() if journal is None else journal
    await journal.register(archive.description)
    steps = Steps()
    counts = await read_object(archive, found, journal, ManualClock(), told=steps, **options)
    return counts, journal, steps.told


async def test_an_object_is_read_to_its_end() -> None:
    """Its facts, its blocks and its bytes are stored, and nobody is told of what is long past."""
    archive = MemoryArchive()
    found = archive.keep(0)
    counts, journal, told = await read(archive, found)
    stored = journal.stored()
    assert counts == ObjectCounts(
        bytes_read=found.size, payloads=BLOCKS, liquidated_fills=BLOCKS, new_fills=BLOCKS
    )
    assert told[-1] == counts
    assert len(stored.fills) == BLOCKS
    assert stored.published == ()
    assert [len(ranges) for ranges, _first, _last in stored.block_hours.values()] == [1]
    ((scope, (ranges, tallied)),) = stored.spans.items()
    assert scope == (ARCHIVE, f"{found.name}#1")
    assert ranges == ((0, found.size + BLOCKS),)
    assert tallied[Counted.LIQUIDATED_FILLS] == BLOCKS


async def test_history_moves_no_clock_of_what_is_live() -> None:
    """Neither a cursor nor the newest block: the next reading of what is new would begin in the past."""
    archive = MemoryArchive()
    journal = MemoryJournal()
    await journal.register(archive.description)
    await journal.write(
        a_batch(source=ARCHIVE, events=(), cursor=Cursor("here"), newest_block=5, last_event_at=NOW)
    )
    await read(archive, archive.keep(0), journal)
    assert (await journal.cursor(ARCHIVE), await journal.newest_block(ARCHIVE)) == ("here", 5)


async def test_reading_it_again_changes_nothing() -> None:
    """However far the reading before came."""
    archive = MemoryArchive()
    whole = archive.keep(0)
    cut = archive.keep(1, [*lines_of_hour(1)[:4], b"CORRUPT"])
    journal = MemoryJournal()
    await read(archive, whole, journal)
    before = journal.stored()
    counts, _, _ = await read(archive, whole, journal)
    assert (counts.liquidated_fills, counts.new_fills) == (BLOCKS, 0)
    assert journal.stored() == before
    with pytest.raises(CorruptObject):
        await read(archive, cut, journal)


async def test_what_was_read_before_it_broke_is_stored(monkeypatch) -> None:
    """Batch by batch, as far as the object goes."""
    monkeypatch.setattr(backfill, "MAX_BATCH_BYTES", 1)
    archive = MemoryArchive()
    journal = MemoryJournal()
    with pytest.raises(CorruptObject, match="cut off"):
        await read(archive, archive.keep(0, [*lines_of_hour(0)[:4], b"CORRUPT"]), journal)
    assert len(journal.stored().fills) == 4
    assert [len(batch.events) for batch in journal.batches] == [1, 1, 1, 1]


async def test_an_object_without_a_line_says_nothing() -> None:
    """It is read, and there is nothing to store."""
    archive = MemoryArchive()
    counts, journal, told = await read(archive, archive.keep(0, []))
    assert (counts, journal.batches, told) == (ObjectCounts(), [], [])


async def test_a_batch_holds_no_more_than_so_many_payloads() -> None:
    """However small they are; after each it is told how far the reading is."""
    archive = MemoryArchive()
    found = archive.keep(0, lines_of_hour(0, blocks=130))
    counts, journal, told = await read(archive, found)
    assert [len(batch.events) for batch in journal.batches] == [64, 64, 2]
    assert [each.payloads for each in told] == [64, 128, 130]
    assert counts.payloads == 130


async def test_a_bad_line_is_refused_alone() -> None:
    """It is counted, and all others are stored."""
    archive = MemoryArchive()
    counts, journal, _ = await read(archive, archive.keep(0, [b"not a block", *lines_of_hour(0)]))
    assert (counts.rejects, counts.liquidated_fills) == (1, BLOCKS)
    assert len(journal.stored().rejects) == 1


async def test_only_some_assets_are_kept_where_they_are_named() -> None:
    """And then neither the object's bytes nor its blocks count as read."""
    archive = MemoryArchive()
    counts, journal, _ = await read(archive, archive.keep(0), assets=("BTC",))
    stored = journal.stored()
    assert {asset for _identity, asset, _tid in stored.fills} == {"BTC"}
    assert (counts.payloads, counts.liquidated_fills) == (BLOCKS, BLOCKS // 2)
    assert (stored.spans, stored.block_hours, stored.gaps) == ({}, {}, frozenset())


def test_what_concerns_no_asset_is_left_out() -> None:
    """Of everything that has one only what was asked for; refused rows and counts stay."""
    fill, state = a_liquidated_fill(asset="ETH"), a_market_state(asset="ETH")
    rows = [(MAKER, a_fill(asset=asset)) for asset in ("ETH", "BTC")]
    trades = [a_trade(asset=asset) for asset in ("ETH", "BTC")]
    whole = Normalized(
        events=(fill, a_liquidated_fill(asset="BTC"), a_ledger_movement(), state),
        fills=rows,
        trades=trades,
        rejects=(a_reject(),),
        counts={Counted.PAYLOADS: 1},
        block=7,
        last_event_at=NOW,
    )
    only = only_of(whole, {"ETH"})
    assert only.events == (fill, state)
    assert (only.fills, only.trades) == ((rows[0],), (trades[0],))
    assert (only.rejects, only.counts, only.block, only.last_event_at) == (
        whole.rejects,
        whole.counts,
        None,
        NOW,
    )


async def test_a_source_that_waits_is_no_object_at_its_end() -> None:
    """What it lacks is said, and it may be read later."""

    class Unconfigured(MemoryArchive):
        async def read_object(self, found, *, assets=()):  # noqa: ARG002
            yield Alive(NOW)
            yield NotConfigured("sources.hyperliquid_archive.key_id is not set")

    archive = Unconfigured()
    with pytest.raises(SourceUnavailable, match="key_id is not set"):
        await read(archive, archive.keep(0))


async def test_being_alive_is_heard() -> None:
    """A word without content is stored as such."""

    class Slow(MemoryArchive):
        async def read_object(self, found, *, assets=()):  # noqa: ARG002
            yield Alive(NOW)

    archive = Slow()
    counts, journal, _ = await read(archive, archive.keep(0))
    assert counts == ObjectCounts()
    assert [batch.heard_at for batch in journal.batches] == [NOW]


async def test_what_is_no_archive_cannot_be_read() -> None:
    """It says so, and may be one in the next version."""
    source = ScriptedAggregator()
    assert archive_of(source) is None
    with pytest.raises(SourceUnavailable, match="keeps no history"):
        await read(source, MemoryArchive().keep(0))


async def test_a_part_of_an_archive_still_is_a_source() -> None:
    """Of the same name and chain; what it streams is the whole's."""
    script = [a_raw(source=ARCHIVE, payload=lines_of_hour(0)[0])]
    whole = ScriptedAggregator(script, name=ARCHIVE)
    part = backfill._OfAssets(whole, ("BTC",))
    assert (part.name, part.chain) == (ARCHIVE, whole.chain)
    assert [item async for item in part.stream(None, follow=False)] == script
    assert part.normalize(script[0]).events == ()
