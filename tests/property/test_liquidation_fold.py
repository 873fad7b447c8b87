"""Whoever saw which part of the venue in which order and how often: the liquidations end the same."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamiyo.core.errors import MalformedPayload
from kamiyo.core.events import Fill, FillRole, LiquidatedFill, LiquidationMethod, MarginMode, Side
from kamiyo.core.ids import Asset, LiquidationId
from kamiyo.core.liquidations import (
    FillKey,
    Liquidation,
    ObservedFill,
    fill_key,
    fold,
    liquidation_id,
    merge,
    merge_all,
    observe,
)
from kamiyo.core.margin import Direction
from kamiyo.core.markets import FIRST_DEX
from kamiyo.hyperliquid.fills import FillClass, classify, liquidated_fill
from tests.builders import (
    API,
    ARCHIVE,
    CHAIN,
    HASH,
    MAKER,
    NODE,
    OTHER_HASH,
    OTHER_VICTIM,
    VAULT,
    VICTIM,
    a_counterparty_fill,
    a_liquidated_fill,
    a_maker_row,
    a_named_liquidation,
    a_victim_row,
)

Known = dict[FillKey, ObservedFill]

# Few of each, so that sights of one fill meet, agree and disagree often; awkward numbers among them.
NUMBERS = [Decimal(text) for text in ("1", "2.00", "3000.5", "0.0007", "33.333333333", "13385820.0")]
SIGNED = [None, Decimal(0), *NUMBERS, *(-number for number in NUMBERS)]
POOLS: dict[str, list[object]] = {
    "source": [NODE, API, ARCHIVE, "another"],
    "role": [*FillRole],
    "tid": [1, 2, 3],
    "price": [*NUMBERS],
    "size": [*NUMBERS],
    "mark_price": [*NUMBERS],
    "side": [*Direction],
    "margin_mode": [None, *MarginMode],
    "closed_pnl": [*SIGNED],
    "fee": [*SIGNED],
    "position_size_before": [*SIGNED],
    "direction_text": ["Close Long", "Open Short"],
    "counterparty": [None, MAKER, VAULT],
}
IDENTITIES: dict[str, list[object]] = {
    "asset": ["ETH", "xyz:TSLA", "@107"],
    "user": [VICTIM, OTHER_VICTIM],
    "hash": [HASH, OTHER_HASH, None],
    "method": [*LiquidationMethod],
}


def picked(pools: dict[str, list[object]], seed: int) -> LiquidatedFill:
    random = Random(seed)  # several times faster than a strategy for each field
    return a_liquidated_fill(**{name: random.choice(pool) for name, pool in pools.items()})


seeds = st.integers(0, 2**32)
sights = st.builds(picked, st.just(POOLS | IDENTITIES), seeds)
sights_of_one = st.builds(picked, st.just(POOLS), seeds)  # everything folds into one liquidation
many_sights = st.lists(sights, min_size=1, max_size=12) | st.lists(sights_of_one, min_size=1, max_size=12)


def keyed(seen: LiquidatedFill) -> tuple[FillKey, ObservedFill]:
    return fill_key(liquidation_id(seen), seen), observe(seen)


def written(known: Known, batch: Iterable[LiquidatedFill]) -> Known:
    """What is stored after a batch: the batch is joined first, and then with what is there."""
    return merge_all([*known.items(), *merge_all(map(keyed, batch)).items()])


def folded(known: Known) -> dict[LiquidationId, Liquidation]:
    identities = {identity for identity, _asset, _tid in known}
    return {
        identity: fold(identity, [item for key, item in known.items() if key[0] == identity])
        for identity in identities
    }


def at_once(seen: Sequence[LiquidatedFill]) -> dict[LiquidationId, Liquidation]:
    return folded(written({}, seen))


@given(many_sights, seeds)
def test_any_order_ends_the_same(seen, seed) -> None:
    """A permutation of what was seen folds to the same liquidations, every field and version included."""
    shuffled = list(seen)
    Random(seed).shuffle(shuffled)
    assert at_once(shuffled) == at_once(seen)


@given(many_sights, st.data())
def test_any_cut_into_batches_ends_the_same(seen, data) -> None:
    """However the stream is cut into transactions, the stored liquidations are the same."""
    cuts = sorted(data.draw(st.sets(st.integers(0, len(seen)), max_size=5)))
    known: Known = {}
    for start, end in zip([0, *cuts], [*cuts, len(seen)], strict=True):
        known = written(known, seen[start:end])
    assert folded(known) == at_once(seen)


@given(many_sights, st.data())
def test_any_repetition_ends_the_same(seen, data) -> None:
    """Reading again, wholly or in part, at once or later, changes nothing at all."""
    repeated = data.draw(st.lists(st.sampled_from(seen), max_size=8))
    known = written({}, seen)
    assert written(known, repeated) == known
    assert at_once([*repeated, *seen, *repeated]) == folded(known)


@given(st.lists(sights_of_one, min_size=3, max_size=3))
def test_merging_is_a_join(seen) -> None:
    """Merging commutes, associates and absorbs what it holds."""
    one, two, three = (observe(fill) for fill in seen)
    assert merge(one, two) == merge(two, one)
    assert merge(merge(one, two), three) == merge(one, merge(two, three))
    assert merge(merge(one, two), one) == merge(one, two)


@given(st.lists(sights_of_one, min_size=1, max_size=10))
def test_the_version_grows_with_new_knowledge_and_with_nothing_else(seen) -> None:
    """Each new observation raises the version by one, and a repeated one leaves the whole row alone."""
    identity = liquidation_id(seen[0])
    known: Known = {}
    heard: set[tuple[FillKey, str]] = set()
    before: Liquidation | None = None
    for sight in seen:
        key, _observed = keyed(sight)
        known = written(known, [sight])
        after = folded(known)[identity]
        if (key, sight.observation) in heard:
            assert after == before
        else:
            assert after.version == (before.version if before else 0) + 1
        heard.add((key, sight.observation))
        before = after


@given(many_sights)
def test_totals_are_those_of_the_fills_that_are_shown(seen) -> None:
    """Nothing is counted twice and nothing is lost: sizes and amounts are sums over distinct fills."""
    known = written({}, seen)
    result = folded(known).values()
    assert sum(row.fill_count for row in result) == len(known) == len({keyed(sight)[0] for sight in seen})
    assert sum(Decimal(row.size) for row in result) == sum(Decimal(item.fill.size) for item in known.values())
    assert sum(Decimal(row.amount_usd) for row in result) == sum(
        Decimal(item.fill.price) * Decimal(item.fill.size) for item in known.values()
    )
    for row in result:
        price, amount, size = map(Decimal, (row.liquidation_price, row.amount_usd, row.size))
        assert abs(price - amount / size) <= Decimal("5e-13")


@given(st.lists(sights_of_one, min_size=1, max_size=10))
def test_a_victims_row_is_shown_wherever_there_is_one(seen) -> None:
    """A maker's row never speaks for a fill whose victim's row was seen, first, last or between."""
    for key, item in written({}, seen).items():
        rows = [sight for sight in seen if keyed(sight)[0] == key]
        assert item.fill.role is min((row.role for row in rows), key=list(FillRole).index)
        assert item.fill in rows
        assert set(item.observations) == {row.observation for row in rows}


@given(st.lists(sights_of_one, min_size=1, max_size=10))
def test_a_counterparty_that_any_row_names_is_known(seen) -> None:
    """Who took the other side is known as soon as one row says it, and the smaller of two stays."""
    for key, item in written({}, seen).items():
        told = {sight.counterparty for sight in seen if keyed(sight)[0] == key} - {None}
        assert item.counterparty == min(told, default=None)


@given(st.permutations([a_liquidated_fill(), a_counterparty_fill(), a_liquidated_fill(source=API)]))
def test_both_rows_of_a_trade_and_a_second_source_are_one_fill(seen) -> None:
    """A trade seen from three sides is counted once and remembered three times."""
    (row,) = at_once(seen).values()
    assert row.size == "2"
    assert (row.fill_count, row.version) == (1, 3)
    assert (row.source, row.observed_by) == (NODE, (API, NODE))
    assert row.metadata.closed_pnl == "-150.5"


@given(st.permutations([(VICTIM, HASH), (OTHER_VICTIM, HASH), (VICTIM, OTHER_HASH), (VICTIM, None)]))
def test_one_hash_is_not_one_victim(who) -> None:
    """Victims under one hash stay apart, and so do one victim's two hashes and the lack of one."""
    rows = at_once([a_liquidated_fill(user=user, liquidated_user=user, hash=hash_) for user, hash_ in who])
    assert {(row.user, row.metadata.hash) for row in rows.values()} == set(who)
    assert all(row.version == 1 for row in rows.values())


