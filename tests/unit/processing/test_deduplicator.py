from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamiyo.core.claims import ClaimedAction
from kamiyo.core.events import Side
from kamiyo.core.ports import Counted, Event, Normalized
from kamiyo.processing.deduplicator import Deduplicator, event_key, leg_keys, trade_keys
from tests.builders import (
    MAKER,
    OTHER_HASH,
    VICTIM,
    a_counterparty_fill,
    a_fill,
    a_ledger_movement,
    a_liquidated_fill,
    a_record,
    a_reject,
    a_trade,
    an_account_liquidation,
    an_honest_case,
)
from tests.fake_claims import a_claim, a_claimed_position, a_claimed_total


def rows(*tids: int) -> Normalized:
    fills = [(VICTIM, a_fill(tid=tid)) for tid in tids]
    return Normalized(fills=fills, counts={Counted.FILLS: len(fills), Counted.ORDINARY_FILLS: len(fills)})


def heard(deduplicator: Deduplicator, *tids: int) -> list[int]:
    return [fill.tid for _user, fill in deduplicator.fresh(rows(*tids)).fills]


def test_what_is_new_passes_untouched() -> None:
    """The usual payload is not copied."""
    payload = rows(1, 2)
    assert Deduplicator().fresh(payload) is payload


def test_what_was_stored_is_dropped_and_counted() -> None:
    """Fills of a stored batch are duplicates in the next; the accounting still adds up."""
    deduplicator = Deduplicator()
    deduplicator.fresh(rows(1, 2))
    deduplicator.remember_batch()

    payload = Normalized(
        fills=rows(2, 3).fills,
        events=[a_liquidated_fill(tid=9)],
        rejects=[a_reject()],
        counts={Counted.FILLS: 4, Counted.ORDINARY_FILLS: 2, Counted.LIQUIDATED_FILLS: 1, Counted.REJECTS: 1},
        block=5,
        last_event_at=a_liquidated_fill().timestamp,
    )
    fresh = deduplicator.fresh(payload)

    assert [fill.tid for _user, fill in fresh.fills] == [3]
    assert fresh.events == [a_liquidated_fill(tid=9)]
    assert fresh.counts == {
        Counted.FILLS: 4,
        Counted.ORDINARY_FILLS: 1,
        Counted.LIQUIDATED_FILLS: 1,
        Counted.DUPLICATE_FILLS: 1,
        Counted.REJECTS: 1,
    }
    assert (fresh.rejects, fresh.block, fresh.last_event_at) == (
        payload.rejects,
        payload.block,
        payload.last_event_at,
    )


def test_a_repetition_within_one_payload_is_dropped() -> None:
    """The second of two equal rows of one payload is a duplicate, too."""
    assert heard(Deduplicator(), 1, 2, 1) == [1, 2]


def test_a_repetition_within_one_batch_is_dropped() -> None:
    """A row of an earlier payload of the same batch, not stored yet, is a duplicate."""
    deduplicator = Deduplicator()
    assert heard(deduplicator, 1) == [1]
    assert heard(deduplicator, 1, 2) == [2]


def test_a_batch_that_was_not_stored_is_as_new_as_before() -> None:
    """What a failed batch held is taken again: a crash repeats work and loses none."""
    deduplicator = Deduplicator()
    heard(deduplicator, 1)
    deduplicator.remember_batch()
    heard(deduplicator, 2)
    deduplicator.forget_batch()
    assert heard(deduplicator, 1, 2) == [2]


def test_both_legs_of_a_trade_are_kept() -> None:
    """Both accounts of a trade share its tid, and both rows count."""
    legs = [(VICTIM, a_fill()), (MAKER, a_fill(side=Side.BUY, crossed=False))]
    assert Deduplicator().fresh(Normalized(fills=legs)).fills == legs


@pytest.mark.parametrize("change", [{"time": 1}, {"asset": "BTC"}, {"side": Side.BUY}, {"tid": 102}])
def test_a_leg_is_known_by_everything_that_identifies_it(change: dict[str, Any]) -> None:
    """A tid is unique only with its time and asset; a self-trade's legs differ in side."""
    changed, plain, dearer = leg_keys(
        [(VICTIM, a_fill(**change)), (VICTIM, a_fill()), (VICTIM, a_fill(price="1"))]
    )
    assert changed != plain == dearer


def test_each_kind_of_fact_has_a_key_of_its_own() -> None:
    """Facts are the same knowledge only if everything that identifies them is; cases have no key."""
    facts: list[Event] = [
        a_liquidated_fill(),
        a_counterparty_fill(),  # another observation of the same fill
        a_liquidated_fill(tid=102),
        an_account_liquidation(),
        an_account_liquidation(hash=OTHER_HASH),
        a_ledger_movement(),
        a_ledger_movement(delta=b"{}"),
    ]
    assert len({event_key(fact) for fact in facts}) == len(facts)
    assert event_key(a_record()) is event_key(an_honest_case()) is None


