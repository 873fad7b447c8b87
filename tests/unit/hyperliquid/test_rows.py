"""Rows of fills: the good ones are taken, each bad one is refused by itself, and all are counted."""

from datetime import UTC, datetime

import msgspec
import pytest

from kamiyo.core.errors import MalformedPayload
from kamiyo.core.events import LiquidatedFill, LiquidationMethod
from kamiyo.core.ports import Counted
from kamiyo.core.time import from_millis
from kamiyo.hyperliquid.fills import LARGEST_INTEGER
from kamiyo.hyperliquid.rows import FillRows, detail_of, refusal
from tests.builders import (
    CHAIN,
    MAKER,
    MILLIS,
    VICTIM,
    a_fill,
    a_maker_row,
    a_raw,
    a_victim_row,
    a_wire_fill,
    fill_json,
)

RAW = a_raw()


def rows() -> FillRows:
    return FillRows(RAW, CHAIN)


def raw_fill(**changes: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(fill_json(**changes)))


def test_each_kind_of_row_is_counted_as_what_it_is() -> None:
    """Ordinary ones stay rows, liquidated ones become facts, an ADL's losing row is told by the other."""
    taken = rows()
    taken.take(VICTIM, a_wire_fill(a_fill()))
    taken.take(VICTIM, a_wire_fill(a_victim_row(tid=102)))
    taken.take(VICTIM, a_wire_fill(a_victim_row(tid=103, direction_text="Auto-Deleveraging")))
    normalized = taken.normalized(at=None, block=5)
    assert [fill.tid for _user, fill in normalized.fills] == [101]
    [fact] = normalized.events
    assert isinstance(fact, LiquidatedFill)
    assert (fact.tid, fact.method) == (102, LiquidationMethod.MARKET)
    assert normalized.counts == {
        Counted.PAYLOADS: 1,
        Counted.FILLS: 3,
        Counted.ORDINARY_FILLS: 1,
        Counted.LIQUIDATED_FILLS: 1,
        Counted.UNDERWATER_FILLS: 1,
        Counted.REFUSED_FILLS: 0,
        Counted.REJECTS: 0,
    }
    assert (normalized.block, normalized.last_event_at) == (5, None)


def test_rows_of_the_same_payload_are_added_up() -> None:
    """Many blocks in one payload are sorted out each by itself."""
    taken, others = rows(), rows()
    taken.take(VICTIM, a_wire_fill(a_fill(time=MILLIS + 1)))
    others.take(VICTIM, a_wire_fill(a_fill(tid=102)))
    others.take(VICTIM, a_wire_fill(a_victim_row(tid=103)))
    others.take(VICTIM, a_wire_fill(a_victim_row(tid=104, direction_text="Auto-Deleveraging")))
    others.take_undecoded(msgspec.Raw(b"[]"))
    taken.add(rows())
    taken.add(others)
    normalized = taken.normalized_by_fills()
    assert [fill.tid for _user, fill in normalized.fills] == [101, 102]
    assert [event.tid for event in normalized.events if isinstance(event, LiquidatedFill)] == [103]
    assert normalized.counts == {
        Counted.PAYLOADS: 1,
        Counted.FILLS: 5,
        Counted.ORDINARY_FILLS: 2,
        Counted.LIQUIDATED_FILLS: 1,
        Counted.UNDERWATER_FILLS: 1,
        Counted.REFUSED_FILLS: 1,
        Counted.REJECTS: 1,
    }
    assert normalized.last_event_at == from_millis(MILLIS + 1)


def test_one_accounts_fills_are_taken_and_the_bad_ones_refused() -> None:
    """Each with its own rule and its own bytes."""
    taken = rows()
    bad = [raw_fill(px=None), raw_fill(tid="x"), msgspec.Raw(b'{"coin":"\xff"}'), raw_fill(tid=-1)]
    taken.take_fills_of(
        MAKER, [raw_fill(time=MILLIS + 5, liquidation=None), *bad, raw_fill(liquidation=None)]
    )
    normalized = taken.normalized_by_fills()
    assert [user for user, _fill in normalized.fills] == [MAKER, MAKER]
    assert [each.rule for each in normalized.rejects] == [
        "incomplete_fill",
        "malformed",
        "malformed",
        "tid_out_of_range",
    ]
    assert normalized.rejects[0].payload == b'["%b",%b]' % (MAKER.encode(), bytes(bad[0]))
    assert normalized.counts[Counted.FILLS] == 6
    assert normalized.counts[Counted.REFUSED_FILLS] == normalized.counts[Counted.REJECTS] == 4
    assert normalized.last_event_at == from_millis(MILLIS + 5)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"tid": LARGEST_INTEGER + 1}, "tid_out_of_range"),
        ({"time": 1_600_000_000_000}, "time_out_of_range"),
        ({"time": 1 << 60}, "time_out_of_range"),
    ],
)
def test_what_no_database_could_hold_is_refused(changes, rule) -> None:
    """Before anything is made of it."""
    with pytest.raises(MalformedPayload) as caught:
        rows().take(MAKER, a_wire_fill(a_maker_row(**changes)))
    assert caught.value.rule == rule


def test_without_a_good_row_there_is_no_time() -> None:
    """Nothing says when it was."""
    taken = rows()
    taken.take_fills_of(MAKER, [raw_fill(sz=None)])
    assert taken.normalized_by_fills().last_event_at is None


def test_a_refusal_keeps_what_was_refused() -> None:
    """With where it came from, and a detail of a length that can be kept."""
    error = ValueError("x" * 500)
    kept = refusal(RAW, "malformed", error, b"[1]")
    assert (kept.source, kept.stream, kept.rule, kept.payload) == (
        RAW.source,
        RAW.stream,
        "malformed",
        b"[1]",
    )
    assert kept.detail == detail_of(error) == "x" * 200
    assert kept.received_at.astimezone(UTC) == RAW.received_at
    assert isinstance(kept.received_at, datetime)
