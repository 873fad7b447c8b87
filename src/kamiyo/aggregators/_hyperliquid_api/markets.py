"""Which assets are live on which dex: asked every few minutes, as a wrong name closes the socket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import msgspec

from kamiyo.aggregators._hyperliquid_api.shared import Shared
from kamiyo.aggregators._hyperliquid_api.weights import DEXES, MARKETS
from kamiyo.core.errors import MalformedPayload
from kamiyo.hyperliquid.info import AllPerpMetas, PerpDexs
from kamiyo.hyperliquid.market import WireMeta, decode_all_perp_metas, decode_perp_dexs

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Markets:
    """Every perp dex with its universe, as it was ``at``."""

    universes: Mapping[str, Sequence[str]]
    live: tuple[str, ...]
    at: datetime

    @cached_property
    def universes_json(self) -> bytes:
        """The universes as they stand beside a frame of contexts."""
        return _encode(self.universes)

    @cached_property
    def sizes(self) -> Mapping[str, int]:
        """How many contexts each dex has."""
        return {dex: len(names) for dex, names in self.universes.items()}


async def read_markets(shared: Shared) -> Markets:
    """Ask for them; MalformedPayload where the two answers do not belong together."""
    dexes = decode_perp_dexs(await shared.ask(DEXES, PerpDexs()))
    metas = decode_all_perp_metas(await shared.ask(MARKETS, AllPerpMetas()))
    return markets_of(dexes, metas, shared.clock.now())


def markets_of(dexes: Sequence[str], metas: Sequence[WireMeta], at: datetime) -> Markets:
    """Universes in the order of their dexes; MalformedPayload where nothing is traded at all.

    Who took that for the truth would follow nothing, and call it everything.
    """
    if len(dexes) != len(metas):
        raise MalformedPayload(f"{len(metas)} universes for {len(dexes)} dexes", rule="contexts_do_not_fit")
    live = tuple(dict.fromkeys(name for meta in metas for name in meta.live_names))
    if not live:
        raise MalformedPayload("no live asset on any dex", rule="no_live_asset")
    return Markets(
        universes={dex: meta.names for dex, meta in zip(dexes, metas, strict=True)},
        live=live,
        at=at,
    )
