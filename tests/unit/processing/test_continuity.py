from datetime import timedelta

from kamiyo.core.archives import BlockRun
from kamiyo.core.events import Gap
from kamiyo.core.ports import Normalized
from kamiyo.processing.continuity import Continuity
from tests.builders import NODE, NOW, a_reject

LATER = NOW + timedelta(seconds=1)


def run(first: int, last: int, first_at=NOW, last_at=NOW) -> BlockRun:
    return BlockRun(first=first, last=last, first_at=first_at, last_at=last_at)


def block(number: int | None, at=NOW) -> Normalized:
    return Normalized(block=number, last_event_at=at)


def test_blocks_in_a_row_leave_no_gap() -> None:
    """Whether begun at nothing or at a stored block, the next block is no news."""
    for start in (None, 4):
        continuity = Continuity(NODE, start)
        assert [continuity.follow(block(number), NOW) for number in (5, 6, 7)] == [[]] * 3
        assert continuity.newest_block == 7


def test_a_hole_is_told_with_what_bounds_it() -> None:
    """The gap is half-open and lies between the times of the blocks around it."""
    continuity = Continuity(NODE, None)
    continuity.follow(block(5), NOW)
    assert continuity.follow(block(9, LATER), LATER) == [
        Gap(
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
    ]


def test_the_time_of_a_block_read_before_a_restart_is_unknown() -> None:
    """After a restart the gap's beginning has no time: unknown is never invented."""
    [gap] = Continuity(NODE, 5).follow(block(7), NOW)
    assert (gap.first, gap.after_last, gap.started_at) == (6, 7, None)


def test_old_blocks_and_payloads_without_one_are_no_gap() -> None:
    """What lies behind the newest block, or counts no blocks, changes nothing."""
    continuity = Continuity(NODE, 5)
    assert [continuity.follow(block(number), NOW) for number in (5, 3, None)] == [[]] * 3
    assert continuity.newest_block == 5


def test_a_failed_batch_is_followed_again() -> None:
    """The gap of a batch that was not stored is found once more; that of a stored one is not."""
    continuity = Continuity(NODE, 5)
    assert len(continuity.follow(block(7), NOW)) == 1
    continuity.batch_failed()
    assert continuity.newest_block == 5
    assert len(continuity.follow(block(7), NOW)) == 1
    continuity.batch_stored()
    continuity.batch_failed()
    assert continuity.newest_block == 7
    assert continuity.follow(block(8), NOW) == []


def test_blocks_of_a_batch_are_runs_without_a_hole() -> None:
    """They end at holes and at the borders of hours, and hold what was read again, too."""
    continuity = Continuity(NODE, 5)
    next_hour, day = NOW + timedelta(hours=1), timedelta(days=1)
    seen = [(6, NOW), (7, LATER), (9, LATER), (10, NOW), (11, next_hour), (12, next_hour + day), (3, NOW)]
    for number, at in seen:
        continuity.follow(block(number, at), NOW + 2 * day)
    assert list(continuity.block_runs) == [
        run(6, 7, NOW, LATER),
        run(9, 9, LATER, LATER),
        run(10, 10),
        run(11, 11, next_hour, next_hour),
        run(12, 12, next_hour + day, next_hour + day),
        run(3, 3),
    ]
    continuity.batch_stored()
    assert list(continuity.block_runs) == []
    continuity.follow(block(13), NOW)
    continuity.batch_failed()
    assert list(continuity.block_runs) == []


def test_a_block_that_was_not_understood_whole_is_read_and_not_complete() -> None:
    """Its number leaves no gap; but what lacks a row, or a time, or is of a time to come, proves nothing."""
    continuity = Continuity(NODE, 5)
    refused = Normalized(block=6, last_event_at=NOW, rejects=(a_reject(),))
    future = NOW + timedelta(hours=1)
    unproven = [refused, block(7, None), block(8, future), Normalized(block_runs=(run(9, 9, NOW, future),))]
    assert [continuity.follow(each, NOW) for each in unproven] == [[]] * 4
    assert continuity.follow(block(10), NOW, sound=False) == []
    assert continuity.follow(Normalized(block_runs=(run(11, 12),)), NOW, sound=False) == []
    assert (continuity.newest_block, continuity.block_runs) == (12, ())


def test_a_payload_of_many_blocks_leaves_the_gaps_between_its_runs() -> None:
    """Each run goes on from the one before; one that is behind is kept, and is no gap."""
    continuity = Continuity(NODE, 5)
    runs = (run(6, 9), run(12, 14, LATER, LATER), run(2, 3))
    gaps = continuity.follow(Normalized(block_runs=runs), LATER)
    assert [(gap.first, gap.after_last, gap.started_at, gap.ended_at) for gap in gaps] == [
        (10, 12, NOW, LATER)
    ]
    assert continuity.newest_block == 14
    assert continuity.follow(Normalized(block_runs=(run(13, 20, LATER, LATER),)), LATER) == []
    assert continuity.block_runs == (*runs, run(13, 20, LATER, LATER))
