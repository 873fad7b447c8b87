"""How far back the first frames of a connection are proved to reach."""

from datetime import timedelta

import pytest

from kamiyo.aggregators._hyperliquid_api.history import LONGEST, PATIENCE, RELIED_ON, History
from kamiyo.core.time import to_millis
from kamiyo.hyperliquid.subscriptions import Subscription
from tests.builders import NOW, a_trade

MINUTE = timedelta(minutes=1)


def acknowledged(**seconds: float):
    return {
        Subscription("trades", coin=asset): NOW + timedelta(seconds=after) for asset, after in seconds.items()
    }


def a_history(*told: tuple[str, float]) -> History:
    history = History()
    history.begin()
    history.hear([_told(asset, ago) for asset, ago in told])
    return history


def _told(asset: str, ago: float):
    return a_trade(asset=asset, time=to_millis(NOW - timedelta(seconds=ago)))


def test_fifteen_seconds_are_relied_on() -> None:
    """Where no more is missing than that, nobody waits for a proof."""
    history = a_history()
    assert (
        history.resumed(acknowledged(ETH=0, BTC=2), RELIED_ON, NOW) == NOW + timedelta(seconds=2) - RELIED_ON
    )
    assert not history.proving


@pytest.mark.parametrize(("ago", "depth"), [(3, 15), (18.5, 18.5), (3600, 20)])
def test_what_was_repeated_proves_more_but_never_more_than_twenty(ago, depth) -> None:
    """First frames are waited for, as they come after the acknowledgements."""
    history = a_history(("BTC", 1), ("ETH", 2), ("ETH", ago))
    given = acknowledged(ETH=0, BTC=0)
    assert history.resumed(given, MINUTE, NOW + PATIENCE - timedelta(milliseconds=1)) is None
    assert history.resumed(given, MINUTE, NOW + PATIENCE) == NOW - timedelta(seconds=depth)


def test_an_assets_history_reaches_back_from_its_own_beginning() -> None:
    """One that was acknowledged early proves no more for those that came late."""
    history = a_history(("ETH", 10))
    after = acknowledged(ETH=0, BTC=9)
    late = NOW + timedelta(seconds=9)
    assert history.resumed(after, MINUTE, late + PATIENCE) == late - RELIED_ON


def test_only_first_frames_prove_anything() -> None:
    """What comes later is news, however old it says it is."""
    history = a_history(("ETH", 1))
    history.hear([_told("ETH", 19)])
    assert history.resumed(acknowledged(ETH=0), MINUTE, NOW + PATIENCE) == NOW - RELIED_ON
    history.hear([_told("BTC", 19)])
    assert history.resumed(acknowledged(BTC=0), MINUTE, NOW + PATIENCE) == NOW - RELIED_ON


def test_a_new_connection_begins_anew() -> None:
    """Its first frames may prove something again."""
    history = a_history()
    history.resumed(acknowledged(ETH=0), RELIED_ON, NOW)
    assert not history.proving
    again = a_history(("ETH", 3600))
    assert again.resumed(acknowledged(ETH=0), MINUTE, NOW + PATIENCE) == NOW - LONGEST
