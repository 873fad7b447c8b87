"""Lists of words as patterns."""

import pytest

from kamiyo.extraction._patterns import any_of, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a hack", True),
        ("HACK", True),
        ("hackathon", False),
        ("shack", False),
        ("drained", True),
        ("rug-pull", True),
        ("rug pull", True),
        ("rugpull", False),
    ],
)
def test_only_whole_words_are_found(text: str, found: bool) -> None:
    """A word counts as a whole, a star stands for its rest and a space for a dash too."""
    assert bool(any_of(words("hack, drain*, rug pull,")).search(text)) is found
