"""What survives of thousands of mutated payloads is taken by the database: none of it loses its batch."""

from collections import Counter
from decimal import Decimal

import msgspec

from kamiyo.core.ids import SourceName
from kamiyo.core.ports import Counted, Raw, Span
from kamiyo.processing.pipeline import Pipeline
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.pool import Pool
from tests.fakes import ManualClock, ScriptedAggregator
from tests.stored import stored_in
from tools.fuzz import NOW
from tools.mutations import payloads

BATCH = 100


async def test_nothing_that_passes_the_rules_is_refused_by_the_database(pool: Pool) -> None:
    """Every mutated payload is counted, every surviving fact stored, and no payload refused as a whole."""
    source, journal = ScriptedAggregator(name=SourceName("fuzz")), PostgresJournal(pool)
    await journal.register(source.description)
    pipeline, counts, at = Pipeline(source, journal, ManualClock(NOW)), Counter[Counted](), 0
    raws = []
    for stream, line in payloads(4, 3_000, huge=False):
        span = Span("fuzz", at, at := at + len(line) + 1)
        raws.append(Raw(source=source.name, stream=stream, payload=line, received_at=NOW, span=span))
    for start in range(0, len(raws), BATCH):
        for outcome in await pipeline.run(raws[start : start + BATCH]):
            counts += outcome.counts

    stored = await stored_in(pool)
    assert [each for each in stored.rejects if each[2] == "storage_refused"] == []
    assert counts[Counted.PAYLOADS] == 3_000
    [(ranges, summed)] = stored.spans.values()
    assert ranges == ((0, at),)
    assert {name: number for name, number in counts.items() if number} == dict(summed)
    assert len(stored.fills) > 100
    assert len(stored.movements) > 20
    deltas = [row[6] for row in stored.movements]
    assert all(isinstance(delta, bytes) and msgspec.json.decode(delta) for delta in deltas)
    assert all(
        Decimal(each.size) > 0 and Decimal(each.amount_usd) > 0 for each in stored.liquidations.values()
    )
