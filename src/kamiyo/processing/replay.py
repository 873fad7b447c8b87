"""A recording through the production pipeline, and the account of what it held."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import islice

import msgspec

from kamiyo.core.events import Gap
from kamiyo.core.ports import Counted, Raw
from kamiyo.processing.pipeline import MAX_BATCH_PAYLOADS, Outcome, Pipeline

Progress = Callable[[int], None]


class ReplayAccount(msgspec.Struct, kw_only=True):
    """What a replay held, and what it changed in its store."""

    payloads: int = 0
    counts: Counter[Counted] = msgspec.field(default_factory=Counter[Counted])
    events: Counter[str] = msgspec.field(default_factory=Counter[str])
    rejects: Counter[str] = msgspec.field(default_factory=Counter[str])
    gaps: int = 0
    new_fills: int = 0
    changed_liquidations: int = 0

    def add(self, outcome: Outcome) -> None:
        """Add one batch."""
        self.counts.update(outcome.counts)
        self.events.update(type(event).__name__ for event in outcome.batch.events)
        self.rejects.update(each.rule for each in outcome.batch.rejects)
        self.gaps += len(outcome.batch.gaps)
        self.new_fills += outcome.written.new_fills
        self.changed_liquidations += outcome.written.changed_liquidations


async def replay(
    items: Iterable[Raw | Gap],
    pipeline: Pipeline,
    *,
    progress: Progress,
    batch_payloads: int = MAX_BATCH_PAYLOADS,
    account: ReplayAccount | None = None,
) -> ReplayAccount:
    """Run every payload through the pipeline, in order; ``progress`` hears how many are done.

    It goes on in ``account``, if there is one of what was replayed before.
    """
    account = account or ReplayAccount()
    remaining = iter(items)
    while batch := list(islice(remaining, batch_payloads)):
        for outcome in await pipeline.run(batch):
            account.add(outcome)
        account.payloads += sum(isinstance(each, Raw) for each in batch)
        progress(account.payloads)
    return account