def test_a_fact_is_taken_once_and_a_case_always() -> None:
    """A repeated liquidated fill is a duplicate fill; of a case the latest word counts."""
    deduplicator = Deduplicator()
    payload = Normalized(
        events=[a_liquidated_fill(), a_record()], counts={Counted.FILLS: 1, Counted.LIQUIDATED_FILLS: 1}
    )
    deduplicator.fresh(payload)
    deduplicator.remember_batch()

    again = deduplicator.fresh(payload)

    assert again.events == [a_record()]
    assert again.counts[Counted.DUPLICATE_FILLS] == 1
    assert again.counts[Counted.LIQUIDATED_FILLS] == 0


def test_the_memory_is_bounded_and_keeps_the_younger() -> None:
    """At most two generations are held: the latest keys are known, the oldest were let go."""
    deduplicator = Deduplicator(capacity=10)
    for tid in range(100):
        heard(deduplicator, tid)
        deduplicator.remember_batch()
        assert len(deduplicator) <= 20
    assert heard(deduplicator, *range(90, 100)) == []
    assert heard(deduplicator, 0) == [0]


def test_what_only_the_older_generation_knows_is_a_duplicate() -> None:
    """The younger had no room any more for what came first: that is still known."""
    deduplicator = Deduplicator(capacity=2)
    for tid in (1, 2, 3):
        heard(deduplicator, tid)
        deduplicator.remember_batch()
    assert heard(deduplicator, 1) == []


@given(st.lists(st.lists(st.integers(0, 30), max_size=8), max_size=12), st.integers(1, 64), st.randoms())
def test_it_agrees_with_a_set_as_long_as_it_remembers(
    batches: list[list[int]], capacity: int, random
) -> None:
    """Nothing new is ever dropped, and with room enough nothing old ever passes."""
    deduplicator, stored = Deduplicator(capacity), set[int]()
    for tids in batches:
        passed = heard(deduplicator, *tids)
        assert len(passed) == len(set(passed))
        assert set(tids) - stored <= set(passed)
        if capacity > 31:
            assert set(passed) == set(tids) - stored
        if random.random() < 0.8:
            deduplicator.remember_batch()
            stored |= set(tids)
        else:
            deduplicator.forget_batch()


def trades(*tids: int) -> Normalized:
    found = [a_trade(tid=tid) for tid in tids]
    return Normalized(trades=found, counts={Counted.TRADES: len(found)})


def test_public_trades_are_dropped_and_counted_as_fills_are() -> None:
    """The venue repeats them after each reconnection; in one batch and across stored ones."""
    deduplicator = Deduplicator()
    payload = trades(1, 2)
    assert deduplicator.fresh(payload) is payload
    within = deduplicator.fresh(trades(2, 3, 3))
    assert [trade.tid for trade in within.trades] == [3]
    assert within.counts[Counted.DUPLICATE_TRADES] == 2
    assert within.counts[Counted.TRADES] == 3
    deduplicator.remember_batch()
    again = deduplicator.fresh(trades(1, 2, 3))
    assert not again.trades
    assert again.counts[Counted.DUPLICATE_TRADES] == 3


def test_a_trades_key_is_its_id_with_asset_and_time() -> None:
    """A trade id alone is not unique; price and users are no part of what makes it the same."""
    one = a_trade()
    others = [a_trade(tid=5), a_trade(asset="BTC"), a_trade(time=one.time + 1)]
    assert len(set(trade_keys([one, *others]))) == 4
    assert trade_keys([one]) == trade_keys([a_trade(price="1")])
    assert set(trade_keys([one])).isdisjoint(leg_keys([(VICTIM, a_fill())]))


def test_claims_are_dropped_by_their_ids_and_words_on_totals_are_not() -> None:
    """Of an observed position and of a total the newest word counts, so that each is handed on."""
    opened = a_claimed_position(action=ClaimedAction.OPENED)
    latest: list[Event] = [a_claimed_total(), a_claimed_position()]
    deduplicator = Deduplicator()
    first = Normalized(events=[a_claim(), opened, *latest], counts={Counted.CLAIMS: 1})
    assert deduplicator.fresh(first) is first
    again = deduplicator.fresh(Normalized(events=[a_claim(), opened, *latest, a_claim(ordinal=1)]))
    assert list(again.events) == [*latest, a_claim(ordinal=1)]
