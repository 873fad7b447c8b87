"""Sends mutated payloads through the pipeline: each must end as events or rejects, in time, and storable.

Mutated frames of the socket go to ``fuzz_frames``.

    python -m tools.fuzz [--count N] [--seed S] [--processes P]

Every payload starts as a valid one of some stream, is mutated, and goes through normalize, deduplicate and
validate; what survives is written as COPY text. Nothing may raise, and nothing may take longer than a bound
per byte. The same seed sends the same payloads, whatever the number of processes.
"""

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import msgspec

from kamiyo.aggregators.base import Toolbox
from kamiyo.aggregators.hyperliquid_node import (
    HyperliquidNodeAggregator,
    HyperliquidNodeSettings,
    stream_of,
)
from kamiyo.core.codec import to_json
from kamiyo.core.events import AccountLiquidation, LedgerMovement, LiquidatedFill
from kamiyo.core.ids import SourceName
from kamiyo.core.liquidations import fold, liquidation_id
from kamiyo.core.money import install_context
from kamiyo.core.ports import Counted, Normalized, Raw
from kamiyo.kit.clock import SystemClock
from kamiyo.processing.deduplicator import Deduplicator
from kamiyo.processing.normalizer import normalize
from kamiyo.processing.validator import validate
from kamiyo.storage import copy_text
from kamiyo.storage.fill_rows import FILL_COLUMNS, LIQUIDATION_COLUMNS, fill_rows, liquidation_row
from tools.fuzz_frames import frames_chunk
from tools.fuzzing import Summary, stalled
from tools.mutations import CHUNK, payloads

NOW: Final = datetime(2025, 10, 10, 21, 16, 1, tzinfo=UTC)
REMEMBER_EVERY: Final = 100


# --- the way of a payload ---------------------------------------------------------------------------------


class Pipeline:
    """The stages between a line and the database, without either."""

    def __init__(self) -> None:
        tools = Toolbox(clock=SystemClock())
        self._node = HyperliquidNodeAggregator(HyperliquidNodeSettings(), tools)
        self._deduplicator = Deduplicator(1 << 12)
        self._heard = 0

    def run(self, stream: str, line: bytes) -> Normalized:
        raw = Raw(source=SourceName("fuzz"), stream=stream, payload=line, received_at=NOW)
        normalized = self._deduplicator.fresh(normalize(self._node.normalize, raw))
        self._heard += 1
        if self._heard % REMEMBER_EVERY == 0:
            self._deduplicator.remember_batch()
        return validate(normalized, raw, NOW)


def judge(found: Normalized) -> str | None:
    """What is wrong with what became of a payload, if anything."""
    counts = Counter(found.counts)
    kinds = [name for name in Counted if name.endswith("_fills")]
    if counts[Counted.FILLS] != sum(counts[name] for name in kinds):
        return f"the fills do not add up: {dict(found.counts)}"
    if counts[Counted.REJECTS] != len(found.rejects):
        return f"{len(found.rejects)} rejects, {counts[Counted.REJECTS]} counted"
    if not any(found.counts.values()):
        return "neither events nor rejects"
    wrong = [repr(event) for event in found.events if not _is_sane(event)]
    wrong += [
        repr(fill) for _user, fill in found.fills if not all(_is_positive(n) for n in (fill.price, fill.size))
    ]
    return f"a wrong number: {wrong[0]:.300}" if wrong else None


def _is_positive(text: str) -> bool:
    number = Decimal(text)
    return number.is_finite() and number > 0


def _is_sane(event: object) -> bool:
    match event:
        case LiquidatedFill():
            numbers = (event.price, event.size, event.mark_price)
            return all(map(_is_positive, numbers)) and event.timestamp <= NOW + timedelta(minutes=1)
        case AccountLiquidation():
            return event.amount_usd.is_finite() and event.amount_usd >= 0 and event.account_value.is_finite()
        case _:
            return True


def store(found: Normalized) -> None:
    """Write the survivors as the database would get them, and fold them."""
    for event in found.events:
        if isinstance(event, LiquidatedFill):
            _check_row(event)
        elif isinstance(event, LedgerMovement):
            msgspec.json.decode(event.delta)
        to_json(event)
    for reject in found.rejects:
        reject.detail.encode()


