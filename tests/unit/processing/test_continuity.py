from datetime import timedelta

from kamiyo.core.events import Gap
from kamiyo.core.ports import Normalized
from kamiyo.processing.continuity import Continuity
from tests.builders import NODE, NOW

LATER = NOW + timedelta(seconds=1)


def block(number: int | None, at=NOW) -> Normalized:
    return Normalized(block=number, last_event_at=at)


def test_blocks_in_a_row_leave_no_gap() -> None:
    """Whether begun at nothing or at a stored block, the next block is no news."""
    for start in (None, 4):
        continuity = Continuity(NODE, start)
        assert [continuity.follow(block(number), NOW) for number in (5, 6, 7)] == [None] * 3
        assert continuity.newest_block == 7


def test_a_hole_is_told_with_what_bounds_it() -> None:
    """The gap is half-open and lies between the times of the blocks around it."""
    continuity = Continuity(NODE, None)
    continuity.follow(block(5), NOW)
    assert continuity.follow(block(9, LATER), LATER) == Gap(
        source=NODE,
        scale="block",
        scope="",
        first=6,
        after_last=9,
        reason="blocks are missing between two that were read",
        detected_at=LATER,
        started_at=NOW,
        ended_at=LATER,
    )


def test_the_time_of_a_block_read_before_a_restart_is_unknown() -> None:
    """After a restart the gap's beginning has no time: unknown is never invented."""
    gap = Continuity(NODE, 5).follow(block(7), NOW)
    assert gap is not None
    assert (gap.first, gap.after_last, gap.started_at) == (6, 7, None)


def test_old_blocks_and_payloads_without_one_are_no_gap() -> None:
    """What lies behind the newest block, or counts no blocks, changes nothing."""
    continuity = Continuity(NODE, 5)
    assert [continuity.follow(block(number), NOW) for number in (5, 3, None)] == [None] * 3
    assert continuity.newest_block == 5


def test_a_failed_batch_is_followed_again() -> None:
    """The gap of a batch that was not stored is found once more; that of a stored one is not."""
    continuity = Continuity(NODE, 5)
    assert continuity.follow(block(7), NOW) is not None
    continuity.batch_failed()
    assert continuity.newest_block == 5
    assert continuity.follow(block(7), NOW) is not None
    continuity.batch_stored()
    continuity.batch_failed()
    assert continuity.newest_block == 7
    assert continuity.follow(block(8), NOW) is None
