"""However a recording is cut into batches, interrupted and repeated: the journal ends the same."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import MemoryJournal
from tests.replaying import (
    STAGES,
    Interrupted,
    check,
    finish,
    latest,
    recordings,
    replay,
    run,
    run_at_once,
    versions_of,
)

seeds = st.integers(0, 2**32)
# A memory of one key lets go of everything: then the journal alone must decide what is known.
capacities = st.sampled_from([1, 3, 1 << 10])


@pytest.mark.slow
@settings(max_examples=150)
@given(seeds, seeds, st.sampled_from(STAGES), st.integers(1, 8), capacities)
def test_any_batches_and_any_single_crash_end_the_same(
    seed: int, cut: int, stage: str, nth: int, capacity: int
) -> None:
    """A process that ends before a write, within it, or after it begins again and reaches the same rows."""

    async def work() -> None:
        found, expected, reached = recordings(seed), MemoryJournal(), MemoryJournal()
        await run_at_once(found, expected)
        crashing = Interrupted(reached, stage, nth)
        reached.at = lambda passed: crashing.pass_stage("commit") if passed == "commit" else None
        await run(found, crashing, Random(cut), capacity=capacity)
        check(reached.stored(), expected.stored())

    finish(work)


@settings(max_examples=60)
@given(seeds, seeds, capacities)
def test_replaying_again_changes_nothing_and_tells_nothing(seed: int, cut: int, capacity: int) -> None:
    """A recording that is read once more, by a process without memory, is no news at all."""

    async def work() -> None:
        found, journal = recordings(seed), MemoryJournal()
        await run(found, journal, Random(cut), capacity=capacity)
        before = journal.stored()
        await replay(found, journal)
        assert journal.stored() == before

    finish(work)


@settings(max_examples=60)
@given(seeds, st.randoms(use_true_random=False))
def test_any_order_of_the_same_payloads_folds_to_the_same_liquidations(seed: int, random: Random) -> None:
    """Whoever is read first, and whichever block, the rows and the last words about them are the same."""

    async def work() -> None:
        found, expected, reached = recordings(seed), MemoryJournal(), MemoryJournal()
        await run_at_once(found, expected)
        shuffled = {source: random.sample(raws, len(raws)) for source, raws in found.items()}
        await run_at_once(dict(random.sample(list(shuffled.items()), len(shuffled))), reached)
        one, other = reached.stored(), expected.stored()
        assert (one.fills, one.liquidations) == (other.fills, other.liquidations)
        assert latest(one.published) == latest(other.published)
        assert all(versions == sorted(set(versions)) for versions in versions_of(one.published).values())

    finish(work)
