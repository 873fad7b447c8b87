"""Which payload is read as what."""

import pytest

from kamiyo.aggregators._hyperliquid_archive.chunks import (
    Decode,
    names_any,
    normalize_chunk,
    stream_name,
)
from kamiyo.aggregators._hyperliquid_archive.layout import STREAMS
from kamiyo.core.errors import MalformedPayload
from kamiyo.core.ports import Counted, Span
from tests.builders import CHAIN, a_raw, block_line


@pytest.mark.parametrize("stream", sorted(STREAMS))
def test_every_stream_that_is_listed_can_be_read(stream: str) -> None:
    """Under the name it is given."""
    header = b"time,coin,mark_px,oracle_px\n"
    raw = a_raw(stream=stream_name(stream), payload=header if stream == "asset_ctxs" else b"", span=None)
    assert normalize_chunk(raw, CHAIN, Decode.LIQUIDATIONS).counts[Counted.PAYLOADS] == 1


@pytest.mark.parametrize("stream", ["node_fills_by_block", "archive/unheard", "archive/", ""])
def test_another_stream_is_refused(stream: str) -> None:
    """A node's own line is read by the node's source."""
    with pytest.raises(MalformedPayload) as caught:
        normalize_chunk(a_raw(stream=stream, payload=b"", span=None), CHAIN, Decode.ALL)
    assert caught.value.rule == "unknown_stream"


def test_a_line_that_was_cut_short_is_refused_as_such() -> None:
    """Its beginning says nothing of the rest."""
    raw = a_raw(stream=stream_name("node_fills_by_block"), payload=block_line(number=5) + b"\n")
    whole = Span("s3://b/k#e", 0, len(raw.payload))
    longer = Span("s3://b/k#e", 0, len(raw.payload) + 1)
    assert normalize_chunk(_with(raw, whole), CHAIN, Decode.ALL).block_runs
    with pytest.raises(MalformedPayload) as caught:
        normalize_chunk(_with(raw, longer), CHAIN, Decode.ALL)
    assert caught.value.rule == "line_too_long"


def _with(raw, span):
    return a_raw(stream=raw.stream, payload=raw.payload, span=span)


def test_a_chunk_that_names_none_of_the_assets_can_be_left_out() -> None:
    """A name inside another one is not it; where names stand in columns nobody looks."""
    content = b'{"coin":"kPEPE"}\n{"coin":"xyz:GOLD"}'
    assert names_any(content, "node_fills", ())
    assert names_any(content, "node_fills", ["BTC", "kPEPE"])
    assert names_any(content, "node_fills", ["xyz:GOLD"])
    assert not names_any(content, "node_fills", ["PEPE", "BTC"])
    assert names_any(b"time,coin\n", "asset_ctxs", ["BTC"])
