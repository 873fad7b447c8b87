import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import structlog
from structlog.testing import capture_logs

from kamiyo.aggregators.base import NotConfigured, Waiting
from kamiyo.core.errors import SourceUnavailable, StorageRefused, StorageUnavailable
from kamiyo.core.ids import Cursor, SourceName
from kamiyo.core.ports import Batch
from kamiyo.core.sources import SourceState, SourceType
from kamiyo.kit import metrics
from kamiyo.processing.backlog import MAX_QUEUED_ITEMS
from kamiyo.processing.orchestrator import Orchestrator, SupervisedSource
from kamiyo.processing.pipeline import MAX_BATCH_PAYLOADS
from tests.builders import API, NODE, VICTIM, a_gap, a_raw, block_line, fill_json
from tests.fakes import ManualClock, MemoryJournal, MemoryLeases, ScriptedAggregator

OTHER = SourceName("other")
NOBODY = Waiting("nobody is there")


def item(number: int, source: SourceName = NODE):
    payload = block_line((VICTIM, fill_json(tid=number)), number=number)
    return a_raw(source=source, payload=payload, cursor=Cursor(str(number)))


def stored_tids(journal: MemoryJournal) -> list[int]:
    return sorted(tid for _identity, _asset, tid in journal.stored().fills)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


async def run_until(
    condition: Callable[[], object],
    *aggregators: ScriptedAggregator,
    journal: MemoryJournal,
    leases: MemoryLeases | None = None,
    clock: ManualClock | None = None,
) -> None:
    """Run the sources until something holds, then stop them as a signal would."""
    running = Orchestrator(aggregators, journal, leases or MemoryLeases(), clock or ManualClock())
    task = asyncio.ensure_future(running.run())
    waiting = asyncio.ensure_future(until(condition))
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    failed = task.done() and not waiting.done()
    task.cancel()
    waiting.cancel()
    results = await asyncio.gather(task, waiting, return_exceptions=True)
    assert not failed, results


@pytest.fixture
def logs() -> Iterator[list]:
    structlog.reset_defaults()
    with capture_logs() as captured:
        yield captured


def state_logs(logs: list) -> list[tuple[str, str, str]]:
    return [
        (each["source"], each["state"], each["log_level"])
        for each in logs
        if each["event"] == "source_state_changed"
    ]


async def test_a_source_is_read_stored_and_live() -> None:
    """Everything a stream says arrives, and only then it is called live."""
    journal = MemoryJournal()
    source = ScriptedAggregator([item(1), item(2), a_gap()], ends=False)
    await run_until(lambda: len(stored_tids(journal)) == 2 and journal.states, source, journal=journal)
    assert journal.states == [(NODE, SourceState.LIVE, "")]
    assert journal.stored().cursors[NODE][0] == "2"


async def test_sources_start_in_the_order_of_their_priority() -> None:
    """Lower numbers first, names where those are equal, whatever the order they were given in."""
    order: list[str] = []

    class Watched(MemoryJournal):
        async def register(self, description, *state) -> bool:
            order.append(description.name)
            return await super().register(description, *state)

    given = [("c", 20), ("b", 10), ("a", 20), ("d", 1)]
    sources = [ScriptedAggregator(name=SourceName(name), priority=priority) for name, priority in given]
    await run_until(lambda: len(order) == 4, *sources, journal=Watched())
    assert order == ["d", "b", "a", "c"]


async def test_a_catalogue_ends_loaded_and_never_live(logs: list) -> None:
    """A source that ends is loaded, once all it said is stored; with no source left the run ends."""
    journal = MemoryJournal()
    source = ScriptedAggregator([item(1), item(2)], type=SourceType.CATALOGUE)
    async with asyncio.timeout(10):
        await Orchestrator([source], journal, MemoryLeases(), ManualClock()).run()
    assert stored_tids(journal) == [1, 2]
    assert journal.states == [(NODE, SourceState.LOADED, "")]
    assert state_logs(logs) == [(NODE, "loaded", "info")]


async def test_catalogues_are_told_of_once_they_are_loaded() -> None:
    """Whoever waits for what ships with the product waits for its rows, not for the streams."""
    journal = MemoryJournal()
    shipped = ScriptedAggregator([item(1)], type=SourceType.CATALOGUE, name=API)
    stream = ScriptedAggregator([], ends=False)
    orchestrator = Orchestrator([stream, shipped], journal, MemoryLeases(), ManualClock())
    running = asyncio.ensure_future(orchestrator.run())
    assert not orchestrator.catalogues_loaded.is_set()
    async with asyncio.timeout(5):
        await orchestrator.catalogues_loaded.wait()
    assert stored_tids(journal) == [1]
    running.cancel()
    await asyncio.wait({running})


