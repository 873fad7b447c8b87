"""Made-up recordings of several sources, and runs of them that are cut, crashed and repeated at will."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

import msgspec

from kamiyo.core.ids import Cursor, SourceName
from kamiyo.core.ports import Batch, Counted, Journal, Raw, Span, Written
from kamiyo.processing.deduplicator import Deduplicator
from kamiyo.processing.pipeline import Pipeline
from tests.builders import (
    API,
    HASH,
    MAKER,
    MILLIS,
    NODE,
    NOW,
    OTHER_HASH,
    OTHER_VICTIM,
    VICTIM,
    ZERO_HASH,
    block_line,
    fill_json,
)
from tests.fakes import ManualClock, ScriptedAggregator, StoppedError, Stored

SOURCES = (NODE, API)
STAGES = ("write", "commit", "committed")
Row = tuple[str, dict[str, Any]]
Recordings = Mapping[SourceName, Sequence[Raw]]


def trade(random: Random, tid: int, number: int) -> list[Row]:
    """The rows of one trade of a liquidation: the victim's, the other side's, or both."""
    victim, asset = random.choice([VICTIM, VICTIM, OTHER_VICTIM]), random.choice(["ETH", "ETH", "xyz:TSLA"])
    method = random.choice(["market", "market", "market", "backstop", "adl"])
    named = {"liquidatedUser": victim, "markPx": "3000.5", "method": method.replace("adl", "market")}
    told = {"market": "Close Long", "backstop": "Liquidated Cross Long", "adl": "Auto-Deleveraging"}
    common = {
        "coin": asset,
        "tid": tid,
        "time": MILLIS - 3_000_000 * (number % 7 == 0),  # two hours, so that writers take more than one lock
        "px": f"{random.randint(1, 9000)}.{random.randint(0, 9)}",
        "sz": f"{random.randint(1, 99)}.0",
        "hash": random.choice([HASH, HASH, HASH, OTHER_HASH, ZERO_HASH]),
        "liquidation": named,
    }
    rows: list[Row] = [
        (victim, fill_json(**common, dir=told[method], closedPnl=f"-{random.randint(0, 9)}.5")),
        (MAKER, fill_json(**common, dir=told[method].replace("Close", "Open"), side="B", crossed=False)),
    ]
    return random.choice([rows, rows, rows[:1], rows[1:]])


def ordinary(tid: int) -> list[Row]:
    return [
        (VICTIM, fill_json(tid=tid, liquidation=None)),
        (MAKER, fill_json(tid=tid, side="B", liquidation=None)),
    ]


def payloads(random: Random) -> list[bytes]:
    """Blocks with liquidations, ordinary, broken and repeated rows, a hole now and then, and junk."""
    found, number = list[bytes](), 100
    for tid in range(random.randint(1, 12)):
        number += random.choice([1, 1, 1, 2])
        rows = [*trade(random, tid, number), *(ordinary(1000 + tid) if random.random() < 0.3 else [])]
        if random.random() < 0.2:
            rows.append((MAKER, fill_json(tid=2000 + tid, px="NaN", liquidation=None)))
        if random.random() < 0.2:
            rows.append((VICTIM, fill_json(tid=2500 + tid, sz="0.0")))
        found.append(block_line(*rows, number=number))
        if random.random() < 0.2:
            found.append(random.choice([b"junk", b"{}", b'{"events": [', found[0]]))
    return found


def recordings(seed: int) -> Recordings:
    """What each source recorded: the same trades, each with parts of its own and some repeated."""
    random = Random(seed)
    lines = payloads(random)
    found: dict[SourceName, Sequence[Raw]] = {}
    for source in SOURCES:
        own = [line for line in lines if random.random() < 0.8]
        own += [random.choice(own) for _ in range(random.randint(0, 2)) if own]
        found[source] = _raws(source, own)
    return found


def _raws(source: SourceName, lines: Sequence[bytes]) -> list[Raw]:
    raws, at = list[Raw](), 0
    for number, line in enumerate(lines, start=1):
        span = Span("file", at, at + len(line) + 1)
        at = span.end
        raws.append(
            Raw(
                source=source,
                stream="node_fills_by_block",
                payload=line,
                received_at=NOW,
                cursor=Cursor(str(number)),
                span=span,
            )
        )
    return raws


class Interrupted:
    """A journal that ends the process once, at one stage of one write."""

    def __init__(self, journal: Journal, stage: str, nth: int) -> None:
        self._journal = journal
        self._stage = stage
        self._left = nth

    def pass_stage(self, stage: str) -> None:
        if stage == self._stage:
            self._left -= 1
            if self._left == 0:
                raise StoppedError(stage)

    async def write(self, batch: Batch) -> Written:
        self.pass_stage("write")
        written = await self._journal.write(batch)
        self.pass_stage("committed")
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)


class Reader:
    """One source's process: it begins at the stored cursor and stores batch by batch."""

    def __init__(self, raws: Sequence[Raw], journal: Journal, random: Random, capacity: int) -> None:
        self._raws = raws
        self._journal = journal
        self._random = random
        self._capacity = capacity
        self._pipeline: Pipeline | None = None
        self._at = 0

    async def start(self) -> None:
        source = self._raws[0].source
        await self._journal.register(ScriptedAggregator(name=source).description)
        self._at = int(await self._journal.cursor(source) or "0")
        self._pipeline = Pipeline(
            ScriptedAggregator(name=source),
            self._journal,
            ManualClock(),
            newest_block=await self._journal.newest_block(source),
            deduplicator=Deduplicator(self._capacity),
        )

    async def step(self) -> bool:
        """Store the next batch; whether there was one. A process that ends begins again."""
        if self._pipeline is None:
            await self.start()
        batch = self._raws[self._at : self._at + self._random.randint(1, 5)]
        if not batch or self._pipeline is None:
            return False
        try:
            await self._pipeline.run(batch)
        except StoppedError:
            self._pipeline = None
            return True
        self._at += len(batch)
        return True


