"""The identity of a liquidation, and how fills fold into one.

The stored facts are fills; a liquidation is the fold of all fills with one
``(chain, hash, user, asset, method)``. Merging is a join: commutative, associative and
idempotent, so whoever saw which part in which order, the row ends the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter

import msgspec

from kamiyo.core.events import FillRole, LiquidatedFill, MarginMode
from kamiyo.core.ids import Address, Asset, Chain, LiquidationId, Protocol, SourceName
from kamiyo.core.markets import protocol_of
from kamiyo.core.money import Price, Size, notional, plain
from kamiyo.core.time import Utc, rfc3339, to_millis

# An average has no last digit; twelve decimals are finer than any price step of the venue.
_PRICE_STEP = Decimal("1e-12")

# The more a row knows, the higher: what is merged takes the best row's word.
_ROLE_RANKS = {FillRole.PUBLIC: 0, FillRole.COUNTERPARTY: 1, FillRole.VICTIM: 2}

FillKey = tuple[LiquidationId, Asset, int]

_tid = attrgetter("tid")

# Which source a row is shown under when several saw it: the more complete the view, the earlier.
_SOURCE_ORDER = ("hyperliquid_node", "hyperliquid_archive", "hyperliquid_api")


class Liquidation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One position taken in one sweep. ``liquidation_price`` is the size-weighted fill price.

    Numbers are plain digits and ``timestamp`` is RFC 3339: nobody calculates with them again, they are
    stored, told and shown.
    ``version`` is the number of distinct observations folded in: it grows with everything we
    learn and is the same whatever the order and the batches we learned it in.
    """

    liquidation_id: LiquidationId
    chain: Chain
    protocol: Protocol
    user: Address
    asset: Asset
    side: str
    method: str
    size: str
    liquidation_price: str
    mark_price: str
    amount_usd: str
    leverage: str | None
    margin_mode: str | None
    fill_count: int
    timestamp: str
    source: SourceName
    observed_by: tuple[SourceName, ...]
    version: int
    metadata: LiquidationMetadata


