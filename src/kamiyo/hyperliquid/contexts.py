"""What the venue says of a perpetual market at a moment: the context of REST and of the socket alike."""

from __future__ import annotations

import msgspec

from kamiyo.hyperliquid.reading import reader


class WireContext(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    rename={
        "funding_rate": "funding",
        "open_interest": "openInterest",
        "previous_day_price": "prevDayPx",
        "day_volume_usd": "dayNtlVlm",
        "oracle_price": "oraclePx",
        "mark_price": "markPx",
        "mid_price": "midPx",
        "impact_prices": "impactPxs",
        "day_base_volume": "dayBaseVlm",
    },
):
    """One market, numbers in the venue's text; it says no name: its place in a universe is its name.

    ``funding_rate`` is a fraction per hour, ``open_interest`` in base units and one-sided. What the venue
    leaves out or null is None.
    """

    mark_price: str | None = None
    oracle_price: str | None = None
    mid_price: str | None = None
    open_interest: str | None = None
    funding_rate: str | None = None
    premium: str | None = None
    previous_day_price: str | None = None
    day_volume_usd: str | None = None
    day_base_volume: str | None = None
    impact_prices: tuple[str, str] | None = None


decode_context = reader(WireContext)
decode_contexts = reader(list[WireContext])
