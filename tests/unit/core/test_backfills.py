"""The rules of backfills: what is unread, what is missing, how long to wait, and when one is over."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from kamiyo.core.backfills import (
    BackfillPlan,
    BackfillRequest,
    BackfillState,
    ObjectCounts,
    ObjectState,
    closable,
    identity_of,
    is_deadly,
    joined,
    lease_name,
    state_after,
    stretch_of,
    uncovered,
    unread,
    wait_before_attempt,
)
from tests.archives import STREAM, MemoryArchive, hour
from tests.builders import ARCHIVE, NOW, a_gap

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


def an_object(number: int, **changes):
    return msgspec.structs.replace(MemoryArchive().keep(number), **changes)


def test_a_plan_knows_how_much_is_fetched() -> None:
    """As it is stored."""
    request = BackfillRequest(source=ARCHIVE, start=hour(0), end=hour(2))
    objects = (an_object(0, size=3), an_object(1, size=4))
    assert BackfillPlan(request=request, objects=objects, cost_usd=Decimal(1)).size == 7


def test_another_content_of_a_key_is_another_object() -> None:
    """It is read though the one before was; the same content is not read again."""
    before, after = an_object(0), an_object(0, etag="2")
    assert unread([before, after, an_object(1)], {identity_of(before)}) == (after, an_object(1))
    assert lease_name(before) != lease_name(after)
    assert lease_name(before) == "backfill/hyperliquid_archive/archive/hourly/20251010/20.lz4#1"


def test_counts_add_up() -> None:
    """Field by field."""
    one = ObjectCounts(bytes_read=1, payloads=2, liquidated_fills=3, new_fills=4, rejects=5)
    other = ObjectCounts(bytes_read=10, payloads=20, liquidated_fills=30, new_fills=40, rejects=50)
    assert msgspec.structs.astuple(one + other) == (11, 22, 33, 44, 55)
    assert one + ObjectCounts() == one


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        ([0, 1, 2], []),
        ([2, 0, 1, 1], []),
        ([], [(0, 3)]),
        ([1], [(0, 1), (2, 3)]),
        ([0, 2], [(1, 2)]),
        ([0, 5], [(1, 3)]),
        ([-2, 0, 1, 2, 3], []),
    ],
)
def test_what_an_archive_does_not_have_is_told(hours, expected) -> None:
    """Of the time that was asked for, whatever there is beside it."""
    found = uncovered([an_object(number) for number in hours], hour(0), hour(3))
    stretches = [(hour(start), hour(end)) for start, end in expected]
    assert found == ({STREAM if hours else "": stretches} if stretches else {})


def test_what_one_stream_has_another_may_lack() -> None:
    """A day of something else does not stand for an hour of fills."""
    fills = [an_object(0), an_object(2)]
    day = an_object(0, stream="asset_ctxs", start=hour(-20), length=24 * HOUR)
    assert uncovered([*fills, day], hour(0), hour(3)) == {STREAM: [(hour(1), hour(2))]}


def test_an_hour_that_is_wanted_in_part_is_covered_by_its_object() -> None:
    """Objects are whole hours, requests are not."""
    assert uncovered([an_object(0)], hour(0) + SECOND, hour(1) - SECOND) == {}


def test_stretches_that_touch_are_one() -> None:
    """In order, and none within another is left."""
    stretches = [(hour(4), hour(5)), (hour(0), hour(2)), (hour(1), hour(1)), (hour(2), hour(3))]
    assert joined(stretches) == [(hour(0), hour(3)), (hour(4), hour(5))]
    assert joined([]) == []


def test_a_gap_lies_between_its_times() -> None:
    """Where both are known."""
    gap = a_gap(scale="millisecond", started_at=NOW - SECOND, ended_at=NOW)
    assert stretch_of(gap) == (NOW - SECOND, NOW)


def test_a_gap_without_an_end_lies_nowhere() -> None:
    """Nobody can say when it was."""
    assert stretch_of(a_gap(scale="block", started_at=NOW, ended_at=None)) is None
    assert stretch_of(a_gap(scale="byte", started_at=None, ended_at=NOW)) is None


def test_missing_blocks_take_at_least_their_time() -> None:
    """Where nobody knows when the first of them was."""
    gap = a_gap(scale="block", first=100, after_last=139, started_at=None, ended_at=NOW)
    assert stretch_of(gap) == (NOW - 10 * SECOND, NOW)


def test_a_gap_can_be_closed_once_an_archive_has_caught_up() -> None:
    """Neither before nor where nobody knows when it was."""
    gap = a_gap(scale="block", started_at=NOW - SECOND, ended_at=NOW)
    nowhere = a_gap(scale="byte", started_at=None, ended_at=None)
    assert list(closable([gap, nowhere], NOW + HOUR - SECOND, HOUR)) == []
    assert list(closable([gap, nowhere], NOW + HOUR, HOUR)) == [(gap, (NOW - SECOND, NOW))]


def test_each_wait_is_longer_until_it_is_given_up() -> None:
    """Some minutes in all: a service that is gone for longer is a person's business."""
    waits = [wait_before_attempt(failures) for failures in range(1, 7)]
    assert waits == [5 * SECOND, 20 * SECOND, 80 * SECOND, 320 * SECOND, None, None]


def test_what_ends_its_readers_is_not_read_for_ever() -> None:
    """Failures that were told of do not count: those are given up by themselves."""
    assert not is_deadly(attempts=24, failures=4)
    assert is_deadly(attempts=25, failures=4)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ({ObjectState.DONE}, BackfillState.DONE),
        (set(), BackfillState.DONE),
        ({ObjectState.DONE, ObjectState.QUEUED}, BackfillState.RUNNING),
        ({ObjectState.FAILED, ObjectState.RUNNING}, BackfillState.RUNNING),
        ({ObjectState.DONE, ObjectState.FAILED}, BackfillState.INCOMPLETE),
        ({ObjectState.MISSING}, BackfillState.INCOMPLETE),
    ],
)
def test_a_backfill_is_done_only_if_all_was_read(states, expected) -> None:
    """And over once nothing of it is left to do."""
    assert state_after(states) is expected


def test_times_need_not_be_of_whole_hours() -> None:
    """Half an hour without an object is told as half an hour."""
    start = datetime(2025, 10, 10, 19, 30, tzinfo=UTC)
    assert uncovered([an_object(0)], start, hour(1)) == {STREAM: [(start, hour(0))]}