async def run(found: Recordings, journal: Journal, random: Random, *, capacity: int = 1 << 10) -> None:
    """Read every source to its end, batches of any size in any order."""
    readers = [Reader(raws, journal, random, capacity) for raws in found.values() if raws]
    while readers:
        reader = random.choice(readers)
        if not await reader.step():
            readers.remove(reader)


async def run_at_once(found: Recordings, journal: Journal) -> None:
    """Read every source in one batch, one after the other, with nothing in between."""
    for raws in found.values():
        if raws:
            pipeline = Pipeline(ScriptedAggregator(name=raws[0].source), journal, ManualClock())
            await journal.register(ScriptedAggregator(name=raws[0].source).description)
            await pipeline.run(raws)


async def replay(found: Recordings, journal: Journal) -> None:
    """Read every source once more from its beginning, as a process without any memory would."""
    await run_at_once(found, journal)


def comparable(stored: Stored) -> Stored:
    """What must be the same however it came about.

    What was published differs in the steps on the way and is judged by ``versions_of``. Whether a repetition
    was known or not is the process's memory, so duplicates are added to what they would have been else.
    """
    return msgspec.structs.replace(
        stored,
        published=(),
        spans={key: (ranges, _without_memory(counts)) for key, (ranges, counts) in stored.spans.items()},
    )


def _without_memory(counts: Mapping[Counted, int]) -> Counter[Counted]:
    heard = Counter(counts)
    refused = (Counted.REFUSED_FILLS, Counted.REJECTS)
    repeatable = (Counted.ORDINARY_FILLS, Counted.LIQUIDATED_FILLS, Counted.DUPLICATE_FILLS, *refused)
    return Counter({name: number for name, number in heard.items() if name not in repeatable})


def versions_of(published: Sequence[tuple[str, bytes]]) -> dict[str, list[int]]:
    """The published versions of each liquidation, in the order of publication."""
    found: dict[str, list[int]] = {}
    for channel, message in published:
        if channel == "liquidations":
            told = msgspec.json.decode(message)
            found.setdefault(told["liquidation_id"], []).append(told["version"])
    return found


def latest(published: Sequence[tuple[str, bytes]]) -> dict[str, bytes]:
    """What was said last of each liquidation."""
    return {
        msgspec.json.decode(message)["liquidation_id"]: message
        for channel, message in published
        if channel == "liquidations"
    }


def check(reached: Stored, expected: Stored) -> None:
    """The same rows; versions that only grow; last words that are the rows and alike."""
    assert comparable(reached) == comparable(expected)
    for versions in versions_of(reached.published).values():
        assert versions == sorted(set(versions))
    assert latest(reached.published) == latest(expected.published)
    assert {identity: versions[-1] for identity, versions in versions_of(reached.published).items()} == {
        identity: each.version for identity, each in reached.liquidations.items()
    }
    for _ranges, counts in reached.spans.values():
        kinds = [name for name in Counted if name.endswith("_fills")]
        assert counts.get(Counted.FILLS, 0) == sum(counts.get(name, 0) for name in kinds)


def finish(work: Callable[[], Any]) -> Any:
    """Run a coroutine function from a test that is no coroutine."""
    return asyncio.run(work())
