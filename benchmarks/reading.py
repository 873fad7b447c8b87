"""Liquidations only, from a node's file: against decoding every line of it."""

from __future__ import annotations

from functools import partial

from benchmarks.data import fill_blocks
from benchmarks.measure import Claim, Report, claim, medians, take_turns
from kamiyo.hyperliquid.fills import lines_with_liquidations
from kamiyo.hyperliquid.wire import decode_fill_block

_FILLS = 40_000
# One line in ten is a bad day; one in 700 is what an hour of October 2025 had.
_SHARES = {"one line in ten": (0.1, 2.5), "one line in 700": (1 / 700, None)}


def run() -> Report:
    """Both, over a buffer as it is read from disk."""
    claims, figures = list[Claim](), dict[str, object]()
    for share, (chance, target) in _SHARES.items():
        buffer = b"\n".join(fill_blocks(_FILLS, liquidated_share=chance)) + b"\n"
        rates = take_turns(
            {"only liquidations": partial(_only, buffer), "every line": partial(_every, buffer)}
        )
        claims.append(
            claim(f"liquidations only, {share} holds one", rates, "only liquidations", "every line", target)
        )
        figures |= {f"{share}: {name}": rate for name, rate in medians(rates).items()}
    return Report(claims, figures | {"unit": "bytes"})


def _only(buffer: bytes) -> int:
    for line in lines_with_liquidations(buffer):
        decode_fill_block(line)
    return len(buffer)


def _every(buffer: bytes) -> int:
    for line in buffer.splitlines():
        decode_fill_block(line)
    return len(buffer)
