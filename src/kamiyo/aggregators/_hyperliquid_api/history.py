"""What a connection's first frames of trades prove: how far back the venue repeated what was missed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from kamiyo.core.time import from_millis
from kamiyo.core.trades import Trade
from kamiyo.hyperliquid.subscriptions import Subscription

# The venue repeats up to some 20 s of trades. Fifteen are relied on; more only where they were seen.
RELIED_ON: Final = timedelta(seconds=15)
LONGEST: Final = timedelta(seconds=20)
PATIENCE: Final = timedelta(seconds=2)


class History:
    """The earliest trade of each asset's first frame, until it is known how much was bridged."""

    def __init__(self) -> None:
        self._earliest: dict[str, int] | None = {}

    @property
    def proving(self) -> bool:
        """Whether first frames may still prove something."""
        return self._earliest is not None

    def begin(self) -> None:
        """A connection opened: every asset's next frame is its first."""
        self._earliest = {}

    def hear(self, trades: Sequence[Trade]) -> None:
        """Take the trades of frames that arrived together."""
        if self._earliest is None:
            return
        first: dict[str, int] = {}
        for trade in trades:
            if trade.asset not in self._earliest:
                first[trade.asset] = min(trade.time, first.get(trade.asset) or trade.time)
        self._earliest |= first

    def resumed(
        self, acknowledged: Mapping[Subscription, datetime], missing: timedelta, now: datetime
    ) -> datetime | None:
        """From when on every asset is heard again; None as long as first frames may still prove more.

        ``missing`` is how long ago all was heard last, as seen from the last acknowledgement.
        """
        last = max(acknowledged.values())
        if missing > RELIED_ON and now - last < PATIENCE:
            return None
        depth = min(max(self._depth(acknowledged), RELIED_ON), LONGEST)
        self._earliest = None
        return last - depth

    def _depth(self, acknowledged: Mapping[Subscription, datetime]) -> timedelta:
        earliest = self._earliest or {}
        depths = [
            at - from_millis(earliest[feed.coin])
            for feed, at in acknowledged.items()
            if feed.coin is not None and feed.coin in earliest
        ]
        return max(depths, default=timedelta(0))
