"""What a hub keeps in memory for its callers."""

from typing import cast

from kamiyo.api.stream.filters import build_selection
from kamiyo.api.stream.grammar import Liquidations
from kamiyo.api.stream.hub import Hub
from kamiyo.storage.pool import Pool
from tests.fakes import ManualClock

ALL = build_selection(Liquidations())


def test_bodies_are_shared_and_bounded() -> None:
    """Callers at one place share one text; callers who choose thousands of places fill no memory."""
    hub = Hub("", cast("Pool", None), ManualClock())
    body = hub.body_after(hub._window, ALL, 0, 0)
    assert hub.body_after(hub._window, ALL, 0, 0) is body
    for until in range(10_000):
        hub.body_after(hub._window, ALL, 0, until)
    assert len(hub._bodies) <= 256
