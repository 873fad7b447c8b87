from kamiyo.core.ports import Counted
from kamiyo.processing.pipeline import Pipeline
from kamiyo.processing.replay import replay
from tests.builders import VICTIM, a_raw, block_line, fill_json
from tests.fakes import ManualClock, MemoryJournal, ScriptedAggregator


async def test_a_replay_accounts_for_everything() -> None:
    """Payloads, counts, events, refusals, gaps and changes of all batches add up; progress is told."""
    payloads = [
        block_line((VICTIM, fill_json(tid=tid)), number=number) for tid, number in [(1, 1), (1, 2), (2, 5)]
    ]
    raws = [a_raw(payload=payload) for payload in [*payloads, b"junk", b"junk"]]
    told: list[int] = []
    running = Pipeline(ScriptedAggregator(), MemoryJournal(), ManualClock())

    account = await replay(iter(raws), running, progress=told.append, batch_payloads=2)

    assert told == [2, 4, 5]
    assert (account.payloads, account.gaps) == (5, 1)
    assert account.counts[Counted.FILLS] == 3
    assert account.counts[Counted.DUPLICATE_FILLS] == 1
    assert account.events == {"LiquidatedFill": 2}
    assert account.rejects == {"malformed": 2}
    # Both fills are of one liquidation, which each of two batches changed.
    assert (account.new_fills, account.changed_liquidations) == (2, 2)


async def test_a_replay_of_nothing_is_an_empty_account() -> None:
    """An empty recording is no error."""
    running = Pipeline(ScriptedAggregator(), MemoryJournal(), ManualClock())
    account = await replay([], running, progress=list[int]().append)
    assert (account.payloads, account.counts, account.rejects) == (0, {}, {})
