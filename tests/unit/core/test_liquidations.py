import itertools
from decimal import Decimal

import pytest

from kamiyo.core.events import FillRole, LiquidationMethod, MarginMode
from kamiyo.core.liquidations import (
    LiquidationMetadata,
    ObservedFill,
    fill_key,
    fold,
    liquidation_id,
    merge,
    merge_all,
    observe,
)
from kamiyo.core.margin import Direction
from kamiyo.core.time import from_millis, rfc3339
from tests.builders import (
    API,
    ARCHIVE,
    HASH,
    MAKER,
    MILLIS,
    NODE,
    NOW,
    OTHER_HASH,
    OTHER_VICTIM,
    VAULT,
    VICTIM,
    a_counterparty_fill,
    a_liquidated_fill,
    a_liquidation,
)

OTHER_IDENTITY = {
    "timestamp": from_millis(MILLIS + 1),
    "chain": "hyperliquid_testnet",
    "hash": OTHER_HASH,
    "user": OTHER_VICTIM,
    "asset": "BTC",
    "method": LiquidationMethod.BACKSTOP,
}
SAME_IDENTITY = {
    "source": API,
    "tid": 102,
    "price": Decimal(1),
    "counterparty": MAKER,
    "size": Decimal(1),
    "liquidated_user": OTHER_VICTIM,
    "side": Direction.SHORT,
    "timestamp": NOW.replace(microsecond=250_999),
}


def test_an_id_stays_what_it_was() -> None:
    """The id is milliseconds and a hash as b2sum -l 96 computes it, in every version of KAMIYO."""
    assert liquidation_id(a_liquidated_fill()) == "1760130960250-50c55d61ec85f9fbb4b98324"
    assert liquidation_id(a_liquidated_fill(hash=None)) == "1760130960250-45f00799c4b437c19935ab67"


@pytest.mark.parametrize("field", OTHER_IDENTITY)
def test_another_event_has_another_id(field) -> None:
    """When, where, in which transaction, whose, which asset and how: each makes another liquidation."""
    assert liquidation_id(a_liquidated_fill(**{field: OTHER_IDENTITY[field]})) != liquidation_id(
        a_liquidated_fill()
    )


@pytest.mark.parametrize("field", SAME_IDENTITY)
def test_what_a_row_says_does_not_change_the_id(field) -> None:
    """Who saw it, which fill it was and what it cost are not part of the identity."""
    assert liquidation_id(a_liquidated_fill(**{field: SAME_IDENTITY[field]})) == liquidation_id(
        a_liquidated_fill()
    )


def test_a_fill_is_identified_within_its_liquidation() -> None:
    """A tid alone names nothing: it counts together with the liquidation and the asset."""
    fill = a_liquidated_fill()
    assert fill_key(liquidation_id(fill), fill) == (liquidation_id(fill), "ETH", 101)


def test_one_sight_of_a_fill_is_one_observation() -> None:
    """What is observed carries the fill, who saw it and nothing else."""
    seen = observe(a_liquidated_fill())
    assert seen == ObservedFill(
        fill=a_liquidated_fill(), observations=(a_liquidated_fill().observation,), counterparty=None
    )
    assert seen.observed_by == {NODE}


@pytest.mark.parametrize(
    "maker",
    [
        a_counterparty_fill(),
        a_counterparty_fill(source=API),
        a_counterparty_fill(price=Decimal("9e9"), side=Direction.SHORT),
    ],
)
def test_the_victims_row_outranks_the_makers_whatever_the_order(maker) -> None:
    """Who knows what was lost is believed, also against a greater content."""
    victim = observe(a_liquidated_fill())
    merged = merge(victim, observe(maker))
    assert merged.fill == victim.fill
    assert merged == merge(observe(maker), victim)
    assert len(merged.observations) == 2


def test_sources_that_disagree_are_both_kept_and_one_is_shown() -> None:
    """Of two victims' rows the greater content is shown, both are observations, and order is nothing."""
    lower, upper = a_liquidated_fill(), a_liquidated_fill(source=API, price=Decimal("3000.1"))
    merged = merge(observe(lower), observe(upper))
    assert merged == merge(observe(upper), observe(lower))
    assert merged.fill == upper
    assert merged.observations == tuple(sorted((lower.observation, upper.observation)))
    assert merged.observed_by == {NODE, API}


