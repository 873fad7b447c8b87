"""A source that is asked now and then, with the timetable, the leases and the journal of a real database."""

import asyncio
import random
from datetime import timedelta

import pytest
import structlog
from structlog.testing import capture_logs

from kamiyo.aggregators.base import Alive, NotConfigured, Waiting
from kamiyo.core.errors import RateLimited, SourceUnavailable, StorageUnavailable
from kamiyo.core.ids import Cursor
from kamiyo.core.ports import Lease
from kamiyo.core.sources import SourceState, SourceStatus, SourceType
from kamiyo.jobs.polling import PolledSource, wait_before_poll
from kamiyo.kit import metrics
from kamiyo.kit.clock import SystemClock
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.leases import PostgresLeases
from kamiyo.storage.polls import PostgresTimetable
from kamiyo.storage.pool import Pool
from kamiyo.storage.sources import list_sources, switch
from tests.builders import NODE, NOW, VICTIM, a_raw, block_line, fill_json
from tests.fakes import ManualClock, ScriptedAggregator

MINUTE = timedelta(minutes=1)
DUE = "UPDATE source_polls SET next_poll_at = clock_timestamp()"
STEAL = "UPDATE source_leases SET token = token + 1, expires_at = clock_timestamp() + interval '1 h'"


def item(number: int):
    payload = block_line((VICTIM, fill_json(tid=number)), number=number)
    return a_raw(source=NODE, payload=payload, cursor=Cursor(str(number)))


def aggregator(*script, **more) -> ScriptedAggregator:
    return ScriptedAggregator(script, type=SourceType.POLLED, poll_every=timedelta(hours=6), **more)


def polled(source: ScriptedAggregator, pool: Pool, *, clock: ManualClock | None = None) -> PolledSource:
    return PolledSource(
        source,
        PostgresJournal(pool),
        PostgresLeases(pool, SystemClock()),
        PostgresTimetable(pool),
        clock or SystemClock(),
        chance=random.Random(1),
    )


async def status(pool: Pool) -> SourceStatus:
    async with pool.acquire() as connection:
        (known,) = await list_sources(connection)
    return known


async def waits(pool: Pool) -> timedelta:
    return await pool.fetchval("SELECT next_poll_at - clock_timestamp() FROM source_polls")


def counted(result: str) -> float:
    return metrics.POLLS.labels(NODE, result)._value.get()


@pytest.fixture(autouse=True)
def plain_logs() -> None:
    """Let every log be captured."""
    structlog.reset_defaults()


async def test_a_new_source_is_asked_at_once_and_then_left_alone(pool: Pool) -> None:
    """What it says is stored, it is live, and the next poll is a whole interval later, or a little more."""
    source, before = aggregator(item(1), item(2), ends=False), counted("answered")
    poll = polled(source, pool)
    for _ in range(3):
        await poll.poll_if_due()
    assert source.read == [None]
    known = await status(pool)
    assert (known.state, known.failed_polls, known.poll_every) == (SourceState.LIVE, 0, timedelta(hours=6))
    assert known.heard_at is not None
    assert timedelta(hours=5, minutes=59) < await waits(pool) < timedelta(hours=6.6)
    assert await pool.fetchval("SELECT cursor FROM sources") == "2"
    assert counted("answered") == before + 1


async def test_the_next_poll_goes_on_where_the_last_one_ended(pool: Pool) -> None:
    """Nothing is asked for twice, whoever asks; a source with nothing new is alive."""
    source = aggregator(item(1), ends=False)
    await polled(source, pool).poll_if_due()
    source.script.append(Alive(NOW, lacking="a part of it"))
    await pool.execute(DUE)
    await polled(source, pool).poll_if_due()
    assert source.read == [None, "1"]
    known = await status(pool)
    assert (known.state, known.detail) == (SourceState.LIVE, "a part of it")


async def test_a_source_that_fails_is_asked_later_each_time(pool: Pool) -> None:
    """A minute, two, four: told once with the reason, and all is forgotten with the first answer."""
    source = aggregator(*[SourceUnavailable("nobody is there")] * 3, item(1), ends=False)
    poll = polled(source, pool)
    for expected in (1, 2, 4):
        await pool.execute(DUE) if source.read else None
        await poll.poll_if_due()
        await poll.poll_if_due()  # not yet
        assert expected * MINUTE - timedelta(seconds=5) < await waits(pool) < expected * MINUTE * 1.11
    known = await status(pool)
    assert (known.state, known.failed_polls) == (SourceState.UNREACHABLE, 3)
    assert known.last_error == "SourceUnavailable: nobody is there"
    assert known.last_error_at == known.state_changed_at
    await pool.execute(DUE)
    await poll.poll_if_due()
    known = await status(pool)
    assert (known.state, known.detail, known.failed_polls) == (SourceState.LIVE, "", 0)
    assert known.last_error == "SourceUnavailable: nobody is there"
    assert len(source.read) == 4


