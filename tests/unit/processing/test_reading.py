import asyncio

import pytest

from kamiyo.aggregators.base import Alive, NotConfigured, Waiting
from kamiyo.core.errors import SourceUnavailable, StorageUnavailable
from kamiyo.core.ids import Cursor
from kamiyo.processing.reading import Reading
from tests.builders import NODE, NOW, VICTIM, a_gap, a_raw, block_line, fill_json
from tests.fakes import ManualClock, MemoryJournal, ScriptedAggregator


def item(number: int):
    payload = block_line((VICTIM, fill_json(tid=number)), number=number)
    return a_raw(source=NODE, payload=payload, cursor=Cursor(str(number)))


class Listener:
    """Notes what a reading says, in order."""

    def __init__(self) -> None:
        self.said: list[str] = []

    async def heard(self, lacking: str) -> None:
        self.said.append(f"heard {lacking}".strip())

    async def waits(self, waiting: Waiting) -> None:
        self.said.append(waiting.detail)


def reading(source: ScriptedAggregator, journal: MemoryJournal, listener: Listener) -> Reading:
    return Reading(source, journal, ManualClock(), heard=listener.heard, waits=listener.waits)


async def test_a_poll_ends_with_its_stream() -> None:
    """One that does not follow stores what there is and ends, though the stream would go on."""
    journal, listener = MemoryJournal(), Listener()
    source = ScriptedAggregator([item(1), Waiting("a part is silent"), Alive(NOW, Cursor("3"))], ends=False)
    assert await reading(source, journal, listener).run_while_active(follow=False) is True
    assert listener.said == ["heard", "a part is silent", "heard"]
    assert journal.batches[-1].cursor == "3"


async def test_a_poll_that_lacks_its_setting_is_over() -> None:
    """Nothing can come of it, however long its stream would wait for the setting."""
    listener = Listener()
    source = ScriptedAggregator([NotConfigured("set key"), item(2)])
    await reading(source, MemoryJournal(), listener).run(follow=False)
    assert listener.said == ["set key"]
    follower = Listener()
    await reading(source, MemoryJournal(), follower).run()
    assert follower.said == ["set key", "heard"]


async def test_what_a_source_lacks_is_said_until_it_says_otherwise() -> None:
    """It is alive, and gives less than it could; payloads say nothing of that."""
    listener = Listener()

    async def pause() -> None:
        said = len(listener.said)
        while len(listener.said) == said:
            await asyncio.sleep(0)

    told = [Alive(NOW, Cursor("1"), "no history"), pause, item(3), pause, Alive(NOW, Cursor("5")), pause]
    await reading(ScriptedAggregator(told), MemoryJournal(), listener).run()
    assert listener.said == ["heard no history", "heard no history", "heard"]


async def test_what_proves_nothing_alive_is_not_heard() -> None:
    """A gap is stored, and says nothing of the source."""
    journal, listener = MemoryJournal(), Listener()
    await reading(ScriptedAggregator([a_gap()]), journal, listener).run()
    assert (listener.said, len(journal.stored().gaps)) == ([], 1)


async def test_a_source_switched_off_is_read_no_further() -> None:
    """It ends in the middle of its stream, and says that this was not its end."""
    journal, listener = MemoryJournal(), Listener()

    async def switch_off() -> None:
        journal.inactive.add(NODE)
        await asyncio.Event().wait()

    source = ScriptedAggregator([item(1), switch_off])
    async with asyncio.timeout(5):
        assert await reading(source, journal, listener).run_while_active() is False


async def test_what_fails_is_raised() -> None:
    """A failure of the stream ends the reading, and the watch for its switch with it."""
    source = ScriptedAggregator([item(1), SourceUnavailable("silent")])
    with pytest.RaisesGroup(SourceUnavailable, flatten_subgroups=True):
        await reading(source, MemoryJournal(), Listener()).run_while_active()


async def test_a_source_is_told_what_is_stored() -> None:
    """Each cursor that was committed is told, and none of a batch that was not."""
    journal = MemoryJournal()
    source = ScriptedAggregator([item(1), Waiting("a part is silent"), item(2)])
    await reading(source, journal, Listener()).run()
    assert source.kept == ["1", "2"]
    refusing = ScriptedAggregator([item(3)])
    journal.at = refuse_writes
    with pytest.RaisesGroup(StorageUnavailable, flatten_subgroups=True):
        await reading(refusing, journal, Listener()).run()
    assert refusing.kept == []


def refuse_writes(stage: str) -> None:
    """Let no transaction be committed."""
    if stage == "commit":
        raise StorageUnavailable
