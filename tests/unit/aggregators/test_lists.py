"""Lists read again and again: what is new, what changed, and which row is which."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamiyo.aggregators._lists import Found, Known, changed_rows, digest, parse_row, slug_of
from kamiyo.core.errors import MalformedPayload

WORDS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["1", "2", "3"])), max_size=8)


def _found(rows: list[tuple[str, str]]) -> list[Found]:
    return [Found(key, said.encode(), msgspec.Raw(msgspec.json.encode(said))) for key, said in rows]


def _read(rows: list[tuple[str, str]], known: Known) -> dict[str, tuple[str, bool]]:
    told = changed_rows(_found(rows), known)
    for row, meaning in told:
        known.remember(row.report_id, meaning)
    return {row.report_id: (meaning.decode(), row.edited) for row, meaning in told}


def test_a_row_comes_once_and_again_when_it_says_something_else():
    """What was read before is silent, what changed is edited, and what returns unchanged is no news."""
    known = Known()
    assert _read([("a", "1"), ("b", "1")], known) == {"a": ("1", False), "b": ("1", False)}
    assert _read([("b", "1")], known) == {}
    assert _read([("a", "1"), ("b", "2")], Known(known.pack())) == {"b": ("2", True)}


@given(WORDS, st.randoms())
def test_the_order_of_a_list_says_nothing(rows, chance):
    """A list read again in any order, with rows doubled, holds nothing new."""
    known = Known()
    _read(rows, known)
    again = rows + rows[:3]
    chance.shuffle(again)
    assert _read(again, Known(known.pack())) == {}


@given(WORDS, WORDS)
def test_every_different_row_has_an_id_of_its_own(before, after):
    """Whatever stood there before, each different row is told or known under exactly one id."""
    known = Known()
    _read(before, known)
    stood = Known(known.pack())
    told = _read(after, known)
    silent = [
        (key, said)
        for key, said in dict.fromkeys(after)
        if said not in {words for name, (words, _edited) in told.items() if name.partition("~")[0] == key}
    ]
    assert len(told) + len(silent) == len(set(after))
    assert all(
        any(stood.said(name) == digest(said.encode()) for name in (key, *(f"{key}~{n}" for n in range(2, 9))))
        for key, said in silent
    )


def test_only_the_newest_rows_are_kept():
    """An endless list is remembered as far back as is asked; what stands there is not forgotten."""
    known = Known()
    _read([(name, "1") for name in "abcde"], known)
    _read([("a", "1")], known)  # stands there still
    known.keep_newest(2)
    assert _read([("a", "1"), ("e", "1"), ("b", "1")], known) == {"b": ("1", False)}


@pytest.mark.parametrize("payload", [b"", b"[]", b'{"report_id":"x"}', b"\xff", b'{"report_id":1}'])
def test_what_is_no_row_is_refused(payload: bytes):
    """A payload that is none of ours is refused by name."""
    with pytest.raises(MalformedPayload) as refusal:
        parse_row(payload)
    assert refusal.value.rule == "not_a_row"


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Balancer V1", "balancer-v1"),
        ("  MU&MUG ", "mu-mug"),
        ("98#Token", "98-token"),
        ("\uff21\uff22", "ab"),
        ("!!", ""),
    ],
)
def test_a_slug_is_made_of_words(name: str, slug: str):
    """Letters and digits stay, in lower case; whatever stands between them is one hyphen."""
    assert slug_of(name) == slug
