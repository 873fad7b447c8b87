import pytest
import structlog
from structlog.testing import capture_logs

from kamiyo.aggregators.base import NotConfigured, Waiting
from kamiyo.core.errors import LeaseLost, SourceUnavailable, StorageUnavailable
from kamiyo.core.ports import Lease
from kamiyo.core.sources import SourceState
from kamiyo.processing.telling import Teller, first_cause, state_at_first, state_of
from tests.builders import NODE
from tests.fakes import MemoryJournal, MemoryLeases, ScriptedAggregator


@pytest.fixture(autouse=True)
def plain_logs() -> None:
    """Let every log be captured."""
    structlog.reset_defaults()


async def test_a_state_is_told_once_until_another_is() -> None:
    """Neither readers nor operators are told what they know."""
    journal = MemoryJournal()
    teller = Teller(NODE, journal)
    assert teller.told is None
    for state in (SourceState.LIVE, SourceState.LIVE, SourceState.FAILED, SourceState.LIVE):
        await teller.enter(state, "")
    assert journal.states_of(NODE) == [SourceState.LIVE, SourceState.FAILED, SourceState.LIVE]
    assert teller.told is SourceState.LIVE


async def test_what_was_told_stands_only_while_nobody_else_could_tell() -> None:
    """After a lease of its own it is not told again; after somebody else's it is."""
    journal = MemoryJournal()
    teller = Teller(NODE, journal)
    for token in (1, 2, 4):
        teller.begin(Lease("a", token))
        await teller.enter(SourceState.LIVE, "")
    assert len(journal.states) == 2


async def test_who_lost_the_lease_tells_nothing_but_the_log() -> None:
    """Whether it learns of it by the failure or by telling, the state of the source is another's to tell."""
    leases = MemoryLeases()
    journal = MemoryJournal(leases=leases)
    teller = Teller(NODE, journal)
    with capture_logs() as logs:
        teller.begin(Lease("a", 1))
        assert await teller.report_failure(LeaseLost("gone")) is None
        teller.begin(Lease("a", 2))
        assert await teller.report_failure(SourceUnavailable("silent")) is None
    assert journal.states == []
    assert [each["event"] for each in logs] == ["source_lease_lost"] * 2
    await teller.enter_inactive()  # which needs no lease
    assert journal.states == [(NODE, SourceState.INACTIVE, "switched off")]


async def test_a_failure_says_which_state_it_is() -> None:
    """A source that cannot be reached is not one that is broken, and of a lost database nothing is."""
    journal = MemoryJournal()
    teller = Teller(NODE, journal)
    assert await teller.report_failure(SourceUnavailable("silent")) is SourceState.UNREACHABLE
    assert await teller.report_failure(ValueError("broken")) is SourceState.FAILED
    assert await teller.report_failure(StorageUnavailable("gone")) is None
    assert [detail for _name, _state, detail in journal.states] == [
        "SourceUnavailable: silent",
        "ValueError: broken",
    ]


def test_the_cause_is_found_in_any_group() -> None:
    """The groups of task groups are no news; what is no failure is left as it is."""
    cause = ValueError("deep")
    assert first_cause(ExceptionGroup("a", [ExceptionGroup("b", [cause])])) is cause
    assert first_cause(cause) is cause


def test_what_waits_for_its_setting_is_not_unreachable() -> None:
    """The one is its operator's to change, the other is not."""
    assert state_of(NotConfigured("set key")) is SourceState.NOT_CONFIGURED
    assert state_of(Waiting("nobody is there")) is SourceState.UNREACHABLE


async def test_a_failure_nobody_can_be_told_of_is_logged_once() -> None:
    """The database refuses to hear it: the log does, and not each time again."""
    journal = MemoryJournal()
    teller = Teller(NODE, journal)
    journal.unavailable = [StorageUnavailable("gone"), StorageUnavailable("still gone")]
    with capture_logs() as logs:
        assert await teller.report_failure(SourceUnavailable("silent")) is None
        assert await teller.report_failure(SourceUnavailable("silent")) is None
    assert [(each["event"], each["detail"]) for each in logs] == [("source_state_changed", "gone")]
    assert journal.states == []


def test_a_source_left_out_by_its_settings_is_not_said_to_start() -> None:
    """From the first moment it is known: whatever starts speaks against calling all well."""
    source = ScriptedAggregator()
    assert state_at_first(source) is SourceState.STARTING
    source.active = False
    assert state_at_first(source) is SourceState.INACTIVE