def test_sources_that_agree_are_shown_under_one_of_them_whatever_the_order() -> None:
    """Equal content from two sources still has one answer."""
    one, other = observe(a_liquidated_fill()), observe(a_liquidated_fill(source=API))
    assert merge(one, other) == merge(other, one)


def test_a_counterparty_told_by_any_row_is_known_beside_the_victims() -> None:
    """The victim's row stays what it is, and the fill knows who took the other side."""
    victim, maker = observe(a_liquidated_fill()), observe(a_counterparty_fill())
    merged = merge(victim, maker)
    assert merged == merge(maker, victim)
    assert merged.fill.counterparty is None
    assert merged.counterparty == MAKER


def test_of_two_counterparties_the_smaller_address_stays() -> None:
    """Two trades that share a tid, or sources that disagree, end the same in every order."""
    makers = [observe(a_counterparty_fill(counterparty=user)) for user in (VAULT, MAKER, None)]
    for one, two, three in itertools.permutations(makers):
        merged = merge(merge(one, two), three)
        assert merged == merge(one, merge(two, three)) == merge(merge(*makers[:2]), makers[2])
        assert merged.counterparty == MAKER


def test_merging_what_is_known_changes_nothing() -> None:
    """An observation joined with itself or with what holds it already is itself."""
    one, other = observe(a_liquidated_fill()), observe(a_counterparty_fill())
    both = merge(one, other)
    assert merge(one, one) == one
    assert merge(both, one) == merge(both, other) == both


def test_many_observations_are_joined_by_fill() -> None:
    """Each fill is there once with all that was seen of it, and other fills stay apart."""
    fills = [a_counterparty_fill(), a_liquidated_fill(), a_liquidated_fill(tid=7), a_liquidated_fill()]
    merged = merge_all((fill_key(liquidation_id(fill), fill), observe(fill)) for fill in fills)
    assert {key[2]: item.fill for key, item in merged.items()} == {101: fills[1], 7: fills[2]}
    assert [len(item.observations) for item in merged.values()] == [2, 1]


def test_fills_fold_into_one_liquidation() -> None:
    """Sizes and amounts add up, and the price is weighted by size."""
    folded = a_liquidation(
        a_liquidated_fill(tid=3, size=Decimal(1), price=Decimal(2990), position_size_before=Decimal(1)),
        a_liquidated_fill(tid=1, size=Decimal(2), price=Decimal(3000), position_size_before=Decimal(4)),
        a_liquidated_fill(tid=2, size=Decimal(1), price=Decimal(2998), position_size_before=Decimal(2)),
    )
    assert (folded.size, folded.amount_usd, folded.liquidation_price) == ("4", "11988", "2997")
    assert (folded.fill_count, folded.version) == (3, 3)
    assert folded.metadata == LiquidationMetadata(
        hash=HASH,
        liquidated_user=VICTIM,
        fill_directions=("Close Long",),
        closed_pnl="-451.5",
        fee="8.1",
        position_size_before="4",
    )


def test_an_average_price_has_twelve_decimals() -> None:
    """A price that has no last digit is cut to a fineness the venue never reaches."""
    folded = a_liquidation(
        a_liquidated_fill(tid=1, size=Decimal(1), price=Decimal(1)),
        a_liquidated_fill(tid=2, size=Decimal(2), price=Decimal(2)),
    )
    assert folded.liquidation_price == "1.666666666667"
    assert folded.amount_usd == "5"


def test_a_liquidation_carries_what_its_fills_say() -> None:
    """Each field of the single fill is where it belongs; leverage nobody knows."""
    folded = a_liquidation(a_liquidated_fill(margin_mode=MarginMode.ISOLATED))
    assert folded.liquidation_id == liquidation_id(a_liquidated_fill())
    assert (folded.chain, folded.protocol, folded.asset) == ("hyperliquid", "hyperliquid", "ETH")
    assert (folded.user, folded.side, folded.method) == (VICTIM, Direction.LONG, LiquidationMethod.MARKET)
    assert (folded.mark_price, folded.timestamp) == ("3000.5", rfc3339(NOW))
    assert (folded.leverage, folded.margin_mode) == (None, MarginMode.ISOLATED)
    assert (folded.source, folded.observed_by) == (NODE, (NODE,))


