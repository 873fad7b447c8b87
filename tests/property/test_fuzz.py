"""A short, seeded part of ``./dev fuzz``: mutated payloads end as events or rejects, never otherwise."""

from itertools import islice
from random import Random

import pytest

from kamiyo.core.ports import Counted, Normalized
from tests.builders import a_liquidated_fill, a_reject
from tools.frame_mutations import CHANNELS, frames, frames_of, huge_frame
from tools.fuzz import Pipeline, _send, judge
from tools.fuzz_frames import READERS, Listener, differing, frames_chunk, send
from tools.fuzzing import Summary
from tools.mutations import STREAMS, huge_payload, payloads


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_no_payload_breaks_the_pipeline(seed: int) -> None:
    """Thousands of damaged lines of every stream raise nothing, stall nothing and give no wrong number."""
    summary, pipeline = Summary(), Pipeline()
    for stream, line in payloads(10_000 + seed, 5_000, huge=False):
        _send(summary, pipeline, stream, line)
    assert summary.faults == []
    assert summary.payloads == 5_000
    # The mutations leave enough alive to say something of every kind of fact.
    assert {"LiquidatedFill", "LedgerMovement", "AccountLiquidation"} <= set(summary.outcomes)
    assert len(summary.rules) > 15


@pytest.mark.slow
def test_lines_of_ten_megabytes_are_no_stall() -> None:
    """Many rows, one long text, one deep nest, one long number: each is answered in time."""
    summary, pipeline, random = Summary(), Pipeline(), Random(1)
    for _ in range(8):
        _send(summary, pipeline, "node_fills_by_block", huge_payload(random))
        _send(summary, pipeline, "node_fills", huge_payload(random))
    assert summary.faults == []
    assert summary.size > 100_000_000


def test_the_same_seed_sends_the_same_payloads() -> None:
    """A fault that was found can be found again."""
    assert list(payloads(7, 50)) == list(payloads(7, 50)) != list(payloads(8, 50))
    assert {stream for stream, _line in payloads(7, 500)} == set(STREAMS)


def test_a_fault_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception of any stage, a wrong number and a sum that does not add up are all faults."""

    def broken(_self: Pipeline, _stream: str, _line: bytes) -> Normalized:
        raise ZeroDivisionError("found")

    monkeypatch.setattr(Pipeline, "run", broken)
    summary = Summary()
    _send(summary, Pipeline(), "node_fills", b"[]")
    assert summary.faults[0].startswith("ZeroDivisionError: found")

    reject = a_reject()
    assert judge(Normalized()) == "neither events nor rejects"
    assert "rejects" in str(judge(Normalized(rejects=[reject], counts={Counted.PAYLOADS: 1})))
    assert "add up" in str(judge(Normalized(counts={Counted.FILLS: 1})))
    wrong = a_liquidated_fill(price=f"-{a_liquidated_fill().price}")
    assert "wrong number" in str(judge(Normalized(events=[wrong], counts={Counted.PAYLOADS: 1})))


# --- frames of the socket ---------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("channel", CHANNELS)
def test_no_frame_breaks_a_session(channel: str) -> None:
    """Ten thousand damaged frames of each channel end as what they say or are refused, in time."""
    summary, listener = Summary(), Listener()
    for frame in islice(frames_of(channel, 20_000), 10_000):
        send(summary, listener, frame)
    assert summary.faults == []
    assert summary.payloads == 10_000
    assert summary.outcomes[channel if channel in READERS else "swallowed"] > 500
    assert summary.outcomes["malformed"] > 500


@pytest.mark.slow
def test_frames_of_megabytes_are_no_stall() -> None:
    """Many trades, one long text, one deep nest, little that becomes much: each is answered in time."""
    summary, random = Summary(), Random(1)
    for _ in range(8):
        send(summary, Listener(), huge_frame(random))
    assert summary.faults == []
    assert summary.size > 15_000_000


def test_the_same_seed_sends_the_same_frames() -> None:
    """Of every channel, in turn."""
    assert [*frames(7, 50)] == [*frames(7, 50)] != [*frames(8, 50)]
    summary = frames_chunk((7, 2_000))
    assert summary.payloads == 2_000
    assert {*READERS, "swallowed", "malformed"} <= set(summary.outcomes)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("1.0", "1.00"),
        ("1", "2"),
        (1, "2"),
        (True, "false"),
        ([1], [1, 1]),
        ({"a": "1"}, {"a": "2"}),
        ("x", None),
    ],
)
def test_a_value_that_the_frame_does_not_say_is_a_fault(ours: object, theirs: object) -> None:
    """A text must be the very text, a number the same number, a list as long."""
    assert differing(ours, theirs) is not None


def test_a_frame_that_is_misread_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """As is any exception but the one that makes a reject."""

    def broken(_self: Listener, frame: bytes) -> tuple[str, object]:
        if frame == b"raise":
            raise ZeroDivisionError("found")
        return "allMids", {"mids": {"BTC": "2"}}

    monkeypatch.setattr(Listener, "take", broken)
    summary = Summary()
    send(summary, Listener(), b"raise")
    send(summary, Listener(), b'{"channel":"allMids","data":{"mids":{"BTC":"1"}}}')
    assert summary.faults[0].startswith("ZeroDivisionError: found")
    assert summary.faults[1].startswith("'2' is not '1'")
