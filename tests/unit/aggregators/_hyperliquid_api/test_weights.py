"""What the source may spend of its address's minute: the table is complete, true and small enough."""

from datetime import timedelta

import pytest

from kamiyo.aggregators._hyperliquid_api import weights
from kamiyo.aggregators._hyperliquid_api.weights import (
    AVAILABLE,
    RESERVE,
    WEIGHTS,
    TaskWeight,
    weight_per_minute,
)
from kamiyo.hyperliquid import info
from kamiyo.hyperliquid.limits import REST_WEIGHT_PER_MINUTE

QUESTIONS: dict[str, info.Question] = {
    "perpDexs": info.PerpDexs(),
    "allPerpMetas": info.AllPerpMetas(),
    "exchangeStatus": info.ExchangeStatus(),
    "vaultDetails": info.VaultDetails(vault_address="0x1"),
    "clearinghouseState": info.ClearinghouseState(user="0x1"),
    "userFillsByTime": info.UserFillsByTime(user="0x1", start_time=1),
    "meta": info.Meta(),
    "allMids": info.AllMids(),
}


def test_all_tasks_together_leave_the_reserve() -> None:
    """Whatever their answers weigh, and however often they ask."""
    assert weight_per_minute() == sum(row.weight_per_minute for row in WEIGHTS) <= AVAILABLE
    assert AVAILABLE + RESERVE == REST_WEIGHT_PER_MINUTE


@pytest.mark.parametrize("row", WEIGHTS, ids=lambda row: row.task)
def test_each_row_has_the_most_its_questions_can_weigh(row: TaskWeight) -> None:
    """By the venue's own prices, with the row surcharge."""
    asked = row.question.split(", ")
    assert row.weight == max(info.largest_weight(QUESTIONS[kind]) for kind in asked)
    assert {info.type_of(QUESTIONS[kind]) for kind in asked} == set(asked)


def test_every_row_of_the_module_is_in_the_table() -> None:
    """Once, under a name of its own."""
    rows = [each for each in vars(weights).values() if isinstance(each, TaskWeight)]
    assert sorted(row.task for row in rows) == sorted({row.task for row in WEIGHTS})
    assert len(rows) == len(WEIGHTS)


def test_a_part_of_a_unit_of_weight_counts_as_a_whole_one() -> None:
    """Rounded up, as a promise is."""
    assert TaskWeight("a", "b", timedelta(seconds=7), 1, "").weight_per_minute == 9
    assert TaskWeight("a", "b", timedelta(minutes=3), 20, "").weight_per_minute == 7