@given(st.permutations(["ETH", "xyz:TSLA", "flx:TSLA", "@107", "PURR/USDC"]))
def test_one_hash_is_not_one_asset(assets) -> None:
    """A cross liquidation is one row per asset, each on its dex, though tid and hash are the same."""
    rows = at_once([a_liquidated_fill(asset=asset) for asset in assets])
    assert {row.asset: row.protocol for row in rows.values()} == {
        "ETH": FIRST_DEX,
        "xyz:TSLA": "xyz",
        "flx:TSLA": "flx",
        "@107": FIRST_DEX,
        "PURR/USDC": FIRST_DEX,
    }


def facts(rows: Iterable[tuple[str, Fill]]) -> list[LiquidatedFill]:
    """What the venue's rows say, as an aggregator takes them: ordinary and underwater rows are none."""
    read = []
    for user, fill in rows:
        kind = classify(user, fill)
        if kind not in {FillClass.ORDINARY, FillClass.ADL_UNDERWATER}:
            read.append(liquidated_fill(user, fill, kind, source=NODE, chain=CHAIN))
    return read


SELF_TRADE = [(VICTIM, a_victim_row()), (VICTIM, a_maker_row())]
DELEVERAGING = {
    "direction_text": "Auto-Deleveraging",
    "liquidation": a_named_liquidation(liquidated_user=VAULT, method="backstop"),
}
ADL = [(MAKER, a_victim_row(**DELEVERAGING)), (VAULT, a_maker_row(**DELEVERAGING))]


