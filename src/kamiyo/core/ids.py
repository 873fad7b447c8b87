"""Names for the things that have names, parsed once at the edge and trusted ever after."""

from __future__ import annotations

import re
from binascii import unhexlify
from functools import lru_cache
from typing import NewType

from kamiyo.core.errors import MalformedPayload

Address = NewType("Address", str)
Asset = NewType("Asset", str)
Chain = NewType("Chain", str)
Protocol = NewType("Protocol", str)
TransactionHash = NewType("TransactionHash", str)
LiquidationId = NewType("LiquidationId", str)
ExploitId = NewType("ExploitId", str)
SourceName = NewType("SourceName", str)
Cursor = NewType("Cursor", str)

MAINNET = Chain("hyperliquid")

_ADDRESS_BYTES, _HASH_BYTES = 20, 32
# First-dex perps (kPEPE), HIP-3 perps (xyz:TSLA), spot (@107, PURR/USDC), outcomes (#20).
_ASSET = re.compile(
    r"[@#]?[A-Za-z0-9][A-Za-z0-9_.\-+$]{0,31}([:/][A-Za-z0-9][A-Za-z0-9_.\-+$]{0,31})?", re.ASCII
)
_ZERO_HASH = "0x" + "0" * 64


def parse_address(text: str) -> Address:
    """A 20-byte address in lower case; MalformedPayload otherwise."""
    lowered = _lower(text)
    if not _is_hexadecimal(lowered, _ADDRESS_BYTES):
        raise MalformedPayload(f"not an address: {text[:64]!r}", rule="not_an_address")
    return Address(lowered)


@lru_cache(maxsize=4096)
def parse_asset(text: str) -> Asset:
    """The venue's market name, case kept; MalformedPayload for anything that cannot be one."""
    if _ASSET.fullmatch(text) is None:
        raise MalformedPayload(f"not an asset: {text[:64]!r}", rule="not_an_asset")
    return Asset(text)


def parse_transaction_hash(text: str) -> TransactionHash | None:
    """A 32-byte hash in lower case, or None for the zero hash, which names no transaction."""
    lowered = _lower(text)
    if not _is_hexadecimal(lowered, _HASH_BYTES):
        raise MalformedPayload(f"not a transaction hash: {text[:80]!r}", rule="not_a_transaction_hash")
    return None if lowered == _ZERO_HASH else TransactionHash(lowered)


def _lower(text: str) -> str:
    """In lower case; what is that already, as nearly all is, is not made a second time."""
    return text if text.islower() else text.lower()


def _is_hexadecimal(text: str, size: int) -> bool:
    """Whether ``text`` is ``0x`` and that many bytes; half the time of a regular expression."""
    try:
        return text[:2] == "0x" and len(unhexlify(text[2:])) == size
    except ValueError:
        return False
