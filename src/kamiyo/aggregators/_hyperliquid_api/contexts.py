"""Contexts come without names: each frame is kept with universes that fit it, or waits for them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from kamiyo.aggregators._hyperliquid_api.coverage import CONTEXTS
from kamiyo.aggregators._hyperliquid_api.markets import Markets
from kamiyo.aggregators._hyperliquid_api.outlet import Numbered
from kamiyo.aggregators._hyperliquid_api.payloads import ALL_CONTEXTS, contexts_payload
from kamiyo.aggregators._hyperliquid_api.shared import Shared
from kamiyo.core.errors import MalformedPayload
from kamiyo.hyperliquid.channels import Frame, decode_all_dexs_contexts

CADENCE: Final = timedelta(seconds=20)  # they come every 13.6 s; in less no frame was missed


class Contexts:
    """The frames of ``allDexsAssetCtxs``."""

    def __init__(self, shared: Shared, markets: Markets) -> None:
        self.place = Numbered("ws/none/public")
        self._shared = shared
        self._markets = markets
        self._unfit: tuple[Frame, datetime] | None = None

    def take_markets(self, markets: Markets) -> None:
        """Number contexts by these markets from now on, also those that fitted none before."""
        self._markets = markets
        if self._unfit is not None:
            (frame, at), self._unfit = self._unfit, None
            self._put(frame, at)

    def hear(self, frame: Frame, now: datetime) -> None:
        """Put a frame with the universes that number it; one that fits none waits, the newest alone."""
        if self._fits(frame):
            self._put(frame, now)
        else:
            self._unfit = (frame, now)

    def _fits(self, frame: Frame) -> bool:
        try:
            contexts = decode_all_dexs_contexts(frame.data)
        except MalformedPayload:  # no universe would help; it is refused where it is read
            return True
        return all(self._markets.sizes.get(dex) == len(of_dex) for dex, of_dex in contexts)

    def _put(self, frame: Frame, at: datetime) -> None:
        payload = contexts_payload(self._markets.universes_json, frame.payload)
        self._shared.outlet.put_payload(ALL_CONTEXTS, payload, at, self.place)
        coverage = self._shared.coverage
        if coverage.is_whole(CONTEXTS):
            coverage.heard(CONTEXTS, at)
            return
        gap = coverage.resume(CONTEXTS, at - CADENCE, now=self._shared.clock.now(), reason="not connected")
        if gap is not None:
            self._shared.outlet.put(gap)
