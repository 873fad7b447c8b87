"""What a chunk of each of the archive's streams says: bytes in, facts out."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

import msgspec

from kamiyo.aggregators._hyperliquid_archive.blocks import Decode, fill_blocks
from kamiyo.aggregators._hyperliquid_archive.contexts import market_rows
from kamiyo.aggregators._hyperliquid_archive.lines import CHUNK, SEARCHED, whole_line_chunks
from kamiyo.aggregators._hyperliquid_archive.rows import fill_lines, misc_lines, trade_lines
from kamiyo.aggregators._node_payloads import FILLS, FILLS_BY_BLOCK, MISC_EVENTS_BY_BLOCK
from kamiyo.core.errors import MalformedPayload
from kamiyo.core.ids import Chain
from kamiyo.core.ports import Normalized, Raw

__all__ = [
    "ASSET_CONTEXTS",
    "TRADES",
    "Decode",
    "chunk_size",
    "names_any",
    "normalize_chunk",
    "stream_name",
    "whole_line_chunks",
]

TRADES: Final = "node_trades"
ASSET_CONTEXTS: Final = "asset_ctxs"
_ARCHIVE: Final = "archive/"  # the same lines as a node's stream of that name has, but many of them

_STREAMS: Final[dict[str, Callable[[Raw, Chain, Decode], Normalized]]] = {
    FILLS_BY_BLOCK: fill_blocks,
    FILLS: fill_lines,
    TRADES: trade_lines,
    MISC_EVENTS_BY_BLOCK: misc_lines,
    ASSET_CONTEXTS: market_rows,
}


def stream_name(stream: str) -> str:
    """How a stream's chunks are called."""
    return _ARCHIVE + stream


def chunk_size(stream: str, decode: Decode) -> int:
    """How many bytes of a stream are best understood at once."""
    return SEARCHED if (stream, decode) == (FILLS_BY_BLOCK, Decode.LIQUIDATIONS) else CHUNK


def names_any(content: bytes, stream: str, assets: Collection[str]) -> bool:
    """Whether a chunk can say anything of these assets; of no asset is of all."""
    if not assets or stream == ASSET_CONTEXTS:
        return True
    return any(b'"coin":' + msgspec.json.encode(asset) in content for asset in assets)


def normalize_chunk(raw: Raw, chain: Chain, decode: Decode) -> Normalized:
    """What a chunk says; MalformedPayload where nothing of it can be understood."""
    if raw.span is not None and raw.span.end - raw.span.start > len(raw.payload):
        raise MalformedPayload(f"a line of {raw.span.end - raw.span.start} bytes", rule="line_too_long")
    read = _STREAMS.get(raw.stream.removeprefix(_ARCHIVE))
    if read is None or not raw.stream.startswith(_ARCHIVE):
        raise MalformedPayload(f"no stream of the archive: {raw.stream[:64]!r}", rule="unknown_stream")
    return read(raw, chain, decode)