def _check_row(event: LiquidatedFill) -> None:
    rows = fill_rows([event])
    folded, _message = liquidation_row(fold(liquidation_id(event), list(rows.observed.values())))
    for lines, columns in ((rows.lines.values(), FILL_COLUMNS), ([folded], LIQUIDATION_COLUMNS)):
        written = copy_text.lines(lines).getvalue()
        if written.count(b"\n") != 1 or written.count(b"\t") != len(columns) - 1 or b"\0" in written:
            raise ValueError(f"not one row: {written[:300]!r}")


def fuzz_chunk(task: tuple[int, int]) -> Summary:
    """Send one chunk of payloads, as its own seed makes them."""
    install_context()
    seed, count = task
    summary, pipeline = Summary(), Pipeline()
    for stream, line in payloads(seed, count):
        _send(summary, pipeline, stream, line)
    return summary


def _send(summary: Summary, pipeline: Pipeline, stream: str, line: bytes) -> None:
    started = time.perf_counter()
    try:
        stream_of(line)
        found = pipeline.run(stream, line)
        store(found)
        fault = judge(found)
    except Exception as error:  # noqa: BLE001  (any exception at all is what is looked for)
        found, fault = Normalized(), f"{type(error).__name__}: {error!s:.300}"
    taken = timedelta(seconds=time.perf_counter() - started)
    if fault is None and stalled(line, taken, lambda: Pipeline().run(stream, line)):
        fault = f"took {taken} for {len(line)} bytes"
    summary.note(stream, line, taken, fault)
    summary.outcomes["rejected" if found.rejects else "accepted"] += 1
    summary.outcomes.update(type(event).__name__ for event in found.events)
    summary.rules.update(each.rule for each in found.rejects)


def _chunk(task: tuple[Callable[[tuple[int, int]], Summary], tuple[int, int]]) -> tuple[str, Summary]:
    send, part = task
    return send.__name__, send(part)


def fuzz(count: int, seed: int, processes: int) -> dict[str, Summary]:
    """Send ``count`` of each part and sum up; chunks have seeds of their own, derived from ``seed``."""
    parts = [(seed + at, min(CHUNK, count - at)) for at in range(0, count, CHUNK)]
    tasks = [(send, part) for send in PARTS for part in parts]
    totals = {send.__name__: Summary() for send in PARTS}
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for done, (name, part) in enumerate(pool.imap_unordered(_chunk, tasks), start=1):
            totals[name].add(part)
            faults = sum(len(total.faults) for total in totals.values())
            print(f"\r{done}/{len(tasks)} chunks, {faults} faults", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return totals


def report(total: Summary, name: str) -> None:
    """Print what came of one part."""
    print(f"{total.payloads:,} {name}, {total.size / 1e6:,.0f} MB")
    print("  " + ", ".join(f"{outcome} {number:,}" for outcome, number in total.outcomes.most_common()))
    print("  " + ", ".join(f"{rule} {number:,}" for rule, number in total.rules.most_common()))
    print(f"  slowest {total.slowest.total_seconds() * 1000:,.0f} ms, {len(total.faults)} faults")
    for fault in total.faults[:20]:
        print(f"FAULT {fault}")


def main(arguments: Sequence[str]) -> int:
    """Fuzz, print what came of it; 1 if anything is wrong."""
    parser = argparse.ArgumentParser(
        prog="./dev fuzz", description="Send mutated payloads through the pipeline, and frames to a session."
    )
    parser.add_argument("--count", type=int, default=1_000_000, help="of each to send (default: 1,000,000)")
    parser.add_argument("--seed", type=int, default=1, help="what makes the payloads (default: 1)")
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    given = parser.parse_args(arguments)
    started = time.perf_counter()
    totals = fuzz(given.count, given.seed, given.processes)
    for send, name in PARTS.items():
        report(totals[send.__name__], name)
    print(f"{time.perf_counter() - started:,.0f} s")
    return 1 if any(total.faults for total in totals.values()) else 0


PARTS: Final[dict[Callable[[tuple[int, int]], Summary], str]] = {
    fuzz_chunk: "payloads of a node's files",
    frames_chunk: "frames of the socket",
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
