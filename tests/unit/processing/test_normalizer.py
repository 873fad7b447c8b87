from kamiyo.core.errors import MalformedPayload
from kamiyo.core.ports import Counted, Normalized
from kamiyo.processing.normalizer import normalize
from tests.builders import NOW, a_raw


def test_what_a_source_makes_of_a_payload_is_passed_on() -> None:
    """The source's own function has the word on what a payload says."""
    said = Normalized(block=7)
    assert normalize(lambda _raw: said, a_raw()) is said


def test_a_payload_nobody_understands_becomes_one_reject_that_holds_it() -> None:
    """A malformed payload is kept under the rule it broke, counted, and never raised."""

    def refuse(_raw):
        raise MalformedPayload("no such stream", rule="unknown_stream")

    normalized = normalize(refuse, a_raw(payload=b"junk"))

    [kept] = normalized.rejects
    assert (kept.rule, kept.detail, kept.payload) == ("unknown_stream", "no such stream", b"junk")
    assert (kept.source, kept.stream, kept.received_at) == (a_raw().source, a_raw().stream, NOW)
    assert normalized.counts == {Counted.PAYLOADS: 1, Counted.REJECTS: 1}
    assert not normalized.events
    assert normalized.block is None