@pytest.mark.parametrize(
    ("poll_every", "failures", "told_to_wait", "expected"),
    [
        (MINUTE, 0, False, MINUTE),
        (MINUTE, 1, False, MINUTE),
        (MINUTE, 3, False, 4 * MINUTE),
        (MINUTE, 9, False, 30 * MINUTE),
        (MINUTE, 10**9, False, 30 * MINUTE),
        (timedelta(seconds=5), 2, False, timedelta(seconds=10)),
        (timedelta(hours=6), 1, False, MINUTE),
        (timedelta(hours=6), 9, False, 256 * MINUTE),
        (timedelta(hours=6), 10, False, timedelta(hours=6)),
        (timedelta(hours=6), 1, True, timedelta(hours=6)),
        (timedelta(minutes=20), 2, True, 30 * MINUTE),
    ],
)
def test_waits(poll_every, failures, told_to_wait, expected) -> None:
    """Waits double, are bounded, and never shorter than the interval where the source asked for fewer."""
    assert wait_before_poll(poll_every, failures, told_to_wait=told_to_wait) == expected


async def test_who_asked_too_much_waits_a_whole_interval(pool: Pool) -> None:
    """A service that said so is not asked again a minute later."""
    await polled(aggregator(RateLimited("slowly")), pool).poll_if_due()
    assert await waits(pool) > timedelta(hours=5)


@pytest.mark.parametrize(
    ("script", "state", "result", "failures"),
    [
        ([NotConfigured("set sources.x.key")], SourceState.NOT_CONFIGURED, "not_configured", 0),
        ([item(1), Waiting("half of it is silent")], SourceState.UNREACHABLE, "unreachable", 1),
        ([ZeroDivisionError("ours")], SourceState.FAILED, "failed", 1),
    ],
)
async def test_a_poll_says_what_became_of_the_source(pool: Pool, script, state, result, failures) -> None:
    """As streams do: what lacks a setting is no failure, what is silent in part is one."""
    before = counted(result)
    await polled(aggregator(*script), pool).poll_if_due()
    known = await status(pool)
    assert (known.state, known.failed_polls, counted(result)) == (state, failures, before + 1)


async def test_a_source_switched_off_is_not_asked(pool: Pool) -> None:
    """Nor by a worker that begins later; switched on again it is asked at once, whatever was planned."""
    source = aggregator(Alive(NOW, Cursor("1")))
    poll = polled(source, pool)
    await poll.poll_if_due()
    async with pool.acquire() as connection:
        assert await switch(connection, NODE, active=False)
        await pool.execute(DUE)
        for each in (poll, polled(source, pool)):
            await each.poll_if_due()
        assert len(source.read) == 1
        known = await status(pool)
        assert (known.state, known.detail) == (SourceState.INACTIVE, "switched off")
        await pool.execute("UPDATE source_polls SET next_poll_at = clock_timestamp() + interval '1 h'")
        assert await switch(connection, NODE, active=True)
    told: list[SourceState] = []
    source.script += [lambda: _look(pool, told), Alive(NOW)]
    await poll.poll_if_due()
    assert (len(source.read), told) == (2, [SourceState.STARTING])
    assert (await status(pool)).state is SourceState.LIVE


async def _look(pool: Pool, told: list) -> None:
    told.append((await status(pool)).state)


async def test_a_poll_ends_when_the_source_is_switched_off(pool: Pool) -> None:
    """Within two seconds, in the middle of it; it counts neither as an answer nor as a failure."""

    async def switch_off() -> None:
        async with pool.acquire() as connection:
            await switch(connection, NODE, active=False)
        await asyncio.Event().wait()

    before = counted("ended")
    async with asyncio.timeout(3):
        await polled(aggregator(item(1), switch_off), pool).poll_if_due()
    known = await status(pool)
    assert (known.state, known.failed_polls, counted("ended")) == (SourceState.INACTIVE, 0, before + 1)


