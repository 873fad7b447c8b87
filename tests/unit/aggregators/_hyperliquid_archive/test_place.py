"""Where the nightly reading goes on."""

from datetime import UTC, datetime, timedelta

import pytest

from kamiyo.aggregators._hyperliquid_archive.place import Place
from kamiyo.core.archives import ArchiveObject
from kamiyo.core.errors import CursorExpired
from kamiyo.core.ids import Cursor, SourceName
from kamiyo.core.time import EPOCH

NOW = datetime(2025, 10, 11, 3, 30, tzinfo=UTC)
YESTERDAY = datetime(2025, 10, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
FILLS, MISC = "node_fills_by_block", "misc_events_by_block"


def an_hour(start: datetime, stream: str = FILLS) -> ArchiveObject:
    return ArchiveObject(
        source=SourceName("hyperliquid_archive"),
        bucket="b",
        key=f"{stream}/{start:%H}",
        stream=stream,
        start=start,
        length=HOUR,
        size=1,
        etag="e",
    )


def test_the_first_reading_begins_with_yesterday() -> None:
    """What is older is asked for by somebody, or not at all."""
    place = Place(None, [FILLS], NOW)
    assert place.oldest == YESTERDAY
    assert place.wants(an_hour(YESTERDAY))
    assert not place.wants(an_hour(YESTERDAY - HOUR))


def test_each_stream_goes_on_where_it_was() -> None:
    """A stream that is uploaded late is waited for, and not the other one."""
    place = Place(None, [FILLS, MISC], NOW)
    place.passed(an_hour(YESTERDAY))
    again = Place(place.cursor, [FILLS, MISC], NOW + timedelta(days=9))
    assert again.oldest == YESTERDAY
    assert not again.wants(an_hour(YESTERDAY))
    assert again.wants(an_hour(YESTERDAY + HOUR))
    assert again.wants(an_hour(YESTERDAY, MISC))


def test_a_stream_that_is_new_or_gone_moves_no_other() -> None:
    """A setting may change between two readings."""
    place = Place(None, [FILLS], NOW)
    place.passed(an_hour(YESTERDAY))
    again = Place(place.cursor, [MISC], NOW)
    assert again.oldest == YESTERDAY
    assert FILLS not in again.cursor


def test_hours_without_an_object_are_a_hole() -> None:
    """Known by the next object: what stands before it will not come any more."""
    place = Place(None, [FILLS], NOW)
    assert place.hole_before(an_hour(YESTERDAY), NOW) is None
    gap = place.hole_before(an_hour(YESTERDAY + 2 * HOUR), NOW)
    assert gap is not None
    first = (YESTERDAY - EPOCH) // HOUR
    assert (gap.scale, gap.scope, gap.first, gap.after_last) == ("hour", FILLS, first, first + 2)
    assert (gap.started_at, gap.ended_at, gap.detected_at) == (YESTERDAY, YESTERDAY + 2 * HOUR, NOW)


@pytest.mark.parametrize("text", ["", "garbage", "[]", '{"node_fills_by_block":5}'])
def test_a_place_that_is_none_is_said_to_be_none(text: str) -> None:
    """Nobody guesses where it was."""
    with pytest.raises(CursorExpired):
        Place(Cursor(text), [FILLS], NOW)