class LiquidationMetadata(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What else the fills say. None where no victim's row was seen."""

    hash: str | None
    liquidated_user: Address
    fill_directions: tuple[str, ...]
    closed_pnl: str | None
    fee: str | None
    position_size_before: str | None


class ObservedFill(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One fill with everybody's observations of it: the unit that is stored.

    ``counterparty`` is what all rows together say: ``fill`` is the best of them, and may not know it.
    """

    fill: LiquidatedFill
    observations: tuple[str, ...]  # sorted, each once: a set would take five times the memory
    counterparty: Address | None

    @property
    def observed_by(self) -> frozenset[SourceName]:
        """The sources among the observations."""
        return frozenset(_sources(self.observations))


def liquidation_id(fill: LiquidatedFill) -> LiquidationId:
    """The natural identity, in text: the fill's milliseconds, then a hash of what makes it one event.

    Milliseconds come first so that a look-up by id prunes partitions; where the venue gives no
    hash they take its place.
    """
    seed = "|".join((fill.chain, fill.hash or "", fill.user, fill.asset, fill.method))
    digest = hashlib.blake2b(seed.encode(), digest_size=12).hexdigest()
    return LiquidationId(_beginning(fill.timestamp) + digest)


@lru_cache(maxsize=1024)  # a block's fills share their moment
def _beginning(moment: Utc) -> str:
    return f"{to_millis(moment):013d}-"


def observe(fill: LiquidatedFill) -> ObservedFill:
    """The fill as one source's single observation."""
    return ObservedFill(fill=fill, observations=(fill.observation,), counterparty=fill.counterparty)


def merge(one: ObservedFill, other: ObservedFill) -> ObservedFill:
    """Both observations of one fill as one: the victim's row outranks the counterparty's.

    Among equal ranks the greater content wins, so that the result does not depend on order. Of two
    counterparties the smaller address stays, for the same reason: a ``tid`` is a hash and two trades of one
    liquidation may share it, and a source may be wrong.
    """
    best = _best(one.fill, other.fill)
    known, told = one.counterparty, other.counterparty
    if known is None or (told is not None and told < known):
        known = told
    return ObservedFill(fill=best, observations=_together(one, other), counterparty=known)


def _together(one: ObservedFill, other: ObservedFill) -> tuple[str, ...]:
    return tuple(sorted({*one.observations, *other.observations}))


def merge_all(fills: Iterable[tuple[FillKey, ObservedFill]]) -> dict[FillKey, ObservedFill]:
    """The join of many observations, by fill."""
    merged: dict[FillKey, ObservedFill] = {}
    for key, fill in fills:
        known = merged.get(key)
        merged[key] = fill if known is None else merge(known, fill)
    return merged


def fill_key(identity: LiquidationId, fill: LiquidatedFill) -> FillKey:
    """A fill's key within the venue: a ``tid`` is unique only with its time (in the id) and asset."""
    return identity, fill.asset, fill.tid


def fold(identity: LiquidationId, observed: Sequence[ObservedFill]) -> Liquidation:
    """The liquidation these fills (at least one, each once, all of one identity) add up to."""
    if len(observed) == 1:  # nearly all of a cascade's
        fill = observed[0].fill
        return _liquidation(identity, fill, observed[0].observations, 1, _sums_of_one(fill))
    fills = sorted([item.fill for item in observed], key=_tid)
    seen = [each for item in observed for each in item.observations]
    return _liquidation(identity, fills[0], seen, len(fills), _sums(fills))


# Size, price, amount, margin mode, and what else is said.
_Sums = tuple[str, str, str, MarginMode | None, LiquidationMetadata]


def _liquidation(
    identity: LiquidationId,
    first: LiquidatedFill,
    seen: Sequence[str],
    fill_count: int,
    sums: _Sums,
) -> Liquidation:
    size, price, amount, mode, metadata = sums
    sources = (first.source,) if len(seen) == 1 else _sources(seen)
    return Liquidation(
        liquidation_id=identity,
        chain=first.chain,
        protocol=protocol_of(first.asset),
        user=first.user,
        asset=first.asset,
        side=first.side,
        method=first.method,
        size=size,
        liquidation_price=price,
        mark_price=first.mark_price,
        amount_usd=amount,
        leverage=None,
        margin_mode=mode,
        fill_count=fill_count,
        timestamp=rfc3339(first.timestamp),
        source=sources[0] if len(sources) == 1 else min(sources, key=_source_rank),
        observed_by=sources,
        version=len(seen),
        metadata=metadata,
    )


def _sums_of_one(fill: LiquidatedFill) -> _Sums:
    """What is said of the fill is what is said of the liquidation."""
    metadata = LiquidationMetadata(
        hash=fill.hash,
        liquidated_user=fill.liquidated_user,
        fill_directions=(fill.direction_text,) if fill.direction_text else (),
        closed_pnl=fill.closed_pnl,
        fee=fill.fee,
        position_size_before=fill.position_size_before,
    )
    amount = notional(Price(Decimal(fill.price)), Size(Decimal(fill.size)))
    return fill.size, fill.price, plain(amount), fill.margin_mode, metadata


def _sums(fills: Sequence[LiquidatedFill]) -> _Sums:
    size, amount = Decimal(0), Decimal(0)
    for fill in fills:
        fill_size = Decimal(fill.size)
        size += fill_size
        amount += Decimal(fill.price) * fill_size
    metadata = LiquidationMetadata(
        hash=fills[0].hash,
        liquidated_user=fills[0].liquidated_user,
        fill_directions=tuple(sorted({fill.direction_text for fill in fills if fill.direction_text})),
        closed_pnl=_sum_if_all_known([fill.closed_pnl for fill in fills]),
        fee=_sum_if_all_known([fill.fee for fill in fills]),
        position_size_before=_largest([fill.position_size_before for fill in fills]),
    )
    mode = next((fill.margin_mode for fill in fills if fill.margin_mode is not None), None)
    return plain(size), plain((amount / size).quantize(_PRICE_STEP)), plain(amount), mode, metadata


def _sum_if_all_known(numbers: Sequence[str | None]) -> str | None:
    known = [Decimal(number) for number in numbers if number is not None]
    return plain(sum(known, Decimal(0))) if len(known) == len(numbers) else None


def _largest(sizes: Sequence[str | None]) -> str | None:
    return max((size for size in sizes if size is not None), key=_distance, default=None)


def _distance(number: str) -> Decimal:
    return abs(Decimal(number))


def _sources(observations: Iterable[str]) -> tuple[SourceName, ...]:
    return tuple(sorted({SourceName(each.partition("/")[0]) for each in observations}))


def _best(one: LiquidatedFill, other: LiquidatedFill) -> LiquidatedFill:
    mine, others = _ROLE_RANKS[one.role], _ROLE_RANKS[other.role]
    if mine != others:  # nearly always: the two rows of a trade
        return one if mine > others else other
    return max(one, other, key=_rank)


def _rank(fill: LiquidatedFill) -> tuple[tuple[str, ...], str, str, str]:
    return fill.content, fill.source, fill.hash or "", fill.counterparty or ""


def _source_rank(source: SourceName) -> tuple[int, str]:
    return (_SOURCE_ORDER.index(source) if source in _SOURCE_ORDER else len(_SOURCE_ORDER), source)