async def test_what_nobody_set_up_is_said_without_alarm(logs: list) -> None:
    """A source without its setting is told of once, as a piece of information and not as a failure."""
    journal = MemoryJournal()
    unset = ScriptedAggregator([NotConfigured("set path"), NotConfigured("set path")], ends=False)
    await run_until(lambda: journal.states, unset, journal=journal)
    assert journal.states == [(NODE, SourceState.NOT_CONFIGURED, "set path")]
    assert state_logs(logs) == [(NODE, "not_configured", "info")]


async def test_a_gap_alone_proves_nothing_alive() -> None:
    """A source that only told of a gap has not been heard."""
    journal = MemoryJournal()
    await run_until(lambda: journal.batches, ScriptedAggregator([a_gap()], ends=False), journal=journal)
    assert journal.states == []


async def test_one_that_fails_never_disturbs_another(logs: list) -> None:
    """A source that fails for ever is reported and tried again, and all the while the other is read."""
    journal, clock = MemoryJournal(), ManualClock()
    errors = [RuntimeError(f"broken {number}") for number in range(50)]
    bad = ScriptedAggregator(errors, name=OTHER, priority=1, ends=False)
    good = ScriptedAggregator([item(number) for number in range(1, 4)], ends=False)
    await run_until(
        lambda: stored_tids(journal) == [1, 2, 3] and len(bad.read) > 20,
        bad,
        good,
        journal=journal,
        clock=clock,
    )
    assert journal.states_of(NODE) == [SourceState.LIVE]
    assert set(journal.states_of(OTHER)) == {SourceState.FAILED}
    assert (
        journal.states[0][2] == "RuntimeError: broken 0" or journal.states[1][2] == "RuntimeError: broken 0"
    )
    assert max(clock.slept) <= timedelta(seconds=30)


async def test_an_unreachable_source_says_so_once_and_recovers(logs: list) -> None:
    """However often a source cannot be read, log and state tell it once, and that it is back."""
    journal = MemoryJournal()
    source = ScriptedAggregator(
        [NOBODY, NOBODY, NOBODY, item(1), item(2), NOBODY, NOBODY, item(3)], ends=False
    )
    await run_until(
        lambda: len(journal.states) == 4 and stored_tids(journal) == [1, 2, 3], source, journal=journal
    )
    assert (
        journal.states
        == [
            (NODE, SourceState.UNREACHABLE, "nobody is there"),
            (NODE, SourceState.LIVE, ""),
        ]
        * 2
    )
    assert state_logs(logs) == [(NODE, "unreachable", "warning"), (NODE, "live", "info")] * 2


async def test_a_source_lost_while_its_last_words_are_stored_ends_unreachable() -> None:
    """What was read before a source was lost does not call it live after."""
    journal = MemoryJournal()
    told = asyncio.Event()

    async def tell() -> None:
        told.set()

    source = ScriptedAggregator([item(1), NOBODY, tell], ends=False)
    await run_until(lambda: told.is_set() and len(journal.states) == 2, source, journal=journal)
    assert journal.states_of(NODE) == [SourceState.LIVE, SourceState.UNREACHABLE]


async def test_a_source_that_raises_is_unreachable_and_resumes_from_what_is_stored(logs: list) -> None:
    """After a failure the stream begins at the stored cursor, with the blocks that were reached."""
    journal = MemoryJournal()

    async def stored() -> None:
        await until(lambda: journal.batches)

    source = ScriptedAggregator([item(1), stored, SourceUnavailable("closed"), item(2)], ends=False)
    await run_until(
        lambda: stored_tids(journal) == [1, 2] and len(journal.states) == 3, source, journal=journal
    )
    assert source.read == [None, "1"]
    assert [state for _name, state, _detail in journal.states] == [
        SourceState.LIVE,
        SourceState.UNREACHABLE,
        SourceState.LIVE,
    ]
    assert journal.states[1][2] == "SourceUnavailable: closed"


async def test_a_source_whose_settings_switch_it_off_is_never_read() -> None:
    """It is registered, so that it shows, and told as inactive, whatever the database says."""
    journal, source = MemoryJournal(), ScriptedAggregator([item(1)])
    source.active = False
    async with asyncio.timeout(10):
        await Orchestrator([source], journal, MemoryLeases(), ManualClock()).run()
    told = (NODE, SourceState.INACTIVE, "switched off by its settings")
    assert (source.read, journal.states, list(journal.tables.cursors)) == ([], [told], [NODE])
    assert journal.first_states == {NODE: SourceState.INACTIVE}  # never listed as starting