def test_the_first_fill_by_number_speaks_for_all() -> None:
    """Where fills differ in what a liquidation has once, the lowest tid is taken, in any order."""
    fills = [
        a_liquidated_fill(tid=2, mark_price=Decimal(2)),
        a_liquidated_fill(tid=1, mark_price=Decimal(1)),
        a_liquidated_fill(tid=3, mark_price=Decimal(3)),
    ]
    assert a_liquidation(*fills).mark_price == "1"
    assert a_liquidation(*fills) == a_liquidation(*reversed(fills))


@pytest.mark.parametrize(
    ("asset", "protocol"), [("xyz:TSLA", "xyz"), ("@107", "hyperliquid"), ("PURR/USDC", "hyperliquid")]
)
def test_a_liquidation_belongs_to_the_dex_of_its_asset(asset, protocol) -> None:
    """A builder's market is counted for the builder's dex, spot names for the venue."""
    assert a_liquidation(a_liquidated_fill(asset=asset)).protocol == protocol


@pytest.mark.parametrize(
    ("sources", "shown"),
    [
        ((NODE, API, ARCHIVE), NODE),
        ((API, ARCHIVE), ARCHIVE),
        ((API, "zz_other", "aa_other"), API),
        (("zz_other", "aa_other"), "aa_other"),
    ],
)
def test_the_most_complete_source_is_shown_and_all_are_named(sources, shown) -> None:
    """A row stands under its best source; unlisted ones come last, by name."""
    seen = merge_all(
        (fill_key(liquidation_id(fill), fill), observe(fill))
        for fill in (a_liquidated_fill(source=source) for source in sources)
    )
    folded = fold(liquidation_id(a_liquidated_fill()), list(seen.values()))
    assert folded.source == shown
    assert folded.observed_by == tuple(sorted(sources))
    assert (folded.version, folded.fill_count) == (len(sources), 1)


def test_what_only_victims_rows_know_is_unknown_without_them() -> None:
    """Without a victim's row there is no loss, no fee and no size before: None, and not zero."""
    known = a_liquidation(a_counterparty_fill()).metadata
    assert (known.closed_pnl, known.fee, known.position_size_before) == (None, None, None)


def test_a_sum_with_an_unknown_part_is_unknown() -> None:
    """One maker's row among victims' rows makes the sums unknown; the largest known size before stays."""
    known = a_liquidation(
        a_liquidated_fill(tid=1, position_size_before=Decimal(-3)),
        a_liquidated_fill(tid=2, position_size_before=Decimal(2)),
        a_counterparty_fill(tid=3),
    ).metadata
    assert (known.closed_pnl, known.fee, known.position_size_before) == (None, None, "-3")
    assert known.fill_directions == ("Close Long", "Open Long")


def test_the_margin_mode_is_taken_from_the_fills_that_say_it() -> None:
    """A fill that is silent about it does not hide what another one says."""
    fills = [a_liquidated_fill(tid=1), a_liquidated_fill(tid=2, margin_mode=MarginMode.CROSS)]
    assert a_liquidation(*fills).margin_mode == MarginMode.CROSS
    assert a_liquidation(fills[0]).margin_mode is None


def test_a_deleveraged_user_is_kept_apart_from_the_underwater_one() -> None:
    """The liquidation is of who lost the position, and names whose loss was the reason."""
    folded = a_liquidation(a_liquidated_fill(method=LiquidationMethod.ADL, liquidated_user=VAULT))
    assert (folded.user, folded.metadata.liquidated_user) == (VICTIM, VAULT)


def test_a_public_trade_adds_its_size_and_yields_to_every_row_that_knows_more() -> None:
    """What everybody sees completes a liquidation and never outranks one of its two parties."""
    public = a_counterparty_fill(role=FillRole.PUBLIC, direction_text="")
    maker = a_counterparty_fill()
    both = merge(observe(public), observe(maker))
    assert both.fill is maker
    assert len(both.observations) == 2
    assert fold(liquidation_id(public), [observe(public)]).metadata.fill_directions == ()