async def test_a_source_its_settings_switch_off_is_shown_and_never_asked(pool: Pool) -> None:
    """Whatever the database says of it."""
    source = aggregator(item(1))
    source.active = False
    poll = polled(source, pool)
    for _ in range(2):
        await poll.poll_if_due()
    known = await status(pool)
    assert (source.read, known.state) == ([], SourceState.INACTIVE)
    assert known.detail == "switched off by its settings"


async def test_a_source_somebody_else_asks_is_left_alone(pool: Pool) -> None:
    """Two polls at a time there never are, and what somebody just asked is not asked again."""
    source = aggregator(item(1), ends=False)
    poll = polled(source, pool)
    async with PostgresLeases(pool, SystemClock()).hold(f"source/{NODE}"):
        await poll.poll_if_due()
    assert source.read == []
    polls = [polled(source, pool) for _ in range(4)]
    async with asyncio.TaskGroup() as tasks:
        for each in polls:
            tasks.create_task(each.poll_if_due())
    assert source.read == [None]


async def test_who_stood_still_in_a_poll_changes_nothing_after(pool: Pool) -> None:
    """Rows, state and timetable are the next worker's by then."""

    async def stand_still() -> None:
        await pool.execute(STEAL)

    source, before = aggregator(stand_still, item(2)), counted("untold")
    with capture_logs() as logs:
        await polled(source, pool).poll_if_due()
    known = await status(pool)
    assert (known.state, known.next_poll_at, known.failed_polls) == (SourceState.STARTING, None, 0)
    assert await pool.fetchval("SELECT count(*) FROM liquidations") == 0
    assert [each["event"] for each in logs] == ["source_lease_lost"]
    assert counted("untold") == before + 1


async def test_a_source_is_not_hammered_while_nobody_can_write_down_when_it_was_asked(pool: Pool) -> None:
    """The worker keeps its distance by its own clock, longer each time, and goes on with the database."""
    source, clock = aggregator(ends=False), ManualClock()
    source.script = [StorageUnavailable("the disk is full")] * 3
    poll = polled(source, pool, clock=clock)
    await pool.execute("ALTER TABLE source_polls ADD CONSTRAINT broken CHECK (failures < 1) NOT VALID")
    try:
        before = counted("untold")
        for expected in (1, 2):
            for _ in range(5):
                await poll.poll_if_due()
            assert len(source.read) == expected
            clock.moment += expected * MINUTE - timedelta(seconds=1)
            await poll.poll_if_due()
            assert len(source.read) == expected
            clock.moment += MINUTE
    finally:
        await pool.execute("ALTER TABLE source_polls DROP CONSTRAINT broken")
    assert counted("untold") >= before + 2
    assert (await status(pool)).state is SourceState.STARTING
    source.script = [Alive(NOW)]
    await poll.poll_if_due()
    assert (await status(pool)).state is SourceState.LIVE


async def test_a_source_is_made_known_again_after_a_restore(pool: Pool) -> None:
    """A database put back behind our back learns of it with the next look."""
    source = aggregator(Alive(NOW), ends=False)
    poll = polled(source, pool)
    await poll.poll_if_due()
    await pool.execute("TRUNCATE sources, source_polls")
    for _ in range(2):
        await poll.poll_if_due()
    assert len(source.read) == 2


async def test_the_timetable_keeps_to_a_new_interval(pool: Pool) -> None:
    """One made shorter counts from now on, but never shortens what a failing source was given."""
    timetable = PostgresTimetable(pool)
    await timetable.register(NODE, timedelta(hours=6))
    plan = "UPDATE source_polls SET next_poll_at = clock_timestamp() + interval '6 h', failures = $1"
    for failures, least, most in ((1, 5, 6), (0, 0, 1)):
        await pool.execute(plan, failures)
        await timetable.register(NODE, timedelta(hours=1))
        assert timedelta(hours=least) < await waits(pool) <= timedelta(hours=most)
    await pool.execute("UPDATE source_polls SET next_poll_at = NULL")
    await timetable.register(NODE, MINUTE)
    assert await waits(pool) is None  # what was due at once still is
    assert await timetable.look(NODE) is None  # no such source


async def test_the_journal_under_no_lease_knows_no_plan(pool: Pool) -> None:
    """Who never held the lease plans nothing."""
    timetable = PostgresTimetable(pool)
    await timetable.register(NODE, MINUTE)
    with pytest.raises(Exception, match="given to another worker"):
        await timetable.plan(NODE, MINUTE, 7, lease=Lease("a", 3))
    assert await pool.fetchval("SELECT failures FROM source_polls") == 0