async def test_an_inactive_source_is_not_read_until_it_is_switched_on() -> None:
    """A source that is switched off is registered, told as inactive, and starts when it is switched on."""
    journal = MemoryJournal(inactive=[NODE])
    source = ScriptedAggregator([item(1)], ends=False)
    task = asyncio.ensure_future(run_until(lambda: len(journal.states) == 3, source, journal=journal))
    await until(lambda: journal.states)
    for _ in range(100):
        await asyncio.sleep(0)
    assert (source.read, journal.states) == ([], [(NODE, SourceState.INACTIVE, "switched off")])
    journal.inactive.clear()
    await task
    assert stored_tids(journal) == [1]
    assert journal.states_of(NODE)[1:] == [SourceState.STARTING, SourceState.LIVE]


async def test_a_running_source_is_switched_off_and_on() -> None:
    """Switched off it is read no further and gives its lease back; switched on it goes on where it was."""
    journal, leases = MemoryJournal(), MemoryLeases()
    source = ScriptedAggregator([item(1), item(2)], ends=False)
    hold_back = source.script.pop()
    task = asyncio.ensure_future(
        run_until(lambda: stored_tids(journal) == [1, 2], source, journal=journal, leases=leases)
    )
    await until(lambda: journal.states)
    journal.inactive.add(NODE)
    await until(lambda: len(journal.states) == 2)
    assert leases.held == set()
    source.script.append(hold_back)
    for _ in range(100):
        await asyncio.sleep(0)
    assert stored_tids(journal) == [1]
    journal.inactive.clear()
    await task
    assert source.read == [None, "1"]
    assert journal.states_of(NODE)[:3] == [SourceState.LIVE, SourceState.INACTIVE, SourceState.STARTING]


async def test_the_priorities_operators_set_come_first() -> None:
    """What was set at run time counts, and what a source says of itself where nothing was."""
    order: list[str] = []

    class Watched(MemoryJournal):
        async def register(self, description, *state) -> bool:
            order.append(description.name)
            return await super().register(description, *state)

    journal = Watched()
    journal.known_priorities = {SourceName("c"): 1, SourceName("gone"): 2}
    sources = [ScriptedAggregator(name=SourceName(name), priority=10) for name in "abc"]
    await run_until(lambda: len(order) == 3, *sources, journal=journal)
    assert order == ["c", "a", "b"]


async def test_sources_start_though_nobody_knows_their_priorities() -> None:
    """Without a database they begin in their own order, and find out each for itself that it is gone."""
    journal = MemoryJournal()
    journal.unavailable = [StorageUnavailable("gone")]
    source = ScriptedAggregator([item(1)], ends=False)
    await run_until(lambda: stored_tids(journal) == [1], source, journal=journal)


async def test_who_stood_still_stands_by_and_tells_nothing(logs: list) -> None:
    """What is written after somebody else took over is refused: nothing is stored or told, and it waits."""
    leases = MemoryLeases()
    journal, name = MemoryJournal(leases=leases), f"source/{NODE}"

    async def stand_still() -> None:
        await until(lambda: journal.states)
        leases.steal(name)

    source = ScriptedAggregator([item(1), stand_still, item(2)], ends=False)
    before = metrics.LEASE_LOSSES.labels(NODE)._value.get()
    task = asyncio.ensure_future(
        run_until(lambda: stored_tids(journal) == [1, 2], source, journal=journal, leases=leases)
    )
    await until(lambda: "source_standing_by" in [each["event"] for each in logs])
    assert (stored_tids(journal), journal.states_of(NODE)) == ([1], [SourceState.LIVE])
    assert [each["event"] for each in logs].count("source_lease_lost") == 1
    assert metrics.LEASE_LOSSES.labels(NODE)._value.get() == before + 1
    source.script.remove(stand_still)  # its cursor is the number of items before it
    leases.held.clear()
    await task
    assert journal.states_of(NODE) == [SourceState.LIVE, SourceState.LIVE]  # told again: it may not stand


async def test_who_learns_that_it_lost_its_source_stops_reading_it() -> None:
    """A quiet source has nothing to write: its holder is stopped when its lease cannot be renewed."""
    leases = MemoryLeases()
    journal, name = MemoryJournal(leases=leases), f"source/{NODE}"
    source = ScriptedAggregator([item(1)], ends=False)
    task = asyncio.ensure_future(
        run_until(lambda: len(source.read) == 2, source, journal=journal, leases=leases)
    )
    await until(lambda: journal.states)
    leases.steal(name)
    leases.notice(name)
    await until(lambda: len(leases.asked) > 2)
    assert len(source.read) == 1
    leases.held.clear()
    await task


