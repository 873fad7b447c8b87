from datetime import timedelta
from decimal import Decimal

import msgspec

from kamiyo.core.money import Price, Usd
from kamiyo.core.ports import Counted, Event, Normalized
from kamiyo.processing.validator import validate
from tests.builders import (
    MAKER,
    NOW,
    VICTIM,
    a_fill,
    a_liquidated_fill,
    a_market_state,
    a_raw,
    a_record,
    a_reject,
    a_trade,
    a_vault_state,
    an_account_liquidation,
    an_account_state,
)
from tests.fake_claims import a_claim, a_claimed_position, a_claimed_total


def test_a_payload_that_keeps_all_rules_passes_untouched() -> None:
    """The usual payload is not copied."""
    payload = Normalized(events=[a_liquidated_fill(), a_record()], fills=[(VICTIM, a_fill())])
    assert validate(payload, a_raw(), NOW) is payload


def test_what_breaks_a_rule_is_moved_to_the_rejects_and_counted_there() -> None:
    """The rest of the payload is believed; rows of the venue are kept as read, facts as JSON."""
    good_row, bad_row = (VICTIM, a_fill()), (MAKER, a_fill(size="0.0", tid=5))
    good, negative = a_liquidated_fill(), a_liquidated_fill(size=Decimal(-1), tid=6)
    account = an_account_liquidation(amount_usd=Decimal(-1))
    before = Normalized(
        events=[good, negative, account],
        fills=[good_row, bad_row],
        rejects=[a_reject()],
        counts={
            Counted.FILLS: 5,
            Counted.ORDINARY_FILLS: 2,
            Counted.LIQUIDATED_FILLS: 2,
            Counted.LEDGER_EVENTS: 1,
            Counted.REFUSED_FILLS: 1,
            Counted.REJECTS: 1,
        },
        block=9,
        last_event_at=NOW,
    )

    after = validate(before, a_raw(), NOW)

    assert after.events == [good]
    assert after.fills == [good_row]
    assert after.rejects[0] == a_reject()
    assert [each.rule for each in after.rejects[1:]] == [
        "row_has_positive_numbers",
        "positive_numbers",
        "negative_amount",
    ]
    assert msgspec.json.decode(after.rejects[1].payload)[1]["tid"] == 5
    assert msgspec.json.decode(after.rejects[2].payload)["size"] == "-1"
    assert after.rejects[1].detail == "fill 5 of ETH"
    assert after.rejects[3].detail == "AccountLiquidation"
    assert after.counts == {
        Counted.FILLS: 5,
        Counted.ORDINARY_FILLS: 1,
        Counted.LIQUIDATED_FILLS: 1,
        Counted.LEDGER_EVENTS: 0,
        Counted.REFUSED_FILLS: 3,
        Counted.REJECTS: 4,
    }
    assert (after.block, after.last_event_at) == (9, NOW)


def test_equal_facts_are_refused_one_by_one() -> None:
    """Two equal rows that break a rule are two refused rows."""
    row = (VICTIM, a_fill(price="-1"))
    after = validate(Normalized(fills=[row, (VICTIM, a_fill(price="-1"))]), a_raw(), NOW)
    assert after.fills == []
    assert after.counts[Counted.REFUSED_FILLS] == 2


def test_time_is_judged_by_the_moment_given() -> None:
    """A fact that lies in the future today is believed once that time has come."""
    early = NOW - timedelta(minutes=1)
    payload = Normalized(events=[a_liquidated_fill()], fills=[(VICTIM, a_fill())])
    refused = validate(payload, a_raw(), early)
    assert {each.rule for each in refused.rejects} == {"not_from_the_future"}
    assert validate(payload, a_raw(), NOW) is payload


def test_a_trade_that_breaks_a_rule_is_refused_by_itself() -> None:
    """The others of its frame are believed; its row is kept in the venue's words."""
    good, bad = a_trade(), a_trade(tid=5, price="-1")
    before = Normalized(trades=[good, bad], counts={Counted.PAYLOADS: 1, Counted.TRADES: 2})
    after = validate(before, a_raw(), NOW)
    assert list(after.trades) == [good]
    assert after.counts == {
        Counted.PAYLOADS: 1,
        Counted.TRADES: 2,
        Counted.REFUSED_TRADES: 1,
        Counted.REJECTS: 1,
    }
    [reject] = after.rejects
    assert (reject.rule, reject.detail) == ("trade_has_positive_numbers", "trade 5 of ETH")
    assert msgspec.json.decode(reject.payload)["px"] == "-1"


def test_a_bad_state_is_taken_off_the_count_of_its_kind() -> None:
    """So that what is counted is what is believed."""
    bad: list[Event] = [
        a_market_state(mark_price=Price(Decimal(0))),
        a_vault_state(name="\n"),
        an_account_state(maintenance_margin=Usd(Decimal(-1))),
    ]
    kinds = (Counted.MARKET_STATES, Counted.VAULT_STATES, Counted.ACCOUNT_STATES)
    counts = dict.fromkeys(kinds, 2)
    after = validate(Normalized(events=[a_market_state(), *bad], counts=counts), a_raw(), NOW)
    assert list(after.events) == [a_market_state()]
    assert after.counts == dict.fromkeys(kinds, 1) | {Counted.REJECTS: 3}


def test_a_refused_claim_is_counted_as_what_it_was() -> None:
    """Orders, totals and positions are counted apart, so that each sum stays that of what is kept."""
    bad = (
        a_claim(price=Decimal(0)),
        a_claimed_total(window_seconds=0),
        a_claimed_position(size=Decimal(0)),
    )
    counts = {Counted.CLAIMS: 2, Counted.CLAIMED_TOTALS: 1, Counted.CLAIMED_POSITIONS: 1}
    after = validate(Normalized(events=[a_claim(), *bad], counts=counts), a_raw(), NOW)
    assert after.events == [a_claim()]
    assert [each.detail for each in after.rejects] == ["Claim", "ClaimedTotal", "ClaimedPosition"]
    assert {name: number for name, number in after.counts.items() if number} == {
        Counted.CLAIMS: 1,
        Counted.REJECTS: 3,
    }
