"""What each level of each feature weighs, in bits, and from which sum on two reports are the same case.

A weight is how much likelier the level is for two reports of one case than for two reports drawn at
random, as a logarithm to the base of two: 1 doubles the odds, -1 halves them. ``python -m
benchmarks.matching_weights`` counts them on the tuning half of the truth set. In use are the counts, rounded
and up to a bit and a half nearer to zero, because features overlap; those set by hand say why.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from kamiyo.processing._matching.comparing import Levels
from kamiyo.processing._matching.views import View

# Of 183,312 pairs of the tuning half, 83 are one case.
PRIOR: Final = -11.0

WEIGHTS: Final[Mapping[str, Mapping[str, float]]] = {
    "transaction": {"shared": 26.0},  # by hand: a transaction is one event
    "address": {"shared": 7.0},  # by hand: a token's or a router's address is shared by many cases
    "document": {
        "cited": 18.0,  # by hand: a person put the page on record for this case
        "shared": 7.0,  # 14 by the counts; less, because one post often tells of two forks or sums up a week
        "also": 3.0,  # by hand, see where it is found
    },
    "text": {"repost": 22.0},  # by hand: the same words tell of the same thing
    "name": {
        "equal": 11.0,
        "within": 9.0,
        "alike": 8.0,
        "told": 7.0,
        "shared": 4.0,
        "broad": 3.0,  # by hand: many things happen on one venue
        "different": -3.5,
    },
    "time": {
        "same_day": 9.0,
        "next_day": 7.0,
        "days": 4.0,
        "week": 2.5,
        "fortnight": -0.5,
        "month": -2.5,
        "far": -8.0,
        "swapped": 0.0,  # by hand, like those below: day and month in the other order
        "wide": 4.0,
        "wider": 1.5,
        "told_soon": 6.0,
        "told_later": 1.0,
        "told_late": -1.0,
        "told_before": -8.0,
    },
    "amount": {
        "equal": 6.0,
        "near": 4.0,
        "about": 1.5,
        "twofold": 0.0,
        "tenfold": -1.5,
        "thousandfold": -0.5,  # by hand: K and M are mistaken for each other
        "beyond": -3.5,
        "misread": -1.0,
    },
    "chain": {"shared": 1.0, "other": -2.0},
    "asset": {"shared": 9.0, "told": 6.0, "common": 1.0, "other": -3.0},  # by hand: the lists name no assets
    "way": {"shared": 2.0, "other": -2.0},
    "list": {"apart": -10.0},  # by hand: the tuning half has no case listed twice by one list
}

SAME_FROM: Final = 2.0
ASK_FROM: Final = -2.0
TOO_NEAR: Final = 6.0  # of two cases that fit: a person is asked which


class Scored(NamedTuple):
    """How near a report is to a case: as near as to the nearest of its reports."""

    score: float
    tx_hash: str
    others: Sequence[View]
    nearest: View | None
    levels: Levels


def weigh(levels: Levels) -> float:
    """The bits of the odds that two reports are the same case."""
    return sum([WEIGHTS[feature][level] for feature, level in levels], PRIOR)


def probability_of(score: float) -> float:
    """That of the same case, from 0 to 1: the odds the weights add up to."""
    return 1.0 / (1.0 + math.exp2(-score))
