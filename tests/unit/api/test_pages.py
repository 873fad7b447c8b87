from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamiyo.api.pages import Order, read_cursor, read_rank, write_cursor
from kamiyo.api.problems import Refused
from kamiyo.storage.read_rows import Place, Rank

PLACE = Place(datetime(2025, 10, 10, 21, 16, 0, 250_001, tzinfo=UTC), "a-key")
moments = st.datetimes(timezones=st.just(UTC))


@given(
    moments,
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    st.sampled_from(Order),
)
def test_cursor_is_read_as_it_was_written(moment, key, order):
    """Every place comes back exactly, to the microsecond."""
    place = Place(moment, key)
    assert read_cursor(write_cursor(place, "d", order), "d", order) == place


@given(st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", max_size=60))
def test_made_up_cursor_is_refused(text):
    """Whatever a caller sends as a cursor ends in a refusal, never in an exception."""
    with pytest.raises(Refused) as refused:
        read_cursor(text, "d", Order.ASCENDING)
    assert (refused.value.status, refused.value.code) == (400, "invalid_cursor")


keys = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(st.decimals(allow_nan=False, places=6), keys, keys, st.sampled_from(Order))
def test_rank_is_read_as_it_was_written(number, first, second, order):
    """A place in the order of a number comes back exactly, also that of the unknown."""
    rank = Rank(str(number), (first, second))
    if "E" not in rank.number:
        assert read_rank(write_cursor(rank, "d", order), "d", order, keys=2) == rank


@given(st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", max_size=60))
def test_made_up_rank_is_refused(text):
    """No text a caller makes up reaches the database as a number."""
    with pytest.raises(Refused) as refused:
        read_rank(text, "d", Order.ASCENDING, keys=2)
    assert (refused.value.status, refused.value.code) == (400, "invalid_cursor")


@pytest.mark.parametrize(
    "rank",
    [Rank("NaN", ("a", "b")), Rank("1; DROP", ("a", "b")), Rank("1", ("a",)), Rank("1", ("a", "\0"))],
)
def test_rank_nobody_gave_out_is_refused(rank):
    """What is no number, has another count of keys, or holds what no text in the database can."""
    with pytest.raises(Refused, match="another list"):
        read_rank(write_cursor(rank, "d", Order.ASCENDING), "d", Order.ASCENDING, keys=2)


@pytest.mark.parametrize(("dataset", "order"), [("e", Order.ASCENDING), ("d", Order.DESCENDING)])
def test_cursor_belongs_to_a_list_and_an_order(dataset, order):
    """A cursor of another list or order is refused."""
    with pytest.raises(Refused, match="belongs to"):
        read_cursor(write_cursor(PLACE, "d", Order.ASCENDING), dataset, order)


@pytest.mark.parametrize("shift", [timedelta(microseconds=1), timedelta(days=1)])
def test_different_places_have_different_cursors(shift):
    """Two places of one key are told apart."""
    other = Place(PLACE.timestamp + shift, PLACE.key)
    assert write_cursor(PLACE, "d", Order.ASCENDING) != write_cursor(other, "d", Order.ASCENDING)


def test_key_with_a_zero_byte_is_refused():
    """A cursor whose key no database can compare with is refused."""
    forged = write_cursor(Place(PLACE.timestamp, "a\0"), "d", Order.ASCENDING)
    with pytest.raises(Refused):
        read_cursor(forged, "d", Order.ASCENDING)
