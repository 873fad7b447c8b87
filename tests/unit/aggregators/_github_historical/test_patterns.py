"""What is suspicious: found by a window that moves, and by looking at every window there is."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from kamiyo.aggregators._github_historical.patterns import Suspicion, episodes_of, words_of
from kamiyo.core.events import AccountLiquidation, MarginMode
from kamiyo.core.ids import MAINNET, Address, SourceName
from kamiyo.core.money import Usd

START = datetime(2023, 3, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SUSPICION = Suspicion(Decimal(100), 10 * MINUTE)


def liquidation(minute: int, usd: int, user: int = 1) -> AccountLiquidation:
    return AccountLiquidation(
        source=SourceName("github_historical"),
        chain=MAINNET,
        user=Address(f"0x{user:040x}"),
        timestamp=START + minute * MINUTE,
        hash=None,
        amount_usd=Usd(Decimal(usd)),
        account_value=Usd(Decimal(1)),
        margin_mode=MarginMode.CROSS,
        positions=(),
    )


def minutes_of(found: list[AccountLiquidation], suspicion: Suspicion = SUSPICION) -> list[list[int]]:
    episodes = episodes_of(found, suspicion)
    return [[(each.timestamp - START) // MINUTE for each in episode] for episode in episodes]


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=15))
def test_a_row_is_suspicious_where_any_window_with_it_exceeds_the_threshold(rows: list[tuple[int, int]]):
    """Exactly the rows are told that lie in some window of ten minutes of which more than 100 USD fell."""
    found = [liquidation(minute, usd, user) for user, (minute, usd) in enumerate(rows, 1)]
    wanted: set[str] = set()
    for first in found:
        window = [each for each in found if timedelta(0) <= each.timestamp - first.timestamp <= 10 * MINUTE]
        if sum(each.amount_usd for each in window) > 100:
            wanted |= {each.user for each in window}
    told = [each.user for episode in episodes_of(found, SUSPICION) for each in episode]
    assert set(told) == wanted
    assert len(told) == len(set(told))


def test_neither_the_threshold_itself_nor_a_longer_time_is_suspicious():
    """Exactly 100 USD, or more over eleven minutes, is nothing to report."""
    assert minutes_of([liquidation(0, 50), liquidation(10, 50)]) == []
    assert minutes_of([liquidation(0, 51), liquidation(11, 51)]) == []
    assert minutes_of([liquidation(0, 51), liquidation(10, 50)]) == [[0, 10]]


def test_windows_that_share_a_row_are_one_episode():
    """A long run is told once, and another one hours later is another."""
    run = [liquidation(minute, 60) for minute in (0, 8, 16)]
    assert minutes_of([*run, liquidation(300, 101), liquidation(200, 99)]) == [[0, 8, 16], [300]]


def test_what_was_seen_is_said_with_the_rule_and_what_it_does_not_prove():
    """The text names the numbers, the rule, and that it may be a fall of the market."""
    (episode,) = episodes_of([liquidation(0, 60), liquidation(5, 70, 2)], SUSPICION)
    title, text = words_of(episode, SUSPICION)
    assert title == "130 USD of positions liquidated on Hyperliquid from 2023-03-01 00:00 UTC on"
    assert text == (
        "2 liquidations of 2 accounts between 2023-03-01 00:00:00 and 2023-03-01 00:05:00 UTC held positions "
        "of 130 USD and equity of 2 USD. The largest was of 70 USD, of "
        "0x0000000000000000000000000000000000000002. Reported because more than 100 USD fell within 10 "
        "minutes. That alone proves no attack: a fall of the whole market looks the same. What was "
        "liquidated is no loss, so that none is stated."
    )
