"""Names are compared by the words that tell."""

import pytest

from kamiyo.processing._matching.names import Likeness, Name, liken, read_name


def likeness(left: str, right: str) -> Likeness:
    one, other = read_name(left), read_name(right)
    assert isinstance(one, Name)
    assert isinstance(other, Name)
    assert liken(one, other) is liken(other, one)
    return liken(one, other)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("EulerFinance", "Euler V1", Likeness.EQUAL),
        ("four.meme", "FourMeme", Likeness.EQUAL),
        ("Corkprotocol", "Cork", Likeness.EQUAL),
        ("Curve DEX", "Curve", Likeness.EQUAL),
        ("Visor Finance", "Gamma", Likeness.EQUAL),
        ("Conic Finance 02", "Conic", Likeness.EQUAL),
        ("StarsArena", "Arena SocialFi", Likeness.WITHIN),
        ("Morpho Blue Market", "Morpho", Likeness.WITHIN),
        ("Jimbos Protocol", "Jimbo", Likeness.ALIKE),
        ("Thoreum", "Thorium", Likeness.ALIKE),
        ("Super Sushi Samurai", "SSS", Likeness.ALIKE),
        ("Alpha Crimson", "Beta Crimson", Likeness.SHARED),
        ("Hyperliquid", "hyperliquid hlp", Likeness.BROAD),
        ("HyperVault", "Hyperdrive", Likeness.DIFFERENT),
        ("Hyperliquid", "Euler", Likeness.DIFFERENT),
        ("Arbitrum", "Optimism", Likeness.DIFFERENT),
        ("UNI", "Sushi", Likeness.DIFFERENT),
    ],
)
def test_likeness_is_by_whole_words(left: str, right: str, expected: Likeness) -> None:
    """Two names are as near as the words that tell, whichever comes first."""
    assert likeness(left, right) is expected


@pytest.mark.parametrize(
    "text", ["", "!!", "unverified", "The Finance Protocol", "one two three four five six seven"]
)
def test_what_tells_nothing_is_no_name(text: str) -> None:
    """A text of generic words, of none, or of too many is no name."""
    assert read_name(text) is None


def test_a_short_word_keeps_its_ending() -> None:
    """What would leave next to nothing of a word is not cut off."""
    curio, chainswap = read_name("Curio"), read_name("ChainSwap")
    assert curio is not None
    assert chainswap is not None
    assert (curio.stem, chainswap.stem) == ("curio", "chainswap")
