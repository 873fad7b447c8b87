from decimal import Decimal

import pytest

from kamiyo.core.ports import Batch, Counted, Normalized, Span, Written, reject
from tests.builders import NODE, a_batch, a_liquidated_fill, a_raw, a_reject, a_span, a_tally

FILLS = {
    Counted.ORDINARY_FILLS,
    Counted.LIQUIDATED_FILLS,
    Counted.UNDERWATER_FILLS,
    Counted.REFUSED_FILLS,
    Counted.DUPLICATE_FILLS,
}


def test_an_empty_payload_holds_nothing_and_no_zero_is_invented() -> None:
    """Without a payload's word there are no events, no counts and no times: unknown is None."""
    nothing = Normalized()
    assert (list(nothing.events), list(nothing.fills), list(nothing.rejects)) == ([], [], [])
    assert dict(nothing.counts) == {}
    assert (nothing.block, nothing.last_event_at) == (None, None)


def test_an_empty_batch_claims_nothing() -> None:
    """A batch with only a source moves no cursor and vouches for no time."""
    batch = Batch(source=NODE)
    assert (batch.events, batch.rejects, batch.gaps, batch.tallies) == ((), (), (), ())
    assert (batch.cursor, batch.newest_block, batch.heard_at, batch.last_event_at) == (None, None, None, None)


def test_a_write_that_changed_nothing_says_so() -> None:
    """Zero is the default of every count of changes, and any change differs from it."""
    assert Written() == Written(new_fills=0, changed_liquidations=0, new_rows=0)
    assert Written(new_fills=1) != Written()


def test_a_refused_part_is_kept_instead_of_the_whole() -> None:
    """Where only a row is refused, the reject holds the row and not its block."""
    assert reject(a_raw(payload=b"[1,2]"), rule="r", detail="d", payload=b"2").payload == b"2"
    assert reject(a_raw(payload=b"[1,2]"), rule="r", detail="d").payload == b"[1,2]"
    assert reject(a_raw(payload=b"[1,2]"), rule="r", detail="d", payload=b"").payload == b""


@pytest.mark.parametrize(
    "fact", [a_span(), a_raw(), a_reject(), a_tally(), a_batch(), Normalized(), Written()]
)
def test_what_crosses_a_port_cannot_be_changed(fact) -> None:
    """Both sides of a port hold the same value for as long as they hold it."""
    with pytest.raises(AttributeError):
        setattr(fact, fact.__struct_fields__[0], None)


def test_spans_are_equal_by_value() -> None:
    """The same bytes of the same file are the same span, and a rewritten file is another one."""
    assert a_span() == Span(scope=a_span().scope, start=0, end=512)
    assert a_span() != a_span(scope="hourly/20251010/21#2")


def test_every_kind_of_fill_is_told_apart_in_the_accounting() -> None:
    """The words for fills are distinct and each says that it counts fills."""
    assert all(word.value.endswith("_fills") for word in FILLS)
    assert {word for word in Counted if word.value.endswith("_fills")} == FILLS


def test_batches_with_equal_facts_are_equal() -> None:
    """Numbers of one value make one fact, however many zeros they are written with."""
    longer = a_liquidated_fill(price=Decimal("3000.000"))
    assert a_batch(events=(longer,)) == a_batch()
