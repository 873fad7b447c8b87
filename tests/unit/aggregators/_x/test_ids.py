"""Ids of posts."""

from datetime import UTC, datetime, timedelta

import pytest

from kamiyo.aggregators._x.ids import id_at, moment_of, parse_id


def test_an_id_tells_when_its_post_was_made() -> None:
    """The example of the service's own documentation of ids."""
    assert moment_of(1541815603606036480) == datetime(2022, 6, 28, 16, 7, 40, 105000, tzinfo=UTC)


def test_the_smallest_id_of_a_moment_lies_between_those_before_and_after() -> None:
    """So that what is searched for since a moment begins with it."""
    moment = moment_of(1541815603606036480)
    assert id_at(moment) <= 1541815603606036480 < id_at(moment + timedelta(milliseconds=1))
    assert id_at(datetime(2000, 1, 1, tzinfo=UTC)) == 0


@pytest.mark.parametrize("text", ["", "-1", "1.0", "12a", "٣", "9" * 19, "1" * 20, " 1"])
def test_what_is_no_id_is_none(text: str) -> None:
    """Nor is a number larger than the service can count to."""
    assert parse_id(text) is None


def test_ids_are_compared_as_numbers() -> None:
    """As text, 9 would be later than 10."""
    small, large = parse_id("999999999999999999"), parse_id("1000000000000000000")
    assert small is not None
    assert large is not None
    assert small < large