async def test_a_source_another_worker_reads_is_left_alone(logs: list) -> None:
    """Who has not the lease stands by, says so once, tells the database nothing and takes over later."""
    journal, clock = MemoryJournal(), ManualClock()
    leases = MemoryLeases(held_elsewhere=[f"source/{NODE}"])
    source = ScriptedAggregator([item(1)], ends=False)
    task = asyncio.ensure_future(
        run_until(lambda: journal.batches, source, journal=journal, leases=leases, clock=clock)
    )
    await until(lambda: len(leases.asked) > 5)
    assert (source.read, journal.states) == ([], [])
    leases.held.clear()
    await task
    assert [each["event"] for each in logs].count("source_standing_by") == 1
    assert leases.held == set()  # and is given back


async def test_a_database_that_is_gone_is_said_once_and_survived(logs: list) -> None:
    """While nothing can be stored the log says so once; with the database back nothing is missing."""
    journal = MemoryJournal()
    journal.unavailable = [StorageUnavailable("gone") for _ in range(9)]
    source = ScriptedAggregator([item(1), item(2)], ends=False)
    await run_until(lambda: stored_tids(journal) == [1, 2] and journal.states, source, journal=journal)
    assert state_logs(logs) == [(NODE, "failed", "warning"), (NODE, "live", "info")]


async def test_a_failure_that_cannot_be_told_is_survived(logs: list) -> None:
    """Whether the database is gone or does not take the text, reporting a failure never ends the others."""

    class Deaf(MemoryJournal):
        untold: list[Exception]

        async def report_state(self, source: SourceName, state: SourceState, detail: str) -> None:
            if state is SourceState.FAILED and self.untold:
                raise self.untold.pop(0)
            await super().report_state(source, state, detail)

    journal = Deaf()
    journal.untold = [StorageUnavailable("gone"), StorageRefused("unreadable")]
    bad = ScriptedAggregator([RuntimeError("one"), RuntimeError("two")], name=OTHER, ends=False)
    good = ScriptedAggregator([item(1)], ends=False)
    await run_until(lambda: len(bad.read) == 3 and stored_tids(journal) == [1], bad, good, journal=journal)
    assert state_logs(logs).count((OTHER, "failed", "warning")) == 1


async def test_an_error_that_quotes_its_source_is_told_in_printable_text() -> None:
    """What a source sent may stand in an error; neither the database nor a terminal is troubled by it."""
    journal = MemoryJournal()
    error = RuntimeError("bad \0 \x1b[2J \ud800 byte " + "x" * 5_000)
    await run_until(lambda: journal.states, ScriptedAggregator([error], ends=False), journal=journal)
    [(_name, _state, detail)] = journal.states
    assert detail.startswith("RuntimeError: bad ? ?[2J ? byte xxx")
    assert len(detail) == 500


async def test_an_error_of_several_tasks_is_told_by_its_cause() -> None:
    """The groups that tasks wrap errors in are no news to anybody."""
    journal = MemoryJournal()
    nested = ExceptionGroup("a", [ExceptionGroup("b", [SourceUnavailable("deep")])])
    await run_until(lambda: journal.states, ScriptedAggregator([nested], ends=False), journal=journal)
    assert journal.states[0][1:] == (SourceState.UNREACHABLE, "SourceUnavailable: deep")


async def test_a_slow_database_stops_the_reader() -> None:
    """What was read and not yet stored is bounded: the rest stays where it is until there is room."""
    release, journal = asyncio.Event(), MemoryJournal()

    class Slow(MemoryJournal):
        async def write(self, batch: Batch):
            await release.wait()
            return await journal.write(batch)

    source = ScriptedAggregator([a_gap(first=n, after_last=n + 1) for n in range(5_000)], ends=False)
    task = asyncio.ensure_future(
        run_until(lambda: len(journal.stored().gaps) == 5_000, source, journal=Slow())
    )
    for _ in range(5_000):
        await asyncio.sleep(0)
    assert source.given <= MAX_BATCH_PAYLOADS + MAX_QUEUED_ITEMS + 2
    release.set()
    await task
    assert max(len(batch.gaps) for batch in journal.batches) == MAX_BATCH_PAYLOADS


async def test_the_name_of_a_supervised_source_is_its_own() -> None:
    """The task and the lease of a source carry its name."""
    source = SupervisedSource(ScriptedAggregator(name=OTHER), MemoryJournal(), MemoryLeases(), ManualClock())
    assert source.name == OTHER
