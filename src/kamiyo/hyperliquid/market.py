"""What the venue answers about markets: universes, contexts, mids, books, candles and funding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from kamiyo.core.errors import MalformedPayload
from kamiyo.core.ids import Chain, SourceName, parse_asset
from kamiyo.core.money import Price, Size, Usd, parse_decimal
from kamiyo.core.states import MarketState
from kamiyo.hyperliquid.contexts import WireContext
from kamiyo.hyperliquid.reading import reader

FIRST_DEX_NAME = ""  # what the venue calls the first dex wherever it names one

# --- universes ----------------------------------------------------------------------------------------------


class WireMarginTier(msgspec.Struct, frozen=True, rename="camel"):
    """From ``lower_bound`` of notional on, at most ``max_leverage``."""

    lower_bound: str
    max_leverage: int


class WireMarginTable(msgspec.Struct, frozen=True, rename="camel"):
    """Tiers that several markets share."""

    margin_tiers: list[WireMarginTier]
    description: str = ""


class WireAsset(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A market of a universe; ``margin_mode`` is the venue's word, None where cross margin is allowed."""

    name: str
    sz_decimals: int
    max_leverage: int
    margin_table_id: int | None = None
    only_isolated: bool | None = None
    is_delisted: bool | None = None
    margin_mode: str | None = None

    @property
    def live(self) -> bool:
        """Whether it trades."""
        return not self.is_delisted


