"""What a reader sees: nothing hidden, one kind of everything, never too long."""

import pytest

from kamiyo.core.reports import LONGEST_TEXT
from kamiyo.extraction.text import clean, fold, links_in, sentences_in, without_links, words_in


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("Eu\u200bler\ufeff", "Euler"),
        ("\uff04\uff14.\uff19\uff2d", "$4.9M"),
        ("a\u00a0 b\t c", "a b c"),
        ("4\u20135", "4-5"),
        ("\u2018x\u2019", "'x'"),
        ("\u0415uler", "Euler"),  # the first letter is Cyrillic
        (
            "\u041f\u0440\u043e\u0442\u043e\u043a\u043e\u043b",
            "\u041f\u0440\u043e\u0442\u043e\u043a\u043e\u043b",
        ),
        ("\U0001d417\U0001d40f\U0001d40b", "XPL"),
        ("\u0663\u0664", "34"),
        ("a\u0301\u0301\u0301", "a"),
        ("line\r\n\r\n  next", "line\nnext"),
        ("a\x07b", "a b"),
        ("e\x1bf \u00e9", "ef \u00e9"),
        ("", ""),
    ],
)
def test_text_becomes_what_it_looks_like(written: str, seen: str) -> None:
    """Hidden characters vanish, look-alikes, digits, dashes and spaces become the usual ones."""
    assert clean(written) == seen


def test_text_that_grows_stays_bounded() -> None:
    """One character can stand for eighteen, so the length is bounded after that as well."""
    assert len(clean("\ufdfa" * LONGEST_TEXT)) <= LONGEST_TEXT
    assert len(clean("x" * (LONGEST_TEXT + 5))) == LONGEST_TEXT


def test_links_are_found_and_blanked() -> None:
    """Links with and without a scheme are links, and places stay what they were without them."""
    text = "see https://etherscan.io/tx/0x1 or t.me/a/1 not a.b"
    assert links_in(text) == ("https://etherscan.io/tx/0x1", "t.me/a/1")
    assert without_links(text) == "see" + " " * 29 + "or" + " " * 10 + "not a.b"
    assert len(without_links(text)) == len(text)


def test_words_know_their_places() -> None:
    """A word is a run of letters and digits."""
    assert [(word.text, text_of(word)) for word in words_in("Li.Fi, 0x")] == [
        ("Li", (0, 2)),
        ("Fi", (3, 5)),
        ("0x", (7, 9)),
    ]


def text_of(word: tuple[str, int, int]) -> tuple[int, int]:
    return word[1], word[2]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two", ["One", " Two"]),
        ("$4.9M lost", ["$4.9M lost"]),
        ("ca. 4M lost\nthen", ["ca. 4M lost", "then"]),
        ("Really? Yes!", ["Really", " Yes"]),
        ("...\n", [".."]),
        (" \n ", []),
        ("", []),
    ],
)
def test_sentences_end_where_readers_stop(text: str, sentences: list[str]) -> None:
    """A point inside a number or an abbreviation ends nothing."""
    assert [text[start:end] for start, end in sentences_in(text)] == sentences


@pytest.mark.parametrize(("name", "key"), [("Li.Fi", "lifi"), ("  D\u00e9 Fi_1 ", "d\u00e9fi1"), ("!", "")])
def test_a_folded_name_is_what_its_spellings_share(name: str, key: str) -> None:
    """Case, spaces and punctuation do not matter."""
    assert fold(name) == key
