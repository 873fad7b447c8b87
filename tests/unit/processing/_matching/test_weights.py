"""Weights are bits."""

import pytest

from kamiyo.processing._matching.comparing import FEATURES
from kamiyo.processing._matching.weights import PRIOR, WEIGHTS, probability_of, weigh


def test_every_feature_has_weights() -> None:
    """What is compared is weighed, and nothing else is."""
    assert WEIGHTS.keys() == FEATURES.keys()


def test_bits_add_up() -> None:
    """The score is what all levels weigh, from the odds of two reports drawn at random."""
    assert weigh([]) == PRIOR
    assert weigh([("name", "equal"), ("time", "same_day")]) == PRIOR + 20.0


@pytest.mark.parametrize(("score", "probability"), [(0.0, 0.5), (1.0, 2 / 3), (-1.0, 1 / 3), (60.0, 1.0)])
def test_a_bit_doubles_the_odds(score: float, probability: float) -> None:
    """No bits are even odds, each more doubles them."""
    assert probability_of(score) == pytest.approx(probability)
