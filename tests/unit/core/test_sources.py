from datetime import timedelta
from itertools import product

import pytest

from kamiyo.core.sources import ANY_AGE, SourceHealth, SourceState, SourceType, health_of
from tests.builders import NOW, a_source_description, a_source_status

SILENCE = 60  # seconds without a word before a_source_status() is stale
LAG = 30  # seconds its newest fact may be old

HEARD = (SourceState.STARTING, SourceState.LIVE, SourceState.LOADED)
AGES = (None, -100_000, -61, -60, -31, -30, 0, 29, 30, 31, 59, 60, 61, 100_000)


def status(*, heard=0, event=0, **changes):
    """A source last heard and with its newest fact so many seconds before NOW, or never."""
    return a_source_status(heard_at=ago(heard), last_event_at=ago(event), **changes)


def ago(seconds):
    return None if seconds is None else NOW - timedelta(seconds=seconds)


@pytest.mark.parametrize("state", HEARD)
@pytest.mark.parametrize(
    ("heard", "event", "health"),
    [
        (0, 0, SourceHealth.LIVE),
        (SILENCE, LAG, SourceHealth.LIVE),
        (SILENCE + 0.001, 0, SourceHealth.STALE),
        (SILENCE + 1, None, SourceHealth.STALE),
        (100_000, 0, SourceHealth.STALE),
        (0, LAG + 0.001, SourceHealth.BEHIND),
        (0, 100_000, SourceHealth.BEHIND),
        (0, None, SourceHealth.BEHIND),
        (-SILENCE, -LAG, SourceHealth.LIVE),
        (0, -LAG - 1, SourceHealth.BEHIND),
        (-SILENCE - 1, 0, SourceHealth.STALE),
        (None, 0, SourceHealth.UNKNOWN),
        (None, None, SourceHealth.UNKNOWN),
    ],
)
def test_a_stream_is_as_healthy_as_its_last_word_is_fresh(state, heard, event, health) -> None:
    """The word's age and then the content's decide; a date in the future is no better than an old one."""
    assert health_of(status(heard=heard, event=event, state=state), NOW) is health


@pytest.mark.parametrize("state", [SourceState.UNREACHABLE, SourceState.FAILED])
@pytest.mark.parametrize("type_", SourceType)
@pytest.mark.parametrize("heard", [None, 0, 100_000])
def test_a_broken_source_is_down_however_fresh_its_last_word(state, type_, heard) -> None:
    """What cannot be reached is down, and a catalogue that failed to load is too."""
    assert health_of(status(heard=heard, state=state, type=type_), NOW) is SourceHealth.DOWN


@pytest.mark.parametrize("type_", SourceType)
@pytest.mark.parametrize("heard", [None, 0, 100_000])
def test_a_source_that_nobody_set_up_is_neither_good_nor_bad(type_, heard) -> None:
    """Whoever has no node and no key has nothing that could be broken."""
    unset = status(heard=heard, state=SourceState.NOT_CONFIGURED, type=type_)
    assert health_of(unset, NOW) is SourceHealth.NOT_CONFIGURED


@pytest.mark.parametrize(
    ("state", "health"),
    [
        (SourceState.LOADED, SourceHealth.LOADED),
        (SourceState.STARTING, SourceHealth.UNKNOWN),
        (SourceState.LIVE, SourceHealth.UNKNOWN),
    ],
)
@pytest.mark.parametrize("heard", [None, 0, 100_000])
def test_a_catalogue_is_loaded_or_not_and_never_live(state, health, heard) -> None:
    """What ships with the product does not age and does not speak."""
    assert health_of(status(heard=heard, state=state, type=SourceType.CATALOGUE), NOW) is health


@pytest.mark.parametrize("type_", SourceType)
@pytest.mark.parametrize("state", SourceState)
def test_a_source_that_is_switched_off_is_inactive(type_, state) -> None:
    """Switched off by the operator or by itself, a source is neither good nor bad."""
    assert health_of(status(active=False, state=state, type=type_), NOW) is SourceHealth.INACTIVE
    assert health_of(status(state=SourceState.INACTIVE, type=type_), NOW) is SourceHealth.INACTIVE


@pytest.mark.parametrize("type_", SourceType)
@pytest.mark.parametrize("state", SourceState)
def test_nothing_is_live_without_a_fresh_word_and_fresh_content(type_, state) -> None:
    """Over every state and age, live means heard within its limit with content within its own."""
    for active, heard, event in product([True, False], AGES, AGES):
        health = health_of(status(active=active, heard=heard, event=event, state=state, type=type_), NOW)
        fresh = heard is not None and abs(heard) <= SILENCE and event is not None and abs(event) <= LAG
        may_be_live = fresh and active and type_ in {SourceType.STREAM, SourceType.POLLED} and state in HEARD
        assert (health is SourceHealth.LIVE) == may_be_live, (active, heard, event)


@pytest.mark.parametrize("event", [None, 0, 100_000, -100_000])
def test_what_may_tell_of_old_things_is_live_while_it_is_heard(event) -> None:
    """A list of hacks that answers is live though nobody was robbed for weeks; silent, it is stale."""
    told = status(heard=10, event=event, type=SourceType.POLLED, lag_limit=ANY_AGE)
    assert health_of(told, NOW) is SourceHealth.LIVE
    assert health_of(told, NOW + timedelta(seconds=SILENCE + 1)) is SourceHealth.STALE


def test_live_decays_by_itself() -> None:
    """Nobody has to report an end: with time alone a live source becomes behind and then stale."""
    seen = [health_of(status(), NOW + timedelta(seconds=later)) for later in (0, 30, 31, 60, 61)]
    assert seen == [
        *(SourceHealth.LIVE, SourceHealth.LIVE),
        *(SourceHealth.BEHIND, SourceHealth.BEHIND),
        SourceHealth.STALE,
    ]


@pytest.mark.parametrize("description", [a_source_description(), a_source_status()])
def test_a_description_cannot_be_changed(description) -> None:
    """Limits are what they were when the source was described."""
    with pytest.raises(AttributeError):
        description.silence_limit = timedelta(days=1)
