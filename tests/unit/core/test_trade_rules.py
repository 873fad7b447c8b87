"""What is demanded of a public trade, and that judging many at once is judging each."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamiyo.core.time import to_millis
from kamiyo.core.trade_rules import TRADE_RULES, broken_trade_rule, broken_trades
from tests.builders import MAKER, MILLIS, NOW, VICTIM, a_trade

NOW_MILLIS = to_millis(NOW)
BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"time": 1_600_000_000_000}, "not_before_the_venue"),
    ({"time": NOW_MILLIS + 10_001}, "not_from_the_future"),
    ({"users": (MAKER, "0x12")}, "trade_has_two_users"),
    ({"users": ("1x" + "1" * 40, VICTIM)}, "trade_has_two_users"),
    ({"users": (MAKER[:-1], VICTIM)}, "trade_has_two_users"),
    ({"users": (MAKER, "1x" + "1" * 40)}, "trade_has_two_users"),
    ({"asset": ""}, "trade_has_an_asset"),
    ({"asset": "A" * 66}, "trade_has_an_asset"),
    ({"price": "NaN"}, "trade_has_plain_numbers"),
    ({"size": "1 2"}, "trade_has_plain_numbers"),
    ({"price": ""}, "trade_has_plain_numbers"),
    ({"price": "-1"}, "trade_has_positive_numbers"),
    ({"size": "0.00"}, "trade_has_positive_numbers"),
]


def test_a_sound_trade_breaks_nothing() -> None:
    """Also at the edges of what clocks may disagree by, and with the longest name."""
    edges = [
        a_trade(),
        a_trade(time=NOW_MILLIS + 10_000),
        a_trade(asset="A" * 65),
        a_trade(price="0.000001"),
    ]
    assert broken_trades(edges, NOW_MILLIS) == []
    assert broken_trades([], NOW_MILLIS) == []


@pytest.mark.parametrize(("changes", "rule"), BROKEN)
def test_the_first_broken_rule_is_named(changes: dict[str, Any], rule: str) -> None:
    """And only the trade that broke it is told."""
    bad = a_trade(tid=7, **changes)
    assert broken_trade_rule(bad, NOW_MILLIS) == rule
    assert broken_trades([a_trade(), bad], NOW_MILLIS) == [(bad, rule)]


def test_every_rule_can_be_broken() -> None:
    """None is in the list only for show."""
    assert {rule.__name__ for rule in TRADE_RULES} <= {rule for _changes, rule in BROKEN}


texts = st.text("0123456789.- ", max_size=6)


@given(
    st.lists(
        st.builds(
            a_trade,
            price=texts,
            size=texts,
            time=st.integers(MILLIS - 20_000, MILLIS + 20_000),
            asset=st.sampled_from(["ETH", ""]),
            users=st.sampled_from([(MAKER, VICTIM), (MAKER, "0x")]),
        ),
        max_size=4,
    )
)
def test_many_at_once_are_judged_as_each_alone(trades) -> None:
    """The short cut for whole frames finds what the rules find, whatever the texts."""
    now = to_millis(NOW + timedelta(seconds=1))
    alone = [(trade, rule) for trade in trades if (rule := broken_trade_rule(trade, now)) is not None]
    assert broken_trades(trades, now) == alone
