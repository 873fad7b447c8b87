from datetime import timedelta
from decimal import Decimal

import msgspec

from kamiyo.core.ports import Counted, Normalized
from kamiyo.processing.validator import validate
from tests.builders import (
    MAKER,
    NOW,
    VICTIM,
    a_fill,
    a_liquidated_fill,
    a_raw,
    a_reject,
    an_account_liquidation,
    an_exploit,
)


def test_a_payload_that_keeps_all_rules_passes_untouched() -> None:
    """The usual payload is not copied."""
    payload = Normalized(events=[a_liquidated_fill(), an_exploit()], fills=[(VICTIM, a_fill())])
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
