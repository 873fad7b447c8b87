"""The mode of what is shown."""

from kamiyo.core.modes import LIVE, Mode, Showing


def test_live_needs_no_notice() -> None:
    """What happens now is shown without a word before it."""
    assert LIVE.live
    assert LIVE.notice is None


def test_a_replay_says_what_is_replayed() -> None:
    """A replay names its recording, and that it is past."""
    shown = Showing(Mode.REPLAY, "POPCAT, 12 November 2025")
    assert not shown.live
    assert shown.notice == (
        "REPLAY: POPCAT, 12 November 2025, which happened before; nothing shown happens now"
    )


def test_what_was_made_up_says_so() -> None:
    """A simulation is never taken for a replay, nor for a market, even without a name."""
    assert Showing(Mode.SIMULATED).notice == (
        "SIMULATED: a recording, which was made up; nothing shown ever happened"
    )
