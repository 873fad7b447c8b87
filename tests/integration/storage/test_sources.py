"""When something became of a source is told in the time of what is stored, whatever the machine's date."""

from datetime import datetime, timedelta

from kamiyo.core.sources import SourceState, SourceStatus
from kamiyo.kit.clock import SystemClock
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.pool import Pool
from kamiyo.storage.sources import list_sources
from tests.builders import NODE, NOW, a_batch, a_source_description
from tests.fakes import ManualClock


async def status(pool: Pool) -> SourceStatus:
    async with pool.acquire() as connection:
        (known,) = await list_sources(connection)
    return known


async def test_a_source_changes_when_the_shown_clock_says(pool: Pool) -> None:
    """Its registration, the last payload stored and each new state have the shown clock's time."""
    clock = ManualClock(datetime.fromisoformat("2025-11-12T09:00:00Z"))
    began = clock.now()
    journal = PostgresJournal(pool, SystemClock(), shown_clock=clock)
    await journal.register(a_source_description())
    assert (await status(pool)).state_changed_at == began
    assert (await status(pool)).last_fetch is None
    await clock.sleep(timedelta(minutes=1))
    await journal.write(a_batch(events=()))
    await journal.report_state(NODE, SourceState.LIVE, "")
    await clock.sleep(timedelta(minutes=1))
    await journal.report_state(NODE, SourceState.LIVE, "still")
    known = await status(pool)
    assert known.last_fetch == known.state_changed_at == began + timedelta(minutes=1)
    await journal.register(a_source_description())
    assert (await status(pool)).state_changed_at == began + timedelta(minutes=1)


async def test_one_clock_is_enough(pool: Pool) -> None:
    """Without another, the machine's clock is the one that is shown."""
    journal = PostgresJournal(pool, ManualClock())
    await journal.register(a_source_description())
    assert (await status(pool)).state_changed_at == NOW
