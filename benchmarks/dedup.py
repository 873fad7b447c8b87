"""Exact deduplication in bounded memory: against the bare set that grows without end."""

from __future__ import annotations

from benchmarks.data import fill_blocks
from benchmarks.measure import Report, claim, medians, take_turns
from kamiyo.core.events import FillRow
from kamiyo.core.ports import Normalized
from kamiyo.hyperliquid.wire import decode_fill_block
from kamiyo.processing.deduplicator import Deduplicator, leg_keys

_FILLS = 60_000
_BATCH = 1_000
_CAPACITY = 1 << 12


def run() -> Report:
    """Both are given decoded rows and make the same integer key of each; then one only adds it to a set."""
    rows: list[FillRow] = [row for block in fill_blocks(_FILLS) for row in decode_fill_block(block).events]
    batches = [Normalized(fills=rows[at : at + _BATCH]) for at in range(0, len(rows), _BATCH)]
    most = _check(batches)
    rates = take_turns(
        {"KAMIYO": lambda: _deduplicate(batches, Deduplicator()), "a bare set": lambda: _bare_set(rows)}
    )
    return Report(
        [claim("exact dedup, by a bare set's inserts of the same keys", rates, "KAMIYO", "a bare set", 0.4)],
        medians(rates) | {"unit": "fills", "keys held at most": most, "keys allowed": 2 * _CAPACITY + _BATCH},
    )


def _deduplicate(batches: list[Normalized], deduplicator: Deduplicator) -> int:
    fresh = 0
    for batch in batches:
        fresh += len(deduplicator.fresh(batch).fills)
        deduplicator.remember_batch()
    return fresh


def _bare_set(rows: list[FillRow]) -> int:
    seen = set[int]()
    seen.update(leg_keys(rows))
    return len(seen)


def _check(batches: list[Normalized]) -> int:
    """The bound holds at every moment; every row comes out once, and at once again as a duplicate."""
    deduplicator, most = Deduplicator(_CAPACITY), 0
    for batch in batches:
        first, again = deduplicator.fresh(batch), deduplicator.fresh(batch)
        most = max(most, len(deduplicator))
        deduplicator.remember_batch()
        if len(first.fills) != len(batch.fills) or again.fills or deduplicator.fresh(batch).fills:
            raise AssertionError("lost a fill, or gave one twice")
    if most > 2 * _CAPACITY + _BATCH:
        raise AssertionError(f"{most} keys held")
    return most
