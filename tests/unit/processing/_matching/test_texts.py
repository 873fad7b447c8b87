"""A repost is told from a post that only looks alike."""

import pytest

from kamiyo.processing._matching.texts import is_repost, text_keys

POST = (
    "Euler on Ethereum seems to be exploited through a flawed check. The loss is about $196.5M so far; the"
    " attacker is 0xb66cd966670d962c227b3eaba30a872dbfb995db and the funds were bridged within minutes."
)


@pytest.mark.parametrize(
    "other",
    [
        POST,
        f"RT @watcher: {POST}",
        f"{POST} stay safe https://t.co/abc",
        POST.upper(),
        POST[:150].rsplit(" ", 1)[0] + "… more soon",
        POST.replace("flawed ", ""),
        POST.replace("exploited", "exploted"),
    ],
)
def test_other_dress_is_a_repost(other: str) -> None:
    """What has words before or behind, lacks some, is cut off or misspelt repeats the post."""
    assert is_repost(POST, other)
    assert is_repost(other, POST)
    assert set(text_keys(POST)) & set(text_keys(other))


@pytest.mark.parametrize(
    "other",
    [
        POST.replace("Euler", "Cream"),
        POST.replace("196.5M", "3.1M"),
        POST.replace("Euler on Ethereum", "Cream on Solana"),
        "A wholly different text about something else that is long enough to be compared with others.",
        "Euler exploited",
        "",
        " ".join(reversed(POST.split())),
    ],
)
def test_another_case_is_no_repost(other: str) -> None:
    """Another name or amount in the same pattern, another text, or a short one is no repost."""
    assert not is_repost(POST, other)
    assert not is_repost(other, POST)


def test_another_figure_at_the_end_is_no_repost() -> None:
    """An end may be cut off, but not be another figure."""
    head = "The vault of the protocol on Ethereum was drained by somebody unknown, and it lost"
    assert not is_repost(f"{head} $4m 12 hours ago", f"{head} $7m 15 hours ago")
    assert is_repost(f"{head} very much indeed", f"{head} a lot")
    assert not is_repost(f"{head} in two days", f"{head.replace('Ethereum', 'Solana')} in two days")


def test_short_texts_have_no_keys() -> None:
    """A text of few letters is alike to others by chance and is not looked for."""
    assert text_keys("gm") == []


def test_keys_stay_the_same() -> None:
    """Keys are stored: another version of this program must make the same."""
    assert text_keys("the quick brown fox jumps over the lazy dog at 12345 paces")[:2] == KEYS


KEYS = ["figure:12345", "text:0:85c11141d0732c498f9872c6"]
