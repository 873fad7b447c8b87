"""Where reading stands."""

from datetime import timedelta

from kamiyo.aggregators._x.ids import id_at
from kamiyo.aggregators._x.place import LATE, Place, Stretch, read_place
from tests.builders import NOW

LATER = NOW + timedelta(minutes=10)
AUTHOR, OTHER = "peckshieldalert", "zachxbt"


def at(seconds: float) -> int:
    return id_at(NOW + timedelta(seconds=seconds))


def stored(place: Place) -> Place:
    """Give what the next process begins with."""
    return read_place(place.cursor(), LATER)


def test_without_a_cursor_reading_begins_with_the_present() -> None:
    """And with what is just being delivered."""
    assert read_place(None, NOW).stretch_of(AUTHOR, NOW, again=False).after == id_at(NOW - LATE)


def test_a_search_goes_on_after_the_newest_post_of_each_author() -> None:
    """What another author wrote later says nothing of this one."""
    place = read_place(None, NOW)
    assert place.is_new(at(1), AUTHOR)
    assert place.is_new(at(5), OTHER)
    assert stored(place).stretch_of(AUTHOR, LATER, again=False).after == at(1)
    assert stored(place).stretch_of(AUTHOR, LATER, again=True).after == id_at(NOW - LATE)


def test_a_post_is_new_once() -> None:
    """Also to the next process; one without an id cannot be told from another."""
    place = read_place(None, NOW)
    assert [place.is_new(at(1), AUTHOR), place.is_new(at(1), AUTHOR)] == [True, False]
    assert not stored(place).is_new(at(1), AUTHOR)
    assert [place.is_new(None, AUTHOR), place.is_new(None, AUTHOR)] == [True, True]


def test_pages_are_gone_on_with_where_they_were_left() -> None:
    """They come newest first: what is missing lies before the oldest that was read."""
    place = read_place(None, NOW)
    stretch = place.stretch_of(AUTHOR, LATER, again=False)
    place.is_new(at(30), AUTHOR)
    place.note_page(AUTHOR, stretch, at(20), more=True)
    rest = stored(place).stretch_of(AUTHOR, LATER, again=False)
    assert (rest.after, rest.before) == (stretch.after, at(20))
    place.note_page(AUTHOR, rest, at(2), more=False)
    known = id_at(LATER - LATE)
    assert stored(place).stretch_of(AUTHOR, LATER, again=True) == Stretch(known, top=known)


def test_a_page_without_ids_does_not_move_the_rest() -> None:
    """There may be more before what was read last."""
    place = read_place(None, NOW)
    place.note_page(AUTHOR, Stretch(at(0), at(9)), None, more=True)
    assert place.stretch_of(AUTHOR, LATER, again=False) == Stretch(at(0), at(9))


def test_what_is_given_up_is_not_asked_for_again() -> None:
    """Be it all that is unread, or the older part of it."""
    place = read_place(None, NOW)
    place.skip(AUTHOR, Stretch(at(0)), at(60))
    assert stored(place).stretch_of(AUTHOR, LATER, again=True).after == at(60)
    place.skip(AUTHOR, Stretch(at(0), at(90), at(95)), at(60))
    assert stored(place).stretch_of(AUTHOR, LATER, again=True) == Stretch(at(60), at(90), at(95))
    place.skip(AUTHOR, Stretch(at(0), at(50), at(95)), at(60))
    assert stored(place).stretch_of(AUTHOR, LATER, again=True).after == at(95)


def test_what_was_heard_long_ago_is_forgotten() -> None:
    """The cursor stays small: one number stands for all that is known."""
    place = read_place(None, NOW)
    for second in range(1000):
        place.is_new(at(second), AUTHOR)
    place.note_page(OTHER, Stretch(at(0), None, at(1)), None, more=False)
    place.note_heard(NOW + timedelta(seconds=1020))
    assert len(place.cursor()) < 2000
    assert place.stretch_of(AUTHOR, LATER, again=True).after == at(960)
    place.note_heard(NOW)
    assert place.stretch_of(AUTHOR, LATER, again=True).after == at(960)