class WireMeta(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A dex's markets in the venue's order, which numbers them: delisted ones keep their place."""

    universe: list[WireAsset]
    margin_tables: list[tuple[int, WireMarginTable]] = []
    collateral_token: int | None = None

    @property
    def names(self) -> list[str]:
        """Every market by position, delisted ones too."""
        return [asset.name for asset in self.universe]

    @property
    def live_names(self) -> list[str]:
        """The markets that trade."""
        return [asset.name for asset in self.universe if asset.live]


class WireDex(msgspec.Struct, frozen=True, rename="camel"):
    """A perp dex of a builder."""

    name: str
    full_name: str | None = None
    deployer: str | None = None
    oracle_updater: str | None = None


decode_meta = reader(WireMeta)
decode_all_perp_metas = reader(list[WireMeta])
decode_margin_table = reader(WireMarginTable)
decode_open_interest_caps = reader(list[str])
_meta_and_contexts = reader(tuple[WireMeta, list[WireContext]])
_perp_dexs = reader(list[WireDex | None])


def decode_meta_and_contexts(content: bytes | msgspec.Raw) -> tuple[WireMeta, list[WireContext]]:
    """A universe and one context for each of its markets, in its order."""
    meta, contexts = _meta_and_contexts(content)
    _demand_equal_lengths(FIRST_DEX_NAME, len(meta.universe), len(contexts))
    return meta, contexts


def decode_perp_dexs(content: bytes | msgspec.Raw) -> list[str]:
    """The names of the perp dexes in the venue's order; the first one's is empty."""
    return [FIRST_DEX_NAME if dex is None else dex.name for dex in _perp_dexs(content)]


# --- states -------------------------------------------------------------------------------------------------


def market_states(
    dex_universes: Mapping[str, Sequence[str]],
    contexts: Sequence[tuple[str, Sequence[WireContext]]],
    *,
    at: datetime,
    source: SourceName,
    chain: Chain,
) -> list[MarketState]:
    """The contexts of several dexes, named by their places; MalformedPayload where they do not fit."""
    states: list[MarketState] = []
    for dex, of_dex in contexts:
        if dex not in dex_universes:
            raise MalformedPayload(f"contexts of the dex {dex[:64]!r}", rule="unknown_dex")
        names = dex_universes[dex]
        _demand_equal_lengths(dex, len(names), len(of_dex))
        states += (
            state
            for name, context in zip(names, of_dex, strict=True)
            if (state := market_state(name, context, at=at, source=source, chain=chain)) is not None
        )
    return states


def market_state(
    name: str, context: WireContext, *, at: datetime, source: SourceName, chain: Chain
) -> MarketState | None:
    """One market as it stands; None for one that is delisted or has no price."""
    if context.mark_price is None or context.oracle_price is None or _is_idle(context):
        return None
    mid, interest, volume = context.mid_price, context.open_interest, context.day_volume_usd
    return MarketState(
        source=source,
        chain=chain,
        asset=parse_asset(name),
        timestamp=at,
        mark_price=Price(parse_decimal(context.mark_price)),
        oracle_price=Price(parse_decimal(context.oracle_price)),
        mid_price=None if mid is None else Price(parse_decimal(mid)),
        open_interest=None if interest is None else Size(parse_decimal(interest)),
        funding_rate=None if context.funding_rate is None else parse_decimal(context.funding_rate),
        premium=None if context.premium is None else parse_decimal(context.premium),
        day_volume_usd=None if volume is None else Usd(parse_decimal(volume)),
    )


def _is_idle(context: WireContext) -> bool:
    """No quotes and nobody in it: what is delisted keeps its last prices for ever."""
    return (
        context.mid_price is None
        and context.open_interest is not None
        and parse_decimal(context.open_interest) == 0
    )


def _demand_equal_lengths(dex: str, markets: int, contexts: int) -> None:
    if markets != contexts:
        raise MalformedPayload(
            f"{contexts} contexts for {markets} markets of the dex {dex[:64]!r}", rule="contexts_do_not_fit"
        )


# --- prices -------------------------------------------------------------------------------------------------


class WireLevel(msgspec.Struct, frozen=True, gc=False, rename={"price": "px", "size": "sz", "orders": "n"}):
    """One price of a book: base units resting there, and in how many orders."""

    price: str
    size: str
    orders: int | None = None


class WireBook(msgspec.Struct, frozen=True, kw_only=True, rename={"asset": "coin"}):
    """A book's best levels: bids and asks, each from its best price on."""

    asset: str
    time: int
    levels: tuple[list[WireLevel], list[WireLevel]]


class WireCandle(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={
        "opens_at": "t",
        "closes_at": "T",
        "asset": "s",
        "interval": "i",
        "open_price": "o",
        "close_price": "c",
        "high_price": "h",
        "low_price": "l",
        "volume": "v",
        "trades": "n",
    },
):
    """What an interval's trades did to the price; times in milliseconds, volume in base units."""

    opens_at: int
    closes_at: int
    asset: str
    interval: str
    open_price: str
    close_price: str
    high_price: str
    low_price: str
    volume: str
    trades: int | None = None


class WireFunding(msgspec.Struct, frozen=True, kw_only=True, rename={"asset": "coin", "rate": "fundingRate"}):
    """What an hour's funding was: a fraction of the notional."""

    asset: str
    rate: str
    time: int
    premium: str | None = None


class WirePredictedFunding(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a venue will charge next, or has just charged: a fraction each ``funding_interval_hours``."""

    funding_rate: str
    next_funding_time: int
    funding_interval_hours: int | None = None


class WireExchangeStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The venue's own time in milliseconds; ``special_statuses`` is None as long as nothing is the matter."""

    time: int
    special_statuses: Any = None  # nobody has seen one


decode_all_mids = reader(dict[str, str])
decode_l2_book = reader(WireBook)
decode_candles = reader(list[WireCandle])
decode_funding_history = reader(list[WireFunding])
decode_predicted_fundings = reader(list[tuple[str, list[tuple[str, WirePredictedFunding | None]]]])
decode_exchange_status = reader(WireExchangeStatus)

# --- spot ---------------------------------------------------------------------------------------------------


class WireToken(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A token of the spot market; the first, USDC, is also the collateral of the first dex."""

    name: str
    index: int
    sz_decimals: int
    wei_decimals: int
    token_id: str | None = None
    full_name: str | None = None


class WirePair(msgspec.Struct, frozen=True, kw_only=True):
    """A spot market: its base and its quote token by their indexes."""

    name: str
    index: int
    tokens: tuple[int, int]


class WireSpotMeta(msgspec.Struct, frozen=True, kw_only=True):
    """The spot market's tokens and pairs."""

    tokens: list[WireToken]
    universe: list[WirePair]


class WireSpotContext(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={
        "asset": "coin",
        "mark_price": "markPx",
        "mid_price": "midPx",
        "previous_day_price": "prevDayPx",
        "day_volume_usd": "dayNtlVlm",
        "day_base_volume": "dayBaseVlm",
        "circulating_supply": "circulatingSupply",
        "total_supply": "totalSupply",
    },
):
    """One spot market. It says its own name: the order is not the universe's."""

    asset: str
    mark_price: str | None = None
    mid_price: str | None = None
    previous_day_price: str | None = None
    day_volume_usd: str | None = None
    day_base_volume: str | None = None
    circulating_supply: str | None = None
    total_supply: str | None = None


decode_spot_meta = reader(WireSpotMeta)
decode_spot_meta_and_contexts = reader(tuple[WireSpotMeta, list[WireSpotContext]])