@given(st.permutations(SELF_TRADE * 2))
def test_a_user_who_trades_with_himself_is_liquidated_once(rows) -> None:
    """Both rows name the victim, and they are one fill of one size on the side that was lost."""
    (row,) = at_once(facts(rows)).values()
    assert row.size == "2"
    assert (row.user, row.side, row.fill_count) == (VICTIM, Direction.LONG, 1)
    assert row.metadata.closed_pnl == "-150.5"
    assert row.version == 2


@given(st.permutations(ADL * 2))
def test_the_underwater_row_of_a_deleveraging_is_never_a_fill(rows) -> None:
    """Only the trader who was closed lost a position; the account that caused it did not."""
    (row,) = at_once(facts(rows)).values()
    assert (row.user, row.metadata.liquidated_user) == (MAKER, VAULT)
    assert (row.method, row.fill_count, row.version) == (LiquidationMethod.ADL, 1, 1)


@given(st.sampled_from(["ETH", "xyz:TSLA", "@107"]), st.sampled_from(Side), st.booleans())
def test_the_underwater_row_is_refused_even_if_asked_for(asset, side, crossed) -> None:
    """No reading of an underwater row makes a fact of it."""
    fill = a_victim_row(**DELEVERAGING, asset=asset, side=side, crossed=crossed)
    kind = classify(VAULT, fill)
    assert kind is FillClass.ADL_UNDERWATER
    with pytest.raises(MalformedPayload) as caught:
        liquidated_fill(VAULT, fill, kind, source=NODE, chain=CHAIN)
    assert caught.value.rule == "not_a_liquidation"


def test_the_same_tid_on_two_assets_is_two_fills() -> None:
    """A tid is not unique on the venue, so it never joins what is not one asset's."""
    rows = at_once([a_liquidated_fill(), a_liquidated_fill(asset=Asset("BTC"))])
    assert len(rows) == 2
